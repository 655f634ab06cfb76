//! The `pinyon` server.
fn main() {}
