//! The script engine: QuickJS as a WebAssembly module inside wasmtime.
//!
//! Invariants:
//! - the module imports a clock and nothing else, so a script reaches no file, socket or other
//!   script;
//! - an instance serves one program of one database and is thrown away when a call fails;
//! - a running script gives way to other tasks every few milliseconds, and ends at its limits of
//!   time, memory, stack and output.

mod failure;
mod index_functions;
mod instance;
mod limits;
mod module;
mod module_functions;
mod runtime;
#[cfg(test)]
mod tests;
mod ticker;
#[cfg(test)]
mod translation_tests;

pub use index_functions::ScriptCompiler;
pub use limits::ScriptLimits;
pub use runtime::{DatabaseScripts, ScriptRuntime};
