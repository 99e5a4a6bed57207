//! When counts are looked at, and how one stands for a request.

use super::Replicas;
use crate::domain::time::Now;

/// When a sheet is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Now.
    pub now: Now,
    /// What was open then may have been used by a process that did not stop in order.
    pub unclean: Option<Now>,
    /// How many processes count by the same limits.
    pub replicas: Replicas,
}

/// How a count stands for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The limit allows it.
    pub passes: bool,
    /// It may be charged before anything more is written.
    pub covered: bool,
}
