//! Whole sessions between a client and a relay that may say anything.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_fuzz::conversation(data));

#[cfg(not(fuzzing))]
fn main() {
    gatepost_fuzz::play_arguments(gatepost_fuzz::conversation);
}
