//! Fuzzes [`pinyon_fuzz_targets::include_path`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pinyon_fuzz_targets::include_path(input));
