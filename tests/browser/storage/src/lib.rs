//! The storage contract over a real IndexedDB, and a store to break: a module that a page loads.

use bytes::Bytes;
use pinyon_conformance::Harness;
use pinyon_core::storage::{
    Durability, Environment, KeySpace, Snapshot, Store, StoreName, WriteBatch,
};
use pinyon_storage_browser::{BrowserEnvironment, BrowserOptions, BrowserStore};
use wasm_bindgen::prelude::*;

const SPACE: KeySpace = KeySpace::new(1);

struct Database {
    name: String,
    options: BrowserOptions,
}

impl Harness for Database {
    type Environment = BrowserEnvironment;

    async fn open(&mut self) -> BrowserEnvironment {
        BrowserEnvironment::open(&self.name, self.options)
            .await
            .expect("the earlier environment was dropped")
    }
}

/// Makes a panic an error in the console; the page's test fails with it.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        js_sys::global()
            .unchecked_into::<Global>()
            .report_panic(&panic.to_string());
    }));
}

#[wasm_bindgen]
extern "C" {
    type Global;
    #[wasm_bindgen(method, js_name = reportPanic)]
    fn report_panic(this: &Global, message: &str);
}

/// Small sizes meet every boundary with few writes.
fn options(is_small: bool) -> BrowserOptions {
    let defaults = BrowserOptions {
        is_memory_allowed: false,
        ..BrowserOptions::default()
    };
    if !is_small {
        return defaults;
    }
    BrowserOptions {
        max_cached_bytes: 4_000,
        page_bytes: 256,
        log_record_bytes: 60,
        max_log_bytes: 1_000,
        max_log_commits: 7,
        lock_wait_ms: 500,
        ..defaults
    }
}

macro_rules! cases_by_name {
    (($harness:expr) $($case:ident)*) => {
        /// The names of all cases.
        #[wasm_bindgen(js_name = caseNames)]
        pub fn case_names() -> Vec<String> {
            vec![$(stringify!($case).to_owned()),*]
        }

        /// Runs one case in a database called `name`, which must not exist.
        #[wasm_bindgen(js_name = runCase)]
        pub async fn run_case(case: String, name: String, is_small: bool) -> Result<(), JsError> {
            let mut harness = Database { name, options: options(is_small) };
            match case.as_str() {
                $(stringify!($case) => pinyon_conformance::cases::$case(&mut harness).await,)*
                _ => return Err(JsError::new(&format!("there is no case '{case}'"))),
            }
            Ok(())
        }
    };
}

pinyon_conformance::for_each_case!(cases_by_name, ());

/// Bytes that the browser cannot compress, so that they use up its quota.
fn noise(seed: u32, length: usize) -> Bytes {
    let mut state = u64::from(seed) + 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(next).collect()
}

fn to_js(error: pinyon_core::Error) -> JsError {
    JsError::new(&format!("{error:?}"))
}

/// A store that a test writes to while it does something to the browser.
#[wasm_bindgen]
pub struct TestStore {
    environment: BrowserEnvironment,
    store: BrowserStore,
}

#[wasm_bindgen]
impl TestStore {
    /// Opens the store in the database called `name`.
    pub async fn open(name: String, is_small: bool) -> Result<TestStore, JsError> {
        let environment = BrowserEnvironment::open(&name, options(is_small))
            .await
            .map_err(to_js)?;
        let store_name = StoreName::new("s").map_err(to_js)?;
        let store = environment.open(&store_name).await.map_err(to_js)?;
        Ok(Self { environment, store })
    }

    /// Commits `number` under two keys at once.
    pub async fn put(&self, number: u32, bytes: usize, is_durable: bool) -> Result<(), JsError> {
        let mut batch = WriteBatch::default();
        let value = noise(number, bytes);
        batch.put(SPACE, format!("one {number:08}"), value.clone());
        batch.put(SPACE, format!("two {number:08}"), value);
        let durability = if is_durable {
            Durability::Durable
        } else {
            Durability::Relaxed
        };
        self.store.commit(batch, durability).await.map_err(to_js)
    }

    /// How many of the numbers below `end` are there; an error if one is there by half.
    pub async fn count(&self, end: u32) -> Result<u32, JsError> {
        let snapshot = self.store.snapshot().await.map_err(to_js)?;
        let mut found = 0;
        for number in 0..end {
            let keys = ["one", "two"].map(|word| Bytes::from(format!("{word} {number:08}")));
            let values = snapshot.get_many(SPACE, &keys).await.map_err(to_js)?;
            match (&values[0], &values[1]) {
                (Some(_), Some(_)) => found += 1,
                (None, None) => {}
                _ => return Err(JsError::new(&format!("half of commit {number} is there"))),
            }
        }
        Ok(found)
    }

    /// Waits until the browser takes the storage away; says why.
    pub async fn lost(&self) -> String {
        match self.environment.lost().await {
            Some(reason) => format!("{reason:?}"),
            None => "given up".to_owned(),
        }
    }

    /// Closes the store.
    pub async fn close(self) -> Result<(), JsError> {
        self.store.close().await.map_err(to_js)
    }
}
