use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::script::{Header, Script};
use crate::session::Route;
use crate::wire::ids::Role;

#[track_caller]
fn check(metrics: &Metrics, expected_line: &str) {
    let text = metrics.encode();
    assert!(text.lines().any(|line| line == expected_line), "no line {expected_line:?} in:\n{text}");
}

#[test]
fn shards_add_up() {
    let metrics = Metrics::new();
    let (first, second) = (metrics.shard(0), metrics.shard(1));
    first.bytes_in.inc_by(40);
    second.bytes_in.inc_by(2);
    first.members.inc_by(5);
    second.members.dec_by(2);
    first.connections.at(ConnectionKind::WebSocket).inc();
    second.inputs.at(InputOutcome::Busy).inc();
    check(&metrics, "godra_bytes_in_total 42");
    check(&metrics, "godra_members 3");
    check(&metrics, r#"godra_connections{kind="websocket"} 1"#);
    check(&metrics, r#"godra_connections{kind="http"} 0"#);
    check(&metrics, r#"godra_inputs_total{outcome="busy"} 1"#);
    check(&metrics, r#"godra_inputs_total{outcome="ok"} 0"#);
}

#[test]
fn labels_come_from_closed_sets() {
    let metrics = Metrics::new();
    let shard = metrics.shard(0);
    shard.requests.at(Request { route: Route::Rpc, status: 200 }).inc();
    shard.requests.at(Request { route: Route::Unknown, status: 299 }).inc();
    for code in [1000, 4504, 4504, 3000, 4999] {
        shard.closes.at(CloseCode(code)).inc();
    }
    check(&metrics, r#"godra_http_requests_total{route="/api/rpc",status="200"} 1"#);
    check(&metrics, r#"godra_http_requests_total{route="other",status="other"} 1"#);
    check(&metrics, r#"godra_websocket_closes_total{code="1000"} 1"#);
    check(&metrics, r#"godra_websocket_closes_total{code="4504"} 2"#);
    check(&metrics, r#"godra_websocket_closes_total{code="other"} 2"#);
    assert!(!metrics.encode().contains(r#"route="/health""#), "requests that never came are left out");
}

#[test]
fn histograms_count_each_duration_in_one_bucket() {
    let metrics = Metrics::new();
    let (first, second) = (metrics.shard(0), metrics.shard(1));
    first.input_to_patch.observe(Duration::from_micros(10));
    second.input_to_patch.observe(Duration::from_micros(11));
    second.input_to_patch.observe(Duration::from_secs(60));
    check(&metrics, r#"godra_input_to_patch_seconds_bucket{le="0.00001"} 1"#);
    check(&metrics, r#"godra_input_to_patch_seconds_bucket{le="0.000025"} 2"#);
    check(&metrics, r#"godra_input_to_patch_seconds_bucket{le="5.0"} 2"#);
    check(&metrics, r#"godra_input_to_patch_seconds_bucket{le="+Inf"} 3"#);
    check(&metrics, "godra_input_to_patch_seconds_count 3");
    check(&metrics, "godra_input_to_patch_seconds_sum 60.000021");
    assert_eq!(first.input_to_patch.count(), 1);
}

#[test]
fn rounds_are_told_apart_by_shard() {
    let metrics = Metrics::new();
    metrics.shard(0).round(Duration::from_millis(1500));
    metrics.shard(7).round(Duration::from_millis(250));
    check(&metrics, r#"godra_shard_busy_seconds_total{shard="0"} 1.5"#);
    check(&metrics, r#"godra_shard_loop_seconds_sum{shard="7"} 0.25"#);
}

#[test]
fn scripts_count_by_name_and_show_their_version() {
    let metrics = Metrics::new();
    metrics.script("move_player").runs.inc();
    metrics.script("move_player").runs.inc();
    metrics.script("move_player").duration.observe(Duration::from_millis(2));
    check(&metrics, r#"godra_script_runs_total{script="move_player"} 2"#);
    check(&metrics, r#"godra_script_duration_seconds_count{script="move_player"} 1"#);

    metrics.set_scripts(&script_set(1, "old", "aaaaaaaa0"));
    metrics.set_scripts(&script_set(2, "new", "bbbbbbbb0"));
    check(&metrics, r#"godra_script_info{name="new",version="bbbbbbbb"} 1"#);
    check(&metrics, "godra_script_generation 2");
    assert!(!metrics.encode().contains("aaaaaaaa"), "a version that is no longer served is not shown");
}

#[test]
fn the_process_describes_itself() {
    let text = Metrics::new().encode();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
        line.rsplit(' ').next().unwrap().parse().expect(line)
    };
    assert!(value("process_resident_memory_bytes") > 100_000.0);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_start_time_seconds") > 1.7e9);
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(text.contains(concat!("godra_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\",commit=")));
}

/// The rules of the exposition format that a linter checks: metadata in front of each family, each family once, and
/// names that fit their types.
#[test]
fn every_sample_follows_its_own_metadata() {
    let metrics = Metrics::new();
    let shard = metrics.shard(0);
    shard.round(Duration::from_millis(1));
    shard.requests.at(Request { route: Route::Health, status: 200 }).inc();
    metrics.script("heartbeat").errors.inc();
    metrics.set_scripts(&script_set(1, "heartbeat", "cccccccc0"));

    let mut types = HashMap::new();
    let mut current = ("", "");
    let text = metrics.encode();
    for line in text.lines() {
        if let Some(metadata) = line.strip_prefix("# TYPE ") {
            current = metadata.split_once(' ').unwrap();
            assert!(types.insert(current.0, current.1).is_none(), "twice: {line}");
            assert_eq!(current.1 == "counter", current.0.ends_with("_total"), "{line}");
        } else if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(help.split_once(' ').is_some_and(|(_, text)| !text.is_empty()), "{line}");
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = match current.1 {
                "histogram" => {
                    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix))
                }
                _ => Some(name),
            };
            assert_eq!(family, Some(current.0), "{line}");
        }
    }
    assert!(types.len() > 25, "{types:?}");
}

fn script_set(generation: u64, name: &str, sha: &str) -> ScriptSet {
    let header = Header {
        role: Role::Player,
        names_role: true,
        is_for_server: false,
        keys: Vec::new(),
        kept_keys: Vec::new(),
        documents: Vec::new(),
        is_durable: false,
        room_argument: None,
        tick_ms: None,
        is_atomic: true,
        actions: Vec::new(),
    };
    let script = Script { sha: sha.into(), ..Script::new(name, "", "", header) };
    ScriptSet::new([(name.into(), Arc::new(script))].into(), generation)
}
