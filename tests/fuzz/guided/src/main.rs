//! One of the targets of `tests/fuzz`, named in `GODRA_FUZZ_TARGET`, under libFuzzer.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod guided {
    use std::sync::LazyLock;

    use godra::fuzz::{TARGETS, Target};

    static TARGET: LazyLock<&Target> = LazyLock::new(|| {
        let name = std::env::var("GODRA_FUZZ_TARGET").expect("GODRA_FUZZ_TARGET names a target");
        TARGETS.iter().find(|target| target.name == name).expect("GODRA_FUZZ_TARGET is one of the targets")
    });

    libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.check)(data));
}

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("this is built and run by tests/fuzz/run");
    std::process::exit(2);
}
