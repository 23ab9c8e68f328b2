//! A command line, understood and written again.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_fuzz::command(data));

#[cfg(not(fuzzing))]
fn main() {
    gatepost_fuzz::play_arguments(gatepost_fuzz::command);
}
