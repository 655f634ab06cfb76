//! Fuzzes [`pinyon_fuzz_targets::index_records`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pinyon_fuzz_targets::index_records(input));
