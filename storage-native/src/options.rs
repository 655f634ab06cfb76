//! What a host can tune about its files.

/// Sizes and limits of the native backend, per open store unless said otherwise.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// Memory for cached pages of the B-tree file, in bytes.
    pub cache_bytes: usize,
    /// How many commits may wait for the writer; the port allows its callers one at a time, so
    /// more than a few is a defect of the caller and is refused.
    pub queued_commits: usize,
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            queued_commits: 16,
        }
    }
}
