//! What attachments, revisions and expiration cost a PUT that uses none of them.
//!
//! Without them, nothing would be read or written in their tables, nor of their configuration. So
//! what is read and written there is counted, and a read of that kind timed. Besides, PUTs of a
//! database where nothing was ever configured are compared with those of one where all is, for
//! another collection; and, if one is named, with those of an older build, which differs in all
//! else that was changed since, too.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use pinyon_core::commands::{BatchCommand, Configure, ExpectedVersion, PutDocument};
use pinyon_core::document::{IdRequest, parse_document};
use pinyon_core::revisions::{CollectionRevisions, RevisionsConfiguration};
use pinyon_core::schema::{
    ATTACHMENTS, BLOBS, CHUNKS, DATABASE as DATABASE_TABLE, EXPIRATIONS, LOOSE_CONTENTS, REFRESHES,
    REVISION_BIN, REVISION_RECORDS, REVISION_VECTORS, REVISIONS, configuration,
};
use pinyon_core::storage::{KeySpace, Snapshot, Store};
use pinyon_core::{Database, Limits};
use pinyon_server_process::ServerProcess;

use super::revisions::{Configured, Kind, compare, measure};
use super::{CONNECTIONS, ExtensionsPlan, Ratios};
use crate::counting::{CountingStore, Counts};
use crate::document::{Size, order};
use crate::engine::{drive_puts, on_measured_cores, open_database, open_native};
use crate::http::median;
use crate::process::Cores;
use crate::table::Table;
use crate::target::Target;

const TABLES: [KeySpace; 10] = [
    REVISIONS,
    REVISION_RECORDS,
    REVISION_VECTORS,
    REVISION_BIN,
    EXPIRATIONS,
    REFRESHES,
    ATTACHMENTS,
    BLOBS,
    CHUNKS,
    LOOSE_CONTENTS,
];
const CONFIGURATION: [&[u8]; 3] = [
    configuration::REVISIONS_KEY,
    configuration::EXPIRATION_KEY,
    configuration::REFRESH_KEY,
];
/// PUTs that are counted, one after the other: each reads all it needs for itself.
const COUNTED: u64 = 1_000;

/// Whether an entry is there for these features alone.
fn is_theirs(space: KeySpace, key: &[u8]) -> bool {
    TABLES.contains(&space) || (space == DATABASE_TABLE && CONFIGURATION.contains(&key))
}

/// Counts and compares.
pub(super) async fn run(
    plan: &ExtensionsPlan,
    cores: Cores,
    ours: &Target,
    directory: &Path,
    ratios: &mut Ratios,
) -> Result<()> {
    let engine = on_measured_cores(cores, || measure_engine(plan, directory))?;
    engine.print();
    let share = engine.share();
    ratios.add(
        "unused: their reads ÷ CPU of the engine's PUT".to_owned(),
        share,
        "< 0.02",
    );

    let both = [Configured::Nothing, Configured::Elsewhere];
    let [nothing, elsewhere] = compare(plan, ours, Kind::New, both).await?;
    println!(
        "\nPUT one, {CONNECTIONS} connections, nothing configured: {:.0}/s ({:.1} µs CPU); \
         revisions of another collection and expiration on: {:.0}/s ({:.1} µs)",
        nothing.rate(),
        nothing.cpu_us(),
        elsewhere.rate(),
        elsewhere.cpu_us()
    );
    let ratio = nothing.rate() / elsewhere.rate();
    let label = "configured for another collection ÷ nothing, time";
    ratios.add(label.to_owned(), ratio, "1.0");
    if let Some(before) = &plan.before {
        compare_builds(plan, cores, ours, before, directory, ratios).await?;
    }
    Ok(())
}

/// What was counted and timed in the engine alone.
struct Engine {
    new: Counts,
    again: Counts,
    /// With revisions of everything, to show what is counted when they are used.
    used: Counts,
    read: Duration,
    put: Duration,
}

impl Engine {
    /// Their part of the processor time of a PUT of a new document.
    fn share(&self) -> f64 {
        let reads = self.new.reads as f64 / COUNTED as f64;
        self.read.as_secs_f64() * reads / self.put.as_secs_f64()
    }

