//! Revisions, attachments, expiration and operations, against the real server in a process of its
//! own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::disallowed_methods,
    reason = "these stories have no runtime; they wait for another process"
)]

mod attachments;
mod batches;
mod expiration;
mod large_attachments;
mod revisions;
mod smuggler;
mod story;
