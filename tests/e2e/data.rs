//! Documents from outside of games: over HTTP, and on the command line.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, account, try_command};
use crate::common::http::Response;
use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Server};
use crate::common::{wait_until, wait_within};

/// A server, and where its accounts are.
struct Scene {
    server: Server,
    database: Vec<String>,
}

impl Scene {
    fn on_sqlite() -> Self {
        let folder = Folder::new();
        let file = folder.path().join("game.db").to_str().unwrap().to_owned();
        let database = vec!["--db-dsn".to_owned(), file];
        Self::start(folder, database)
    }

    fn start(folder: Folder, database: Vec<String>) -> Self {
        let flags: Vec<&str> = database.iter().map(String::as_str).collect();
        let server = Server::start_in(folder, &flags);
        Self { server, database }
    }

    fn manager(&self) -> User<'_> {
        let flags: Vec<&str> = self.database.iter().map(String::as_str).collect();
        let arguments = [&["user", "create", "boss", "--role", "manager"], &flags[..]].concat();
        let (code, _, stderr) = try_command(self.server.folder(), &arguments, PASSWORD);
        assert_eq!(code, Some(0), "{stderr}");
        User::login(&self.server, "boss", PASSWORD)
    }

    /// `godra data …`: standard output, and what it has to say.
    #[track_caller]
    fn data(&self, arguments: &[&str], input: &str) -> (String, String) {
        let (code, stdout, stderr) = self.try_data(arguments, input);
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        (stdout, stderr)
    }

    fn try_data(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let flags: Vec<&str> = self.database.iter().map(String::as_str).collect();
        try_command(self.server.folder(), &[&["data"], arguments, &flags].concat(), input)
    }
}

#[track_caller]
fn refused(response: &Response, status: u16, code: &str, words: &str) {
    assert_eq!((response.status, response.error_code().as_str()), (status, code), "{response:?}");
    assert!(response.text().contains(words), "{response:?}");
}

fn put(user: &User, path: &str, headers: &[(&str, &str)], value: &Value) -> Response {
    user.send("PUT", path, headers, value.to_string().as_bytes())
}

fn get(user: &User, path: &str) -> Response {
    user.send("GET", path, &[], b"")
}

fn keys(page: &Value) -> Vec<&str> {
    page["documents"].as_array().unwrap().iter().map(|document| document["key"].as_str().unwrap()).collect()
}

#[test]
fn managers_write_and_read_documents() {
    managers_write_and_read(&Scene::on_sqlite());
}

#[test]
fn managers_write_and_read_documents_on_postgres() {
    let postgres = Postgres::start();
    let dsn = postgres.database("data");
    let database = ["--db-type", "postgres", "--db-dsn", &dsn].map(str::to_owned);
    managers_write_and_read(&Scene::start(Folder::new(), database.into()));
}

fn managers_write_and_read(scene: &Scene) {
    let boss = scene.manager();
    let profile = "/api/data/profile/guest:A%2Fb";
    refused(&get(&boss, profile), 404, "not_found", "no such document");
    let made = put(&boss, &format!("{profile}?owner=7"), &[("If-None-Match", "*")], &json!({"gold": 1}));
    assert_eq!((made.status, made.json(), made.header("etag")), (200, json!({"version": 1}), Some("\"1\"")));
    let found = get(&boss, profile);
    assert_eq!((found.status, found.header("etag")), (200, Some("\"1\"")));
    let shown = found.json();
    let at = shown["updated_at"].as_u64().unwrap();
    assert!(at > 1_700_000_000_000, "{at}");
    assert_eq!(
        shown,
        json!({"collection": "profile", "key": "guest:A/b", "version": 1, "owner": "7", "schema": 1, "updated_at": at, "value": {"gold": 1}})
    );
    refused(&put(&boss, profile, &[("If-None-Match", "*")], &json!(2)), 409, "conflict", "has version 1");
    refused(&put(&boss, profile, &[("If-Match", "\"2\"")], &json!(2)), 409, "conflict", "has version 1");
    refused(&put(&boss, profile, &[("If-Match", "2")], &json!(2)), 400, "bad_request", "quotation marks");
    assert_eq!(put(&boss, profile, &[("If-Match", "\"1\"")], &json!(2)).json(), json!({"version": 2}));
    assert_eq!(get(&boss, profile).json()["owner"], "7", "owners stay");
    refused(&boss.send("PUT", profile, &[], b"{"), 400, "bad_request", "as JSON");
    refused(&boss.send("PUT", "/api/data/Profile/7", &[], b"1"), 400, "bad_request", "collection");
    let longest = format!("\"{}\"", "x".repeat(256 * 1024 - 2));
    assert_eq!(boss.send("PUT", "/api/data/big/1", &[], longest.as_bytes()).status, 200);
    assert_eq!(boss.send("PUT", "/api/data/big/1", &[], format!("{longest} ").as_bytes()).status, 413);
    refused(&boss.send("DELETE", profile, &[("If-Match", "\"1\"")], b""), 409, "conflict", "has version 2");
    assert_eq!(boss.send("DELETE", profile, &[("If-Match", "\"2\"")], b"").json(), json!({"version": 3}));
    refused(&get(&boss, profile), 404, "not_found", "no such document");
    assert_eq!(put(&boss, profile, &[("If-None-Match", "*")], &json!(4)).json(), json!({"version": 4}));
    refused(&boss.send("POST", profile, &[], b"1"), 405, "bad_request", "GET, HEAD, PUT, DELETE");
}

