//! The host ports in a browser (and in Node.js): its clock and its randomness.

use std::sync::Arc;

use pinyon_core::host::{Clock, Host, Random, Timestamp};
use pinyon_core::{Error, ErrorKind, Result};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &mut [u8]) -> std::result::Result<(), JsValue>;
}

struct DateClock;

impl Clock for DateClock {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "dates of JavaScript fit an i64"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(js_sys::Date::now() as i64)
    }
}

struct WebCrypto;

impl Random for WebCrypto {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        /// What one call gives at most.
        const AT_ONCE: usize = 65_536;
        for part in bytes.chunks_mut(AT_ONCE) {
            get_random_values(part).map_err(|thrown| {
                Error::new(
                    ErrorKind::Unavailable,
                    format!("Web Crypto gave no randomness: {thrown:?}"),
                )
            })?;
        }
        Ok(())
    }
}

pub(crate) fn host() -> Host {
    Host {
        clock: Arc::new(DateClock),
        random: Arc::new(WebCrypto),
    }
}
