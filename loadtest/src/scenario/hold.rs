//! Connections that stay and say nothing: what each costs in memory, and all of them in CPU time.

use crate::measure::group::Group;
use crate::options::Hold;
use crate::run::Run;
use std::io;
use std::time::Duration;

const SETTLE: Duration = Duration::from_secs(1);

/// Measures memory at the base and at the full number, and CPU time at rest.
pub(crate) fn direct(args: &Hold, run: &mut Run<'_>) -> io::Result<()> {
    let everybody = run.size(Group::Players);
    let base = args.base.min(everybody);
    run.join(Group::Players, base)?;
    run.pass("settling", SETTLE.max(run.common.warmup))?;
    let at_base = run.server_reading();
    run.join(Group::Players, everybody)?;
    run.pass("settling", SETTLE.max(run.common.warmup))?;
    let at_all = run.server_reading();
    run.measure("idle", run.common.duration)?;
    let usage = run.phases.last().and_then(|phase| phase.server()).cloned();
    if let Some(usage) = usage {
        run.find("CPU at rest", usage.cores * 100.0, "% of a core");
        run.find("memory resident", usage.rss_bytes as f64 / f64::from(1 << 20), "MiB");
    }
    if let Some((before, after)) = at_base.zip(at_all).filter(|_| everybody > base) {
        let grown = after.rss_bytes as f64 - before.rss_bytes as f64;
        run.find("memory for each connection", grown / (everybody - base) as f64 / 1024.0, "KiB");
    }
    Ok(())
}
