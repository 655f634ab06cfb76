//! The project's only scripts.
fn main() {}
