//! Players who come back whatever happens, while somebody else does it to servers and store. Their inputs are numbered and sent
//! again until they are answered; in the end the script's own record of what ran is held against what each client was told.

use super::Room;
use crate::client::http::Call;
use crate::load::plan::Command;
use crate::load::setup;
use crate::measure::group::Group;
use crate::measure::ledger::{Due, Ledger};
use crate::measure::window::{GroupWindow, Violation, Window};
use crate::options::{Endure, Options};
use crate::run::Run;
use serde::Deserialize;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What is said once trouble may begin.
const TROUBLE: &str = "let there be trouble";
/// Tokens that are asked for at once.
const PAGE: usize = 1_000;
/// A call that is refused in the end is made again after this, so often.
const TRY_AGAIN: Duration = Duration::from_millis(500);
const TRIES: usize = 20;

/// A calm time with some who do not read, a time of trouble, and then all must come back and be answered.
pub(super) fn direct(args: &Endure, run: &mut Run<'_>) -> io::Result<()> {
    for group in [Group::Players, Group::Slow] {
        run.join(group, run.size(group))?;
        run.play(group, args.rate, 0.0)?;
    }
    run.pass("warming up", run.common.warmup)?;
    calm(args, run)?;
    run.note(TROUBLE);
    churn(args.churn, args, run)?;
    run.measure_while("trouble", |run| trouble(args, run))?;
    churn(0.0, args, run)?;
    run.measure_while("settling", |run| settle(args, run))?;
    Ok(())
}

fn calm(args: &Endure, run: &mut Run<'_>) -> io::Result<()> {
    run.tell(&Command::Read { group: Group::Slow, on: false })?;
    let p99_ms = run.measure("some do not read", args.calm)?.players_p99_ms();
    run.find("p99 of those who read", p99_ms, "ms");
    if p99_ms > args.calm_p99_ms {
        let allowed = args.calm_p99_ms;
        run.violation(Violation::SlowedDown, || {
            format!("p99 of the others {p99_ms:.0} ms, {allowed} are allowed")
        });
    }
    run.tell(&Command::Read { group: Group::Slow, on: true })
}

fn churn(share: f64, args: &Endure, run: &mut Run<'_>) -> io::Result<()> {
    let away_ms = args.away.as_millis() as u64;
    for group in [Group::Players, Group::Slow] {
        let per_second = share * run.size(group) as f64;
        run.tell(&Command::Churn { group, per_second, away_ms })?;
    }
    Ok(())
}

/// Some read and do not read in turns.
fn trouble(args: &Endure, run: &mut Run<'_>) -> io::Result<()> {
    let end = Instant::now() + run.common.duration;
    let mut on = true;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return run.tell(&Command::Read { group: Group::Slow, on: true });
        }
        on = !on;
        run.tell(&Command::Read { group: Group::Slow, on })?;
        run.pass("trouble", args.stall.min(left))?;
    }
}

/// Nothing new is sent; whatever has no answer is, until it has one.
fn settle(args: &Endure, run: &mut Run<'_>) -> io::Result<()> {
    for group in [Group::Players, Group::Slow] {
        run.play(group, 0.0, 0.0)?;
    }
    let start = Instant::now();
    // One heartbeat more, so that everybody has heard where the room is.
    let mut seen = run.pass("settling", args.away + args.heartbeat + args.heartbeat)?;
    let count = run.size(Group::Players) + run.size(Group::Slow);
    while !is_settled(&seen, count) && start.elapsed() < args.settle {
        seen.follow(&run.pass("settling", Duration::from_millis(200))?);
    }
    run.find("time until all were back and answered", start.elapsed().as_secs_f64(), "s");
    let all = seen.all();
    if (all.connected as usize) < count {
        let missing = count - all.connected as usize;
        let reasons = format!("{missing} of {count} have not come back: {:?}", all.failures);
        run.violation(Violation::Disconnected, || reasons);
    }
    Ok(())
}

fn is_settled(seen: &Window, count: usize) -> bool {
    let all = seen.all();
    all.connected as usize >= count && all.unanswered + all.catching_up == 0
}

/// Reads from each room what ran, and holds it against what its members know.
pub(super) fn conclude(
    args: &Endure,
    options: &Options,
    targets: &[SocketAddr],
    rooms: &[Room],
    run: &mut Run<'_>,
) -> io::Result<()> {
    let ledgers = run.totals().ledgers.clone();
    let mut sums = Sums::default();
    for room in rooms {
        let tokens = read_tokens(&args.audit_script, options, targets, room)?;
        let ran = Ran::new(&tokens);
        let own: Vec<&Ledger> = ledgers.iter().filter(|ledger| ledger.room_id == room.id).collect();
        for (kind, what) in judge(&own, &ran, &mut sums) {
            run.violation(kind, || format!("room {}: {what}", room.id));
        }
    }
    report(&sums, run);
    Ok(())
}

#[derive(Default)]
struct Sums {
    once: u64,
    failed: u64,
    lost_with_the_store: u64,
}

fn report(sums: &Sums, run: &mut Run<'_>) {
    let all: GroupWindow = run.totals().all();
    run.find("inputs that ran exactly once", sums.once as f64, "");
    run.find("inputs that failed and left nothing", sums.failed as f64, "");
    run.find("inputs that were lost with the store's data", sums.lost_with_the_store as f64, "");
    run.find("inputs sent once more", all.resent as f64, "");
    run.find("returns that got what they had missed", all.recovered as f64, "");
    run.find("returns that got the whole state", all.whole as f64, "");
    run.find("returns that were refused", all.refused_returns as f64, "");
}

