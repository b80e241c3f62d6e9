//! Everybody plays at a steady rate: rooms of any size, with or without chat and people who come and go.

use crate::load::plan::Command;
use crate::measure::group::Group;
use crate::options::Mixed;
use crate::run::Run;
use std::io;

pub(crate) fn direct(run: &mut Run<'_>, inputs_hz: f64) -> io::Result<()> {
    run.join(Group::Players, run.size(Group::Players))?;
    run.play(Group::Players, inputs_hz, 0.0)?;
    run.pass("warming up", run.common.warmup)?;
    run.measure("playing", run.common.duration)?;
    Ok(())
}

/// The same with chat and churn.
pub(super) fn direct_mixed(args: &Mixed, run: &mut Run<'_>) -> io::Result<()> {
    let players = run.size(Group::Players);
    run.join(Group::Players, players)?;
    run.play(Group::Players, args.rate, args.chat)?;
    run.pass("warming up", run.common.warmup)?;
    let (per_second, away_ms) = (args.churn * players as f64, args.away.as_millis() as u64);
    run.tell(&Command::Churn { group: Group::Players, per_second, away_ms })?;
    run.measure("playing, talking, coming and going", run.common.duration)?;
    run.tell(&Command::Churn { group: Group::Players, per_second: 0.0, away_ms })?;
    // Whoever left at the end comes back before the end is judged.
    run.pass("coming back", args.away + run.common.warmup)?;
    Ok(())
}
