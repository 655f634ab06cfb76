//! The storage contract as tests that any backend runs.
