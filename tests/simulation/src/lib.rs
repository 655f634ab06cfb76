//! Servers and edges under faults: the real core, everything from one seed, judged by exact causal
//! histories.
//!
//! Every write carries the number of its event, and the simulation notes for each event which ones
//! its author had seen: those that lived, to its eyes, under the document. So at the end it knows
//! without any vector which writes must live, and which two must not live side by side.

mod choice;
mod edge;
mod faults;
mod history;
mod replica;
mod run;
mod server;

pub use faults::Faults;
pub use run::{Report, Settings, simulate};
