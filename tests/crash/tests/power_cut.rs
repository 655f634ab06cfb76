//! Power cuts of the file system under eight writers, in a loop-mounted image: what was not
//! synced is gone, and nothing acknowledged is. Root only; elsewhere it says why it does nothing.
//! `PINYON_POWER_CUTS` sets how often, `PINYON_SEED` repeats the choices of a run.

use std::io::Write;

use pinyon_crash::disk::{Fault, why_no_power_cut};
use pinyon_crash::run::{Plan, run};
use pinyon_crash::settings;

#[test]
fn power_cuts_keep_what_was_acknowledged() {
    if let Some(reason) = why_no_power_cut() {
        // Past the capture of the test runner, so that a skipped test is seen.
        writeln!(std::io::stderr(), "SKIPPED power_cut: {reason}").unwrap();
        return;
    }
    let plan = Plan {
        binary: pinyon_server_process::find_binary().unwrap(),
        fault: Fault::PowerCut,
        crashes: settings::number("PINYON_POWER_CUTS").unwrap().unwrap_or(8),
        crashes_of_directory: 4,
        writers: 8,
        seed: settings::seed().unwrap(),
    };
    println!("seed {}", plan.seed);
    let tally = run(&plan, |_| {}).unwrap();
    println!("seed {}: {tally}", plan.seed);
    assert_eq!(tally.crashes, plan.crashes);
    assert!(
        tally.acknowledged > 0
            && tally.documents_compared > 0
            && tally.revisions_compared > 0
            && tally.attachments_compared > 0
            && tally.expired > 0,
        "nothing was written, so nothing was proven: {tally}"
    );
}
