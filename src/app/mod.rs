//! Wires the adapters together; the one place that names them all.

mod actors;
mod background;
mod begin;
mod doctor;
mod error;
mod initialize;
mod listeners;
mod memory;
mod metrics;
mod new_roots;
mod offline;
mod reach;
mod readiness;
mod recover;
mod root_key;
mod roots;
mod serve;
mod service;
mod services;
mod settings;
mod start;
mod store;
mod tasks;
mod threads;
mod tls;

pub use self::{
    doctor::doctor,
    error::AppError,
    initialize::initialize,
    offline::verify_offline,
    recover::recover,
    root_key::Destination,
    roots::roots,
    serve::serve,
    service::{Service, StopReason},
    settings::Settings,
};
