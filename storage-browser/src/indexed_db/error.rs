//! What the browser's exceptions mean, in the one error type.

use pinyon_core::{Error, ErrorKind};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DomException;

/// The name and the message of something thrown.
pub(super) fn describe(thrown: &JsValue) -> (String, String) {
    if let Some(exception) = thrown.dyn_ref::<DomException>() {
        return (exception.name(), exception.message());
    }
    if let Some(error) = thrown.dyn_ref::<js_sys::Error>() {
        return (error.name().into(), error.message().into());
    }
    (String::new(), format!("{thrown:?}"))
}

/// What a failed transaction means. `None` for a transaction that the browser ended with no
/// reason, as it does when it closes the connection under it.
pub(super) fn of_transaction(thrown: Option<&JsValue>) -> Error {
    let Some(thrown) = thrown else {
        return Error::new(
            ErrorKind::Closed,
            "the browser ended a transaction with the connection under it",
        );
    };
    let (name, message) = describe(thrown);
    match name.as_str() {
        "QuotaExceededError" => Error::new(
            ErrorKind::StorageFull,
            "this site's storage quota is used up; delete data or ask the user for more",
        ),
        "InvalidStateError" | "AbortError" => Error::new(
            ErrorKind::Closed,
            format!("the connection to IndexedDB is gone ({message})"),
        ),
        "DataError" | "DataCloneError" | "TypeError" => Error::new(
            ErrorKind::Internal,
            format!("IndexedDB refused a request: {name}: {message}"),
        ),
        // UnknownError, TimeoutError, NotReadableError and what browsers will invent: nothing is
        // known about the transaction, so the store is reopened before it goes on.
        _ => Error::new(
            ErrorKind::Closed,
            format!("IndexedDB failed: {name}: {message}"),
        ),
    }
}

/// Whether an opening failed because the browser keeps nothing here (a private window, storage that
/// the user forbids). All other failures may be of the moment, and what is stored may be there.
pub(super) fn says_no_storage(thrown: &JsValue) -> bool {
    let (name, _) = describe(thrown);
    matches!(
        name.as_str(),
        "SecurityError" | "InvalidStateError" | "NotSupportedError"
    )
}

/// What a failed opening means.
pub(super) fn of_opening(name: &str, thrown: &JsValue) -> Error {
    let (kind_name, message) = describe(thrown);
    match kind_name.as_str() {
        "VersionError" => Error::new(
            ErrorKind::Unsupported,
            format!("'{name}' was stored by a newer version of Pinyon; load that version's script"),
        ),
        "QuotaExceededError" => Error::new(
            ErrorKind::StorageFull,
            format!("this site's storage quota has no room for '{name}'"),
        ),
        _ => Error::new(
            ErrorKind::Unavailable,
            format!("the browser did not open '{name}': {kind_name}: {message}"),
        ),
    }
}
