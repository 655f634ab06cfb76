//! The core's futures as JavaScript's promises, for the methods that `wasm_bindgen` exports.
//!
//! Each of them is a type of its own. Behind a pointer they share the code that starts them and
//! settles the promise, which else is there once for each method.

use std::pin::Pin;

use js_sys::Promise;
use wasm_bindgen::JsValue;

type Answer = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

/// What the exported methods' generated code calls.
pub(crate) fn future_to_promise(
    future: impl Future<Output = Result<JsValue, JsValue>> + 'static,
) -> Promise {
    promise(Box::pin(future))
}

fn promise(answer: Answer) -> Promise {
    wasm_bindgen_futures::future_to_promise(answer)
}
