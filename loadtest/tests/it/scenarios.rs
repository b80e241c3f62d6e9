//! Every scenario runs from start to end, and says clearly when it cannot.

use crate::fake::{Fake, Fault};
use crate::harness::{Outcome, ROOMS, run, run_against, show, thrice};

/// The value of a result that only this scenario has.
pub(crate) fn finding(outcome: &Outcome, name: &str) -> f64 {
    let findings =
        outcome.json["findings"].as_array().unwrap_or_else(|| panic!("no report: {}", outcome.text));
    let found = findings.iter().find(|finding| finding["name"].as_str().unwrap().contains(name));
    found
        .and_then(|finding| finding["value"].as_f64())
        .unwrap_or_else(|| panic!("no {name}: {}", outcome.text))
}

/// The run went to its end and every promise was kept.
pub(crate) fn passed(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(0), "{}", outcome.text);
    assert_eq!(outcome.json["passed"], true, "{}", outcome.text);
}

#[test]
fn rooms_count_what_they_should() {
    thrice(|| {
        let outcome = run_against(Fault::None, ROOMS);
        passed(&outcome);
        let all = &outcome.json["phases"][0]["all"];
        let number = |name: &str| all[name].as_f64().unwrap();
        assert_eq!(number("connected"), 6.0);
        // Six players at 30 Hz, or less on a busy machine; each event goes to the three members of its room.
        let (inputs, events) = (number("inputs_per_s"), number("events_per_s"));
        assert!((60.0..210.0).contains(&inputs), "{}", outcome.text);
        assert!((2.5..3.5).contains(&(events / inputs)), "{}", outcome.text);
        let p50_ms = all["latency"]["p50_ms"].as_f64().unwrap();
        assert!((0.5..1000.0).contains(&p50_ms), "the server flushes every 10 ms: {p50_ms}");
        assert!(!outcome.json["timeline"].as_array().unwrap().is_empty());
        assert_eq!(outcome.json["setup"]["sync_interval_ms"], 10.0);
        assert_eq!(outcome.json["server_metrics"], serde_json::json!({}));
    });
}

#[test]
fn the_page_stands_alone_and_holds_the_report() {
    let html = run_against(Fault::None, ROOMS).html.unwrap();
    for outside in ["src=", "href=\"http", "@import", "url("] {
        assert!(!html.contains(outside), "the page must not need {outside}");
    }
    let report = report_in(&html);
    assert_eq!(report["scenario"], "rooms");
}

/// The data that a page draws.
fn report_in(html: &str) -> serde_json::Value {
    let start = html.find("const report = ").unwrap() + "const report = ".len();
    let end = start + html[start..].find(";\n").unwrap();
    serde_json::from_str(&html[start..end]).unwrap()
}

#[test]
fn a_kept_result_is_shown_as_the_run_showed_it() {
    let outcome = run_against(Fault::Drop, ROOMS);
    let (shown, html) = show(&outcome.json.to_string());
    assert_eq!(shown.status.code(), Some(0), "showing a result that is bad is not bad itself");
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("FAILED") && outcome.text.contains(&text), "{text}");
    let (drawn, kept) = (report_in(&html.unwrap()), &outcome.json);
    assert_eq!(drawn["violations"], kept["violations"]);
    assert_eq!(drawn["phases"][0]["all"]["inputs"], kept["phases"][0]["all"]["inputs"]);
    let points = |report: &serde_json::Value| report["timeline"].as_array().unwrap().len();
    assert_eq!(points(&drawn), points(kept));
}

#[test]
fn what_is_no_kept_result_is_refused_with_a_reason() {
    let (shown, html) = show("{}");
    assert_eq!((shown.status.code(), html), (Some(2), None));
    let reason = String::from_utf8(shown.stderr).unwrap();
    assert!(reason.contains("kept.json: not the report of a run"), "{reason}");
}

