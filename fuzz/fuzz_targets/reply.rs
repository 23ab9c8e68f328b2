//! A reply of the relay, read and written again.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_fuzz::reply(data));

#[cfg(not(fuzzing))]
fn main() {
    gatepost_fuzz::play_arguments(gatepost_fuzz::reply);
}
