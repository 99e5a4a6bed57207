//! What is measured: the rows of the table, in order. `docs/performance.md` has the same, and says what each means.

/// Something measured, in the unit that its name ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Issued,
    MemoryIssued,
    PeakIssuing,
    Start,
    PeakStart,
    PeakStartAKey,
    MemoryStarted,
    MemoryUsed,
    Rows,
    Log,
    Indexes,
    Files,
    Stop,
    StartUsed,
    Cpu,
    CpuServing,
    CpuRatio,
    Preview,
    Take,
    Give,
}

use Measure::{
    Cpu, CpuRatio, CpuServing, Files, Give, Indexes, Issued, Log, MemoryIssued, MemoryStarted, MemoryUsed,
    PeakIssuing, PeakStart, PeakStartAKey, Preview, Rows, Start, StartUsed, Stop, Take,
};

/// Every measure, its name, and how many digits it has behind the point.
pub(crate) const MEASURES: [(Measure, &str, usize); 20] = [
    (Issued, "keys issued in a second", 0),
    (MemoryIssued, "memory after issuing, MiB", 0),
    (PeakIssuing, "peak while issuing, MiB", 0),
    (Start, "start to the first right answer, s", 2),
    (PeakStart, "peak of a start, MiB", 0),
    (PeakStartAKey, "peak of a start, bytes a key", 0),
    (MemoryStarted, "memory after a start, MiB", 0),
    (MemoryUsed, "memory when each key was used, MiB", 0),
    (Rows, "rows on disk, bytes a key", 0),
    (Log, "log on disk, bytes a key", 0),
    (Indexes, "indexes on disk, bytes a key", 0),
    (Files, "all files, MiB", 0),
    (Stop, "stop when each key was used, s", 2),
    (StartUsed, "start after that, s", 2),
    (Cpu, "CPU a Check, µs", 1),
    (CpuServing, "of it in threads that answer, µs", 1),
    (CpuRatio, "CPU a Check beside 1,000 keys, ratio", 2),
    (Preview, "preview of a change of the policy, s", 2),
    (Take, "the change, taking a scope, s", 2),
    (Give, "the change, giving it back, s", 2),
];
