//! Documents whose form has changed: brought up as they are loaded, through restarts, exports and a change of scripts under way.

use std::fs;

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, try_command};
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

const LOAD: &str = "-- ROLE: guest\n-- DATA: item/{arg:1}\nlocal item = godra.load('item/' .. ARGV[2])\nreturn cjson.encode(item)";
const SAVE: &str = "-- ROLE: guest\n-- DATA: item/{arg:1} FORM
local item = godra.load('item/' .. ARGV[2])
item.uses = (item.uses or 0) + 1
return godra.save('item/' .. ARGV[2], item)";

/// To form 2 the name becomes a label, to form 3 that gets a language.
const MIGRATE: &str = "return function(old, from, name)
    if from < 2 then old.label, old.name = old.name, nil end
    if from < 3 then old.label = { en = old.label } end
    return old
end";

fn write(folder: &Folder, form: &str, migrate: &str) {
    fs::create_dir_all(folder.scripts().join("lib")).unwrap();
    fs::write(folder.scripts().join("lib/migrate_item.lua"), migrate).unwrap();
    folder.write_script("load", LOAD);
    folder.write_script("save", &SAVE.replace("FORM", form));
}

fn loaded(user: &User, key: &str) -> Value {
    let response = user.rpc("load", json!([key]));
    assert_eq!(response.status, 200, "{response:?}");
    serde_json::from_str(response.json()["result"].as_str().unwrap()).unwrap()
}

fn saved(user: &User, key: &str) -> Value {
    let response = user.rpc("save", json!([key]));
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["result"].clone()
}

fn shown(boss: &User, key: &str) -> Value {
    boss.send("GET", &format!("/api/data/item/{key}"), &[], b"").json()
}

#[test]
fn forms_last_on_sqlite() {
    let files = Folder::empty();
    let file = at(&files, "game.db");
    forms_last(&["--state-file", &at(&files, "kept.db")], &["--db-dsn", &file]);
}

#[test]
fn forms_last_on_redis() {
    let files = Folder::empty();
    let redis = Redis::start();
    forms_last(&["--redis-addr", &redis.address()], &["--db-dsn", &at(&files, "game.db")]);
}

fn at(files: &Folder, name: &str) -> String {
    files.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn forms_last_on_postgres() {
    let (files, postgres) = (Folder::empty(), Postgres::start());
    let store = ["--state-file", &at(&files, "kept.db")];
    forms_last(&store, &["--db-type", "postgres", "--db-dsn", &postgres.database("forms")]);
}

fn forms_last(store: &[&str], database: &[&str]) {
    let folder = Folder::new();
    write(&folder, "v3", MIGRATE);
    let flags = [store, database].concat();
    let data = |server: &Server, arguments: &[&str], input: &str| {
        let (code, stdout, stderr) =
            try_command(server.folder(), &[&["data"], arguments, database].concat(), input);
        assert_eq!(code, Some(0), "{stderr}");
        stdout
    };
    let mut server = Server::start_in(folder, &flags);
    let create = [&["user", "create", "boss", "--role", "manager"], database].concat();
    let (code, _, stderr) = try_command(server.folder(), &create, PASSWORD);
    assert_eq!(code, Some(0), "{stderr}");
    let boss = User::login(&server, "boss", PASSWORD);
    // One of each form, over each door.
    let put = |path: &str, value: &Value| {
        let response = boss.send("PUT", path, &[], value.to_string().as_bytes());
        assert_eq!(response.status, 200, "{response:?}");
    };
    put("/api/data/item/one", &json!({"name": "axe"}));
    put("/api/data/item/two?schema=2", &json!({"label": "axe"}));
    data(&server, &["put", "item/three", "--schema", "3"], r#"{"label": {"en": "axe"}}"#);
    put("/api/data/item/four?schema=4", &json!({"label": 4}));
    for key in ["one", "two", "three"] {
        assert_eq!(loaded(&boss, key), json!({"label": {"en": "axe"}}), "{key}");
    }
    assert_eq!(shown(&boss, "one")["schema"], 1, "loading writes nothing");
    assert_eq!(saved(&boss, "one"), 2);
    wait_until("the save to be in the database", || shown(&boss, "one")["schema"] == 3);
    assert_eq!(shown(&boss, "one")["value"], json!({"label": {"en": "axe"}, "uses": 1}));
    for script in ["load", "save"] {
        let newer = boss.rpc(script, json!(["four"]));
        assert_eq!(newer.error_code(), "script_error", "{newer:?}");
        assert!(newer.text().contains("item/four is of form 4, and this script knows form 3"), "{newer:?}");
    }
    assert_eq!(
        (&shown(&boss, "four")["value"], &shown(&boss, "four")["version"]),
        (&json!({"label": 4}), &json!(1))
    );
    // A migration that breaks, as it is saved.
    write(server.folder(), "v3", "return function(old) return old.label.en.x end");
    wait_until("the library to serve", || boss.rpc("load", json!(["two"])).status != 200);
    let broken = boss.rpc("load", json!(["two"]));
    assert!(broken.text().contains("item/two is of form 2, and lib/migrate_item.lua does not bring it up to 3: lib/migrate_item.lua:1:"), "{broken:?}");
    for (text, why) in [
        ("return function() end", "does not bring it up to 3: it gives nil"),
        ("return function() error({ code = 'no', message = 'not that one' }) end", "not that one"),
    ] {
        write(server.folder(), "v3", text);
        wait_until("the library to serve", || boss.rpc("load", json!(["two"])).text().contains(why));
    }
    assert_eq!(shown(&boss, "two")["value"], json!({"label": "axe"}));
    // Forms go through an export, and back.
    let exported = data(&server, &["export", "item"], "");
    let forms = |text: &str| -> Vec<(String, u64)> {
        let line = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
        let form = |line: Value| (line["key"].as_str().unwrap().to_owned(), line["schema"].as_u64().unwrap());
        text.lines().map(line).map(form).collect()
    };
    let expected =
        [("four", 4), ("one", 3), ("three", 3), ("two", 2)].map(|(key, form)| (key.to_owned(), form));
    assert_eq!(forms(&exported), expected);
    let newer = exported.replace("\"version\":1,", "\"version\":8,");
    data(&server, &["import", "-"], &newer);
    assert_eq!(forms(&data(&server, &["export", "item"], "")), expected);
    // And through the end of the server: the next game knows one more.
    let boss = boss.detach();
    server.terminate();
    assert!(server.wait().success());
    let folder = Folder::new();
    write(
        &folder,
        "v4",
        &MIGRATE.replace("return old\n", "if from < 4 then old.label.de = name end return old\n"),
    );
    let server = Server::start_in(folder, &flags);
    let boss = boss.on(&server);
    assert_eq!(loaded(&boss, "one"), json!({"label": {"en": "axe", "de": "item/one"}, "uses": 1}));
    assert_eq!(loaded(&boss, "two"), json!({"label": {"en": "axe", "de": "item/two"}}));
    assert_eq!(loaded(&boss, "four"), json!({"label": 4}));
    assert_eq!(saved(&boss, "one"), 3);
}
