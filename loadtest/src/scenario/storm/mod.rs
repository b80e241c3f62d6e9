//! Very many come at once, while others play and must not feel it.

mod accounts;
pub(super) mod login;

use crate::load::plan::Command;
use crate::load::setup::Layout;
use crate::measure::group::Group;
use crate::measure::window::Window;
use crate::options::{Playing, Reconnect, Storm};
use crate::report::Phase;
use crate::run::Run;
use std::io;
use std::time::{Duration, Instant};

/// The longest that those who are in may still be missing something.
const CATCHING_UP: Duration = Duration::from_secs(10);

/// Rooms that play, and rooms for the storm, in each of which some stay out of it.
pub(super) fn layouts(args: &Storm, stay: usize) -> Vec<Layout> {
    let mut layouts = playing_layouts(&args.playing);
    let rooms = Layout::players(args.connections, args.room_size, Group::Storm);
    layouts.extend(rooms.into_iter().map(|room| room.and(stay, Group::Players)));
    layouts
}

pub(super) fn playing_layouts(playing: &Playing) -> Vec<Layout> {
    Layout::rooms(playing.rooms, playing.players, Group::Players)
}

/// Measures the players in quiet, and then while everybody else connects.
pub(super) fn direct_connect(args: &Storm, run: &mut Run<'_>) -> io::Result<()> {
    let quiet = begin_playing(&args.playing, run)?;
    storm(args, run, quiet)
}

/// The same with clients that were there already, are cut off, and come back.
pub(super) fn direct_reconnect(args: &Reconnect, run: &mut Run<'_>) -> io::Result<()> {
    run.join(Group::Storm, run.size(Group::Storm))?;
    let quiet = begin_playing(&args.storm.playing, run)?;
    if args.restart {
        run.restart_server()?;
        let count = run.size(Group::Players);
        run.tell(&Command::Connect { group: Group::Players, count, per_second: 0.0, in_flight: 0 })?;
    } else {
        run.tell(&Command::Drop { group: Group::Storm })?;
        run.pass("away", args.away)?;
    }
    storm(&args.storm, run, quiet)
}

/// Lets the players play and measures what they feel in quiet.
pub(super) fn begin_playing(playing: &Playing, run: &mut Run<'_>) -> io::Result<f64> {
    if run.size(Group::Players) == 0 {
        return Ok(f64::NAN);
    }
    run.join(Group::Players, run.size(Group::Players))?;
    run.play(Group::Players, playing.rate, 0.0)?;
    run.pass("warming up", run.common.warmup)?;
    Ok(run.measure("before the storm", run.common.duration)?.players_p99_ms())
}

fn storm(args: &Storm, run: &mut Run<'_>, quiet_p99_ms: f64) -> io::Result<()> {
    let count = run.size(Group::Storm);
    let mut joined = Window::default();
    run.measure_while("the storm", |run| {
        joined = run.join_at(Group::Storm, count, 0.0, args.in_flight)?;
        wait_until_caught_up(&mut joined, run)
    })?;
    let storm = joined.group(Group::Storm);
    let all_in_s = storm.join.quantile_ms(1.0).unwrap_or(f64::NAN) / 1_000.0;
    run.find("time until all are in", all_in_s, "s");
    run.find("joins", count as f64 / all_in_s, "/s");
    let usage = run.phases.last().and_then(Phase::server).cloned();
    if let Some(usage) = usage {
        run.find("joins for each CPU-second of the server", count as f64 / usage.cpu_s, "");
    }
    if storm.recovered + storm.whole > 0 {
        let (first, last) = (storm.caught_up.quantile_ms(0.5), storm.caught_up.quantile_ms(1.0));
        run.find("got what they had missed", storm.recovered as f64, &format!("of {count}"));
        run.find("got the whole state", storm.whole as f64, &format!("of {count}"));
        run.find("time until half have caught up", first.unwrap_or(f64::NAN) / 1_000.0, "s");
        run.find("time until all have caught up", last.unwrap_or(f64::NAN) / 1_000.0, "s");
    }
    compare(run, quiet_p99_ms);
    run.measure("after the storm", run.common.duration.min(Duration::from_secs(10)))?;
    Ok(())
}

/// Who is in has not seen everything yet that happened while it was away.
fn wait_until_caught_up(seen: &mut Window, run: &mut Run<'_>) -> io::Result<()> {
    let start = Instant::now();
    while seen.group(Group::Storm).catching_up > 0 && start.elapsed() < CATCHING_UP {
        seen.follow(&run.step(Duration::from_millis(20))?);
    }
    Ok(())
}

/// Notes what the players felt in the last phase, beside what they feel in quiet.
pub(super) fn compare(run: &mut Run<'_>, quiet_p99_ms: f64) {
    let during = run.phases.last().map_or(f64::NAN, Phase::players_p99_ms);
    if during.is_nan() {
        return;
    }
    run.find("p99 of those who play, before", quiet_p99_ms, "ms");
    run.find("p99 of those who play, meanwhile", during, "ms");
    if let Some(interval_ms) = run.sync_interval_ms {
        run.find("the same in sync intervals", during / interval_ms, "×");
    }
}
