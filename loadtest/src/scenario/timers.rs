//! Timers of rooms that play: how late they are, what each costs, and what the players feel. The server needs the scripts of
//! `loadtest/scripts`. In the end each room's own record of what rang is held against what was set.

use super::Room;
use crate::client::http::{Answer, Call, Http};
use crate::load::setup;
use crate::measure::group::Group;
use crate::measure::process_stats::Usage;
use crate::measure::window::Violation;
use crate::options::{Options, Timers};
use crate::report::Phase;
use crate::run::Run;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How many timers one call sets.
const OF_A_CALL: usize = 500;
/// Calls between two steps of the run, which must not stand still meanwhile.
const CALLS_AT_ONCE: usize = 64;
/// How many calls are made and how many timers are set in a second, at least.
const SLOWEST_CALLS: f64 = 250.0;
const SLOWEST: f64 = 5_000.0;
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// Measures the players without timers and with them.
pub(super) fn direct(
    args: &Timers,
    options: &Options,
    target: SocketAddr,
    rooms: &[Room],
    run: &mut Run<'_>,
) -> io::Result<()> {
    run.join(Group::Players, run.size(Group::Players))?;
    run.play(Group::Players, args.rate, 0.0)?;
    let far = shares(args.pending, rooms.len());
    let far = rooms.iter().zip(far).flat_map(|(room, count)| parts(count).map(|part| far_call(room, part)));
    call_all(far.collect(), &mut setup::http(options, target)?, run)?;
    run.pass("warming up", run.common.warmup)?;
    let before = figures(run.measure("without timers", run.common.duration)?);

    // Servers end connections that nobody has called on for a while.
    let mut http = setup::http(options, target)?;
    let begins = Instant::now() + lead(args);
    let (times, counts) = (times(run), shares(args.timers, rooms.len()));
    let set: Vec<(usize, (&Room, usize))> =
        rooms.iter().zip(counts).enumerate().filter(|(_, (_, count))| *count > 0).collect();
    for some in set.chunks(CALLS_AT_ONCE) {
        // Their first second begins at the same time, as far as that can be told.
        let first = begins.saturating_duration_since(Instant::now());
        if first.is_zero() {
            return Err(io::Error::other("the server takes too long to set the timers"));
        }
        let mut calls = Vec::with_capacity(some.len());
        for (nth, (room, count)) in some {
            let share = *nth as f64 / rooms.len() as f64;
            calls.push(near_call(room, *count, times, (first, share)));
        }
        call_all(calls, &mut http, run)?;
    }
    run.pass("setting timers", begins.saturating_duration_since(Instant::now()) + run.common.warmup)?;
    let during = figures(run.measure("with timers", run.common.duration)?);
    report(args, &before, &during, run);
    wait_until_all_rang(args, (&mut setup::http(options, target)?, rooms), run)
}

/// How long it is until they may ring: they are to be set by then.
fn lead(args: &Timers) -> Duration {
    Duration::from_secs_f64(1.0 + args.rooms as f64 / SLOWEST_CALLS + args.timers as f64 / SLOWEST)
}

/// How often each timer rings: until the measured time is over.
fn times(run: &Run<'_>) -> usize {
    (run.common.warmup + run.common.duration).as_secs_f64().ceil() as usize + 1
}

/// So many, dealt out to rooms.
fn shares(count: usize, rooms: usize) -> impl Iterator<Item = usize> {
    (0..rooms).map(move |room| count / rooms + usize::from(room < count % rooms))
}

/// What is set by one call each.
fn parts(count: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(OF_A_CALL).map(move |first| OF_A_CALL.min(count - first))
}

fn rpc<'a>(script: &str, args: &[String], room: &'a Room) -> Call<'a> {
    let body = serde_json::json!({ "script": script, "args": args, "keys": [format!("game:{}", room.id)] });
    Call { method: "POST", path: "/api/rpc", token: Some(&room.token), body: body.to_string() }
}

fn far_call(room: &Room, count: usize) -> Call<'_> {
    rpc("timers_set", &[count, 0, 0, 0].map(|number| number.to_string()), room)
}

fn near_call(room: &Room, count: usize, times: usize, (first, share): (Duration, f64)) -> Call<'_> {
    let numbers = [count.to_string(), times.to_string(), first.as_millis().to_string(), share.to_string()];
    rpc("timers_set", &numbers, room)
}

#[derive(Deserialize)]
struct Set {
    result: String,
}

fn call_all(calls: Vec<Call<'_>>, http: &mut Http, run: &mut Run<'_>) -> io::Result<()> {
    for some in calls.chunks(CALLS_AT_ONCE) {
        for answer in http.call_all(some)? {
            let Set { result } = setup::parse("timers_set", &answer)?;
            if result != "OK" {
                return Err(io::Error::other(format!("timers_set: {result}")));
            }
        }
        run.step(Duration::ZERO)?;
    }
    Ok(())
}

