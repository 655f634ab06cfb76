//! Fuzzes [`pinyon_fuzz_targets::change_vector`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pinyon_fuzz_targets::change_vector(input));
