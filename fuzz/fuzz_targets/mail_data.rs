//! Mail data against a definition that shares nothing with the scanner.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_fuzz::mail_data(data));

#[cfg(not(fuzzing))]
fn main() {
    gatepost_fuzz::play_arguments(gatepost_fuzz::mail_data);
}
