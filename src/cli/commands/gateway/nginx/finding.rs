//! What is wrong with a configuration, and where.

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct NginxFinding {
    pub(in crate::cli) file: String,
    pub(in crate::cli) line: usize,
    /// The kind, for scripts.
    pub(in crate::cli) problem: &'static str,
    /// The block, as the file has it: `location /a`.
    pub(in crate::cli) at: String,
    pub(in crate::cli) message: String,
    /// What to do.
    pub(in crate::cli) next: String,
}
