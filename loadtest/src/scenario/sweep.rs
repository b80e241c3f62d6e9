//! The same play with ever more connections: what an event costs must not depend on how many there are.

use crate::measure::group::Group;
use crate::options::Sweep;
use crate::run::Run;
use std::io;

/// Measures at each number of connections.
pub(crate) fn direct(args: &Sweep, run: &mut Run<'_>) -> io::Result<()> {
    let mut counts = args.counts.clone();
    counts.sort_unstable();
    counts.dedup();
    for count in counts {
        run.play(Group::Players, 0.0, 0.0)?;
        run.join(Group::Players, count)?;
        run.play(Group::Players, args.rate, 0.0)?;
        run.pass("warming up", run.common.warmup)?;
        let phase = run.measure(&format!("{count} connections"), run.common.duration)?;
        let cost = phase.cost.clone();
        let per_frame = cost.as_ref().and_then(|cost| cost.cpu_us_per_frame);
        let per_event = cost.as_ref().and_then(|cost| cost.cpu_us_per_event);
        for (what, cpu_us) in [("an event", per_event), ("a frame", per_frame)] {
            if let Some(cpu_us) = cpu_us {
                run.find(&format!("CPU for {what} with {count} connections"), cpu_us, "µs");
            }
        }
    }
    if let Some((least, most)) = extremes(run) {
        run.find("dearest event over cheapest", most / least, "×");
    }
    Ok(())
}

fn extremes(run: &Run<'_>) -> Option<(f64, f64)> {
    let costs = run.phases.iter().filter_map(|phase| phase.cost.as_ref()?.cpu_us_per_event);
    let (least, most) =
        costs.fold((f64::INFINITY, 0.0_f64), |(least, most), cost| (least.min(cost), most.max(cost)));
    least.is_finite().then_some((least, most))
}
