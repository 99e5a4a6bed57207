//! What a store has counted of its own work.

use std::time::Duration;

/// The upper bounds of how many works a transaction took together.
pub const GROUP_BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The upper bounds of how long a transaction took to write, in microseconds.
pub const COMMIT_BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// Since the process began, but for what waits now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Transactions that are durable.
    pub commits: u64,
    /// Transactions that were not written, or whose fate was unknown.
    pub failures: u64,
    /// Transactions by how many works they took, of each bucket alone; those over every bound at the end.
    pub groups: Vec<u64>,
    /// The works of all of them.
    pub works: u64,
    /// Transactions by how long they took, the same way.
    pub times: Vec<u64>,
    /// The time of all of them.
    pub time: Duration,
    /// Works that wait to be written.
    pub waiting: usize,
    /// How many may wait.
    pub capacity: usize,
}
