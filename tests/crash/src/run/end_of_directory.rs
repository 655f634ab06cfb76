//! The end of a data directory: all times have come, all revisions and attachments are read, and
//! after the sweep nothing is left that nothing refers to.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use pinyon_core::host::{Clock as _, SystemClock};

use super::{Plan, Tally, wait};
use crate::check::{Checked, Scope, check_database};
use crate::client::Client;
use crate::disk::Disk;
use crate::history::History;
use crate::leftovers::sweep;
use crate::server;
use crate::writer::Shared;

/// Only a guard: expired documents go within a sweep or two.
const TRIES: usize = 240;
const PAUSE: Duration = Duration::from_millis(250);
/// Documents that expire later do so after the test.
const SOON_MS: i64 = 3_600_000;

/// Checks everything once more, then what is left on the disk.
pub(super) fn check(
    plan: &Plan,
    disk: &Disk,
    histories: &mut [History],
    counter: u64,
    tally: &mut Tally,
) -> Result<()> {
    let checked = check_all(plan, disk, histories, counter, tally)?;
    let verified = sweep(&plan.binary, disk)?;
    if verified.totals != checked.totals {
        bail!("there should be {:?} and are {verified:?}", checked.totals);
    }
    let log = std::fs::read_to_string(disk.log()).context("read the server's log")?;
    tally.content_sweeps += log.matches("gave back loose contents").count() as u64;
    Ok(())
}

/// Waits until what expires has expired, and compares everything with what is known of it.
fn check_all(
    plan: &Plan,
    disk: &Disk,
    histories: &mut [History],
    counter: u64,
    tally: &mut Tally,
) -> Result<Checked> {
    let server = server::start(&plan.binary, disk, 0)?;
    let client = Client::new(server.url());
    let shared = Shared::counting_from(counter);
    let mut check = |histories: &mut [History], scope: Scope<'_>| -> Result<Checked> {
        let checked = check_database(&client, histories, &shared, scope)
            .with_context(|| format!("end of the server's log:\n{}", server.log_end()))?;
        tally.add(&checked, histories, &Shared::default());
        Ok(checked)
    };
    let mut random = fastrand::Rng::with_seed(plan.seed);
    for _ in 0..TRIES {
        let soon = SystemClock.now().plus_ms(SOON_MS);
        let mut documents = histories.iter().flat_map(|it| it.state.documents.values());
        if !documents.any(|version| version.is_due(soon) || version.refresh_is_due(soon)) {
            let checked = check(histories, Scope::All)?;
            server.stop()?;
            return Ok(checked);
        }
        wait(PAUSE);
        check(histories, Scope::Touched(&mut random))?;
    }
    bail!("documents whose time has come are still there after {TRIES} looks");
}
