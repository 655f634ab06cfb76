//! QuickJS behind six exported functions.
//!
//! The host writes text to the buffer that [`reserve`] returns, calls [`evaluate`] for each part
//! of a program and then [`call`] as often as it likes, and reads what comes back at
//! [`result_start`]. Limits on time and memory are the host's; the limit on the stack is here,
//! where running out of it can still become an exception of the script.

use std::cell::RefCell;

use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Runtime};

/// Everything went well; the result is what was returned.
const DONE: u32 = 0;
/// The script threw; the result is JSON with `name`, `message` and `stack`.
const THROWN: u32 = 1;
/// What the engine was asked for is not there; the result says what.
const MISUSED: u32 = 2;

#[derive(Default)]
struct Engine {
    context: Option<Context>,
    input: Vec<u8>,
    result: Vec<u8>,
}

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::default();
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Must be called once, before anything else.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: the linker makes this function; it runs the C library's constructors, and the host
    // calls it once.
    unsafe { __wasm_call_ctors() }
}

/// Makes the engine: its heap may hold `memory_bytes`, calls may nest within `stack_bytes`.
#[unsafe(no_mangle)]
pub extern "C" fn start(memory_bytes: u32, stack_bytes: u32) -> u32 {
    let context = Runtime::new().and_then(|runtime| {
        runtime.set_memory_limit(memory_bytes as usize);
        runtime.set_max_stack_size(stack_bytes as usize);
        Context::full(&runtime)
    });
    ENGINE.with_borrow_mut(|engine| match context {
        Ok(context) => {
            engine.context = Some(context);
            DONE
        }
        Err(reason) => {
            engine.result = reason.to_string().into_bytes();
            MISUSED
        }
    })
}

/// The start of a buffer of `length` bytes for the next input.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: u32) -> *mut u8 {
    ENGINE.with_borrow_mut(|engine| {
        engine.input.clear();
        engine.input.resize(length as usize, 0);
        engine.input.as_mut_ptr()
    })
}

/// Runs the input as a script: its file name of `name_length` bytes, then its text.
#[unsafe(no_mangle)]
pub extern "C" fn evaluate(name_length: u32) -> u32 {
    with_context(|ctx, input| {
        let (name, source) = input.split_at(name_length as usize);
        let mut options = EvalOptions::default();
        options.strict = false;
        options.filename = Some(String::from_utf8_lossy(name).into_owned());
        ctx.eval_with_options::<(), _>(source, options)
            .catch(ctx)
            .map(|()| Vec::new())
            .map_err(|error| describe(ctx, error))
    })
}

/// Calls the global function `main` with the input as a string; it must return a string.
#[unsafe(no_mangle)]
pub extern "C" fn call() -> u32 {
    with_context(|ctx, input| {
        let text = String::from_utf8_lossy(&input);
        let called = ctx
            .globals()
            .get::<_, Function<'_>>("main")
            .and_then(|main| main.call::<_, String>((text.as_ref(),)));
        called
            .catch(ctx)
            .map(String::into_bytes)
            .map_err(|error| describe(ctx, error))
    })
}

/// Where the last result begins.
#[unsafe(no_mangle)]
pub extern "C" fn result_start() -> *const u8 {
    ENGINE.with_borrow(|engine| engine.result.as_ptr())
}

/// How many bytes the last result has.
#[unsafe(no_mangle)]
pub extern "C" fn result_length() -> u32 {
    ENGINE.with_borrow(|engine| engine.result.len() as u32)
}

fn with_context(run: impl FnOnce(&Ctx<'_>, Vec<u8>) -> Result<Vec<u8>, Vec<u8>>) -> u32 {
    ENGINE.with_borrow_mut(|engine| {
        engine.result = Vec::new();
        let input = std::mem::take(&mut engine.input);
        let Some(context) = &engine.context else {
            engine.result = b"the engine was not started".to_vec();
            return MISUSED;
        };
        let (status, result) = context.with(|ctx| match run(&ctx, input) {
            Ok(result) => (DONE, result),
            Err(error) => (THROWN, error),
        });
        engine.result = result;
        status
    })
}

/// A thrown value as JSON, made without calling anything the script could have replaced.
fn describe(_: &Ctx<'_>, error: CaughtError<'_>) -> Vec<u8> {
    let (name, message, stack) = match &error {
        CaughtError::Exception(exception) => {
            let name = exception.as_object().get::<_, String>("name");
            (
                name.unwrap_or_else(|_| "Error".to_owned()),
                exception.message().unwrap_or_default(),
                exception.stack().unwrap_or_default(),
            )
        }
        CaughtError::Value(value) => {
            let shown = match value.as_string().map(|text| text.to_string()) {
                Some(Ok(text)) => text,
                _ => match value.ctx().json_stringify(value.clone()) {
                    Ok(Some(json)) => json.to_string().unwrap_or_default(),
                    _ => format!("a value of type {}", value.type_name()),
                },
            };
            (String::new(), shown, String::new())
        }
        CaughtError::Error(error) => ("EngineError".to_owned(), error.to_string(), String::new()),
    };
    let mut json = String::from("{");
    for (property, text) in [("name", name), ("message", message), ("stack", stack)] {
        if json.len() > 1 {
            json.push(',');
        }
        json.push('"');
        json.push_str(property);
        json.push_str("\":");
        push_json_text(&mut json, &text);
    }
    json.push('}');
    json.into_bytes()
}

fn push_json_text(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if (c as u32) < 0x20 => json.push_str(&format!("\\u{:04x}", c as u32)),
            c => json.push(c),
        }
    }
    json.push('"');
}