#[test]
fn documents_are_listed_in_pages() {
    let scene = Scene::on_sqlite();
    let boss = scene.manager();
    for n in 0..5 {
        let path = format!("/api/data/item/{n}?owner={}", n % 2);
        assert_eq!(put(&boss, &path, &[], &json!({"n": n})).status, 200);
    }
    let mut seen = Vec::new();
    let mut path = "/api/data/item?limit=2".to_owned();
    loop {
        let page = get(&boss, &path).json();
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/api/data/item?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    assert_eq!(keys(&get(&boss, "/api/data/item?owner=1").json()), ["1", "3"]);
    assert_eq!(keys(&get(&boss, "/api/data/item?prefix=3").json()), ["3"]);
    assert_eq!(keys(&get(&boss, "/api/data/item?updated_since=99999999999999").json()), Vec::<&str>::new());
    refused(&get(&boss, "/api/data/item?limit=1000"), 400, "bad_request", "from 1 to 200");
}

#[test]
fn players_see_what_is_theirs() {
    let scene = Scene::on_sqlite();
    let (boss, ann, ben) = (scene.manager(), account(&scene.server, "ann"), account(&scene.server, "ben"));
    let guest = User::guest(&scene.server);
    for user in [&ann, &ben, &guest] {
        let path = format!("/api/data/profile/{0}?owner={0}", user.user_id);
        assert_eq!(put(&boss, &path, &[], &json!({"secret": user.user_id})).status, 200);
    }
    put(&boss, "/api/data/world/config", &[], &json!({"speed": 1}));
    for user in [&ann, &ben, &guest] {
        let own = get(user, "/account/data").json();
        assert_eq!(keys(&own), [user.user_id.as_str()], "{own}");
        assert_eq!(own["documents"][0]["value"], json!({"secret": user.user_id}));
        assert!(own.get("cursor").is_none());
        let read = get(user, &format!("/data/profile/{}", user.user_id));
        assert_eq!((read.status, read.header("etag")), (200, Some("\"1\"")));
    }
    refused(&get(&ben, &format!("/data/profile/{}", ann.user_id)), 404, "not_found", "no such document");
    refused(&get(&ben, "/data/world/config"), 404, "not_found", "no such document");
    let of_ann = format!("/api/data/profile/{}", ann.user_id);
    for method in ["GET", "PUT", "DELETE"] {
        refused(&ben.send(method, &of_ann, &[], b"1"), 403, "forbidden", "role manager");
    }
    refused(&get(&ann, "/api/data/profile"), 403, "forbidden", "role manager");
    refused(&scene.server.get("/account/data"), 401, "unauthorized", "token");
    refused(&scene.server.get(&of_ann), 401, "unauthorized", "token");
    refused(&get(&ann, "/account/data?cursor=x"), 400, "bad_request", "cursor");
}

#[test]
fn what_a_user_owns_goes_with_the_user() {
    let scene = Scene::on_sqlite();
    let (boss, ann) = (scene.manager(), account(&scene.server, "Ann"));
    let (guest, other) = (User::guest(&scene.server), User::guest(&scene.server));
    let all = [&ann, &guest, &other].map(|user| (user, format!("/api/data/profile/{}", user.user_id)));
    for (user, path) in &all {
        assert_eq!(
            put(&boss, &format!("{path}?owner={}", user.user_id), &[], &json!("a secret")).status,
            200
        );
    }
    let proof = json!({"password": PASSWORD});
    assert_eq!(ann.request("DELETE", "/account", &proof).status, 204);
    assert_eq!(guest.request("DELETE", "/account", &json!({})).status, 204);
    assert_eq!(all.map(|(_, path)| get(&boss, &path).status), [404, 404, 200]);
    let (exported, _) = scene.data(&["export"], "");
    assert_eq!(exported.matches("a secret").count(), 1, "{exported}");
}

#[test]
fn documents_go_out_and_in_on_the_command_line() {
    let scene = Scene::on_sqlite();
    let boss = scene.manager();
    for n in 0..120 {
        assert_eq!(put(&boss, &format!("/api/data/item/{n:03}"), &[], &json!({"n": n})).status, 200);
    }
    let (_, said) = scene.data(&["put", "profile/7", "--owner", "7", "--version", "0"], "{\"gold\": 5}\n");
    assert_eq!(said, "profile/7 has version 1 now\n");
    let (shown, _) = scene.data(&["get", "profile/7"], "");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["owner"], &shown["value"]), (&json!("7"), &json!({"gold": 5})));
    let (listed, _) = scene.data(&["list", "item", "--prefix", "01"], "");
    assert_eq!(listed.lines().count(), 10, "{listed}");
    let (exported, _) = scene.data(&["export"], "");
    assert_eq!(exported.lines().count(), 121);
    assert_eq!(scene.data(&["export", "profile"], "").0.lines().count(), 1);
    assert_eq!(scene.data(&["import", "-"], &exported).1, "took in 0 documents, left 121 as they are\n");

    let fresh = Scene::on_sqlite();
    std::fs::write(fresh.server.folder().path().join("all.jsonl"), &exported).unwrap();
    assert_eq!(fresh.data(&["import", "all.jsonl"], "").1, "took in 121 documents, left 0 as they are\n");
    assert_eq!(fresh.data(&["export"], "").0, exported, "all is as it was");
    let newer = exported.lines().last().unwrap().replace("\"version\":1,", "\"version\":9,");
    assert_eq!(fresh.data(&["import", "-"], &newer).1, "took in 1 documents, left 0 as they are\n");
    // Shells of Windows begin what they pipe with a mark.
    let marked = format!("\u{feff}{exported}");
    assert_eq!(fresh.data(&["import", "-"], &marked).1, "took in 0 documents, left 121 as they are\n");
    assert!(fresh.data(&["get", "profile/7"], "").0.contains("\"version\":9"));

    let fails = |arguments: &[&str], input: &str, words: &str| {
        let (code, _, stderr) = scene.try_data(arguments, input);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(words) && stderr.lines().count() == 1, "{stderr}");
    };
    fails(&["get", "profile/8"], "", "there is no document profile/8");
    fails(&["get", "profile"], "", "collection/key");
    fails(&["put", "profile/7", "--version", "4"], "1", "profile/7 has version 1, not 4");
    fails(&["put", "profile/7"], "{", "must be JSON");
    fails(&["put", "profile/7", "--owner", "somebody"], "1", "--owner must be");
    fails(&["import", "-"], "\n{\"collection\":\"a\"}\n", "line 2: missing field");
    fails(&["import", "missing.jsonl"], "", "cannot read missing.jsonl");
    fails(&["list", "A"], "", "collection");
}

