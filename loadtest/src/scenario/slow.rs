//! Some players stop reading. The others must not feel it, the server's memory must stay bounded,
//! and whoever does not read must be closed with 4002.

use crate::load::plan::Command;
use crate::load::setup::Layout;
use crate::measure::group::Group;
use crate::measure::window::{GroupWindow, Violation};
use crate::options::Slow;
use crate::report::Phase;
use crate::run::Run;
use std::io;
use std::time::{Duration, Instant};

/// The code with which a server closes whoever does not read.
const SLOW_CONSUMER: &str = "4002";
/// With so little traffic that this is not enough, nobody is too slow for it.
const MAX_UNREAD: Duration = Duration::from_secs(300);

/// Rooms in which the slow ones are spread evenly.
pub(super) fn layouts(rooms: usize, players: usize, share: f64) -> Vec<Layout> {
    let seats = rooms * players;
    let slow = |seat: usize| (seat as f64 * share).floor() < ((seat + 1) as f64 * share).floor();
    let group = |seat: usize| if slow(seat) { Group::Slow } else { Group::Players };
    let groups: Vec<Group> = (0..seats).map(group).collect();
    groups.chunks(players).map(|seats| Layout { seats: seats.to_vec() }).collect()
}

/// Measures with everybody reading, then with some who do not; in the end these read again and find themselves closed.
pub(crate) fn direct(args: &Slow, run: &mut Run<'_>) -> io::Result<()> {
    let slow = run.size(Group::Slow);
    run.join(Group::Players, run.size(Group::Players))?;
    run.join(Group::Slow, slow)?;
    for group in [Group::Players, Group::Slow] {
        run.play(group, args.rate, 0.0)?;
    }
    run.pass("warming up", run.common.warmup)?;
    let phase = run.measure("everybody reads", run.common.duration)?;
    let (before, length) = (phase.players_p99_ms(), unread_time(args, phase));
    run.tell(&Command::Read { group: Group::Slow, on: false })?;
    let phase = run.measure("some do not read", length.max(run.common.duration))?;
    let (during, usage) = (phase.players_p99_ms(), phase.server().cloned());
    run.find("p99 of the others", during, "ms");
    run.find("the same over that with everybody reading", during / before, "×");
    if let Some(usage) = usage {
        run.find("peak of memory meanwhile", usage.rss_peak_bytes as f64 / f64::from(1 << 20), "MiB");
    }
    run.play(Group::Slow, 0.0, 0.0)?;
    run.tell(&Command::Read { group: Group::Slow, on: true })?;
    let closed = wait_for_closes(args, run, slow)?;
    run.find("slow clients closed with 4002", closed as f64, &format!("of {slow}"));
    if (closed as usize) < slow {
        let missing = slow - closed as usize;
        (0..missing).for_each(|_| {
            run.violation(Violation::NotClosed, || {
                "it reads again and is still there, or was closed otherwise".into()
            })
        });
    }
    Ok(())
}

/// How long somebody must not read for the server to have to notice: until the kernel and the server keep no more, and then
/// longer than the server waits.
fn unread_time(args: &Slow, reading: &Phase) -> Duration {
    let bytes_per_s = reading.all.mb_in_per_s * 1e6 / reading.all.connected.max(1) as f64;
    let seconds = args.unread * f64::from(1 << 20) / bytes_per_s.max(1.0);
    Duration::from_secs_f64(seconds.min(MAX_UNREAD.as_secs_f64())) + args.stall
}

fn wait_for_closes(args: &Slow, run: &mut Run<'_>, slow: usize) -> io::Result<u64> {
    let start = Instant::now();
    loop {
        let closed = closes(run.totals().group(Group::Slow));
        if closed as usize >= slow || start.elapsed() > args.patience {
            return Ok(closed);
        }
        run.pass("reading again", Duration::from_millis(200))?;
    }
}

fn closes(counts: &GroupWindow) -> u64 {
    counts.closes.get(SLOW_CONSUMER).copied().unwrap_or(0)
}
