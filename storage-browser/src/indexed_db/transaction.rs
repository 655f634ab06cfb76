//! One transaction: requests sent together, awaited once.

use std::ops::RangeInclusive;

use bytes::Bytes;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use pinyon_core::storage::Durability;
use pinyon_core::{Error, Result};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbKeyRange, IdbObjectStore, IdbRequest, IdbTransaction};

use super::error;
use crate::tables::{Change, Table, TableKey};

#[wasm_bindgen]
extern "C" {
    /// `IDBDatabase`, with the durability option that web-sys counts as unstable.
    #[wasm_bindgen(extends = web_sys::IdbDatabase)]
    pub(super) type Database;
    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn transaction_with(
        this: &Database,
        tables: &Array,
        mode: &str,
        options: &Object,
    ) -> Result<IdbTransaction, JsValue>;
}

#[expect(clippy::cast_precision_loss, reason = "keys have at most 53 bits")]
fn to_js(key: TableKey) -> JsValue {
    JsValue::from_f64(key.number() as f64)
}

fn to_range(range: &RangeInclusive<TableKey>) -> Result<IdbKeyRange, JsValue> {
    IdbKeyRange::bound(&to_js(*range.start()), &to_js(*range.end()))
}

fn to_bytes(record: &JsValue) -> Bytes {
    Uint8Array::new(record).to_vec().into()
}

fn begin(
    database: &Database,
    tables: &[Table],
    mode: &str,
    durability: &str,
) -> Result<IdbTransaction, JsValue> {
    let names: Array = tables
        .iter()
        .map(|table| JsValue::from_str(table.name()))
        .collect();
    let options = Object::new();
    Reflect::set(&options, &"durability".into(), &durability.into())?;
    database.transaction_with(&names, mode, &options)
}

/// Waits for the transaction's end, or (to save a turn) for the last of its reads.
async fn finished(transaction: &IdbTransaction, last_read: Option<&IdbRequest>) -> Result<()> {
    let end = Promise::new(&mut |resolve, reject| {
        transaction.set_onabort(Some(&reject));
        match last_read {
            Some(request) => request.set_onsuccess(Some(&resolve)),
            None => transaction.set_oncomplete(Some(&resolve)),
        }
    });
    match JsFuture::from(end).await {
        Ok(_) => Ok(()),
        Err(_) => {
            let reason = transaction.error().map(JsValue::from);
            Err(error::of_transaction(reason.as_ref()))
        }
    }
}

fn failed(thrown: JsValue) -> Error {
    error::of_transaction(Some(&thrown))
}

fn result_of(request: &IdbRequest) -> Result<JsValue> {
    request.result().map_err(failed)
}

pub(super) async fn get_many(
    database: &Database,
    table: Table,
    keys: &[TableKey],
) -> Result<Vec<Option<Bytes>>> {
    let transaction = begin(database, &[table], "readonly", "default").map_err(failed)?;
    let store = transaction.object_store(table.name()).map_err(failed)?;
    let requests = keys
        .iter()
        .map(|key| store.get(&to_js(*key)))
        .collect::<Result<Vec<IdbRequest>, JsValue>>()
        .map_err(failed)?;
    let Some(last) = requests.last() else {
        return Ok(Vec::new());
    };
    finished(&transaction, Some(last)).await?;
    let found = requests.iter().map(|request| {
        let value = result_of(request)?;
        Ok((!value.is_undefined()).then(|| to_bytes(&value)))
    });
    found.collect()
}

pub(super) async fn get_range(
    database: &Database,
    table: Table,
    range: &RangeInclusive<TableKey>,
    limit: u32,
) -> Result<Vec<Bytes>> {
    let transaction = begin(database, &[table], "readonly", "default").map_err(failed)?;
    let store = transaction.object_store(table.name()).map_err(failed)?;
    let range = to_range(range).map_err(failed)?;
    let request = store
        .get_all_with_key_and_limit(&range, limit)
        .map_err(failed)?;
    finished(&transaction, Some(&request)).await?;
    let records: Array = result_of(&request)?.unchecked_into();
    Ok(records.iter().map(|record| to_bytes(&record)).collect())
}

/// Sends all changes at once, before the first wait.
pub(super) fn send(
    database: &Database,
    changes: &[Change],
    durability: Durability,
) -> Result<IdbTransaction> {
    let mut tables: Vec<Table> = changes.iter().map(Change::table).collect();
    tables.sort_unstable();
    tables.dedup();
    let durability = match durability {
        Durability::Durable => "strict",
        Durability::Relaxed => "relaxed",
    };
    let transaction = begin(database, &tables, "readwrite", durability).map_err(failed)?;
    let sent = put_and_delete(&transaction, changes);
    if let Err(thrown) = sent {
        // Nothing of it may stay. It may have been aborted already.
        let _ = transaction.abort();
        return Err(failed(thrown));
    }
    #[expect(
        deprecated,
        reason = "only web-sys says so; the standard and all browsers have it"
    )]
    transaction.commit().map_err(failed)?;
    Ok(transaction)
}

pub(super) async fn committed(transaction: IdbTransaction) -> Result<()> {
    finished(&transaction, None).await
}

fn put_and_delete(transaction: &IdbTransaction, changes: &[Change]) -> Result<(), JsValue> {
    let mut opened: Option<(Table, IdbObjectStore)> = None;
    for change in changes {
        let store = match opened.take() {
            Some((table, store)) if table == change.table() => store,
            _ => transaction.object_store(change.table().name())?,
        };
        match change {
            Change::Put(_, key, value) => {
                store.put_with_key(&Uint8Array::from(&value[..]), &to_js(*key))?;
            }
            Change::Delete(_, range) => {
                store.delete(&to_range(range)?.into())?;
            }
        }
        opened = Some((change.table(), store));
    }
    Ok(())
}
