//! From what the guest or wasmtime reports to the core's errors.

use pinyon_core::host::{ScriptFailure, ScriptFailureKind, ScriptProgram};
use pinyon_core::{Error, ErrorKind};
use serde::Deserialize;

use super::ScriptLimits;

/// What the guest says of a thrown value.
#[derive(Deserialize)]
struct Thrown {
    name: String,
    message: String,
    stack: String,
}

/// The error for what a script threw, when the guest had grown to `memory_bytes`.
pub(super) fn from_thrown(
    json: &[u8],
    program: &ScriptProgram,
    limits: &ScriptLimits,
    memory_bytes: usize,
) -> Error {
    let Ok(thrown) = serde_json::from_slice::<Thrown>(json) else {
        return engine_defect("the script engine described an error badly");
    };
    let kind = match (thrown.name.as_str(), thrown.message.as_str()) {
        // Without room for an error, QuickJS throws nothing but null.
        ("", "null") if memory_bytes >= limits.max_memory_bytes as usize => {
            ScriptFailureKind::Memory
        }
        ("SyntaxError", _) => ScriptFailureKind::Syntax,
        ("InternalError", "out of memory" | "string too long") => ScriptFailureKind::Memory,
        ("RangeError" | "InternalError", "Maximum call stack size exceeded" | "stack overflow") => {
            ScriptFailureKind::Stack
        }
        _ => ScriptFailureKind::Thrown,
    };
    let message = match kind {
        ScriptFailureKind::Memory => memory_message(limits),
        ScriptFailureKind::Stack => stack_message(limits),
        _ if thrown.name.is_empty() || thrown.name == "Error" => thrown.message,
        _ => format!("{}: {}", thrown.name, thrown.message),
    };
    ScriptFailure {
        kind,
        message,
        place: place(&thrown.stack, program),
    }
    .into_error()
}

/// The error for a call that wasmtime stopped.
pub(super) fn from_trap(reason: &wasmtime::Error, limits: &ScriptLimits) -> Error {
    let stopped = |kind, message| {
        ScriptFailure {
            kind,
            message,
            place: None,
        }
        .into_error()
    };
    match reason.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => stopped(
            ScriptFailureKind::Time,
            format!("it ran longer than {} ms", limits.timeout_ms),
        ),
        Some(wasmtime::Trap::StackOverflow) => {
            stopped(ScriptFailureKind::Stack, stack_message(limits))
        }
        // The guest gives up this way when it cannot get memory for itself.
        Some(wasmtime::Trap::UnreachableCodeReached) => {
            stopped(ScriptFailureKind::Memory, memory_message(limits))
        }
        _ => engine_defect(&format!("the script engine failed: {reason:#}")),
    }
}

/// The error for a result that is too large.
pub(super) fn too_large(byte_count: usize, limits: &ScriptLimits) -> Error {
    ScriptFailure {
        kind: ScriptFailureKind::Output,
        message: format!(
            "its result has {byte_count} bytes; the limit is {}",
            limits.max_output_bytes
        ),
        place: None,
    }
    .into_error()
}

pub(super) fn engine_defect(message: &str) -> Error {
    Error::new(ErrorKind::Internal, message)
}

fn memory_message(limits: &ScriptLimits) -> String {
    format!(
        "it needed more than {} bytes of memory",
        limits.max_memory_bytes
    )
}

fn stack_message(limits: &ScriptLimits) -> String {
    format!(
        "its calls nested deeper than {} bytes of stack",
        limits.max_stack_bytes
    )
}

/// The first place in a part that has an author, from a stack such as `at f (name:3:4)`.
fn place(stack: &str, program: &ScriptProgram) -> Option<(usize, usize)> {
    for line in stack.lines() {
        for part in &program.parts {
            let Some((_, after)) = line.split_once(&format!("{}:", part.name)) else {
                continue;
            };
            let mut numbers = after.split(|c: char| !c.is_ascii_digit());
            let number = |text: Option<&str>| text.and_then(|it| it.parse::<usize>().ok());
            let Some(line) = number(numbers.next()) else {
                continue;
            };
            let column = number(numbers.next()).unwrap_or(1);
            if let Some(line) = line.checked_sub(part.lines_before).filter(|line| *line > 0) {
                return Some((line, column));
            }
        }
    }
    None
}
