//! Very many come at once, while others play and must not feel it.

mod accounts;
pub(super) mod login;

use crate::load::plan::Command;
use crate::load::setup::Layout;
use crate::measure::group::Group;
use crate::measure::window::Window;
use crate::options::{Playing, Storm};
use crate::report::Phase;
use crate::run::Run;
use std::io;
use std::time::Duration;

/// Rooms that play, and rooms for the storm.
pub(super) fn layouts(args: &Storm) -> Vec<Layout> {
    let mut layouts = playing_layouts(&args.playing);
    layouts.extend(Layout::players(args.connections, args.room_size, Group::Storm));
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
pub(super) fn direct_reconnect(args: &Storm, run: &mut Run<'_>) -> io::Result<()> {
    run.join(Group::Storm, run.size(Group::Storm))?;
    let quiet = begin_playing(&args.playing, run)?;
    run.tell(&Command::Drop { group: Group::Storm })?;
    storm(args, run, quiet)
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
        Ok(())
    })?;
    let storm = joined.group(Group::Storm);
    let all_in_s = storm.join.quantile_ms(1.0).unwrap_or(f64::NAN) / 1_000.0;
    run.find("time until all are in", all_in_s, "s");
    run.find("joins", count as f64 / all_in_s, "/s");
    let usage = run.phases.last().and_then(Phase::server).cloned();
    if let Some(usage) = usage {
        run.find("joins for each CPU-second of the server", count as f64 / usage.cpu_s, "");
    }
    if storm.recovered > 0 {
        run.find("went on where they left off", storm.recovered as f64, &format!("of {count}"));
    }
    compare(run, quiet_p99_ms);
    run.measure("after the storm", run.common.duration.min(Duration::from_secs(10)))?;
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
