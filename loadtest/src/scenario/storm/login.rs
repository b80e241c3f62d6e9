//! Very many log in with passwords, which is costly on purpose, while others play.

use super::{begin_playing, compare};
use crate::histogram::Durations;
use crate::http::{Call, Http};
use crate::options::{Options, StormLogin};
use crate::run::Run;
use crate::setup;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

const PASSWORD: &str = "correct horse battery staple";

/// One login's outcome.
struct Outcome {
    status: u16,
    took_ns: u64,
}

/// Registers accounts, lets the players play, then logs in with all accounts over a number of connections.
pub fn direct(args: &StormLogin, options: &Options, target: SocketAddr, run: &mut Run<'_>) -> io::Result<()> {
    let names = register(args, options, target)?;
    let quiet = begin_playing(&args.playing, run)?;
    let (outcomes, results) = channel();
    let start = Instant::now();
    for share in names.chunks(names.len().div_ceil(args.logins_at_once)) {
        start_logins(share.to_vec(), setup::http(options, target)?, outcomes.clone());
    }
    drop(outcomes);
    let mut summary = Summary::default();
    run.measure_while("logins", |run| summary.gather(&results, names.len(), run))?;
    summary.report(run, start.elapsed().as_secs_f64());
    compare(run, quiet);
    Ok(())
}

fn register(args: &StormLogin, options: &Options, target: SocketAddr) -> io::Result<Vec<String>> {
    let mut http = setup::http(options, target)?;
    let stamp = crate::sys::monotonic_ns();
    let names: Vec<String> = (0..args.logins).map(|n| format!("storm_{stamp:x}_{n}")).collect();
    for name in &names {
        let answer = http.call(&post("/register", name))?;
        if answer.status == 404 {
            return Err(io::Error::other(
                "storm-login needs accounts, and this server has none: it answers 404 to POST /register",
            ));
        }
        setup::parse::<serde_json::Value>("/register", &answer)?;
    }
    Ok(names)
}

fn post<'a>(path: &'a str, name: &str) -> Call<'a> {
    let body = serde_json::json!({ "username": name, "password": PASSWORD }).to_string();
    Call { method: "POST", path, token: None, body }
}

fn start_logins(names: Vec<String>, mut http: Http, outcomes: Sender<Outcome>) {
    std::thread::spawn(move || {
        for name in names {
            let start = Instant::now();
            // A broken connection counts as status 0; what it cost the players is what is measured.
            let status = http.call(&post("/login", &name)).map_or(0, |answer| answer.status);
            let took_ns = start.elapsed().as_nanos() as u64;
            if outcomes.send(Outcome { status, took_ns }).is_err() {
                return;
            }
        }
    });
}

#[derive(Default)]
struct Summary {
    took: Durations,
    statuses: BTreeMap<u16, u64>,
}

impl Summary {
    fn gather(&mut self, results: &Receiver<Outcome>, count: usize, run: &mut Run<'_>) -> io::Result<()> {
        let mut seen = 0;
        let start = Instant::now();
        while seen < count {
            run.pass("logins", std::time::Duration::from_millis(100))?;
            for Outcome { status, took_ns } in results.try_iter() {
                *self.statuses.entry(status).or_default() += 1;
                self.took.record_ns(took_ns);
                seen += 1;
            }
            if start.elapsed() > run.common.join_timeout {
                return Err(io::Error::other(format!("only {seen} of {count} logins were answered in time")));
            }
        }
        Ok(())
    }

    fn report(&self, run: &mut Run<'_>, seconds: f64) {
        let all: u64 = self.statuses.values().sum();
        run.find("logins", all as f64 / seconds, "/s");
        for (status, count) in &self.statuses {
            run.find(&format!("logins answered {status}"), *count as f64, &format!("of {all}"));
        }
        for (name, share) in [("p50 of a login", 0.5), ("p99 of a login", 0.99)] {
            run.find(name, self.took.quantile_ms(share).unwrap_or(f64::NAN), "ms");
        }
    }
}
