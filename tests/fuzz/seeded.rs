//! Every target for a moment: on its corpus, and on inputs that are like it.
//!
//! `GODRA_FUZZ_SEED=N` begins with the input of that seed, `GODRA_FUZZ_SECONDS=N` goes on for so long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::mutation::Corpus;
use super::{TARGETS, Target};

/// For each target. All run at the same time, as far as there are cores.
const SHORTEST: Duration = Duration::from_millis(400);
/// What none may take longer than, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// As large as that of the thread that scripts run on.
const STACK_BYTES: usize = 64 << 20;

#[test]
fn every_corpus_belongs_to_a_target() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(TARGETS.iter().any(|target| target.name == name), "{}", path.display());
    }
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("it is one of the targets");
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let result = thread.spawn(|| run_here(target)).unwrap().join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn run_here(target: &Target) {
    let corpus = Corpus::read(target.name);
    for (path, bytes) in &corpus.files {
        check(target, bytes, || path.display().to_string());
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let by_clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
    let first = number("GODRA_FUZZ_SEED").unwrap_or_else(by_clock);
    let length = number("GODRA_FUZZ_SECONDS").map_or(SHORTEST, Duration::from_secs);
    let began = Instant::now();
    for seed in (0..).map(|index| first.wrapping_add(index)) {
        check(target, &corpus.input(seed), || format!("GODRA_FUZZ_SEED={seed}"));
        if began.elapsed() >= length {
            return;
        }
    }
}

fn check(target: &Target, input: &[u8], origin: impl Fn() -> String) {
    let began = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.check)(input)));
    let said = || format!("fuzzing {}, {}: \"{}\"", target.name, origin(), input.escape_ascii());
    if let Err(panic) = result {
        eprintln!("{}", said());
        std::panic::resume_unwind(panic);
    }
    assert!(began.elapsed() < PATIENCE, "{} took {:?}", said(), began.elapsed());
}

macro_rules! seeded {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn no_target_is_left_out() {
            assert_eq!(TARGETS.map(|target| target.name), [$(stringify!($name)),*]);
        }
    };
}

seeded!(
    addresses,
    commands,
    erasure_log,
    frames,
    http,
    issuer,
    kept_documents,
    lua_json,
    lua_msgpack,
    lua_pattern,
    lua_source,
    lua_struct,
    mail_body,
    messages,
    proxy_header,
    redis,
    script,
    settings,
    state_file,
    token
);
