//! What a host can tune about its files.

/// Sizes and limits of the native backend, per open store where nothing else is said.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// Memory for cached pages of the B-tree file, in bytes. Taken as needed, not at once.
    pub cache_bytes: usize,
    /// Memory for values that were read lately and more than once, in bytes, of all stores of an
    /// environment together. Taken as needed, not at once; 0 for none.
    pub value_cache_bytes: usize,
    /// How many commits may wait for the writer; the port allows its callers one at a time, so
    /// more than a few is a defect of the caller and is refused.
    pub queued_commits: usize,
    /// The size a journal begins with, in bytes. It doubles while it fills up between
    /// checkpoints.
    pub journal_initial_bytes: u64,
    /// The largest journal, in bytes; bounds what opening after a crash has to replay.
    pub journal_bytes: u64,
    /// Batches of more bytes than this skip the journal: writing them twice would cost more than
    /// the checkpoint that makes them durable.
    pub direct_bytes: u64,
    /// Commits between two checkpoints, if the journal does not fill up before.
    pub checkpoint_batches: u64,
    /// Puts and deletes between two checkpoints; bounds how long one takes, and commits wait.
    pub checkpoint_writes: u64,
    /// A checkpoint is made when nothing was committed for so long, in milliseconds.
    pub checkpoint_idle_ms: u64,
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            value_cache_bytes: 64 << 20,
            queued_commits: 16,
            journal_initial_bytes: 256 << 10,
            journal_bytes: 8 << 20,
            direct_bytes: 2 << 20,
            checkpoint_batches: 128,
            checkpoint_writes: 16_384,
            checkpoint_idle_ms: 1_000,
        }
    }
}

impl NativeOptions {
    /// The size that a journal is made with.
    pub(crate) fn first_journal_bytes(&self) -> u64 {
        self.journal_initial_bytes.min(self.journal_bytes)
    }
}
