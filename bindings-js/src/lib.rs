//! The WebAssembly part of the npm package `pinyon`: the core, as classes that JavaScript calls.
//!
//! Thin: documents go in and out as JSON text in the forms of the client protocol, and what is
//! convenient in JavaScript is written in TypeScript, in `js/`.

mod attachments;
mod batch;
mod batch_results;
#[cfg(feature = "whole")]
mod by_query;
mod changes;
mod configuration;
mod conflicts;
mod database;
mod documents;
mod error;
mod host;
#[cfg(feature = "whole")]
mod indexes;
mod live;
mod promises;
mod queries;
mod revisions;
mod scripts;
mod sync;
#[cfg(feature = "whole")]
mod transfer;

pub use attachments::Upload;
pub use database::Database;
pub use live::LiveQuery;
pub use sync::SyncSession;
#[cfg(feature = "whole")]
pub use transfer::{Export, Import};

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(message: &str);
}

/// A panic is a defect: the console names the place before the module stops. Not in the package as it
/// is published, where it stops at once and the stack's numbers are all there is.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| console_error(&panic.to_string())));
}
