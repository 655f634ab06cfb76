//! The checks after a restart: full reads against what the writers know, against each other and
//! against the counts the server keeps.
//!
//! Sweeps go on meanwhile, so everything is read again until nothing changed while it was read.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use pinyon_core::host::{Clock as _, SystemClock};
use serde_json::Value;

use crate::client::{Client, document_id, etag_of};
use crate::history::History;
use crate::writer::{COUNTER, Shared};
use reading::Reading;

/// Of which documents the revisions and attachments are read.
#[derive(Debug)]
pub enum Scope<'a> {
    /// Of those touched since the last check and of some others.
    Touched(&'a mut Rng),
    /// Of all that ever were.
    All,
}

/// What a check read and found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Documents read and compared with what was written.
    pub documents: u64,
    /// Revisions read and compared.
    pub revisions: u64,
    /// Attachments read and compared, or found to be gone.
    pub attachments: u64,
    /// Open operations that turned out to have been done.
    pub open_done: u64,
    /// Documents that were gone because their time had come.
    pub expired: u64,
    /// Documents that were written anew by the server because their time had come.
    pub refreshed: u64,
    /// The value of the shared counter.
    pub counter: u64,
    /// What is stored in all.
    pub totals: Totals,
}

/// What a database holds in all, counted from what is known of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Live documents.
    pub documents: u64,
    /// Revisions.
    pub revisions: u64,
    /// Attachments of live documents.
    pub attachments: u64,
    /// Different contents, of attachments and of revisions.
    pub contents: u64,
}

/// Reads anew while sweeps come in between. Each needs a document whose time has come, and nobody
/// writes new ones.
const READINGS: usize = 100;
/// Documents besides those touched whose revisions and attachments are read, of each writer.
const OTHERS: usize = 8;

/// Checks the whole database and takes what was found as the writers' new state.
///
/// # Errors
/// Anything acknowledged is missing, anything is there by half, or reads, counts and etags do
/// not agree.
pub fn check_database(
    client: &Client,
    histories: &mut [History],
    shared: &Shared,
    mut scope: Scope<'_>,
) -> Result<Checked> {
    let chosen: Vec<BTreeSet<String>> = histories
        .iter()
        .map(|history| choose(history, &mut scope))
        .collect();
    let reading = read_undisturbed(client, histories, &chosen)?;
    // Read after the answers, so that it is no earlier than when a document went.
    let now = SystemClock.now();
    let etags = check_etags(histories, &reading.newest_first)?;
    check_counts(&reading.counts, &reading.newest_first)?;

    let mut checked = Checked {
        attachments: reading.attachments,
        ..Checked::default()
    };
    for (history, found) in histories.iter_mut().zip(&reading.writers) {
        let before = history.state.documents.len();
        let waiting_before = history.state.waiting();
        checked.documents += found.documents.len() as u64;
        checked.revisions += found
            .revisions
            .values()
            .map(|it| it.len() as u64)
            .sum::<u64>();
        let open = u64::from(history.settle(found, now)?);
        checked.open_done += open;
        if open == 0 {
            let gone = before - history.state.documents.len();
            checked.expired += gone as u64;
            let waiting = history.state.waiting();
            checked.refreshed += (waiting_before - waiting).saturating_sub(gone) as u64;
        }
    }
    let (value, counter_etag) = check_counter(&reading, shared)?;
    checked.counter = value;
    checked.documents += 1;
    check_orders(histories, &etags, counter_etag)?;
    checked.totals = count(histories, value);
    check_statistics(&reading.statistics, &checked.totals)?;

    let highest = etags.values().copied().max().unwrap_or_default();
    let highest = histories
        .iter()
        .map(|history| history.highest_etag)
        .fold(highest, u64::max);
    for history in histories {
        history.highest_etag = highest;
    }
    Ok(checked)
}

fn choose(history: &History, scope: &mut Scope<'_>) -> BTreeSet<String> {
    let all = history.state.ids();
    match scope {
        Scope::All => all.chain(&history.touched).cloned().collect(),
        Scope::Touched(random) => {
            let others = random.choose_multiple(all, OTHERS);
            let chosen = history.touched.iter().chain(history.state.unsettled());
            chosen.chain(others).cloned().collect()
        }
    }
}

fn read_undisturbed(
    client: &Client,
    histories: &[History],
    chosen: &[BTreeSet<String>],
) -> Result<Reading> {
    for _ in 0..READINGS {
        let before = last_etag(&client.statistics()?)?;
        let reading = Reading::take(client, histories, chosen)?;
        if let Some(reading) = reading
            && last_etag(&client.statistics()?)? == before
        {
            return Ok(reading);
        }
    }
    bail!("the database changed {READINGS} times while it was read, and nobody wrote");
}

