#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::ALL.iter().filter(|(name, _)| *name == "http").for_each(|(_, target)| target(data));
});
