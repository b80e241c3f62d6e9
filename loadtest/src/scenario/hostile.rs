//! Some attack from one address, in every way there is, while others play. Those must hardly feel it, each attack must get the answer
//! that it should, and the server's memory must stay bounded and be free again soon.

use crate::attack::force::{Force, Orders};
use crate::attack::outcome::{self, Tally};
use crate::attack::{KINDS, Kind};
use crate::load::setup;
use crate::measure::group::Group;
use crate::measure::window::Violation;
use crate::options::{Hostile, Options};
use crate::run::Run;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Where attackers come from, at a server on this machine: no player does.
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);
const MIB: f64 = (1 << 20) as f64;

/// Measures the players in quiet, and then under attack; then waits until the server's memory is free again.
pub(super) fn direct(
    args: &Hostile,
    options: &Options,
    target: SocketAddr,
    run: &mut Run<'_>,
) -> io::Result<()> {
    let orders = orders(args, options, target)?;
    let is_secure = orders.tls.is_some();
    let kinds: Vec<&Kind> = orders.attacks.iter().map(|(kind, _)| *kind).collect();
    run.join(Group::Players, run.size(Group::Players))?;
    run.play(Group::Players, args.rate, 0.0)?;
    run.pass("warming up", run.common.warmup)?;
    let quiet_ms = run.measure("in quiet", run.common.duration)?.players_p99_ms();
    let before = run.server_reading().map(|reading| reading.rss_bytes);
    let force = Force::start(orders)?;
    let phase = run.measure("under attack", run.common.duration);
    let (tallies, lasted) = force.stop()?;
    let phase = phase?;
    let (during_ms, peak) = (phase.players_p99_ms(), phase.server().map(|usage| usage.rss_peak_bytes));
    slowed(args, quiet_ms, during_ms, run);
    if let (Some(before), Some(peak)) = (before, peak) {
        grown(args.memory_growth, before, peak, "memory under attack", run);
        recover(args, before, run)?;
    }
    for (kind, tally) in kinds.iter().zip(&tallies) {
        met(kind, is_secure, tally, lasted, run);
    }
    Ok(())
}

fn slowed(args: &Hostile, quiet_ms: f64, during_ms: f64, run: &mut Run<'_>) {
    run.find("p99 of those who play, in quiet", quiet_ms, "ms");
    run.find("p99 of those who play, under attack", during_ms, "ms");
    run.find("the same over that in quiet", during_ms / quiet_ms, "×");
    if during_ms > quiet_ms * args.worst_ratio {
        let allowed = args.worst_ratio;
        run.violation(Violation::SlowedDown, || {
            format!("p99 under attack {during_ms:.1} ms, in quiet {quiet_ms:.1} ms; {allowed} times that is allowed")
        });
    }
}

/// Notes by how much memory has grown, and whether that is too much.
fn grown(allowed_mib: f64, before: u64, now: u64, what: &str, run: &mut Run<'_>) {
    let mib = (now as f64 - before as f64) / MIB;
    run.find(what, mib, "MiB more");
    if mib > allowed_mib {
        run.violation(Violation::MemoryGrew, || {
            format!("{what}: {mib:.0} MiB more, {allowed_mib} are allowed")
        });
    }
}

fn recover(args: &Hostile, before: u64, run: &mut Run<'_>) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let Some(now) = run.server_reading().map(|reading| reading.rss_bytes) else { return Ok(()) };
        let is_free = now as f64 <= before as f64 + args.memory_left * MIB;
        if is_free || start.elapsed() >= args.recovery {
            run.find("time until memory was free again", start.elapsed().as_secs_f64(), "s");
            grown(args.memory_left, before, now, "memory afterwards", run);
            return Ok(());
        }
        run.pass("after the attack", Duration::from_millis(500))?;
    }
}

fn met(kind: &Kind, is_secure: bool, tally: &Tally, lasted: Duration, run: &mut Run<'_>) {
    run.note(&format!("{} ({}): {}", kind.name, kind.what, tally.line()));
    run.find(&format!("answers to {}", kind.name), tally.answers.values().sum::<u64>() as f64, "");
    if let Some(wrong) = outcome::judge(kind, is_secure, tally, lasted) {
        run.violation(Violation::NotMet, || format!("{}: {wrong}", kind.name));
    }
}

/// Logs the attackers in and gives each attack its connections.
fn orders(args: &Hostile, options: &Options, target: SocketAddr) -> io::Result<Orders> {
    let kinds = chosen(&args.attacks)?;
    let usual = kinds.iter().filter(|kind| !kind.is_crowd()).count().max(1);
    let count = |kind: &Kind, place: usize| match kind.is_crowd() {
        true => args.crowd,
        // As many each as there are, the first ones one more.
        false => args.attackers / usual + usize::from(place < args.attackers % usual),
    };
    let mut attacks = Vec::new();
    for (place, kind) in kinds.into_iter().enumerate() {
        attacks.push((kind, setup::seats(options, target, count(kind, place), kind.is_apart)?));
    }
    let source = target.ip().is_loopback().then_some(SOURCE);
    let tls = options.tls(target).cloned();
    Ok(Orders { target, source, tls, attacks, seed: options.seed })
}

fn chosen(names: &[String]) -> io::Result<Vec<&'static Kind>> {
    let known = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = names.iter().find(|name| !KINDS.iter().any(|kind| kind.name == *name)) {
        return Err(io::Error::other(format!(
            "--attacks {unknown}: there is none of that name, but {}",
            known()
        )));
    }
    let is_chosen = |kind: &&Kind| names.is_empty() || names.iter().any(|name| name == kind.name);
    Ok(KINDS.iter().filter(is_chosen).collect())
}
