//! Fuzzes [`pinyon_fuzz_targets::sync_frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pinyon_fuzz_targets::sync_frame(input));