    fn print(&self) {
        let mut table = Table::new(&[
            "engine, features unused",
            "reads for these features/PUT",
            "entries written for them/PUT",
        ]);
        table.print_head();
        let of = |count: u64| format!("{:.2}", count as f64 / COUNTED as f64);
        let rows = [
            ("PUT, new", &self.new),
            ("PUT, again", &self.again),
            ("with revisions on", &self.used),
        ];
        for (label, counts) in rows {
            table.print_row(&[label.to_owned(), of(counts.reads), of(counts.writes)]);
        }
        println!(
            "\nsuch a read takes {:.2} µs; the engine's PUT takes {:.1} µs of CPU, {CONNECTIONS} \
             callers",
            self.read.as_secs_f64() * 1e6,
            self.put.as_secs_f64() * 1e6
        );
    }
}

async fn measure_engine(plan: &ExtensionsPlan, directory: &Path) -> Result<Engine> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    let store = open_native(&place.path().join("counted")).await?;
    let counting = CountingStore::new(store, is_theirs);
    let (database, merger) = open_database(counting.clone()).await?;
    counting.take();
    put_all(&database, "first").await?;
    let new = counting.take();
    put_all(&database, "second").await?;
    let again = counting.take();
    let read = time_read(&counting).await?;
    let everything = RevisionsConfiguration {
        default: Some(CollectionRevisions::default()),
        ..RevisionsConfiguration::default()
    };
    database.configure(Configure::Revisions(everything)).await?;
    counting.take();
    put_all(&database, "third").await?;
    let used = counting.take();
    ensure!(
        used.reads >= COUNTED && used.writes >= COUNTED,
        "revisions were made and not counted: {used:?}"
    );
    database.close().await?;
    merger.await.context("the merger's task")?;

    let store = open_native(&place.path().join("timed")).await?;
    let (database, merger) = open_database(store).await?;
    let (puts, _) = drive_puts(&database, CONNECTIONS, Size::Small, plan.measured).await?;
    database.close().await?;
    merger.await.context("the merger's task")?;
    Ok(Engine {
        new,
        again,
        used,
        read,
        put: Duration::from_secs_f64(puts.cpu_us() / 1e6),
    })
}

async fn put_all<S: Store>(database: &Database<S>, text: &str) -> Result<()> {
    let limits = Limits::default();
    for number in 0..COUNTED {
        let order = order(Size::Small, number);
        let order = order.replacen('{', &format!("{{\"Text\":\"{text}\","), 1);
        let put = PutDocument {
            id: IdRequest::parse(&format!("orders/{number}"), limits.max_id_bytes)?,
            expected: ExpectedVersion::Any,
            document: parse_document(&order, &limits)?,
        };
        database.write_batch(vec![BatchCommand::Put(put)]).await?;
    }
    Ok(())
}

/// A look for something that is not there, by itself.
async fn time_read<S: Store>(store: &S) -> Result<Duration> {
    let snapshot = store.snapshot().await?;
    let began = Instant::now();
    for number in 0..COUNTED {
        let key = Bytes::from(format!("orders/{number}"));
        let found = snapshot.get_many(REVISION_VECTORS, &[key]).await?;
        ensure!(found == [None], "a revision where none is kept");
    }
    Ok(began.elapsed() / u32::try_from(COUNTED).unwrap_or(u32::MAX))
}

/// PUTs of this build and of an older one in turn.
async fn compare_builds(
    plan: &ExtensionsPlan,
    cores: Cores,
    ours: &Target,
    before: &Path,
    directory: &Path,
    ratios: &mut Ratios,
) -> Result<()> {
    let place = tempfile::tempdir_in(directory).context("make a directory")?;
    cores.enter_measured()?;
    let server = ServerProcess::start(
        before,
        &place.path().join("data"),
        &place.path().join("server.log"),
    );
    cores.enter_generator()?;
    let server = server?;
    let older = Target::new("before", server.url(), Some(server.id()))?;
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds.max(1) {
        for (rounds, target) in rounds.iter_mut().zip([ours, &older]) {
            rounds.push(measure(plan, target, Kind::New, Configured::Nothing).await?);
        }
    }
    server.stop()?;
    let [now, then] = rounds.map(median);
    let (now, then) = (now.context("a round")?, then.context("a round")?);
    println!(
        "\nPUT one, {CONNECTIONS} connections, nothing configured: {:.0}/s ({:.1} µs CPU); {}: \
         {:.0}/s ({:.1} µs)",
        now.rate(),
        now.cpu_us(),
        before.display(),
        then.rate(),
        then.cpu_us()
    );
    let label = "PUT of this build ÷ that of the build before, time";
    ratios.add(label.to_owned(), then.rate() / now.rate(), "1.0");
    Ok(())
}
