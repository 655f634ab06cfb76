//! One running guest, with one program in it.

use std::sync::Arc;

use pinyon_core::Result;
use pinyon_core::host::{ScriptProgram, Timestamp};
use wasmtime::{
    Engine, InstancePre, Memory, Store, StoreLimits, StoreLimitsBuilder, TypedFunc, UpdateDeadline,
};

use super::ScriptLimits;
use super::failure::{engine_defect, from_thrown, from_trap, too_large};
use super::ticker::TICK_MS;

/// What the guest says of a call.
const DONE: u32 = 0;
const THROWN: u32 = 1;

/// How much memory the guest itself takes beside a script's values.
const GUEST_BYTES: usize = 16 << 20;

/// What belongs to a guest on the host's side.
pub(super) struct HostState {
    limits: StoreLimits,
    now_us: f64,
    ticks_left: u64,
}

impl HostState {
    /// The clock that the guest imports.
    pub(super) fn now_us(&self) -> f64 {
        self.now_us
    }
}

pub(super) struct ScriptInstance {
    program: Arc<ScriptProgram>,
    limits: ScriptLimits,
    store: Store<HostState>,
    memory: Memory,
    reserve: TypedFunc<u32, u32>,
    evaluate: TypedFunc<u32, u32>,
    call: TypedFunc<(), u32>,
    result_start: TypedFunc<(), u32>,
    result_length: TypedFunc<(), u32>,
}

fn broken(reason: wasmtime::Error) -> pinyon_core::Error {
    engine_defect(&format!("the script engine cannot start: {reason:#}"))
}

impl ScriptInstance {
    /// A guest that has run the parts of `program`.
    pub(super) async fn start(
        guest: &InstancePre<HostState>,
        program: Arc<ScriptProgram>,
        limits: ScriptLimits,
        now: Timestamp,
    ) -> Result<Self> {
        let memory_bytes = limits.max_memory_bytes as usize + GUEST_BYTES;
        let mut store = new_store(guest.module().engine(), memory_bytes, limits, now);
        let instance = guest.instantiate_async(&mut store).await.map_err(broken)?;
        let Some(memory) = instance.get_memory(&mut store, "memory") else {
            return Err(engine_defect("the script engine has no memory"));
        };
        let function = |store: &mut Store<HostState>, name| {
            instance
                .get_typed_func::<u32, u32>(store, name)
                .map_err(broken)
        };
        let plain = |store: &mut Store<HostState>, name| {
            instance
                .get_typed_func::<(), u32>(store, name)
                .map_err(broken)
        };
        let reserve = function(&mut store, "reserve")?;
        let evaluate = function(&mut store, "evaluate")?;
        let call = plain(&mut store, "call")?;
        let result_start = plain(&mut store, "result_start")?;
        let result_length = plain(&mut store, "result_length")?;
        let initialize = instance.get_typed_func::<(), ()>(&mut store, "_initialize");
        let initialize = initialize.map_err(broken)?;
        initialize
            .call_async(&mut store, ())
            .await
            .map_err(broken)?;
        let start = instance.get_typed_func::<(u32, u32), u32>(&mut store, "start");
        let sizes = (limits.max_memory_bytes, limits.max_stack_bytes);
        let started = start.map_err(broken)?.call_async(&mut store, sizes).await;
        if started.map_err(broken)? != DONE {
            return Err(engine_defect("the script engine did not start"));
        }
        let mut instance = Self {
            program: Arc::clone(&program),
            limits,
            store,
            memory,
            reserve,
            evaluate,
            call,
            result_start,
            result_length,
        };
        for part in &program.parts {
            let input = [part.name.as_bytes(), part.text.as_bytes()];
            instance.write(&input).await?;
            let name_length = size(part.name.len())?;
            let evaluate = instance.evaluate.clone();
            let status = evaluate.call_async(&mut instance.store, name_length).await;
            instance.take_result(status).await?;
        }
        Ok(instance)
    }

    pub(super) fn program(&self) -> &Arc<ScriptProgram> {
        &self.program
    }

    /// Calls the program. After an error the instance must not be used again.
    pub(super) async fn call(&mut self, input: &str, now: Timestamp) -> Result<String> {
        begin(&mut self.store, self.limits, now);
        self.write(&[input.as_bytes()]).await?;
        let status = self.call.clone().call_async(&mut self.store, ()).await;
        let result = self.take_result(status).await?;
        String::from_utf8(result).map_err(|_| engine_defect("the script engine returned no text"))
    }

    async fn write(&mut self, parts: &[&[u8]]) -> Result<()> {
        let length: usize = parts.iter().map(|it| it.len()).sum();
        let reserve = self.reserve.clone();
        let reserved = reserve.call_async(&mut self.store, size(length)?).await;
        let mut at = reserved.map_err(|reason| from_trap(&reason, &self.limits))? as usize;
        for part in parts {
            let written = self.memory.write(&mut self.store, at, part);
            written.map_err(|_| engine_defect("the script engine reserved too little"))?;
            at += part.len();
        }
        Ok(())
    }

    async fn take_result(&mut self, status: wasmtime::Result<u32>) -> Result<Vec<u8>> {
        let limits = self.limits;
        let trapped = |reason: wasmtime::Error| from_trap(&reason, &limits);
        let status = status.map_err(trapped)?;
        let (start, length) = (self.result_start.clone(), self.result_length.clone());
        let start = start
            .call_async(&mut self.store, ())
            .await
            .map_err(trapped)? as usize;
        let length = length
            .call_async(&mut self.store, ())
            .await
            .map_err(trapped)? as usize;
        if length > limits.max_output_bytes {
            return Err(too_large(length, &limits));
        }
        let end = start.saturating_add(length);
        let Some(result) = self.memory.data(&self.store).get(start..end) else {
            return Err(engine_defect(
                "the script engine's result lies outside its memory",
            ));
        };
        match status {
            DONE => Ok(result.to_vec()),
            THROWN => {
                let memory_bytes = self.memory.data_size(&self.store);
                Err(from_thrown(result, &self.program, &limits, memory_bytes))
            }
            _ => Err(engine_defect(&String::from_utf8_lossy(result))),
        }
    }
}

/// A store whose guest has these limits, beginning now.
pub(super) fn new_store(
    engine: &Engine,
    memory_bytes: usize,
    limits: ScriptLimits,
    now: Timestamp,
) -> Store<HostState> {
    let state = HostState {
        limits: StoreLimitsBuilder::new().memory_size(memory_bytes).build(),
        now_us: 0.0,
        ticks_left: 0,
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limits);
    store.epoch_deadline_callback(|mut store| {
        let state = store.data_mut();
        state.ticks_left = state.ticks_left.saturating_sub(1);
        Ok(match state.ticks_left {
            0 => UpdateDeadline::Interrupt,
            _ => UpdateDeadline::Yield(1),
        })
    });
    begin(&mut store, limits, now);
    store
}

/// Sets the clock and the time that is left.
fn begin(store: &mut Store<HostState>, limits: ScriptLimits, now: Timestamp) {
    let state = store.data_mut();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a script's clock shows milliseconds"
    )]
    let now_us = now.unix_ms() as f64 * 1000.0;
    state.now_us = now_us;
    state.ticks_left = (limits.timeout_ms / TICK_MS).max(1) + 1;
    store.set_epoch_deadline(1);
}

fn size(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| {
        pinyon_core::Error::new(
            pinyon_core::ErrorKind::LimitExceeded,
            format!("{length} bytes are too many for a script"),
        )
    })
}
