//! Reading the log: its end, its records, the rows that they name, and the check of the whole chain.

mod after;
mod end;
mod names;
mod newest;
mod query;
mod recode;
mod record;
mod verify;

pub(super) use self::{
    after::after,
    end::{head, position},
    names::{
        change_of_many, has_gains, keys_named_since, keys_within, named_between, named_since, names_key,
        policy_written_at,
    },
    newest::{Newest, RecordNames},
    query::query,
    recode::recode,
    record::unreadable,
    verify::verify,
};