/// What the script says has run in a room.
#[derive(Debug, Default, PartialEq)]
struct Ran<'a> {
    /// How often, by user and number.
    times: HashMap<(&'a str, u32), u32>,
    /// Numbers that ran behind a higher one of the same user.
    late: Vec<(&'a str, u32)>,
    /// Tokens that are none.
    strange: Vec<&'a str>,
}

impl<'a> Ran<'a> {
    /// From the script's tokens, in order: `USER N`.
    fn new(tokens: &'a [String]) -> Self {
        let mut ran = Self::default();
        let mut last: HashMap<&str, u32> = HashMap::new();
        for token in tokens {
            let parts = token.rsplit_once(' ').and_then(|(user, n)| Some((user, n.parse().ok()?)));
            let Some((user, n)) = parts else {
                ran.strange.push(token);
                continue;
            };
            *ran.times.entry((user, n)).or_default() += 1;
            let highest = last.entry(user).or_default();
            if n < *highest {
                ran.late.push((user, n));
            }
            *highest = n.max(*highest);
        }
        ran
    }
}

/// What is wrong with what ran in a room.
fn judge(ledgers: &[&Ledger], ran: &Ran<'_>, sums: &mut Sums) -> Vec<(Violation, String)> {
    let mut wrong = Vec::new();
    for (user, n) in &ran.late {
        wrong.push((Violation::OutOfOrder, format!("input {n} of {user} ran behind a later one")));
    }
    let mut known = 0;
    for ledger in ledgers {
        for (n, due) in (1..).zip(ledger.dues()) {
            let times = ran.times.get(&(ledger.user_id.as_str(), n)).copied().unwrap_or(0);
            known += u32::from(times > 0);
            let what = || format!("input {n} of {} is there {times} times", ledger.user_id);
            match (due, times) {
                (Due::Never, 0) => sums.failed += 1,
                (Due::Never, _) => wrong.push((Violation::HalfDone, what())),
                (_, 1) => sums.once += 1,
                (Due::Once, 0) => wrong.push((Violation::LostInput, what())),
                (Due::AtMostOnce, 0) => sums.lost_with_the_store += 1,
                _ => wrong.push((Violation::RanTwice, what())),
            }
        }
    }
    let foreign = ran.times.len() + ran.strange.len() - known as usize;
    if foreign > 0 {
        wrong.push((Violation::Foreign, format!("{foreign} tokens that no client has sent")));
    }
    wrong
}

#[derive(Deserialize)]
struct Page {
    result: Vec<String>,
}

fn read_tokens(
    script: &str,
    options: &Options,
    targets: &[SocketAddr],
    room: &Room,
) -> io::Result<Vec<String>> {
    let mut tokens = Vec::new();
    loop {
        let page = read_page(script, tokens.len(), options, targets, room)?;
        let last = page.len() < PAGE;
        tokens.extend(page);
        if last {
            return Ok(tokens);
        }
    }
}

/// One page, from whichever server has it: one that was just started may not be ready.
fn read_page(
    script: &str,
    from: usize,
    options: &Options,
    targets: &[SocketAddr],
    room: &Room,
) -> io::Result<Vec<String>> {
    let body = serde_json::json!({
        "script": script, "args": [from, from + PAGE - 1], "keys": [format!("game:{}", room.id)]
    })
    .to_string();
    let mut outcome = Err(io::Error::other("no server to ask"));
    for target in targets.iter().cycle().take(TRIES) {
        let call = Call { method: "POST", path: "/api/rpc", token: Some(&room.token), body: body.clone() };
        outcome = setup::http(options, *target)
            .and_then(|mut http| http.call(&call))
            .and_then(|answer| setup::parse::<Page>(script, &answer));
        if outcome.is_ok() {
            break;
        }
        std::thread::sleep(TRY_AGAIN);
    }
    outcome.map(|page| page.result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tokens: &[&str], dues: &[Due], expected: &[Violation]) {
        let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
        let ledger = Ledger::new("r", "guest:a b", dues.iter().copied());
        let wrong = judge(&[&ledger], &Ran::new(&tokens), &mut Sums::default());
        let kinds: Vec<Violation> = wrong.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, expected, "{tokens:?}: {wrong:?}");
    }

    #[test]
    fn what_ran_is_held_against_what_was_told() {
        use Due::{AtMostOnce, Never, Once};
        check(&[], &[], &[]);
        check(&["guest:a b 1", "guest:a b 3"], &[Once, Never, Once], &[]);
        check(&["guest:a b 2"], &[AtMostOnce, AtMostOnce], &[]);
        check(&["guest:a b 1"], &[Once, Once], &[Violation::LostInput]);
        check(&["guest:a b 1", "guest:a b 1"], &[Once], &[Violation::RanTwice]);
        check(&["guest:a b 1", "guest:a b 1"], &[AtMostOnce], &[Violation::RanTwice]);
        check(&["guest:a b 1"], &[Never], &[Violation::HalfDone]);
        check(&["guest:a b 2", "guest:a b 1"], &[Once, Once], &[Violation::OutOfOrder]);
        check(&["guest:a b 1", "guest:a b 2"], &[Once], &[Violation::Foreign]);
        check(&["guest:a b 1", "guest:x 1", "nonsense"], &[Once], &[Violation::Foreign]);
    }
}