#[test]
fn all_actions_come_back() {
    for action in ["send_chat", "set", "shoot"] {
        let outcome = run_against(Fault::None, &format!("{ROOMS} --action {action} --payload-bytes 100"));
        passed(&outcome);
        let all = &outcome.json["phases"][0]["all"];
        assert!(all["answers"].as_u64() > Some(50), "{action}: {}", outcome.text);
    }
}

#[test]
fn several_threads_and_processes_add_up() {
    for spread in ["--threads 2", "--processes 2", "--processes 2 --threads 2 --source-addresses 3"] {
        let outcome = run_against(
            Fault::None,
            &format!("big-room --players 10 --total-rate 50 --duration 800ms {spread}"),
        );
        passed(&outcome);
        let all = &outcome.json["phases"][0]["all"];
        assert_eq!(all["connected"], 10, "{}", outcome.text);
        let (inputs, events) = (all["inputs_per_s"].as_f64().unwrap(), all["events_per_s"].as_f64().unwrap());
        assert!((inputs - 50.0).abs() < 20.0 && (events - 500.0).abs() < 200.0, "{}", outcome.text);
    }
}

#[test]
fn rooms_are_dealt_out_to_several_servers() {
    let others = [Fake::start(Fault::None), Fake::start(Fault::None)];
    let urls = others.each_ref().map(|other| format!("--also-url {}", other.url())).join(" ");
    let six_rooms = ROOMS.replace("--rooms 2", "--rooms 6");
    let outcome = run_against(Fault::None, &format!("{six_rooms} --processes 3 {urls}"));
    passed(&outcome);
    let all = &outcome.json["phases"][0]["all"];
    assert_eq!(all["connected"], 18, "{}", outcome.text);
    assert_eq!(outcome.json["setup"]["target"].as_str().unwrap().split(", ").count(), 3);
    // A fault of one of them is a fault of the run.
    let doubling = Fake::start(Fault::Double);
    let outcome = run_against(Fault::None, &format!("{ROOMS} --threads 2 --also-url {}", doubling.url()));
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
}

