//! The storage contract (`pinyon_core::storage`) as tests that any backend runs.
//!
//! The suite uses no threads, files or clocks, so it runs in a browser too. A backend implements
//! [`Harness`] and expands [`for_each_case!`] into its own kind of tests; natively
//! [`block_on_tests!`] does that:
//!
//! ```ignore
//! pinyon_conformance::for_each_case!(pinyon_conformance::block_on_tests, MyHarness::new());
//! ```
//!
//! Every case gets a harness of its own and panics when the contract is broken.

use std::future::Future;

use pinyon_core::storage::Environment;

mod commits;
mod concurrency;
mod faults;
mod fixture;
mod model;
mod reads;
mod restarts;
mod scans;
mod snapshots;
mod stores;

/// All cases, by name.
pub mod cases {
    pub use crate::commits::*;
    pub use crate::concurrency::*;
    pub use crate::faults::*;
    pub use crate::model::*;
    pub use crate::reads::*;
    pub use crate::restarts::*;
    pub use crate::scans::*;
    pub use crate::snapshots::*;
    pub use crate::stores::*;
}

/// A place that one environment lives in.
pub trait Harness {
    /// The backend under test.
    type Environment: Environment;

    /// Opens the environment. The first call finds it empty. A later call is a restart: the
    /// earlier environment with all its stores and snapshots was dropped, its files are the same.
    fn open(&mut self) -> impl Future<Output = Self::Environment>;
}

/// Calls the macro `$expand` with the harness and the names of all cases.
#[macro_export]
macro_rules! for_each_case {
    ($($expand:ident)::+, $harness:expr) => {
        $($expand)::+! {
            ($harness)
            reads_its_own_writes
            answers_in_the_order_of_the_keys
            keeps_empty_keys_and_values
            keeps_large_values_and_long_keys
            keeps_key_spaces_apart
            reads_nothing_from_an_unwritten_space
            overwrites_and_deletes
            applies_the_writes_of_a_batch_in_order
            accepts_an_empty_batch
            applies_all_of_a_large_batch
            shows_relaxed_and_durable_commits_in_order
            freezes_a_snapshot_during_later_commits
            reads_all_pages_from_one_state
            keeps_many_old_snapshots_readable
            scans_in_byte_order
            honours_every_kind_of_bound
            answers_empty_and_inverted_ranges
            limits_the_entries_of_a_page
            limits_the_bytes_of_a_page
            covers_a_range_page_by_page
            keeps_stores_apart
            refuses_to_open_a_store_twice
            releases_a_store_dropped_without_close
            lists_stores_in_byte_order
            deletes_a_store_with_all_it_holds
            keeps_odd_names_apart
            refuses_every_call_on_a_closed_store
            keeps_everything_over_restarts
            keeps_durable_commits_of_a_dropped_store
            keeps_relaxed_commits_in_order_over_a_restart
            makes_earlier_relaxed_commits_durable
            reads_while_a_commit_is_in_flight
            shares_one_store_among_clones
            finishes_a_commit_nobody_waits_for
            agrees_with_a_model
            agrees_with_a_model_over_restarts
            survives_a_failure_at_every_call
            may_have_applied_what_a_lost_acknowledgement_hides
            works_again_after_the_disk_was_full
        }
    };
}

/// Expands cases into `#[test]`s run by `futures_executor::block_on`, which the caller depends on.
#[macro_export]
macro_rules! block_on_tests {
    (($harness:expr) $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                ::futures_executor::block_on($crate::cases::$case(&mut $harness));
            }
        )*
    };
}
