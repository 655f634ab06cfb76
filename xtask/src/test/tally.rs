//! Counts what test programs report in their closing lines.

use std::iter::Sum;
use std::ops::AddAssign;

/// How many tests or checks passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that passed.
    pub passed: u64,
    /// Those that failed.
    pub failed: u64,
}

impl Tally {
    /// One check that holds or does not.
    pub fn of_check(holds: bool) -> Self {
        Self {
            passed: u64::from(holds),
            failed: u64::from(!holds),
        }
    }

    /// The closing lines of `cargo test`: `test result: ok. 3 passed; 0 failed; …`, one for each
    /// test program.
    pub fn of_cargo_test(output: &str) -> Self {
        output
            .lines()
            .filter_map(|line| {
                let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
                Some(Self {
                    passed: count_before(counts, "passed")?,
                    failed: count_before(counts, "failed")?,
                })
            })
            .sum()
    }

    /// The closing lines of `node --test`: `# pass 3` or `ℹ pass 3`, by its reporter.
    pub fn of_node_test(output: &str) -> Self {
        let count = |word: &str| {
            output
                .lines()
                .filter_map(|line| {
                    let rest = line
                        .strip_prefix("# ")
                        .or_else(|| line.strip_prefix("ℹ "))?;
                    rest.strip_prefix(word)?.trim().parse::<u64>().ok()
                })
                .sum()
        };
        Self {
            passed: count("pass "),
            failed: count("fail ") + count("cancelled "),
        }
    }

    /// The closing lines of Python's unittest: `Ran 5 tests in 0.1s`, then `OK (skipped=1)` or
    /// `FAILED (failures=1, errors=2)`.
    pub fn of_unittest(output: &str) -> Self {
        let mut ran = 0;
        let mut failed = 0;
        let mut skipped = 0;
        for line in output.lines() {
            if let Some(rest) = line.strip_prefix("Ran ") {
                ran += first_number(rest).unwrap_or(0);
            }
            let counts = line
                .strip_prefix("OK (")
                .or_else(|| line.strip_prefix("FAILED ("));
            for count in counts.unwrap_or_default().trim_end_matches(')').split(", ") {
                match count.split_once('=') {
                    Some(("failures" | "errors" | "unexpected successes", number)) => {
                        failed += first_number(number).unwrap_or(0);
                    }
                    // An expected failure shows nothing that works, so it does not count as passed.
                    Some((_, number)) => skipped += first_number(number).unwrap_or(0),
                    None => {}
                }
            }
        }
        Self {
            passed: u64::saturating_sub(ran, failed + skipped),
            failed,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum += tally;
            sum
        })
    }
}

/// The number that `text` begins with.
fn first_number(text: &str) -> Option<u64> {
    text.split(|character: char| !character.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// The number that stands before `word` in text like `3 passed; 1 failed`.
fn count_before(text: &str, word: &str) -> Option<u64> {
    let before = text.split_once(word)?.0.trim_end();
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_adds_up_its_programs() {
        let output = "running 2 tests\ntest a ... ok\n\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 13 passed; 4 failed; 1 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(
            Tally::of_cargo_test(output),
            Tally {
                passed: 15,
                failed: 4
            }
        );
        assert_eq!(
            Tally::of_cargo_test("error: could not compile"),
            Tally::default()
        );
    }

    #[test]
    fn node_test_is_read_from_both_reporters() {
        let tap = "# tests 4\n# suites 0\n# pass 2\n# fail 1\n# cancelled 1\n# skipped 0\n";
        assert_eq!(
            Tally::of_node_test(tap),
            Tally {
                passed: 2,
                failed: 2
            }
        );
        let spec = "ℹ tests 3\nℹ pass 3\nℹ fail 0\nℹ cancelled 0\n";
        assert_eq!(
            Tally::of_node_test(spec),
            Tally {
                passed: 3,
                failed: 0
            }
        );
    }

    #[test]
    fn unittest_subtracts_what_did_not_pass() {
        let good = "....\nRan 4 tests in 0.012s\n\nOK\n";
        assert_eq!(
            Tally::of_unittest(good),
            Tally {
                passed: 4,
                failed: 0
            }
        );
        let bad =
            "Ran 9 tests in 1s\n\nFAILED (failures=1, errors=2, skipped=1, expected failures=1)\n";
        assert_eq!(
            Tally::of_unittest(bad),
            Tally {
                passed: 4,
                failed: 3
            }
        );
    }
}