/// A home that has died holds its documents until its lease is over; then they are free.
#[test]
fn a_document_in_use_is_waited_for() {
    let scene = Scene::on_sqlite();
    let boss = scene.manager();
    assert_eq!(put(&boss, "/api/data/item/1", &[], &json!(1)).status, 200);
    let database = rusqlite::Connection::open(&scene.database[1]).unwrap();
    let hold = "INSERT INTO document_homes (collection, key, home) VALUES ('item', '1', 'other')";
    wait_until("the server to let the document go", || database.execute(hold, []).is_ok());
    let live = "INSERT INTO homes SELECT 'other', now_ms + 9000 FROM database_clock";
    database.execute(live, []).unwrap();
    refused(&put(&boss, "/api/data/item/1", &[], &json!(2)), 503, "unavailable", "in use");
    assert_eq!(get(&boss, "/api/data/item/1").status, 200, "reading does not wait");
    wait_within(Duration::from_secs(30), "its home is gone", || {
        put(&boss, "/api/data/item/1", &[], &json!(2)).status == 200
    });
}

/// Of those who build on one version at once, one has changed the document, and the others are told so.
#[test]
fn one_of_several_changes_at_once_is_made() {
    changes_at_once(&Scene::on_sqlite());
}

#[test]
fn one_of_several_changes_at_once_is_made_on_postgres() {
    let postgres = Postgres::start();
    let dsn = postgres.database("data");
    let database = ["--db-type", "postgres", "--db-dsn", &dsn].map(str::to_owned);
    changes_at_once(&Scene::start(Folder::new(), database.into()));
}

fn changes_at_once(scene: &Scene) {
    const WRITERS: u64 = 4;
    let boss = scene.manager();
    for round in 1..=10 {
        let tag = format!("\"{}\"", round - 1);
        let condition = if round == 1 { ("If-None-Match", "*") } else { ("If-Match", &*tag) };
        let together = std::sync::Barrier::new(WRITERS as usize);
        let write = |writer: u64| {
            together.wait();
            let mut response = put(&boss, "/api/data/item/1", &[condition], &json!(writer));
            // The database may be too busy for it.
            wait_until("the database to have time", || {
                response.status != 503 || {
                    response = put(&boss, "/api/data/item/1", &[condition], &json!(writer));
                    false
                }
            });
            response.status
        };
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    scope.spawn({
                        let write = &write;
                        move || write(writer)
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let made: Vec<u64> = (0..WRITERS).filter(|writer| statuses[*writer as usize] == 200).collect();
        assert_eq!(made.len(), 1, "round {round}: {statuses:?}");
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "round {round}: {statuses:?}");
        let found = get(&boss, "/api/data/item/1").json();
        assert_eq!((&found["value"], &found["version"]), (&json!(made[0]), &json!(round)));
    }
}
