//! Raises the rate step by step until players wait too long, then closes in on the highest rate that they can live with.

use crate::measure::group::Group;
use crate::options::Saturate;
use crate::report::Phase;
use crate::run::Run;
use std::io;

/// Steps at most; with the smallest useful factor this spans four orders of magnitude.
const MAX_STEPS: usize = 60;
/// Tries of a rate before it counts as too high.
const ATTEMPTS: usize = 2;
/// Share of inputs that may be refused (busy) in a step that still counts as good.
const MAX_ERROR_SHARE: f64 = 0.001;
/// Share of inputs that must have come back within a good step.
const MIN_ANSWER_SHARE: f64 = 0.98;

pub(crate) fn direct(args: &Saturate, run: &mut Run<'_>) -> io::Result<()> {
    let players = run.size(Group::Players);
    run.join(Group::Players, players)?;
    run.play(Group::Players, args.start_rate / players as f64, 0.0)?;
    run.pass("warming up", run.common.warmup)?;
    let mut search = Search { good: None, bad: None };
    let mut rate = args.start_rate;
    for _ in 0..MAX_STEPS {
        try_rate(args, run, rate, &mut search)?;
        if search.bad.is_some() {
            break;
        }
        rate *= args.step;
    }
    for _ in 0..args.refine {
        let Some((good, bad)) = search.good.zip(search.bad) else { break };
        recover(args, run, good)?;
        try_rate(args, run, f64::midpoint(good, bad), &mut search)?;
    }
    report(args, run, &search);
    Ok(())
}

const GOOD: &str = "good";

struct Search {
    good: Option<f64>,
    bad: Option<f64>,
}

impl Search {
    fn note(&mut self, rate: f64, good: bool) {
        match good {
            true => self.good = Some(rate),
            false => self.bad = Some(rate),
        }
    }
}

/// Plays at a rate and notes whether it was good. Once may be an accident: a bad rate is bad twice.
fn try_rate(args: &Saturate, run: &mut Run<'_>, rate: f64, search: &mut Search) -> io::Result<()> {
    let mut good = false;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            recover(args, run, rate)?;
        }
        let players = run.size(Group::Players) as f64;
        run.play(Group::Players, rate / players, 0.0)?;
        run.pass("settling", args.settle)?;
        let phase = run.measure(&format!("{rate:.0} inputs/s"), run.common.duration)?;
        let verdict = verdict(phase, args.slo_ms);
        good = verdict == GOOD;
        run.note(&format!("{rate:.0} inputs/s: {verdict}"));
        if good {
            break;
        }
    }
    search.note(rate, good);
    Ok(())
}

/// What one step left in queues must not count against the next.
fn recover(args: &Saturate, run: &mut Run<'_>, rate: f64) -> io::Result<()> {
    let players = run.size(Group::Players) as f64;
    run.play(Group::Players, rate / players / 2.0, 0.0)?;
    run.pass("recovering", args.settle).map(drop)
}

/// What was wrong with a step, if anything.
fn verdict(phase: &Phase, slo_ms: f64) -> String {
    let all = &phase.all;
    let errors = all.errors.values().sum::<u64>() as f64;
    let p99_ms = phase.players_p99_ms();
    if p99_ms.is_nan() || p99_ms > slo_ms {
        return format!("p99 is {p99_ms:.1} ms");
    }
    if errors > MAX_ERROR_SHARE * all.inputs as f64 {
        return format!("{errors} of {} inputs refused", all.inputs);
    }
    // What was sent in the last moment may still be on its way, within the limit.
    let on_their_way = all.inputs_per_s * slo_ms / 1_000.0;
    if (all.answers as f64) < MIN_ANSWER_SHARE * all.inputs as f64 - on_their_way {
        return format!("only {} of {} inputs came back", all.answers, all.inputs);
    }
    GOOD.into()
}

fn report(args: &Saturate, run: &mut Run<'_>, search: &Search) {
    match search.good {
        Some(knee) => run.find(&format!("knee (p99 within {} ms)", args.slo_ms), knee, "inputs/s"),
        None => run.find(
            &format!("no rate had a p99 within {} ms; the lowest", args.slo_ms),
            args.start_rate,
            "inputs/s",
        ),
    }
    if let Some(bad) = search.bad {
        run.find("lowest rate that was too high", bad, "inputs/s");
    }
}
