//! Fixed seeds, in seconds.

use pinyon_simulation::{Faults, Report, Settings, simulate};

fn run(name: &str, seeds: std::ops::Range<u64>, settings: Settings) -> Report {
    let mut all = Report::default();
    for seed in seeds {
        let report = simulate(seed, settings)
            .unwrap_or_else(|error| panic!("{name}, seed {seed}: {error:?}"));
        assert_eq!(
            (report.lost, report.diverged, report.stuck, report.unsound),
            (0, 0, 0, 0),
            "{name}, seed {seed}: {report:?}"
        );
        all.add(report);
    }
    println!("{name}: {all:?}");
    all
}

#[test]
fn on_an_everyday_network_nothing_is_lost_and_no_conflict_is_false() {
    let report = run("everyday", 0..40, Settings::default());
    assert_eq!(report.false_conflicts, 0);
    assert_eq!(report.longest_vector, 3, "as many as there are servers");
    assert!(report.accepted > 500, "{report:?}");
}

#[test]
fn a_profile_that_was_cloned_loses_nothing() {
    let faults = Faults {
        clones: true,
        ..Faults::EVERYDAY
    };
    let settings = Settings {
        faults,
        ..Settings::default()
    };
    let report = run("clones", 100..120, settings);
    assert_eq!(report.longest_vector, 3);
}

#[test]
fn a_profile_that_was_rolled_back_loses_nothing() {
    let faults = Faults {
        rollbacks: true,
        ..Faults::EVERYDAY
    };
    let settings = Settings {
        faults,
        ..Settings::default()
    };
    let report = run("rollbacks", 200..220, settings);
    assert_eq!(report.longest_vector, 3);
}

#[test]
fn a_server_that_was_restored_from_a_backup_loses_only_what_nobody_else_knew() {
    let faults = Faults {
        restores: true,
        ..Faults::EVERYDAY
    };
    let settings = Settings {
        faults,
        ..Settings::default()
    };
    run("restores", 300..320, settings);
}

#[test]
fn stores_that_fail_lose_nothing() {
    let faults = Faults {
        storage: true,
        ..Faults::EVERYDAY
    };
    let settings = Settings {
        faults,
        ..Settings::default()
    };
    let report = run("failing stores", 400..420, settings);
    assert_eq!(report.false_conflicts, 0);
}

#[test]
fn everything_at_once_loses_nothing() {
    let settings = Settings {
        faults: Faults::ALL,
        ..Settings::default()
    };
    run("everything", 500..520, settings);
}

#[test]
fn many_edges_leave_vectors_as_short_as_the_cluster() {
    let settings = Settings {
        edges: 60,
        steps: 3000,
        ..Settings::default()
    };
    let report = run("many edges", 600..601, settings);
    assert_eq!(report.longest_vector, 3);
    assert_eq!(report.false_conflicts, 0);
}
