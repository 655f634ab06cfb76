//! `kill -9` at random moments under eight writers: nothing acknowledged is lost, no batch is
//! there by half. `PINYON_KILLS` sets how often, `PINYON_SEED` repeats the choices of a run.

use pinyon_crash::disk::Fault;
use pinyon_crash::run::{Plan, run};
use pinyon_crash::settings;

#[test]
fn killed_servers_keep_what_they_acknowledged() {
    let plan = Plan {
        binary: pinyon_server_process::find_binary().unwrap(),
        fault: Fault::Kill,
        crashes: settings::number("PINYON_KILLS").unwrap().unwrap_or(25),
        crashes_of_directory: 9,
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
            && tally.expired > 0
            && tally.refreshed > 0,
        "nothing was written, so nothing was proven: {tally}"
    );
}
