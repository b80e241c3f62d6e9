//! Accounts for those who log in: made before anything is measured, with patience for a server that cannot keep up.

use crate::client::http::{Answer, Call, Http};
use crate::load::setup;
use crate::options::Options;
use crate::random::Random;
use crate::run::Run;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PASSWORD: &str = "correct horse battery staple";
/// How often one account is tried, and the longest and the usual wait between two tries.
const TRIES: usize = 10;
const LONGEST_WAIT_S: u64 = 10;
const USUAL_WAIT_S: u64 = 1;

#[derive(Clone, Debug)]
pub(super) struct Account {
    /// The name, which no other run uses.
    pub name: String,
}

impl Account {
    /// A call with the account's name and password.
    pub(crate) fn call<'a>(&self, path: &'a str) -> Call<'a> {
        let body = serde_json::json!({ "username": self.name, "password": PASSWORD }).to_string();
        Call { method: "POST", path, token: None, body }
    }
}

/// Makes this many accounts.
pub(super) fn register(
    count: usize,
    options: &Options,
    target: SocketAddr,
    run: &mut Run<'_>,
) -> io::Result<Vec<Account>> {
    let accounts = name(count, options.seed);
    let mut http = None;
    for account in &accounts {
        // Notices a signal, for very many take a while.
        run.step(Duration::ZERO)?;
        register_one(account, &mut http, options, target, run)?;
    }
    Ok(accounts)
}

/// The time of day is part of it: a server whose database outlives a run knows the names of the last one.
fn name(count: usize, seed: u64) -> Vec<Account> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = Random::new(seed, now.as_nanos() as u64).bits();
    (0..count).map(|n| Account { name: format!("storm_{stamp:x}_{n}") }).collect()
}

fn register_one(
    account: &Account,
    http: &mut Option<Http>,
    options: &Options,
    target: SocketAddr,
    run: &mut Run<'_>,
) -> io::Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut connection = match http.take() {
            Some(connection) => connection,
            None => setup::http(options, target)?,
        };
        let answer = connection.call(&account.call("/register"))?;
        *http = (!answer.closes).then_some(connection);
        match answer.status {
            404 => {
                return Err(io::Error::other(
                    "storm-login needs accounts, and this server has none: it answers 404 to POST /register",
                ));
            }
            429 | 503 if tries < TRIES => drop(run.pass("registering", wait(&answer))?),
            _ => return setup::parse::<serde_json::Value>("/register", &answer).map(drop),
        }
    }
}

/// How long to wait after a refusal: as long as it says, within reason.
fn wait(refused: &Answer) -> Duration {
    Duration::from_secs(refused.retry_after_s.unwrap_or(USUAL_WAIT_S).min(LONGEST_WAIT_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_differ_between_runs() {
        let (first, second) = (name(3, u64::MAX), name(3, u64::MAX));
        for account in first.iter().chain(&second) {
            assert!((3..=32).contains(&account.name.len()), "{}", account.name);
        }
        let all: std::collections::HashSet<_> =
            first.iter().chain(&second).map(|account| &account.name).collect();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn waits_as_told_but_not_for_ever() {
        let check = |retry_after_s, expected_s| {
            let refused = Answer { status: 503, body: String::new(), retry_after_s, closes: false };
            assert_eq!(wait(&refused), Duration::from_secs(expected_s), "{retry_after_s:?}");
        };
        check(Some(3), 3);
        check(Some(0), 0);
        check(None, USUAL_WAIT_S);
        check(Some(86_400), LONGEST_WAIT_S);
    }
}
