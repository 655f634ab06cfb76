//! Scripts of patches, run by the JavaScript engine that is here anyway.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Reflect};
use pinyon_core::host::{
    ScriptCall, ScriptEngine, ScriptFailure, ScriptFailureKind, ScriptFuture, ScriptProgram,
};
use pinyon_core::{Error, ErrorKind};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;

use crate::database::Database;

/// The page's engine, once JavaScript has handed it over.
#[derive(Clone)]
pub(crate) struct PageEngine {
    // There is one thread; the port asks for what may change threads where there are several.
    run: SendWrapper<Rc<RefCell<Option<Function>>>>,
}

impl Default for PageEngine {
    fn default() -> Self {
        Self {
            run: SendWrapper::new(Rc::default()),
        }
    }
}

/// The program as one text.
fn text_of(program: &ScriptProgram) -> String {
    let texts: Vec<&str> = program.parts.iter().map(|it| it.text.as_str()).collect();
    texts.join("\n;\n")
}

/// What a script threw, as the error that its caller gets.
fn failure(thrown: &JsValue) -> Error {
    let get = |name: &str| Reflect::get(thrown, &name.into()).ok()?.as_string();
    let message = get("message").or_else(|| thrown.as_string());
    let message = message.unwrap_or_else(|| format!("{thrown:?}"));
    if get("code").as_deref() == Some("Unsupported") {
        return Error::new(ErrorKind::Unsupported, message);
    }
    let (kind, message) = match get("name") {
        Some(name) if name == "SyntaxError" => (ScriptFailureKind::Syntax, message),
        Some(name) => (ScriptFailureKind::Thrown, format!("{name}: {message}")),
        None => (ScriptFailureKind::Thrown, message),
    };
    ScriptFailure {
        kind,
        message,
        place: None,
    }
    .into_error()
}

impl PageEngine {
    fn run(&self, call: &ScriptCall) -> Result<String, Error> {
        let run = self.run.borrow().clone().ok_or_else(|| {
            let message = "scripts cannot run here: the database was opened without an engine";
            Error::new(ErrorKind::Unsupported, message)
        })?;
        #[expect(clippy::cast_precision_loss, reason = "a date fits 53 bits")]
        let now_ms = call.now.unix_ms() as f64;
        let text = text_of(&call.program);
        let answer = run.call3(
            &JsValue::NULL,
            &text.into(),
            &call.input.as_str().into(),
            &now_ms.into(),
        );
        let answer = answer.map_err(|thrown| failure(&thrown))?;
        answer
            .as_string()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a script answered with no text"))
    }
}

impl ScriptEngine for PageEngine {
    fn call(&self, call: ScriptCall) -> ScriptFuture<'_> {
        Box::pin(std::future::ready(self.run(&call)))
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Lets scripts run: `run` takes a program's text, its input and the time, and answers a text.
    #[wasm_bindgen(js_name = setScriptEngine)]
    pub fn set_script_engine(&self, run: Function) {
        *self.scripts.run.borrow_mut() = Some(run);
    }
}
