//! Documents: how soon players hear that what they save is in the database, or how many they load where these are hot, and what others
//! feel meanwhile. The server needs the scripts of `loadtest/scripts`. In the end what all documents count is held against what was
//! answered.

use super::Room;
use crate::client::http::{Call, Http};
use crate::load::setup::{self, Layout};
use crate::measure::group::Group;
use crate::measure::process_stats::Usage;
use crate::measure::window::{GroupWindow, Violation};
use crate::options::{DocumentWork, Documents, Options};
use crate::report::Phase;
use crate::run::Run;
use serde::Deserialize;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Calls between two steps of the run, which must not stand still meanwhile.
const CALLS_AT_ONCE: usize = 64;
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Rooms of players, and one for each who works on documents: there nobody waits for another one's.
pub(super) fn layouts(args: &Documents) -> Vec<Layout> {
    let mut layouts = Layout::rooms(args.rooms, args.players, Group::Players);
    layouts.extend(Layout::rooms(args.savers, 1, Group::Savers));
    layouts
}

/// The script that inputs of those run who work on documents.
pub(crate) fn action(work: DocumentWork) -> &'static str {
    match work {
        DocumentWork::Save => "documents_save",
        DocumentWork::Load => "documents_load",
    }
}

/// Measures the others alone, and then beside the documents.
pub(super) fn direct(
    args: &Documents,
    options: &Options,
    target: SocketAddr,
    rooms: &[Room],
    run: &mut Run<'_>,
) -> io::Result<()> {
    let savers: Vec<&Room> = rooms.iter().filter(|room| room.group == Group::Savers).collect();
    // Each has a document, which is hot from then on.
    call_all::<String>("documents_save", &savers, &mut setup::http(options, target)?, run)?;
    for group in [Group::Players, Group::Savers] {
        run.join(group, run.size(group))?;
    }
    let mut before = None;
    if run.size(Group::Players) > 0 {
        run.play(Group::Players, args.rate, 0.0)?;
        run.pass("warming up", run.common.warmup)?;
        before = Some(figures(run.measure("without documents", run.common.duration)?));
    }
    run.play(Group::Savers, args.document_rate, 0.0)?;
    run.pass("warming up with documents", run.common.warmup)?;
    let during = figures(run.measure("with documents", run.common.duration)?);
    report(before.as_ref(), &during, run);
    run.play(Group::Savers, 0.0, 0.0)?;
    // Servers end connections that nobody has called on for a while.
    judge(args, &savers, &mut setup::http(options, target)?, run)
}

fn call<'a>(script: &str, room: &'a Room) -> Call<'a> {
    let body = serde_json::json!({ "script": script, "args": [r#"{"n":0}"#] }).to_string();
    Call { method: "POST", path: "/api/rpc", token: Some(&room.token), body }
}

#[derive(Deserialize)]
struct Ended<T> {
    result: T,
}

/// Calls a script for each, and gives what it says.
fn call_all<T: for<'a> Deserialize<'a>>(
    script: &str,
    rooms: &[&Room],
    http: &mut Http,
    run: &mut Run<'_>,
) -> io::Result<Vec<T>> {
    let mut results = Vec::with_capacity(rooms.len());
    for some in rooms.chunks(CALLS_AT_ONCE) {
        let calls: Vec<Call<'_>> = some.iter().map(|room| call(script, room)).collect();
        for answer in http.call_all(&calls)? {
            let Ended { result } = setup::parse(script, &answer)?;
            results.push(result);
        }
        run.step(Duration::ZERO)?;
    }
    Ok(results)
}

/// What is compared of two phases.
struct Figures {
    p99_ms: f64,
    seconds: f64,
    processes: Vec<Usage>,
    savers: Option<(f64, f64, f64)>,
}

fn figures(phase: &Phase) -> Figures {
    let savers = phase.groups.get("savers").and_then(|savers| {
        let latency = savers.latency.as_ref()?;
        Some((savers.answers_per_s, latency.p50_ms, latency.p99_ms))
    });
    let (p99_ms, seconds) = (phase.players_p99_ms(), phase.seconds);
    Figures { p99_ms, seconds, processes: phase.processes.clone(), savers }
}

fn report(before: Option<&Figures>, during: &Figures, run: &mut Run<'_>) {
    if let Some((per_s, median_ms, p99_ms)) = during.savers {
        run.find("inputs with documents that were answered", per_s, "a second");
        run.find("from such an input to its event, median", median_ms, "ms");
        run.find("from such an input to its event, 99th of 100", p99_ms, "ms");
        for (at, now) in during.processes.iter().enumerate() {
            let then = before.map_or(0.0, |before| before.processes[at].cpu_s / before.seconds);
            let per_input_us = (now.cpu_s / during.seconds - then) * 1e6 / per_s;
            run.find(&format!("CPU for each: {}", now.label), per_input_us, "µs");
        }
    }
    if let Some(before) = before {
        run.find("p99 of the players over that without documents", during.p99_ms / before.p99_ms, "×");
    }
}

/// What was answered counts in the documents, and nothing twice.
fn judge(args: &Documents, savers: &[&Room], http: &mut Http, run: &mut Run<'_>) -> io::Result<()> {
    let began = Instant::now();
    // Once at least: what was sent last is not counted yet.
    loop {
        run.pass("waiting for the last answers", TRY_AGAIN)?;
        if open(run.totals().group(Group::Savers)) == 0 || began.elapsed() > args.patience {
            break;
        }
    }
    let counts = run.totals().group(Group::Savers);
    let (answers, inputs) = (counts.answers, counts.inputs);
    if args.work == DocumentWork::Load {
        return Ok(());
    }
    let kept: Vec<u64> = call_all("documents_kept", savers, http, run)?;
    // The first of each was no input. A document that is lost counts nothing.
    let kept = kept.iter().map(|saves| saves.saturating_sub(1)).sum::<u64>();
    run.find("saves that documents count", kept as f64, &format!("of {answers} that were answered"));
    if kept < answers {
        let what = || format!("documents count {kept} saves where {answers} were answered");
        run.violation(Violation::LostSave, what);
    }
    // One that was refused may have been saved all the same, but none counts twice.
    if kept > inputs {
        let what = || format!("documents count {kept} saves where {inputs} were asked for");
        run.violation(Violation::RanTwice, what);
    }
    Ok(())
}

/// Inputs that are neither answered nor refused.
fn open(counts: &GroupWindow) -> u64 {
    let refused: u64 = counts.errors.values().sum();
    counts.inputs.saturating_sub(counts.answers + refused)
}
