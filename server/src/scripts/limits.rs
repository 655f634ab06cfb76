//! What a script may use.

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLimits {
    /// How long it may run.
    pub timeout_ms: u64,
    /// How much memory its values may take.
    pub max_memory_bytes: u32,
    /// How much stack its calls may take.
    pub max_stack_bytes: u32,
    /// How large its result may be.
    pub max_output_bytes: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            timeout_ms: 5_000,
            max_memory_bytes: 64 << 20,
            max_stack_bytes: 256 << 10,
            max_output_bytes: 64 << 20,
        }
    }
}
