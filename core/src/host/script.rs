//! The script port: JavaScript that the host runs for the core.
//!
//! What a script may do is decided by the core: it gives the engine a program and a text, and gets
//! a text back. Programs have no input and output besides, and a call that needs a document it was
//! not given says so in its result and is made again. So an engine never calls back.
//!
//! Invariants an engine keeps:
//! - no state passes from one database to another, nor from one program to another;
//! - a call that does not end, nests or allocates without end, or throws, fails alone.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::Timestamp;
use crate::storage::{MaybeSend, MaybeSync};
use crate::{Error, ErrorKind, Result};

/// JavaScript that defines a global function `main`, from a string to a string.
#[derive(Debug, PartialEq, Eq)]
pub struct ScriptProgram {
    /// Scripts, run in this order before `main` is called.
    pub parts: Vec<ScriptPart>,
}

/// A script of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct ScriptPart {
    /// What errors call it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// How many lines of the text stand before what its author wrote; errors count from there.
    pub lines_before: usize,
}

impl ScriptPart {
    /// A part that comes before all that authors wrote: no error is at a place in it.
    pub fn prelude(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            lines_before: usize::MAX,
        }
    }
}

/// A call of a program.
#[derive(Debug, Clone)]
pub struct ScriptCall {
    /// The program. An engine may keep what it made of it for the next call with the same one.
    pub program: Arc<ScriptProgram>,
    /// What `main` is called with.
    pub input: String,
    /// The time that the script sees; it stands still.
    pub now: Timestamp,
}

/// The answer of a call, to come.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub type ScriptFuture<'a> = Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;
/// The answer of a call, to come.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub type ScriptFuture<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// Runs scripts, within limits that are its host's.
pub trait ScriptEngine: MaybeSend + MaybeSync {
    /// Calls a program.
    ///
    /// # Errors
    /// `InvalidRequest` or `LimitExceeded` with a [`ScriptFailure`] when the script is to blame.
    fn call(&self, call: ScriptCall) -> ScriptFuture<'_>;
}

/// How a script failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptFailureKind {
    /// It is not JavaScript.
    Syntax,
    /// It threw.
    Thrown,
    /// It took too long.
    Time,
    /// It needed too much memory.
    Memory,
    /// Its calls nested too deep.
    Stack,
    /// Its result is too large.
    Output,
}

/// Details of an error that a script caused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFailure {
    /// How it failed.
    pub kind: ScriptFailureKind,
    /// What was thrown, or which limit was passed.
    pub message: String,
    /// The line and column in the author's text, if they are known; both from 1.
    pub place: Option<(usize, usize)>,
}

impl ScriptFailure {
    /// The error that says this.
    pub fn into_error(self) -> Error {
        let kind = match self.kind {
            ScriptFailureKind::Syntax | ScriptFailureKind::Thrown => ErrorKind::InvalidRequest,
            _ => ErrorKind::LimitExceeded,
        };
        Error::new(kind, self.to_string()).with_source(self)
    }
}

impl fmt::Display for ScriptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column} ")?;
        }
        match self.kind {
            ScriptFailureKind::Syntax => write!(f, "the script is not valid: {}", self.message),
            ScriptFailureKind::Thrown => write!(f, "the script threw: {}", self.message),
            _ => write!(f, "the script was stopped: {}", self.message),
        }
    }
}

impl std::error::Error for ScriptFailure {}

/// Compiles a program that is configured; `what` names it.
///
/// # Errors
/// `InvalidRequest` that names it and the place; whatever the engine reports.
pub(crate) async fn check_program(
    engine: &dyn ScriptEngine,
    program: Arc<ScriptProgram>,
    now: Timestamp,
    what: &str,
) -> Result<()> {
    let call = ScriptCall {
        program,
        input: "{\"check\":true}".to_owned(),
        now,
    };
    let Err(error) = engine.call(call).await else {
        return Ok(());
    };
    Err(match error.details::<ScriptFailure>() {
        Some(failure) => Error::invalid(format!("{what} cannot be used: {failure}")),
        None => error,
    })
}
