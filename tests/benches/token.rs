//! How long checking a token takes, as every request and join does.
//!
//! `cargo bench --bench token` prints one JSON object a line: the best and the median of rounds of 10,000 checks, in
//! microseconds of the thread's time, for a token of the first secret and for one of the second.

use std::hint::black_box;
use std::time::Instant;

use godra::account::token::{TokenAuthority, new_family};
use godra::wire::ids::Role;

const NOW_S: u64 = 1_800_000_000;
const CHECKS: u32 = 10_000;
const ROUNDS: usize = 20;

fn main() {
    let (new, old) = (vec![1; 32], vec![2; 32]);
    let before = TokenAuthority::new(vec![old.clone()], 3600);
    let authority = TokenAuthority::new(vec![new, old], 3600);
    measure("first secret", &authority, &issue(&authority));
    measure("second secret", &authority, &issue(&before));
}

fn issue(authority: &TokenAuthority) -> String {
    authority.issue("guest:AbCdEfGhIjKlMnOp", "Guest-ABCD", Role::Guest, &new_family(), NOW_S * 1000)
}

fn measure(name: &str, authority: &TokenAuthority, token: &str) {
    let mut rounds_us: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..CHECKS {
                let identity = authority.verify(black_box(token), NOW_S);
                assert!(black_box(identity).is_ok(), "the token is good");
            }
            began.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS)
        })
        .collect();
    rounds_us.sort_by(f64::total_cmp);
    println!(
        r#"{{"token":"{name}","best_us":{:.2},"median_us":{:.2}}}"#,
        rounds_us[0],
        rounds_us[ROUNDS / 2]
    );
}
