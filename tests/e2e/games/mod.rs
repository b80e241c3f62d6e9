//! Small games, written with what `scripts/README.md` says and played to their end, on either store.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Guest};

mod arena;
mod cards;
mod quiz;

/// Stock scripts that no game here wants to be without.
const STOCK: &[&str] = &[
    "create_lobby",
    "join_lobby",
    "leave_lobby",
    "note_lobby",
    "note_presence",
    "on_connect",
    "on_disconnect",
    "on_drop",
    "on_resume",
    "on_snapshot",
];

/// A folder with these stock scripts, and those of a game, which may replace some.
fn folder(game: &str) -> Folder {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Folder::empty();
    fs::create_dir(folder.scripts()).unwrap();
    for name in STOCK {
        fs::copy(sources.join(format!("scripts/{name}.lua")), folder.script(name)).unwrap();
    }
    fs::create_dir(folder.scripts().join("lib")).unwrap();
    copy(&sources.join("scripts/lib"), &folder.scripts().join("lib"));
    copy(&sources.join("tests/e2e/games").join(game), &folder.scripts());
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Adds a line to a script that is there, as its first statement.
fn add_line(folder: &Folder, name: &str, line: &str) {
    let text = fs::read_to_string(folder.script(name)).unwrap();
    let header: usize =
        text.split_inclusive('\n').take_while(|line| line.starts_with("--")).map(str::len).sum();
    let (header, rest) = text.split_at(header);
    folder.write_script(name, &format!("{header}{line}\n{rest}"));
}

/// Makes a lobby of that capacity with a label; returns its room id.
fn lobby(owner: &Guest<'_>, capacity: u32, label: &str, value: u32) -> String {
    let answer = owner.rpc("create_lobby", json!([capacity, {"labels": {label: value}}]), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].as_str().unwrap().strip_prefix("game:").unwrap().to_owned()
}

/// Calls an action that has to succeed; gives its result.
#[track_caller]
fn act(player: &mut Player, action: &str, payload: Value) -> Value {
    let mut answer = player.call(action, payload, 1);
    assert_eq!(answer["type"], "reply", "{action}: {answer}");
    answer["result"].take()
}

/// Calls an action that has to be refused; gives the code and the message.
#[track_caller]
fn refused(player: &mut Player, action: &str, payload: Value) -> (String, String) {
    let answer = player.call(action, payload.clone(), 1);
    assert_eq!(answer["type"], "error", "{action} {payload}: {answer}");
    let text = |name: &str| answer["payload"][name].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

/// The payloads of the events of a type that a player has received.
fn heard<'a>(player: &'a Player, event_type: &str) -> Vec<&'a Value> {
    let events = player.seen().iter().filter(|event| event["type"] == event_type);
    events.map(|event| &event["payload"]).collect()
}
