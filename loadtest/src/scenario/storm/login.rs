//! Very many log in with passwords, which is costly on purpose, while others play. Each must be answered in time:
//! by a token, or by 503, which is how a server that has too much to do says so.

use super::accounts::{self, Account};
use super::{begin_playing, compare};
use crate::client::http::{Answer, Http};
use crate::load::setup;
use crate::measure::histogram::Durations;
use crate::measure::window::Violation;
use crate::options::{Options, StormLogin};
use crate::run::Run;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

struct Outcome {
    /// None if there was no answer.
    status: Option<u16>,
    took: Duration,
    broken: Option<(Violation, String)>,
}

/// Registers accounts, lets the players play, then logs in with all accounts over a number of connections.
pub(crate) fn direct(
    args: &StormLogin,
    options: &Options,
    target: SocketAddr,
    run: &mut Run<'_>,
) -> io::Result<()> {
    let accounts = accounts::register(args.logins, options, target, run)?;
    let quiet = begin_playing(&args.playing, run)?;
    let shares = accounts.chunks(accounts.len().div_ceil(args.logins_at_once.unwrap_or(args.logins)));
    // All are connected before the first logs in, so that they come at one moment.
    let lines = shares
        .map(|share| Line::open(share.to_vec(), args.login_timeout, options, target))
        .collect::<io::Result<Vec<_>>>()?;
    let (outcomes, results) = channel();
    let start = Instant::now();
    for line in lines {
        let outcomes = outcomes.clone();
        std::thread::spawn(move || line.log_in_all(&outcomes));
    }
    drop(outcomes);
    let mut summary = Summary::default();
    run.measure_while("logins", |run| summary.gather(&results, accounts.len(), run))?;
    summary.report(run, start.elapsed());
    compare(run, quiet);
    Ok(())
}

/// Accounts that log in one after the other over a connection.
struct Line {
    accounts: Vec<Account>,
    timeout: Duration,
    options: Options,
    target: SocketAddr,
    /// None once it has broken.
    http: Option<Http>,
}

impl Line {
    fn open(
        accounts: Vec<Account>,
        timeout: Duration,
        options: &Options,
        target: SocketAddr,
    ) -> io::Result<Self> {
        let http = Some(setup::http_within(options, target, timeout)?);
        Ok(Self { accounts, timeout, options: options.clone(), target, http })
    }

    fn log_in_all(mut self, outcomes: &Sender<Outcome>) {
        for account in std::mem::take(&mut self.accounts) {
            let start = Instant::now();
            let answer = self.log_in(&account);
            let took = start.elapsed();
            let broken = judge(&answer).err().map(|(kind, what)| (kind, format!("{}: {what}", account.name)));
            let status = answer.ok().map(|answer| answer.status);
            if outcomes.send(Outcome { status, took, broken }).is_err() {
                return;
            }
        }
    }

    /// A connection that has broken, or that the server closes, is not used again: what is left on it is another's answer.
    fn log_in(&mut self, account: &Account) -> io::Result<Answer> {
        let mut http = match self.http.take() {
            Some(http) => http,
            None => setup::http_within(&self.options, self.target, self.timeout)?,
        };
        let answer = http.call(&account.call("/login"))?;
        self.http = (!answer.closes).then_some(http);
        Ok(answer)
    }
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

/// Whether a login was answered as it should be, or what is wrong with it.
fn judge(answer: &io::Result<Answer>) -> Result<(), (Violation, String)> {
    let answer = answer.as_ref().map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => (Violation::LateLogin, error.to_string()),
        _ => (Violation::BadLogin, error.to_string()),
    })?;
    let bad = |what: &str| Err((Violation::BadLogin, format!("{what}: {}", answer.body.trim())));
    match answer.status {
        503 => Ok(()),
        200 => match serde_json::from_str::<Login>(&answer.body) {
            Ok(login) if !login.token.is_empty() => Ok(()),
            _ => bad("200 without a token"),
        },
        429 => bad("429 (--login-rate 0 takes the server's limit off)"),
        status => bad(&status.to_string()),
    }
}

#[derive(Default)]
struct Summary {
    took: Durations,
    slowest: Duration,
    statuses: BTreeMap<Option<u16>, u64>,
}

impl Summary {
    /// Ends by itself, since no login takes longer than its timeout.
    fn gather(&mut self, results: &Receiver<Outcome>, count: usize, run: &mut Run<'_>) -> io::Result<()> {
        let mut seen = 0;
        while seen < count {
            match results.try_recv() {
                Ok(outcome) => {
                    seen += 1;
                    self.take(outcome, run);
                }
                Err(TryRecvError::Empty) => drop(run.pass("logins", Duration::from_millis(20))?),
                Err(TryRecvError::Disconnected) => {
                    return Err(io::Error::other(format!("only {seen} of {count} logins were made")));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, outcome: Outcome, run: &mut Run<'_>) {
        *self.statuses.entry(outcome.status).or_default() += 1;
        self.took.record_ns(outcome.took.as_nanos() as u64);
        self.slowest = self.slowest.max(outcome.took);
        if let Some((kind, what)) = outcome.broken {
            run.violation(kind, || what);
        }
    }

    fn report(&self, run: &mut Run<'_>, duration: Duration) {
        let all: u64 = self.statuses.values().sum();
        let good = self.statuses.get(&Some(200)).copied().unwrap_or(0);
        run.find("logins", good as f64 / duration.as_secs_f64(), "/s");
        for (status, count) in &self.statuses {
            let how = status.map_or_else(|| "not at all".into(), |status| status.to_string());
            run.find(&format!("logins answered {how}"), *count as f64, &format!("of {all}"));
        }
        for (name, share) in [("p50 of a login", 0.5), ("p99 of a login", 0.99)] {
            run.find(name, self.took.quantile_ms(share).unwrap_or(f64::NAN), "ms");
        }
        run.find("the slowest login", self.slowest.as_secs_f64() * 1_000.0, "ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_or_a_refusal_is_right_and_nothing_else() {
        let check = |status, body: &str, right: bool| {
            let answer = Answer { status, body: body.into(), retry_after_s: None, closes: false };
            let kind = judge(&Ok(answer)).err().map(|(kind, _)| kind);
            assert_eq!(kind, (!right).then_some(Violation::BadLogin), "{status} {body}");
        };
        check(200, r#"{"token":"a.b.c","user_id":"1"}"#, true);
        check(503, "", true);
        check(200, r#"{"token":""}"#, false);
        check(200, r#"{"token":7}"#, false);
        check(200, "{}", false);
        check(200, "", false);
        for status in [201, 401, 404, 429, 500] {
            check(status, r#"{"token":"a.b.c"}"#, false);
        }
    }

    #[test]
    fn silence_and_a_broken_connection_differ() {
        let check = |kind: io::ErrorKind, expected| {
            assert_eq!(judge(&Err(kind.into())).unwrap_err().0, expected, "{kind}");
        };
        check(io::ErrorKind::TimedOut, Violation::LateLogin);
        check(io::ErrorKind::UnexpectedEof, Violation::BadLogin);
        check(io::ErrorKind::ConnectionReset, Violation::BadLogin);
        check(io::ErrorKind::InvalidData, Violation::BadLogin);
    }
}