#[test]
fn other_processes_are_observed_beside_the_server() {
    let own = std::process::id();
    let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let outcome =
        run_against(Fault::None, &format!("{ROOMS} --server-pid {own} --also-pid {}", sleeper.id()));
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    passed(&outcome);
    let processes = outcome.json["phases"][0]["processes"].as_array().unwrap();
    let labels: Vec<&str> = processes.iter().map(|process| process["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["server".to_owned(), format!("sleep ({})", sleeper.id())]);
    assert!(processes.iter().all(|process| process["rss_bytes"].as_f64() > Some(0.0)), "{processes:?}");
    assert!(processes[0]["cpu_s"].as_f64() > Some(0.0), "{processes:?}");
    let cost = &outcome.json["phases"][0]["cost"];
    for name in ["cpu_us_per_event", "cpu_us_per_frame", "cpu_us_per_input", "rss_bytes_per_connection"] {
        assert!(cost[name].as_f64() > Some(0.0), "{name}: {cost}");
    }
}

#[test]
fn hold_measures_at_rest() {
    let outcome = run_against(
        Fault::None,
        &format!(
            "hold --connections 40 --base 10 --room-size 4 --duration 500ms --server-pid {}",
            std::process::id()
        ),
    );
    passed(&outcome);
    assert!(finding(&outcome, "CPU at rest") >= 0.0);
    assert!(finding(&outcome, "memory for each connection").is_finite());
}

#[test]
fn saturate_finds_a_knee_where_there_is_one() {
    // Two milliseconds for an input, one at a time for all rooms: 500 a second at best. At 800 a second the last of a step waits
    // for most of a second; a machine that is busy with other things makes nobody wait as long.
    let outcome = run_against(
        Fault::Late,
        "saturate --players 4 --room-size 2 --start-rate 100 --step 2 --slo-ms 250 --settle 300ms --duration 700ms --refine 1",
    );
    let knee = finding(&outcome, "knee");
    assert!((100.0..600.0).contains(&knee), "{}", outcome.text);
}

#[test]
fn storms_bring_everybody_in() {
    for storm in ["storm-connect", "storm-reconnect"] {
        let outcome = run_against(
            Fault::None,
            &format!("{storm} --connections 60 --room-size 5 --rooms 2 --players 3 --duration 400ms"),
        );
        passed(&outcome);
        assert!((0.0..5.0).contains(&finding(&outcome, "time until all are in")), "{}", outcome.text);
        assert!(finding(&outcome, "p99 of those who play, meanwhile") > 0.0);
    }
}

const HOSTILE: &str =
    "hostile --rooms 2 --players 3 --rate 20 --attackers 8 --crowd 4 --duration 1s --worst-ratio 1000";

#[test]
fn attacks_that_need_no_answer_pass() {
    let outcome = run_against(Fault::None, &format!("{HOSTILE} --attacks comings,knocks"));
    passed(&outcome);
    assert!(finding(&outcome, "over that in quiet") > 0.0, "{}", outcome.text);
    assert!(outcome.text.contains("knocks (connections that are closed at once): "), "{}", outcome.text);
}

#[test]
fn a_server_that_stops_no_attack_is_found_out() {
    let outcome =
        run_against(Fault::None, &format!("{} --attacks inputs,guests", HOSTILE.replace("1s", "3500ms")));
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
    assert_eq!(outcome.json["violations"]["counts"]["not_met"], 2, "{}", outcome.text);
    assert!(outcome.text.contains("guests: it should get 429"), "{}", outcome.text);
}

#[test]
fn an_attack_that_is_none_is_refused_with_those_that_are() {
    let outcome = run_against(Fault::None, &format!("{HOSTILE} --attacks floods"));
    assert!(
        outcome.text.contains("--attacks floods: there is none of that name, but inputs"),
        "{}",
        outcome.text
    );
    assert_ne!(outcome.code, Some(0), "{}", outcome.text);
}

#[test]
fn slow_clients_are_expected_to_be_closed() {
    thrice(|| {
        // A reader that the machine keeps waiting for a moment must not look like one that does not read.
        let slow = "slow --rooms 2 --players 4 --rate 20 --share 0.25 --payload-bytes 3000 --action set --duration 1s \
                    --unread 1.5 --stall 1s --slow-receive-buffer 32768 --patience 12s";
        let outcome = run_against(Fault::None, slow);
        passed(&outcome);
        assert_eq!(finding(&outcome, "closed with 4002"), 2.0);
        let outcome = run_against(Fault::KeepSlow, slow);
        assert_eq!(outcome.code, Some(1), "{}", outcome.text);
        assert_eq!(outcome.json["violations"]["counts"]["not_closed"], 2, "{}", outcome.text);
    });
}

#[test]
fn mixed_play_with_people_who_come_and_go() {
    thrice(|| {
        let outcome = run_against(
            Fault::None,
            "mixed --rooms 3 --players 4 --chat 2 --churn 0.5 --away 100ms --duration 1500ms",
        );
        passed(&outcome);
        let all = &outcome.json["phases"][0]["all"];
        assert!(all["join"]["count"].as_u64() > Some(2), "people came back: {}", outcome.text);
    });
}

const TIMERS: &str = "timers --rooms 2 --players 2 --rate 20 --timers 6 --pending 1100 --duration 900ms";

#[test]
fn timers_ring_as_often_as_they_were_set_to() {
    let outcome = run_against(Fault::None, &format!("{TIMERS} --server-pid {}", std::process::id()));
    passed(&outcome);
    // Twice each: in the second in which they begin, and in the next.
    assert_eq!(finding(&outcome, "timers rang"), 12.0, "{}", outcome.text);
    assert_eq!(finding(&outcome, "the latest"), 3.0, "{}", outcome.text);
    assert!(finding(&outcome, "over that without timers") > 0.0, "{}", outcome.text);
    assert!(finding(&outcome, "CPU for each timer: server").is_finite(), "{}", outcome.text);
}

#[test]
fn timers_that_ring_too_often_or_not_at_all() {
    for (fault, kind) in [(Fault::LoseTimer, "lost_timer"), (Fault::RingTwice, "rang_twice")] {
        let outcome = run_against(fault, &format!("{TIMERS} --patience 1s"));
        assert_eq!(outcome.code, Some(1), "{fault:?}: {}", outcome.text);
        assert_eq!(outcome.json["violations"]["counts"][kind], 1, "{fault:?}: {}", outcome.text);
    }
}

const DOCUMENTS: &str =
    "documents --rooms 2 --players 2 --rate 20 --savers 3 --document-rate 20 --duration 900ms";

#[test]
fn documents_are_saved_beside_others() {
    let outcome = run_against(Fault::None, &format!("{DOCUMENTS} --server-pid {}", std::process::id()));
    passed(&outcome);
    assert!(finding(&outcome, "inputs with documents that were answered") > 10.0, "{}", outcome.text);
    assert!(finding(&outcome, "saves that documents count") > 10.0, "{}", outcome.text);
    assert!(finding(&outcome, "over that without documents") > 0.0, "{}", outcome.text);
    assert!(finding(&outcome, "CPU for each: server").is_finite(), "{}", outcome.text);
    let groups = &outcome.json["phases"][1]["groups"];
    assert!(groups["savers"]["answers"].as_u64() > Some(10) && groups["players"].is_object(), "{groups}");
    let loads = run_against(Fault::None, "documents --savers 3 --work load --duration 500ms");
    passed(&loads);
    assert!(finding(&loads, "from such an input to its event, median") > 0.0, "{}", loads.text);
}

#[test]
fn saves_that_are_lost_or_count_twice() {
    for (fault, kind) in [(Fault::LoseSave, "lost_save"), (Fault::SaveTwice, "ran_twice")] {
        let outcome = run_against(fault, &format!("{DOCUMENTS} --patience 5s"));
        assert_eq!(outcome.code, Some(1), "{fault:?}: {}", outcome.text);
        assert_eq!(outcome.json["violations"]["counts"][kind], 1, "{fault:?}: {}", outcome.text);
    }
}

#[test]
fn a_sweep_measures_each_number() {
    let outcome = run_against(
        Fault::None,
        &format!(
            "sweep --counts 6,12 --room-size 3 --rate 20 --duration 400ms --server-pid {}",
            std::process::id()
        ),
    );
    passed(&outcome);
    assert!(finding(&outcome, "with 6 connections") > 0.0 && finding(&outcome, "with 12 connections") > 0.0);
}

#[test]
fn the_floor_alone() {
    let outcome = run("floor --connections 50 --frame-bytes 500 --burst 10");
    passed(&outcome);
    let floor = &outcome.json["floor"];
    for name in
        ["send_cpu_us", "send_wall_us", "send_flat_out_cpu_us", "recv_cpu_us", "accept_upgrade_cpu_us"]
    {
        let us = floor[name].as_f64().unwrap();
        assert!((0.05..500.0).contains(&us), "{name}: {us}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let check = |outcome: Outcome, code, expected: &str| {
        assert_eq!(outcome.code, Some(code), "{}", outcome.text);
        assert!(outcome.text.contains(expected), "{}", outcome.text);
    };
    let quick = format!("{ROOMS} --join-timeout 300ms");
    check(run_against(Fault::Full, &quick), 1, "only 0 of 6 clients are in");
    check(run_against(Fault::Full, &quick), 1, "HTTP 503");
    check(run_against(Fault::LimitLogins, &quick), 2, "--login-rate 0");
    check(run("rooms --url http://127.0.0.1:1"), 2, "cannot reach the server");
    check(run("rooms --spawn /nonexistent/server"), 2, "/nonexistent/server");
    check(run("rooms --spawn /bin/ls -- /nonexistent/folder"), 2, "/nonexistent/folder");
    check(run("hold --connections 10000000"), 2, "--processes");
    check(run("rooms --also-url http://127.0.0.1:1"), 2, "need --processes 2 or --threads 2");
    check(run("rooms --payload {"), 2, "--payload");
}
