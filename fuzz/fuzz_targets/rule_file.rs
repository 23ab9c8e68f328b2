//! Rule files, wrong ones above all.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_fuzz::rule_file(data));

#[cfg(not(fuzzing))]
fn main() {
    gatepost_fuzz::play_arguments(gatepost_fuzz::rule_file);
}
