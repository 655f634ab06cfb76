//! Errors as JavaScript sees them: an `Error` with a `code`, and the details that come with it.

use js_sys::Reflect;
use pinyon_core::commands::DoneAlready;
use pinyon_core::conflicts::ConflictDetails;
use pinyon_core::{ConcurrencyViolation, Error, ErrorKind};
use wasm_bindgen::JsValue;

/// The code of each kind; part of the package's interface.
pub(crate) fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "NotFound",
        ErrorKind::ConcurrencyConflict => "ConcurrencyConflict",
        ErrorKind::DocumentConflict => "DocumentConflict",
        ErrorKind::InvalidRequest => "InvalidRequest",
        ErrorKind::LimitExceeded => "LimitExceeded",
        ErrorKind::Unsupported => "Unsupported",
        ErrorKind::NotLoaded => "NotLoaded",
        ErrorKind::NotLocal => "NotLocal",
        ErrorKind::Unauthorized => "Unauthorized",
        ErrorKind::Unavailable => "Unavailable",
        ErrorKind::TimedOut => "TimedOut",
        ErrorKind::StorageFull => "StorageFull",
        ErrorKind::Corrupted => "Corrupted",
        ErrorKind::Closed => "Closed",
        // Kinds that come later are defects here until they are listed.
        _ => "Internal",
    }
}

pub(crate) fn to_js(error: Error) -> JsValue {
    let thrown = js_sys::Error::new(error.message());
    let set = |name: &str, value: JsValue| {
        Reflect::set(&thrown, &name.into(), &value).expect("an error object takes properties");
    };
    set("code", code(error.kind()).into());
    if let Some(violation) = error.details::<ConcurrencyViolation>() {
        set("id", violation.id.as_str().into());
        set("expectedChangeVector", violation.expected.as_str().into());
        let actual = violation.actual.as_deref();
        set(
            "actualChangeVector",
            actual.map_or(JsValue::NULL, JsValue::from),
        );
    }
    if let Some(conflict) = error.details::<ConflictDetails>() {
        set("id", conflict.id.as_str().into());
    }
    if error.details::<DoneAlready>().is_some() {
        set("isDoneAlready", true.into());
    }
    thrown.into()
}

/// What the methods of the classes answer.
pub(crate) type JsResult<T> = Result<T, JsValue>;

/// JSON text made of texts that were valid.
pub(crate) fn to_text(json: Vec<u8>) -> JsResult<String> {
    String::from_utf8(json).map_err(|_| to_js(Error::corrupted("a stored text is not UTF-8")))
}
