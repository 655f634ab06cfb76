//! One writer: a connection that changes documents of its own and a counter all writers share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, bail};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::client::{Answer, Client, document_id, etag_of};
use crate::content::{document, with_collection};
use crate::history::{Change, History};

/// The document all writers count up, each time on condition that nobody else did meanwhile.
pub const COUNTER: &str = "crash/counter";

/// From here on a writer deletes more than it adds, so that full reads stay quick.
const MANY_DOCUMENTS: usize = 300;
const SLOTS: u32 = 6;
const SLOT_DOCUMENTS: u32 = 8;

/// What the writers of one server share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Set just before the crash: from then on requests may fail.
    pub crashed: AtomicBool,
    /// Increments of the counter that were acknowledged.
    pub increments: AtomicU64,
    /// Increments that were sent and not answered.
    pub open_increments: AtomicU64,
}

impl Shared {
    /// Before the first write, with the counter as a check found it.
    pub fn counting_from(counter: u64) -> Self {
        Self {
            increments: AtomicU64::new(counter),
            ..Self::default()
        }
    }
}

/// The prefix of a writer's ids.
pub fn prefix(writer: usize) -> String {
    format!("crash/{writer}/")
}

/// Writes until a request fails.
///
/// # Errors
/// A request failed before the crash, or an answer is wrong.
pub fn write_until_crash(
    client: &Client,
    history: &mut History,
    random: &mut Rng,
    shared: &Shared,
) -> Result<()> {
    loop {
        match step(client, history, random, shared) {
            Ok(Done::Answered) => {}
            Ok(Done::Refused(answer)) => {
                // A file system that is gone makes the server refuse; a healthy one must not.
                if shared.crashed.load(Ordering::SeqCst) {
                    return Ok(());
                }
                bail!(
                    "writer {} was answered {}: {}",
                    history.writer,
                    answer.status,
                    answer.body
                );
            }
            Err(error) if error.is::<ureq::Error>() && shared.crashed.load(Ordering::SeqCst) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

enum Done {
    Answered,
    /// With a status that says the operation was not done, or not known to be.
    Refused(Answer),
}

fn step(client: &Client, history: &mut History, random: &mut Rng, shared: &Shared) -> Result<Done> {
    if history.documents.len() > MANY_DOCUMENTS && random.bool() {
        return delete_one(client, history, random);
    }
    match random.u32(0..100) {
        0..40 => put_new(client, history, random),
        40..60 => put_again(client, history, random),
        60..75 => write_slot(client, history, random),
        75..83 => delete_one(client, history, random),
        83..89 => write_mixed_batch(client, history, random),
        89..94 => write_refused_batch(client, history, random),
        _ => increment(client, shared),
    }
}

fn put_new(client: &Client, history: &mut History, random: &mut Rng) -> Result<Done> {
    let id = new_id(history, random);
    put(client, history, id)
}

fn put_again(client: &Client, history: &mut History, random: &mut Rng) -> Result<Done> {
    match any_id(history, random) {
        Some(id) => put(client, history, id),
        None => put_new(client, history, random),
    }
}

fn put(client: &Client, history: &mut History, id: String) -> Result<Done> {
    let operation = history.begin(vec![Change::Put(id.clone())]);
    let document = with_collection(document(history.writer, &id, operation.serial), &id);
    let answer = client.put(&id, &document, None)?;
    if answer.status != 201 {
        return Ok(Done::Refused(answer));
    }
    history.acknowledge(&[etag_of(&answer.body["ChangeVector"])?])?;
    Ok(Done::Answered)
}

fn delete_one(client: &Client, history: &mut History, random: &mut Rng) -> Result<Done> {
    let Some(id) = any_id(history, random) else {
        return put_new(client, history, random);
    };
    history.begin(vec![Change::Delete(id.clone())]);
    let answer = client.delete(&id)?;
    if answer.status != 204 {
        return Ok(Done::Refused(answer));
    }
    history.acknowledge(&[])?;
    Ok(Done::Answered)
}

/// Stores all documents of a slot anew, or deletes them all: a half batch shows at once.
fn write_slot(client: &Client, history: &mut History, random: &mut Rng) -> Result<Done> {
    let slot = random.u32(0..SLOTS);
    let deletes = random.u32(0..5) == 0;
    let writer = history.writer;
    let ids = (0..SLOT_DOCUMENTS).map(|n| format!("crash/{writer}/slot-{slot}-{n}"));
    let changes = ids
        .map(|id| {
            if deletes {
                Change::Delete(id)
            } else {
                Change::Put(id)
            }
        })
        .collect();
    bulk(client, history, changes)
}

fn write_mixed_batch(client: &Client, history: &mut History, random: &mut Rng) -> Result<Done> {
    let mut changes: Vec<Change> = (0..random.u32(1..12))
        .map(|_| Change::Put(new_id(history, random)))
        .collect();
    if let Some(id) = any_id(history, random) {
        changes.push(Change::Delete(id));
    }
    random.shuffle(&mut changes);
    bulk(client, history, changes)
}

fn bulk(client: &Client, history: &mut History, changes: Vec<Change>) -> Result<Done> {
    let operation = history.begin(changes);
    let commands = commands(history.writer, operation.serial, &operation.changes);
    let answer = client.bulk(&commands)?;
    if answer.status != 201 {
        return Ok(Done::Refused(answer));
    }
    let results = match answer.body["Results"].as_array() {
        Some(results) if results.len() == commands.len() => results,
        _ => bail!(
            "{} commands were answered with {}",
            commands.len(),
            answer.body
        ),
    };
    let mut etags = Vec::new();
    for (change, result) in operation.changes.iter().zip(results) {
        if let Change::Put(id) = change {
            if result["@id"].as_str() != Some(id) {
                bail!("the put of {id} was answered with {result}");
            }
            etags.push(etag_of(&result["@change-vector"])?);
        }
    }
    history.acknowledge(&etags)?;
    Ok(Done::Answered)
}

fn commands(writer: usize, serial: u64, changes: &[Change]) -> Vec<Value> {
    let command = |change: &Change| match change {
        Change::Put(id) => json!({
            "Type": "PUT",
            "Id": id,
            "ChangeVector": null,
            "Document": with_collection(document(writer, id, serial), id),
        }),
        Change::Delete(id) => json!({ "Type": "DELETE", "Id": id, "ChangeVector": null }),
    };
    changes.iter().map(command).collect()
}

/// A batch whose last command expects a document that is not there: it must leave no trace.
fn write_refused_batch(client: &Client, history: &mut History, random: &mut Rng) -> Result<Done> {
    let ids: Vec<String> = (0..3).map(|_| new_id(history, random)).collect();
    // Nothing is noted as open: a crash must not bring any of it about.
    history.serial += 1;
    let changes: Vec<Change> = ids.into_iter().map(Change::Put).collect();
    let mut commands = commands(history.writer, history.serial, &changes);
    if let Some(last) = commands.last_mut() {
        last["ChangeVector"] = json!("A:1-AAAAAAAAAAAAAAAAAAAAAA");
    }
    let answer = client.bulk(&commands)?;
    if answer.status == 409 {
        return Ok(Done::Answered);
    }
    Ok(Done::Refused(answer))
}

/// Counts the shared counter up by one, unless another writer is quicker.
fn increment(client: &Client, shared: &Shared) -> Result<Done> {
    let read = client.get(COUNTER)?;
    if read.status != 200 {
        return Ok(Done::Refused(read));
    }
    let counter = &read.body["Results"][0];
    document_id(counter)?;
    let Some(vector) = counter["@metadata"]["@change-vector"].as_str() else {
        bail!("the counter has no change vector: {counter}");
    };
    let Some(value) = counter["Value"].as_u64() else {
        bail!("the counter has no value: {counter}");
    };
    let next = with_collection(json!({ "Value": value + 1 }), COUNTER);
    shared.open_increments.fetch_add(1, Ordering::SeqCst);
    let answer = client.put(COUNTER, &next, Some(vector))?;
    match answer.status {
        201 => {
            shared.increments.fetch_add(1, Ordering::SeqCst);
        }
        409 => {}
        // Whether it was done is not known: it stays open.
        _ => return Ok(Done::Refused(answer)),
    }
    shared.open_increments.fetch_sub(1, Ordering::SeqCst);
    Ok(Done::Answered)
}

fn new_id(history: &History, random: &mut Rng) -> String {
    // Random, so that pages all over the tree change; the serial number makes it new.
    let spread = random.u32(..);
    format!(
        "crash/{}/note-{spread:08x}-{}",
        history.writer,
        history.serial + 1
    )
}

fn any_id(history: &History, random: &mut Rng) -> Option<String> {
    let count = history.documents.len();
    if count == 0 {
        return None;
    }
    history
        .documents
        .keys()
        .nth(random.usize(0..count))
        .cloned()
}
