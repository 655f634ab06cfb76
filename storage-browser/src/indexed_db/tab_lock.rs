//! The lock that makes one tab the owner of an environment.
//!
//! A Web Lock ends with its tab or worker, however that ends, so nothing has to be cleaned up.

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::{Function, Object, Promise, Reflect};
use pinyon_core::{Error, ErrorKind, Result};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

#[wasm_bindgen]
extern "C" {
    /// `LockManager`, which web-sys counts as unstable.
    type Locks;
    #[wasm_bindgen(method, catch)]
    fn request(
        this: &Locks,
        name: &str,
        options: &Object,
        held: &Function,
    ) -> Result<Promise, JsValue>;
}

/// Held until it is dropped.
pub(super) struct TabLock {
    release: SendWrapper<Function>,
}

impl Drop for TabLock {
    fn drop(&mut self) {
        // Resolving a promise does not fail.
        let _ = self.release.call0(&JsValue::NULL);
    }
}

fn locks() -> Option<Locks> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}

impl TabLock {
    /// Waits for the lock called `name`, at most `wait_ms`.
    ///
    /// # Errors
    /// `Unavailable` when another tab keeps it, or the page may not use locks.
    pub(super) async fn take(name: &str, wait_ms: u32) -> Result<Self> {
        let locks = locks().ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "this page has no Web Locks; serve it by https or from localhost",
            )
        })?;
        let options = Object::new();
        let signal: JsValue = AbortSignal::timeout_with_u32(wait_ms).into();
        Reflect::set(&options, &"signal".into(), &signal).expect("a new object takes properties");
        let (taken, is_taken) = oneshot::channel();
        // Called at most once. Should the wait end before, it stays behind: a few bytes.
        let held = Closure::once_into_js(move |_lock: JsValue| {
            let mut release = None;
            let until_released = Promise::new(&mut |resolve, _| release = Some(resolve));
            let lock = Self {
                release: SendWrapper::new(release.expect("a promise calls its executor at once")),
            };
            // Whoever waited may have gone: then the lock goes with it.
            drop(taken.send(lock));
            until_released
        });
        let request = locks
            .request(name, &options, held.unchecked_ref())
            .map_err(|thrown| unavailable(name, &thrown))?;
        match select(is_taken, JsFuture::from(request)).await {
            Either::Left((Ok(lock), _)) => Ok(lock),
            Either::Right((Err(thrown), _)) => Err(unavailable(name, &thrown)),
            Either::Left((Err(_), _)) | Either::Right((Ok(_), _)) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("the lock '{name}' was taken and lost"),
            )),
        }
    }
}

fn unavailable(name: &str, thrown: &JsValue) -> Error {
    let (kind, message) = super::error::describe(thrown);
    let why = match kind.as_str() {
        "TimeoutError" => "another tab has it open".to_owned(),
        _ => format!("{kind}: {message}"),
    };
    Error::new(
        ErrorKind::Unavailable,
        format!("'{name}' is not free: {why}"),
    )
}