/// What is compared of two phases.
struct Figures {
    p99_ms: f64,
    seconds: f64,
    processes: Vec<Usage>,
}

fn figures(phase: &Phase) -> Figures {
    Figures { p99_ms: phase.players_p99_ms(), seconds: phase.seconds, processes: phase.processes.clone() }
}

fn report(args: &Timers, before: &Figures, during: &Figures, run: &mut Run<'_>) {
    run.find("timers", args.timers as f64, "a second");
    run.find("timers that are pending and not due", args.pending as f64, "");
    run.find("p99 of the players over that without timers", during.p99_ms / before.p99_ms, "×");
    for (then, now) in before.processes.iter().zip(&during.processes) {
        let per_timer_us =
            (now.cpu_s / during.seconds - then.cpu_s / before.seconds) * 1e6 / args.timers as f64;
        run.find(&format!("CPU for each timer: {}", now.label), per_timer_us, "µs");
    }
}

#[derive(Deserialize)]
struct Rang {
    result: Vec<String>,
}

/// How many timers were how many milliseconds late.
#[derive(Default)]
struct Lateness(BTreeMap<u64, usize>);

impl Lateness {
    /// Reads what a room has noted.
    fn add(&mut self, answer: &Answer) -> io::Result<()> {
        let Rang { result } = setup::parse("timers_rang", answer)?;
        let bad = || io::Error::other(format!("timers_rang: no milliseconds and counts in {}", answer.body));
        let numbers: Vec<u64> =
            result.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(|_| bad())?;
        let (pairs, []) = numbers.as_chunks() else { return Err(bad()) };
        for [ms, count] in pairs {
            *self.0.entry(*ms).or_default() += *count as usize;
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.0.values().sum()
    }

    /// The milliseconds that this share (0 to 1) of all do not exceed; none without any.
    fn quantile_ms(&self, share: f64) -> Option<u64> {
        let wanted = (self.count() as f64 * share).ceil() as usize;
        let mut seen = 0;
        let reaches = |(ms, count): (&u64, &usize)| {
            seen += count;
            (seen >= wanted).then_some(*ms)
        };
        self.0.iter().find_map(reaches)
    }
}

/// Each timer has rung as often as it was to, sooner or later.
fn wait_until_all_rang(
    args: &Timers,
    (http, rooms): (&mut Http, &[Room]),
    run: &mut Run<'_>,
) -> io::Result<()> {
    let (expected, began) = (args.timers * times(run), Instant::now());
    loop {
        let calls: Vec<Call<'_>> = rooms.iter().map(|room| rpc("timers_rang", &[], room)).collect();
        let mut lateness = Lateness::default();
        http.call_all(&calls)?.iter().try_for_each(|answer| lateness.add(answer))?;
        if lateness.count() < expected && began.elapsed() < args.patience {
            run.pass("waiting for the last timers", TRY_AGAIN)?;
            continue;
        }
        // One that rings twice is set again twice.
        run.pass("looking whether more ring", Duration::from_millis(1_500))?;
        judge(&lateness, expected, run);
        return Ok(());
    }
}

fn judge(lateness: &Lateness, expected: usize, run: &mut Run<'_>) {
    let count = lateness.count();
    run.find("timers rang", count as f64, &format!("of {expected}"));
    for (share, name) in [(0.5, "median"), (0.99, "99th of 100"), (1.0, "the latest")] {
        let late_ms = lateness.quantile_ms(share).map_or(f64::NAN, |ms| ms as f64);
        run.find(&format!("late by the store's clock, {name}"), late_ms, "ms");
    }
    let what = || format!("{count} rang where {expected} were set");
    match count.cmp(&expected) {
        std::cmp::Ordering::Less => run.violation(Violation::LostTimer, what),
        std::cmp::Ordering::Greater => run.violation(Violation::RangTwice, what),
        std::cmp::Ordering::Equal => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_dealt_out() {
        assert_eq!(shares(7, 3).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!(shares(2, 3).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(parts(1_001).collect::<Vec<_>>(), [500, 500, 1]);
        assert_eq!(parts(0).count(), 0);
    }

    #[test]
    fn what_a_room_has_noted_is_read() {
        let answer =
            |body: &str| Answer { status: 200, body: body.into(), retry_after_s: None, closes: false };
        let mut lateness = Lateness::default();
        lateness.add(&answer(r#"{"result":["0","3","12","1"]}"#)).unwrap();
        lateness.add(&answer(r#"{"result":[]}"#)).unwrap();
        assert_eq!(lateness.count(), 4);
        assert_eq!([0.5, 0.75, 0.76, 1.0].map(|share| lateness.quantile_ms(share)), [0, 0, 12, 12].map(Some));
        assert_eq!(Lateness::default().quantile_ms(0.5), None);
        for bad in [r#"{"result":["0"]}"#, r#"{"result":["a","1"]}"#, r#"{"result":"OK"}"#] {
            assert!(lateness.add(&answer(bad)).is_err(), "{bad}");
        }
    }
}
