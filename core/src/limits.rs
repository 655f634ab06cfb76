//! The limits of a database that whoever opens it chooses.

/// What a database accepts. The defaults are the core's; the server has its own for some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest document id, in bytes of UTF-8.
    pub max_id_bytes: usize,
    /// The largest document, in bytes of JSON without insignificant white space.
    pub max_document_bytes: usize,
    /// Documents from this size raise a notice, with no other effect.
    pub large_document_bytes: usize,
    /// The largest attachment, in bytes.
    pub max_attachment_bytes: u64,
    /// The deepest nesting of arrays and objects in a document; at most 120.
    pub max_json_depth: usize,
    /// The most commands in one batch.
    pub max_batch_commands: usize,
    /// The most operations waiting for the merger; further callers wait their turn.
    pub max_queued_operations: usize,
    /// The most bytes waiting for the merger; further callers wait their turn.
    pub max_queued_bytes: usize,
    /// The most operations the merger puts in one commit.
    pub max_merged_operations: usize,
    /// The merger closes a commit once it holds this many bytes.
    pub max_merged_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_id_bytes: 512,
            max_document_bytes: 512 << 20,
            large_document_bytes: 5 << 20,
            max_attachment_bytes: 1 << 40,
            max_json_depth: 100,
            max_batch_commands: 1_000_000,
            max_queued_operations: 4096,
            max_queued_bytes: 64 << 20,
            max_merged_operations: 4096,
            max_merged_bytes: 16 << 20,
        }
    }
}
