//! How a browser's storage behaves.

/// Sizes and times; the defaults fit an application with up to some 100,000 documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrowserOptions {
    /// The most bytes of pages kept in memory.
    pub max_cached_bytes: usize,
    /// About how many bytes a page holds.
    pub page_bytes: usize,
    /// About how many bytes of a commit go into one record of the log.
    pub log_record_bytes: usize,
    /// The log is compacted when it holds this many bytes, or an eighth of all pages if that is
    /// more (at most four times this).
    pub max_log_bytes: usize,
    /// A log of this many bytes, or a 64th of all pages if that is more, is compacted when
    /// nobody read or wrote for [`Self::idle_ms`].
    pub idle_log_bytes: usize,
    /// How long without a use counts as idle.
    pub idle_ms: u32,
    /// The log is compacted when it holds this many commits.
    pub max_log_commits: usize,
    /// How long opening waits for another tab to let go of the environment.
    pub lock_wait_ms: u32,
    /// Whether commits go into a journal in private files, where a worker may open them. If not, what
    /// such a journal has is moved into the log.
    pub has_journal_files: bool,
    /// Whether to work in memory, with a flag that says so, where the browser has no IndexedDB
    /// to give (private windows, embedded pages).
    pub is_memory_allowed: bool,
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self {
            max_cached_bytes: 16 << 20,
            page_bytes: 32 << 10,
            // A browser keeps a value of 64 KiB and more in a file of its own, which takes longer
            // to write than several values beside each other.
            log_record_bytes: 60 << 10,
            max_log_bytes: 4 << 20,
            idle_log_bytes: 256 << 10,
            idle_ms: 500,
            max_log_commits: 2_000,
            lock_wait_ms: 5_000,
            has_journal_files: true,
            is_memory_allowed: true,
        }
    }
}
