//! The embedded keyspace against real stores: the same random calls go to both, and both must answer alike. With Valkey 9.1 that
//! is true of every answer; what Redis 8.2 and 7.0 answer otherwise stands in `differences`, by name and version.
//!
//! Rounds of calls start from an empty store. A round that ends in a difference is cut down to few calls, and these
//! are printed with the seed. `GODRA_DIFFERENTIAL_CALLS` sets how many calls are made, `GODRA_DIFFERENTIAL_SEED` where
//! they begin. `tests/redis/install` installs the servers.

mod chance;
mod comparison;
mod differences;
mod generator;
mod grammar;
mod server;
mod stores;
mod undo;

use std::collections::BTreeSet;

use generator::Generator;
use server::{Product, StoreServer};
use stores::{Call, Stores, shown};

const CALLS_PER_ROUND: usize = 300;

#[test]
fn valkey_9_answers_alike() {
    compare_with(Product::Valkey9, 200_000);
}

#[test]
fn redis_8_answers_alike() {
    compare_with(Product::Redis8, 60_000);
}

#[test]
fn redis_7_answers_alike() {
    compare_with(Product::Redis7, 60_000);
}

fn compare_with(product: Product, default_calls: u64) {
    let calls = from_environment("GODRA_DIFFERENTIAL_CALLS", default_calls) as usize;
    let first_seed = from_environment("GODRA_DIFFERENTIAL_SEED", 1);
    let server = StoreServer::start(product);
    let rounds = calls.div_ceil(CALLS_PER_ROUND) as u64;
    let mut differences = BTreeSet::new();
    for seed in first_seed..first_seed + rounds {
        let mut generator = Generator::new(seed);
        let round: Vec<Call> = (0..CALLS_PER_ROUND).map(|_| generator.call()).collect();
        match run(&server, seed, &round) {
            Ok(met) => differences.extend(met),
            Err(difference) => {
                let upto = &round[..=difference.at.min(round.len() - 1)];
                let (short, difference) = shrink(&server, seed, upto.to_vec(), difference);
                let lines: Vec<String> = short.iter().map(Call::to_string).collect();
                panic!("{}, seed {seed}, after\n{}\n{}", product.name(), lines.join("\n"), difference.text);
            }
        }
    }
    let stale: Vec<&str> = differences::names(product).filter(|name| !differences.contains(name)).collect();
    assert!(
        stale.is_empty() || calls < default_calls as usize,
        "{} has no such difference: {stale:?}",
        product.name()
    );
}

fn from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
        Err(_) => default,
    }
}

/// What the stores disagreed on, and after which call.
struct Difference {
    at: usize,
    text: String,
}

/// The named differences that came up, or one that has no name.
fn run(server: &StoreServer, seed: u64, calls: &[Call]) -> Result<BTreeSet<&'static str>, Difference> {
    let mut stores = Stores::new(server, seed);
    for (at, call) in calls.iter().enumerate() {
        stores.check(call).map_err(|text| Difference { at, text })?;
        if at % 100 == 99 {
            stores.check_everything().map_err(|text| Difference { at, text })?;
        }
    }
    stores.check_everything().map_err(|text| Difference { at: calls.len(), text })?;
    Ok(stores.differences)
}

/// Leaves out calls as long as a difference remains.
fn shrink(
    server: &StoreServer,
    seed: u64,
    mut calls: Vec<Call>,
    mut difference: Difference,
) -> (Vec<Call>, Difference) {
    let mut chunk = calls.len() / 2;
    while chunk > 0 {
        let mut start = 0;
        while start < calls.len() {
            let end = (start + chunk).min(calls.len());
            let shorter = [&calls[..start], &calls[end..]].concat();
            match run(server, seed, &shorter) {
                Err(found) if !shorter.is_empty() => {
                    calls = shorter[..=found.at.min(shorter.len() - 1)].to_vec();
                    difference = found;
                }
                _ => start += chunk,
            }
        }
        chunk /= 2;
    }
    (calls, difference)
}

/// Every command of the table is called by some template, so that none goes unproven.
#[test]
fn every_command_is_generated() {
    let generated = generator::command_names();
    let missing: Vec<&str> = godra_engine::commands::names()
        .filter(|name| !generated.contains(*name) && !["time", "echo"].contains(name))
        .collect();
    assert!(missing.is_empty(), "no template for {missing:?}");
    assert_eq!(shown(&[b"a\n".to_vec()]), "\"a\\n\"");
}
