//! The stages and what each has to report.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::process::Finished;
use crate::workspace::Workspace;

use super::tally::Tally;
use super::{browser_stage, client_stages, rust_stages, sample_stage, wasm_stages};
use crate::tidy;

/// A part of `cargo xtask test`, quick ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// Source text is formatted
    Format,
    /// House rules hold
    Tidy,
    /// Compiler and clippy have nothing to say
    Lint,
    /// Unit tests of the project's scripts
    Scripts,
    /// Unit and integration tests of the workspace
    Unit,
    /// Examples in the documentation
    Doc,
    /// The core builds for browsers
    WasmBuild,
    /// The core's unit tests pass as WebAssembly
    WasmTest,
    /// The sample database loads, and only once
    Sample,
    /// No acknowledged write is lost when the server is killed
    Crash,
    /// The official Node.js and Python clients work against the server
    Clients,
    /// Storage, npm package and several tabs work in Chromium
    Browser,
}

impl Stage {
    /// All stages, in the order they run.
    pub const ALL: [Self; 12] = [
        Self::Format,
        Self::Tidy,
        Self::Lint,
        Self::Scripts,
        Self::Unit,
        Self::Doc,
        Self::WasmBuild,
        Self::WasmTest,
        Self::Sample,
        Self::Crash,
        Self::Clients,
        Self::Browser,
    ];

    /// Runs the stage; a stage that cannot run has failed.
    pub fn run(self, workspace: &Workspace, limit: Duration) -> Report {
        println!("\n== {}", self.name());
        let started = Instant::now();
        let outcome = self.outcome(workspace, limit);
        let tally = outcome.unwrap_or_else(|reason| {
            println!("{}: {reason:#}", self.name());
            Tally::of_check(false)
        });
        let report = Report {
            stage: self,
            tally,
            elapsed: started.elapsed(),
        };
        println!("-- {report}");
        report
    }

    fn outcome(self, workspace: &Workspace, limit: Duration) -> Result<Tally> {
        match self {
            Self::Format => rust_stages::check_format(workspace, limit),
            Self::Tidy => {
                tidy::check(workspace).map(|findings| Tally::of_check(findings.is_empty()))
            }
            Self::Lint => rust_stages::lint(workspace, limit),
            Self::Scripts => rust_stages::test_scripts(workspace, limit),
            Self::Unit => rust_stages::test_workspace(workspace, limit),
            Self::Doc => rust_stages::test_documentation(workspace, limit),
            Self::WasmBuild => wasm_stages::build_for_browsers(workspace, limit),
            Self::WasmTest => wasm_stages::test_as_webassembly(workspace, limit),
            Self::Sample => sample_stage::test_sample(workspace, limit),
            Self::Crash => rust_stages::test_crashes(workspace, limit),
            Self::Clients => client_stages::test_clients(workspace, limit),
            Self::Browser => browser_stage::test_in_chromium(workspace, limit),
        }
    }

    /// The name that the command line takes.
    fn name(self) -> String {
        self.to_possible_value()
            .expect("no stage is hidden")
            .get_name()
            .to_owned()
    }
}

/// How a stage went.
pub struct Report {
    stage: Stage,
    tally: Tally,
    elapsed: Duration,
}

impl Report {
    /// What passed and failed.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.tally.failed == 0 {
            "ok"
        } else {
            "FAILED"
        };
        let Tally { passed, failed } = self.tally;
        let seconds = self.elapsed.as_secs_f64();
        write!(
            f,
            "{:<11} {verdict:<6} {passed:>5} passed {failed:>3} failed {seconds:>7.1} s",
            self.stage.name()
        )
    }
}

/// The result of a program that is one check.
pub fn check_of(finished: &Finished) -> Tally {
    if !finished.success {
        println!("{}", finished.ending);
    }
    Tally::of_check(finished.success)
}

/// The result of a program that runs tests and printed `counted`. A crash or build failure is a
/// failed test even if no count says so, and so is a run of no test at all.
pub fn tests_of(finished: &Finished, counted: Tally) -> Tally {
    let mut tally = counted;
    if !finished.success && counted.failed == 0 {
        println!("the test program failed: {}", finished.ending);
        tally.failed = 1;
    }
    if finished.success && counted.passed == 0 {
        println!("no test ran");
        tally.failed += 1;
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(success: bool) -> Finished {
        Finished {
            success,
            ending: "exit status: 101".to_owned(),
            output: String::new(),
        }
    }

    #[test]
    fn a_run_without_tests_fails() {
        assert_eq!(tests_of(&finished(true), Tally::default()).failed, 1);
    }

    #[test]
    fn a_crash_fails_whatever_was_counted() {
        let counted = Tally {
            passed: 7,
            failed: 0,
        };
        assert_eq!(
            tests_of(&finished(false), counted),
            Tally {
                passed: 7,
                failed: 1
            }
        );
        assert_eq!(tests_of(&finished(true), counted), counted);
    }
}