fn last_etag(statistics: &Value) -> Result<u64> {
    statistics["LastDatabaseEtag"]
        .as_u64()
        .with_context(|| format!("no LastDatabaseEtag in {statistics}"))
}

/// By etag and by id the same documents are there.
fn check_orders(
    histories: &[History],
    etags: &BTreeMap<String, u64>,
    counter_etag: u64,
) -> Result<()> {
    let by_id = histories.iter().flat_map(|it| &it.state.documents);
    let mut count = 1;
    for (id, version) in by_id {
        count += 1;
        if etags.get(id) != version.etag.as_ref() {
            bail!(
                "{id} is {version:?} by id and etag {:?} in etag order",
                etags.get(id)
            );
        }
    }
    if etags.get(COUNTER) != Some(&counter_etag) || etags.len() != count {
        bail!("{} documents in etag order, {count} by id", etags.len());
    }
    Ok(())
}

/// What must be stored in all: the writers' documents, and the counter with a revision for each of
/// its values.
fn count(histories: &[History], counter: u64) -> Totals {
    let states = || histories.iter().map(|it| &it.state);
    let live = || states().flat_map(|it| it.documents.values());
    let contents: BTreeSet<_> = states().flat_map(|it| it.contents()).collect();
    Totals {
        documents: live().count() as u64 + 1,
        revisions: states().map(|it| it.revision_count()).sum::<u64>() + counter + 1,
        attachments: live().map(|it| it.attachments.len() as u64).sum(),
        contents: contents.len() as u64,
    }
}

/// The statistics show what is known to be there, and no more.
fn check_statistics(statistics: &Value, totals: &Totals) -> Result<()> {
    for (name, count) in [
        ("CountOfDocuments", totals.documents),
        ("CountOfRevisionDocuments", totals.revisions),
        ("CountOfAttachments", totals.attachments),
        ("CountOfUniqueAttachments", totals.contents),
    ] {
        if statistics[name].as_u64() != Some(count) {
            bail!("{name} should be {count}: {statistics}");
        }
    }
    Ok(())
}

/// Etags fall strictly in the order newest first, and no two answers shared one.
fn check_etags(histories: &mut [History], newest_first: &[Value]) -> Result<BTreeMap<String, u64>> {
    let mut answered: Vec<u64> = Vec::new();
    for history in histories {
        answered.append(&mut history.etags);
    }
    answered.sort_unstable();
    if let Some(pair) = answered.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("etag {} was answered to two writes", pair[0]);
    }

    let mut etags = BTreeMap::new();
    let mut newer = u64::MAX;
    for document in newest_first {
        let id = document_id(document)?;
        let etag = etag_of(&document["@metadata"]["@change-vector"])?;
        if etag >= newer {
            bail!("{id} with etag {etag} comes after etag {newer}, newest first");
        }
        newer = etag;
        if etags.insert(id.to_owned(), etag).is_some() {
            bail!("{id} is there twice in etag order");
        }
    }
    Ok(etags)
}

/// The counts kept incrementally equal those of a full read.
fn check_counts(kept: &Value, documents: &[Value]) -> Result<()> {
    if kept["CountOfDocuments"].as_u64() != Some(documents.len() as u64) {
        bail!(
            "a full read finds {} documents, the counts are {kept}",
            documents.len()
        );
    }
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for document in documents {
        let collection = document["@metadata"]["@collection"]
            .as_str()
            .context("a document without @collection")?;
        *counted.entry(collection).or_default() += 1;
    }
    let kept_collections = kept["Collections"]
        .as_object()
        .with_context(|| format!("no Collections in {kept}"))?;
    for (collection, count) in kept_collections {
        let counted = counted.remove(collection.as_str()).unwrap_or_default();
        if count.as_u64() != Some(counted) {
            bail!("a full read finds {counted} documents of {collection}, the counts are {kept}");
        }
    }
    if let Some((collection, count)) = counted.first_key_value() {
        bail!("a full read finds {count} documents of {collection}, the counts are {kept}");
    }
    Ok(())
}

/// The counter shows every acknowledged increment and no more than were sent, and has a revision
/// for each; returns its value and etag.
fn check_counter(reading: &Reading, shared: &Shared) -> Result<(u64, u64)> {
    let counter = &reading.counter;
    let value = counter["Value"]
        .as_u64()
        .with_context(|| format!("the counter is {counter}"))?;
    let acknowledged = shared.increments.load(Ordering::SeqCst);
    let open = shared.open_increments.load(Ordering::SeqCst);
    if value < acknowledged || value > acknowledged + open {
        bail!(
            "the counter is {value} after {acknowledged} acknowledged and {open} open increments"
        );
    }
    if reading.counter_revisions != value + 1 {
        bail!(
            "the counter is {value} and has {} revisions",
            reading.counter_revisions
        );
    }
    Ok((value, etag_of(&counter["@metadata"]["@change-vector"])?))
}
