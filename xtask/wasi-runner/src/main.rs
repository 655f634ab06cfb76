//! Runs a `wasm32-wasip1` program, such as a test binary, and passes its exit code on.
//!
//! A crate of its own, so that only `cargo xtask test` pays for compiling wasmtime. The program
//! gets its arguments, standard output and error, clocks and randomness: no files, no sockets,
//! no environment.

use std::process::ExitCode;

use wasmtime::{Config, Engine, Linker, Module, Result, Store, Strategy};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

/// What the exit code says when the program could not be loaded or trapped, as a panic does.
const EXIT_TRAPPED: u8 = 101;
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(module_path) = arguments.first() else {
        println!("usage: wasi-runner MODULE.wasm [ARGUMENT]...");
        return ExitCode::from(EXIT_USAGE);
    };
    match run(module_path, &arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            println!("{module_path} stopped: {error:?}");
            ExitCode::from(EXIT_TRAPPED)
        }
    }
}

/// Runs the module's `_start`; the first of `arguments` is its own name, as on any system.
fn run(module_path: &str, arguments: &[String]) -> Result<u8> {
    // Each module runs once and briefly, so most of the time goes into compiling it: the compiler
    // that makes one pass is six times faster.
    let engine = Engine::new(Config::new().strategy(Strategy::Winch))?;
    let module = Module::from_file(&engine, module_path)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |context| context)?;
    let context = WasiCtxBuilder::new()
        .inherit_stdio()
        .args(arguments)
        .build_p1();
    let mut store = Store::new(&engine, context);
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(0),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(u8::try_from(exit.0).unwrap_or(EXIT_TRAPPED)),
            None => Err(error),
        },
    }
}
