//! `sdk/protocol.json` says what the server's tables and limits say; what is made from it is up to date; and the rules of
//! `sdk/PROTOCOL.md` can be referred to by their ids.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use godra::config::BuiltInLimits;
use godra::session::RpcRequest;
use godra::state::HistoryBounds;
use godra::wire::ErrorCode;
use godra::wire::message::{KEPT_ANSWERS, MAX_ACTION_BYTES, MAX_DEPTH, MAX_N, MessageType};
use godra::wire::ws::close_code::{self, Then};
use serde_json::{Value, json};

use crate::protocol::{flag, protocol};

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk")
}

fn specification() -> Value {
    serde_json::from_str(&fs::read_to_string(sdk().join("protocol.json")).unwrap()).unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn what_is_made_from_it_is_up_to_date() {
    let generate = sdk().join("protocol/generate");
    let done =
        Command::new("python3").arg("-B").arg(generate).arg("--check").output().expect("there is a python3");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn close_codes() {
    let specification = specification();
    let lines = specification["close_codes"].as_array().unwrap();
    for known in close_code::ALL {
        let line = lines.iter().find(|line| line["code"] == known.code);
        let line = line.unwrap_or_else(|| panic!("{} is not there", known.code));
        assert_eq!(line["name"], known.name);
        let then = if line["class"] == "stay_away" { Then::StayAway } else { Then::ComeBack };
        assert_eq!(then, known.then, "{line}");
    }
    let ours: BTreeSet<u64> = close_code::ALL.iter().map(|known| known.code.into()).collect();
    for line in lines {
        let code = line["code"].as_u64().unwrap();
        assert!(line["sender"] != "server" || ours.contains(&code), "the server does not send {code}");
    }
    for code in close_code::COUNTED_ONLY {
        assert!(lines.iter().any(|line| line["code"] == code && line["sender"] != "server"), "{code}");
    }
}

#[test]
fn error_codes() {
    let expected: Vec<Value> =
        ErrorCode::ALL.iter().map(|code| json!([code.name(), code.statuses(), code.asks_again()])).collect();
    let specification = specification();
    let lines = specification["error_codes"].as_array().unwrap().iter();
    let asks_again = |line: &Value| line["asks_again"] == true;
    let found: Vec<Value> =
        lines.map(|line| json!([line["code"], line["statuses"], asks_again(line)])).collect();
    assert_eq!(found, expected);
}

#[test]
fn types_of_messages() {
    let definitions = &specification()["$defs"];
    let mut reserved = texts(&definitions["event"]["properties"]["type"]["not"]["enum"]);
    let mut known: Vec<&str> = MessageType::ALL.iter().map(|message| message.name).collect();
    for name in &known {
        assert_eq!(definitions[*name]["properties"]["type"]["const"], *name);
    }
    reserved.sort_unstable();
    known.sort_unstable();
    assert_eq!(reserved, known);
}

#[test]
fn limits() {
    let limits = BuiltInLimits::default();
    let history = HistoryBounds::default();
    let expected = json!({
        "max_message_bytes": flag("max-message-bytes", ""),
        "max_body_bytes": limits.http.max_body_bytes,
        "max_depth": MAX_DEPTH,
        "max_action_bytes": MAX_ACTION_BYTES,
        "max_id": u64::MAX,
        "max_n": MAX_N,
        "max_arguments": RpcRequest::MAX_ITEMS,
        "kept_answers": KEPT_ANSWERS,
        "history_events": history.events,
        "history_ms": history.age_ms,
        "ping_after_ms": limits.websocket.ping_after.as_millis() as u64,
        "pong_wait_ms": limits.websocket.pong_wait.as_millis() as u64,
    });
    assert_eq!(specification()["limits"], expected);
}

/// The ids of the rules, in the order of the page.
fn rules() -> Vec<String> {
    let page = protocol();
    let starts = page.lines().filter_map(|line| line.strip_prefix("- **")?.split_once("** "));
    starts.map(|(id, _)| id.to_owned()).filter(|id| ids_in(id).next().as_deref() == Some(id)).collect()
}

/// All that looks like a rule's id: `R-WORD-7`, `S-WORD-7`.
fn ids_in(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let is_id = |word: &&str| {
        let parts: Vec<&str> = word.split('-').collect();
        let [kind, group, number] = parts[..] else { return false };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        matches!(kind, "R" | "S") && group.bytes().all(|byte| byte.is_ascii_uppercase()) && is_number
    };
    words.filter(is_id).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[test]
fn rules_have_ids_of_their_own() {
    let rules = rules();
    assert!(rules.len() > 100, "{rules:?}");
    let unique: BTreeSet<&String> = rules.iter().collect();
    assert_eq!(unique.len(), rules.len(), "an id that is given twice, in {rules:?}");
    let number = |id: &String| id.rsplit('-').next().unwrap().parse::<u32>().unwrap();
    let group = |id: &String| id.rsplit_once('-').unwrap().0.to_owned();
    for pair in rules.windows(2).filter(|pair| group(&pair[0]) == group(&pair[1])) {
        assert!(number(&pair[0]) < number(&pair[1]), "{pair:?} are not in order");
    }
}

/// Whoever names a rule, on the page, in a fixture or in a test of conformance, names one that is there.
#[test]
fn rules_that_are_named_are_there() {
    let rules: BTreeSet<String> = rules().into_iter().collect();
    let mut files = vec![sdk().join("PROTOCOL.md"), sdk().join("protocol.json")];
    for folder in ["protocol", "conformance"] {
        add_files(&sdk().join(folder), &mut files);
    }
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for id in ids_in(&text) {
            assert!(rules.contains(&id), "{} names the rule {id}, which there is not", file.display());
        }
    }
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            add_files(&path, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let page = protocol();
    let headings: BTreeSet<String> = page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let targets = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    for target in targets.filter(|target| !target.contains("://")) {
        let found = match target.strip_prefix('#') {
            Some(name) => headings.contains(name),
            None => sdk().join(target).exists(),
        };
        assert!(found, "{target:?} is not there");
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
