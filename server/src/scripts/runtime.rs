//! The engine of the process, and what one database has of it.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::GzDecoder;
use pinyon_core::Result;
use pinyon_core::host::{ScriptCall, ScriptEngine, ScriptFuture, ScriptProgram};
use tokio::sync::OnceCell;
use wasmtime::{Caller, Config, Engine, InstancePre, Linker, Module};

use super::ScriptLimits;
use super::failure::engine_defect;
use super::instance::{HostState, ScriptInstance};
use super::ticker::{Running, Ticker};

/// QuickJS, built from `server/script-guest` by `cargo xtask script-guest`.
const GUEST: &[u8] = include_bytes!("../../script-guest/quickjs.wasm.gz");

/// How many instances a database keeps for the next calls.
const KEPT_INSTANCES: usize = 8;

/// The script engine of a process. Nothing is compiled before the first script runs.
pub struct ScriptRuntime {
    limits: ScriptLimits,
    started: OnceCell<Started>,
    /// Compiled when the first script runs; modules of indexes do without.
    guest: OnceCell<InstancePre<HostState>>,
}

struct Started {
    engine: Engine,
    ticker: Ticker,
}

impl ScriptRuntime {
    /// An engine whose calls have these limits.
    pub fn new(limits: ScriptLimits) -> Self {
        Self {
            limits,
            started: OnceCell::new(),
            guest: OnceCell::new(),
        }
    }

    /// What calls of modules need: their engine, its clock, and their limits.
    pub(super) async fn engine(&self) -> Result<(Engine, Running, ScriptLimits)> {
        let started = self.started().await?;
        Ok((started.engine.clone(), started.ticker.run(), self.limits))
    }

    async fn started(&self) -> Result<&Started> {
        let start = || async {
            let engine = new_engine(self.limits.max_stack_bytes as usize).map_err(|reason| {
                engine_defect(&format!("the script engine cannot start: {reason:#}"))
            })?;
            let ticker = Ticker::start(&engine)?;
            Ok(Started { engine, ticker })
        };
        self.started.get_or_try_init(start).await
    }

    async fn guest(&self) -> Result<&InstancePre<HostState>> {
        let engine = self.started().await?.engine.clone();
        let compile = || async move {
            let compiled = tokio::task::spawn_blocking(move || compile(&engine)).await;
            let failed = |reason: String| {
                engine_defect(&format!("the script engine cannot be compiled: {reason}"))
            };
            compiled
                .map_err(|reason| failed(reason.to_string()))?
                .map_err(|reason| failed(format!("{reason:#}")))
        };
        self.guest.get_or_try_init(compile).await
    }
}

fn new_engine(stack_bytes: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    // The guest's own limit on its stack, which becomes an exception, must come first.
    let wasm_stack_bytes = (stack_bytes * 4).max(1 << 20);
    config.epoch_interruption(true);
    config.max_wasm_stack(wasm_stack_bytes);
    config.async_stack_size(wasm_stack_bytes + (1 << 20));
    Engine::new(&config)
}

fn compile(engine: &Engine) -> wasmtime::Result<InstancePre<HostState>> {
    let mut guest = Vec::new();
    GzDecoder::new(GUEST).read_to_end(&mut guest)?;
    let module = Module::new(engine, &guest)?;
    let mut linker = Linker::new(engine);
    linker.func_wrap(
        "env",
        "__rquickjs_host_now_us",
        |caller: Caller<'_, HostState>| caller.data().now_us(),
    )?;
    linker.instantiate_pre(&module)
}

/// What one database has of the engine: instances that no other database sees.
pub struct DatabaseScripts {
    runtime: Arc<ScriptRuntime>,
    idle: Mutex<Vec<ScriptInstance>>,
}

impl DatabaseScripts {
    /// For one database.
    pub fn new(runtime: Arc<ScriptRuntime>) -> Self {
        Self {
            runtime,
            idle: Mutex::default(),
        }
    }

    pub(super) fn runtime(&self) -> &Arc<ScriptRuntime> {
        &self.runtime
    }

    fn take_idle(&self, program: &Arc<ScriptProgram>) -> Option<ScriptInstance> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |it: &ScriptInstance| Arc::ptr_eq(it.program(), program) || it.program() == program;
        let place = idle.iter().rposition(same)?;
        Some(idle.remove(place))
    }

    fn keep(&self, instance: ScriptInstance) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() == KEPT_INSTANCES {
            idle.remove(0);
        }
        idle.push(instance);
    }

    async fn run(&self, call: ScriptCall) -> Result<String> {
        let guest = self.runtime.guest().await?;
        let _running = self.runtime.started().await?.ticker.run();
        let mut instance = match self.take_idle(&call.program) {
            Some(instance) => instance,
            None => {
                let limits = self.runtime.limits;
                ScriptInstance::start(guest, call.program, limits, call.now).await?
            }
        };
        let result = instance.call(&call.input, call.now).await?;
        self.keep(instance);
        Ok(result)
    }
}

impl ScriptEngine for DatabaseScripts {
    fn call(&self, call: ScriptCall) -> ScriptFuture<'_> {
        Box::pin(self.run(call))
    }
}
