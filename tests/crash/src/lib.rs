//! Kills and power cuts under concurrent writers, against the real server process.
//!
//! Writers remember in the memory of the test what the server acknowledged. After each crash and
//! restart everything is read back: see [`history`] and [`state`] for what must be there, [`check`]
//! for how it is compared, [`leftovers`] for what may be left in the end.

pub mod check;
pub mod client;
pub mod content;
pub mod disk;
pub mod history;
pub mod leftovers;
pub mod run;
pub mod server;
pub mod settings;
pub mod state;
pub mod writer;
