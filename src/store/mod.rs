//! Where truth is kept: the data directory, the roots, and the SQLite database behind [`crate::ports::KeyStore`].
//!
//! How keys are written down, coded, summed up and chained (`records`, `rows`, `key_row`, `sum`, `chain`) is the same for every back end; only
//! `sqlite` knows SQLite. Nothing here decides anything about a key.

pub mod anchor;
pub mod data_dir;
pub mod roots;
pub mod settings;
pub mod sqlite;

mod chain;
mod draws;
mod key_row;
mod records;
mod rows;
mod sum;
