//! One WebAssembly module of an index, called anew for each document or group.
//!
//! Invariants: a module imports nothing; every call begins with fresh memory, so nothing passes
//! from one document to the next; a call has the limits of a script.

use pinyon_core::host::{ScriptFailure, ScriptFailureKind, Timestamp};
use pinyon_core::{Error, Result};
use wasmtime::{ExternType, Module, Store, Trap, ValType};

use super::ScriptLimits;
use super::failure::{engine_defect, too_large};
use super::instance::{HostState, new_store};
use super::runtime::ScriptRuntime;

#[cfg(test)]
mod tests;

/// The largest module.
const MAX_MODULE_BYTES: usize = 4 << 20;

/// A module that has what an index needs of it.
pub(super) struct IndexModule {
    module: Module,
}

impl IndexModule {
    /// Compiles a module and checks that it has `functions`.
    pub(super) async fn new(
        runtime: &ScriptRuntime,
        bytes: &[u8],
        functions: &[&str],
    ) -> Result<Self> {
        if bytes.len() > MAX_MODULE_BYTES {
            return Err(Error::invalid(format!(
                "the module has {} bytes; at most {MAX_MODULE_BYTES} are allowed",
                bytes.len()
            )));
        }
        let (engine, ..) = runtime.engine().await?;
        let module = Module::from_binary(&engine, bytes)
            .map_err(|reason| Error::invalid(format!("the module is not valid: {reason:#}")))?;
        if let Some(import) = module.imports().next() {
            return Err(Error::invalid(format!(
                "the module imports '{}' of '{}', but a module of an index gets nothing to import",
                import.name(),
                import.module()
            )));
        }
        let found = Self { module };
        if !matches!(
            found.module.get_export("memory"),
            Some(ExternType::Memory(_))
        ) {
            return Err(Error::invalid("the module does not export 'memory'"));
        }
        found.check("allocate", &[ValType::I32], &ValType::I32)?;
        for function in functions {
            found.check(function, &[ValType::I32, ValType::I32], &ValType::I64)?;
        }
        Ok(found)
    }

    fn check(&self, name: &str, parameters: &[ValType], result: &ValType) -> Result<()> {
        let same = |a: ValType, b: &ValType| ValType::eq(&a, b);
        let fits = match self.module.get_export(name) {
            Some(ExternType::Func(function)) => {
                function.params().len() == parameters.len()
                    && function.params().zip(parameters).all(|(a, b)| same(a, b))
                    && function.results().len() == 1
                    && function.results().all(|it| same(it, result))
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
        Err(Error::invalid(format!(
            "the module does not export the function '{name}' from ({}) to {result}",
            parameters.join(", ")
        )))
    }

    /// Calls a function from text to text.
    pub(super) async fn call(
        &self,
        runtime: &ScriptRuntime,
        function: &str,
        input: &str,
        now: Timestamp,
    ) -> Result<String> {
        let (engine, _running, limits) = runtime.engine().await?;
        let memory_bytes = limits.max_memory_bytes as usize;
        let mut store = new_store(&engine, memory_bytes, limits, now);
        let result = self.call_in(&mut store, function, input, &limits).await;
        result.map_err(|reason| match reason {
            Failure::Wasmtime(reason) => stopped(&reason, &limits),
            Failure::Known(error) => error,
        })
    }

    async fn call_in(
        &self,
        store: &mut Store<HostState>,
        function: &str,
        input: &str,
        limits: &ScriptLimits,
    ) -> Result<String, Failure> {
        let instance = wasmtime::Instance::new_async(&mut *store, &self.module, &[]).await?;
        let missing = || Failure::Known(engine_defect("a module lost an export"));
        let memory = instance
            .get_memory(&mut *store, "memory")
            .ok_or_else(missing)?;
        let allocate = instance.get_typed_func::<u32, u32>(&mut *store, "allocate")?;
        let function = instance.get_typed_func::<(u32, u32), u64>(&mut *store, function)?;
        let length = u32::try_from(input.len())
            .map_err(|_| bad("the document is too large for a module".to_owned()))?;
        let at = allocate.call_async(&mut *store, length).await?;
        let written = memory.write(&mut *store, at as usize, input.as_bytes());
        written.map_err(|_| bad("'allocate' gave a place outside the memory".to_owned()))?;
        let place = function.call_async(&mut *store, (at, length)).await?;
        let (start, length) = ((place >> 32) as usize, (place & 0xffff_ffff) as usize);
        if length > limits.max_output_bytes {
            return Err(Failure::Known(too_large(length, limits)));
        }
        let result = memory
            .data(&*store)
            .get(start..start.saturating_add(length));
        let result = result.ok_or_else(|| bad("its result lies outside the memory".to_owned()))?;
        let text = std::str::from_utf8(result);
        let text = text.map_err(|_| bad("its result is not UTF-8".to_owned()))?;
        Ok(text.to_owned())
    }
}

enum Failure {
    Wasmtime(wasmtime::Error),
    Known(Error),
}

impl From<wasmtime::Error> for Failure {
    fn from(reason: wasmtime::Error) -> Self {
        Self::Wasmtime(reason)
    }
}

fn failure(kind: ScriptFailureKind, message: String) -> Error {
    ScriptFailure {
        kind,
        message,
        place: None,
    }
    .into_error()
}

fn bad(message: String) -> Failure {
    Failure::Known(failure(ScriptFailureKind::Thrown, message))
}

/// The error for a call that wasmtime stopped.
fn stopped(reason: &wasmtime::Error, limits: &ScriptLimits) -> Error {
    match reason.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => failure(
            ScriptFailureKind::Time,
            format!("it ran longer than {} ms", limits.timeout_ms),
        ),
        Some(Trap::StackOverflow) => failure(
            ScriptFailureKind::Stack,
            "its calls nested deeper than its stack".to_owned(),
        ),
        Some(trap) => failure(ScriptFailureKind::Thrown, trap.to_string()),
        None => failure(ScriptFailureKind::Memory, format!("{reason:#}")),
    }
}
