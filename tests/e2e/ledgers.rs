//! Ledgers end to end: what is sent twice counts once, through restarts and kills, and what is kept of it.

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, try_command};
use crate::common::http::Response;
use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Server};
use crate::common::wait_within;

pub const BUY: &str = r#"
-- ROLE: guest
-- DATA: wallet/{user} ledger
-- DURABLE: on
local wallet = "wallet/" .. godra.user.id
local given = godra.ledger(wallet, { gold = 1000 }, "welcome", { key = "welcome" })
local all, again = godra.ledger(wallet, { gold = -10, sword = 1 }, "a sword", { key = ARGV[2] })
return cjson.encode({ all.gold, all.sword, again })
"#;

pub const TRADE: &str = r#"
-- ROLE: guest
-- DATA: wallet/{user} ledger, wallet/{arg:1} ledger
local price = tonumber(ARGV[3])
godra.ledger("wallet/" .. ARGV[2], { gold = price, sword = -1 }, "sold", { owner = ARGV[2] })
godra.ledger("wallet/" .. godra.user.id, { gold = -price, sword = 1 }, "bought")
return 1
"#;

pub const SHOW: &str = r#"
-- ROLE: guest
-- DATA: wallet/{user}
return cjson.encode({ godra.load("wallet/" .. godra.user.id) })
"#;

fn start(database: &[&str], state_file: &str) -> Server {
    let folder = Folder::new();
    folder.write_script("buy", BUY);
    folder.write_script("trade", TRADE);
    folder.write_script("show", SHOW);
    let flags = [&["--threads", "2", "--state-file", state_file], database].concat();
    Server::start_in(folder, &flags)
}

/// What a script gives as JSON, once its documents are there.
#[track_caller]
pub fn result(mut call: impl FnMut() -> Response) -> Value {
    let mut response = call();
    wait_within(std::time::Duration::from_secs(40), "the documents", || {
        response.status != 503 || {
            response = call();
            response.status != 503
        }
    });
    assert_eq!(response.status, 200, "{response:?}");
    let result = response.json()["result"].clone();
    result.as_str().map_or(result.clone(), |text| serde_json::from_str(text).unwrap())
}

#[test]
fn a_purchase_that_is_sent_twice_counts_once() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    purchases(&["--db-dsn", dsn.to_str().unwrap()]);
}

#[test]
fn a_purchase_that_is_sent_twice_counts_once_on_postgres() {
    let postgres = Postgres::start();
    let dsn = postgres.database("ledgers");
    purchases(&["--db-type", "postgres", "--db-dsn", &dsn]);
    let sum = "SELECT count(*) || ' ' || sum((changes::json->>'gold')::bigint) FROM ledger_entries \
         WHERE collection = 'wallet' AND key LIKE 'guest:%' AND entry_key LIKE 'order%'";
    // Five of the first player, and one of whom it trades with.
    assert_eq!(postgres.sql("ledgers", sum), "6 -60");
}

fn purchases(database: &[&str]) {
    let mut server = start(database, "off");
    let guest = server.guest();
    let (token, id) = (guest.token.clone(), guest.user_id.clone());
    let buy = |order: &str| json!([format!("order {order}")]);
    assert_eq!(result(|| guest.rpc("buy", buy("1"), &[])), json!([990, 1, false]));
    assert_eq!(result(|| guest.rpc("buy", buy("1"), &[])), json!([990, 1, true]));
    assert_eq!(result(|| guest.rpc("buy", buy("2"), &[])), json!([980, 2, false]));
    assert_eq!(result(|| guest.rpc("buy", buy("1"), &[])), json!([990, 1, true]));
    server.terminate();
    assert!(server.wait().success());
    // After a restart, and after a process that was killed with no state file: what was answered is there.
    let mut server = start(database, "off");
    let guest = server.known(&token, &id);
    assert_eq!(result(|| guest.rpc("buy", buy("2"), &[])), json!([980, 2, true]));
    for (order, gold) in [("3", 970), ("4", 960), ("5", 950)] {
        assert_eq!(result(|| guest.rpc("buy", buy(order), &[])), json!([gold, (1000 - gold) / 10, false]));
    }
    server.signal("KILL");
    server.wait();
    let server = start(database, "off");
    let guest = server.known(&token, &id);
    assert_eq!(result(|| guest.rpc("buy", buy("5"), &[])), json!([950, 5, true]));
    assert_eq!(result(|| guest.rpc("show", json!([]), &[])), json!([{"gold": 950, "sword": 5}, 6]));
    trades(&server, &token, &id);
}

pub fn trades(server: &Server, token: &str, id: &str) {
    let (seller, buyer) = (server.known(token, id), server.guest());
    assert_eq!(result(|| buyer.rpc("buy", json!(["order x"]), &[])), json!([990, 1, false]));
    let before = result(|| buyer.rpc("show", json!([]), &[]));
    let dear = buyer.rpc("trade", json!([id, "991"]), &[]);
    assert_eq!((dear.status, dear.error_code().as_str()), (400, "insufficient"), "{dear:?}");
    assert!(dear.text().contains("has 990 gold, and 991 are needed"), "{dear:?}");
    assert_eq!(result(|| buyer.rpc("show", json!([]), &[])), before);
    assert_eq!(result(|| seller.rpc("show", json!([]), &[])), json!([{"gold": 950, "sword": 5}, 6]));
    assert_eq!(result(|| buyer.rpc("trade", json!([id, "90"]), &[])), 1);
    assert_eq!(result(|| buyer.rpc("show", json!([]), &[])), json!([{"gold": 900, "sword": 2}, 3]));
    assert_eq!(result(|| seller.rpc("show", json!([]), &[])), json!([{"gold": 1040, "sword": 4}, 7]));
}

#[test]
fn accounts_are_written_by_entries_alone_and_exported_with_them() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let database = ["--db-dsn", dsn.to_str().unwrap()];
    let server = start(&database, "off");
    let guest = server.guest();
    for order in ["1", "2"] {
        result(|| guest.rpc("buy", json!([order]), &[]));
    }
    let command = |arguments: &[&str], database: &[&str], input: &str| {
        try_command(server.folder(), &[arguments, database].concat(), input)
    };
    let made = command(&["user", "create", "boss", "--role", "manager"], &database, PASSWORD);
    assert_eq!(made.0, Some(0), "{made:?}");
    let boss = User::login(&server, "boss", PASSWORD);
    let path = format!("/api/data/wallet/{}", guest.user_id);
    for refused in [boss.send("PUT", &path, &[], b"{}"), boss.send("DELETE", &path, &[], b"")] {
        assert_eq!((refused.status, refused.error_code().as_str()), (409, "conflict"), "{refused:?}");
        assert!(refused.text().contains("an account of a ledger"), "{refused:?}");
    }
    let address = format!("wallet/{}", guest.user_id);
    let put = command(&["data", "put", &address], &database, "{}");
    assert!(put.0 != Some(0) && put.2.contains("an account of a ledger"), "{put:?}");
    assert_eq!(boss.send("GET", &path, &[], b"").json()["value"], json!({"gold": 980, "sword": 2}));
    let (_, exported, _) = command(&["data", "export"], &database, "");
    let entries: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["changes"].is_object())
        .collect();
    let shown =
        |entry: &Value| (entry["version"].clone(), entry["entry_key"].clone(), entry["balances"].clone());
    assert_eq!(
        entries.iter().map(shown).collect::<Vec<_>>(),
        [
            (json!(1), json!("welcome"), json!({"gold": 1000})),
            (json!(2), json!("1"), json!({"gold": 990, "sword": 1})),
            (json!(3), json!("2"), json!({"gold": 980, "sword": 2})),
        ]
    );
    assert_eq!((&entries[1]["reason"], &entries[1]["key"]), (&json!("a sword"), &json!(guest.user_id)));
    let (_, of_collection, _) = command(&["data", "export", "wallet"], &database, "");
    assert_eq!(of_collection, exported);
    // Another database takes them in, once.
    let other = files.path().join("other.db");
    let other = ["--db-dsn", other.to_str().unwrap()];
    let taken = |expected: &str| {
        let (code, stdout, stderr) = command(&["data", "import", "-"], &other, &exported);
        assert!(code == Some(0) && (stdout.clone() + &stderr).contains(expected), "{stdout}{stderr}");
    };
    taken("took in 1 documents, left 0 as they are, took in 3 entries of ledgers");
    taken("took in 0 documents, left 1 as they are\n");
    assert_eq!(command(&["data", "export"], &other, "").1, exported);
    let forged = exported.replace(r#""gold":-10"#, r#""gold":0.5"#);
    let (code, _, stderr) = command(&["data", "import", "-"], &other, &forged);
    assert!(code != Some(0) && stderr.contains("line "), "{stderr}");
}

/// A server with a manager.
fn managed<'s>(server: &'s Server, database: &[&str]) -> User<'s> {
    let create = ["user", "create", "boss", "--role", "manager"];
    let made = try_command(server.folder(), &[&create[..], database].concat(), PASSWORD);
    assert_eq!(made.0, Some(0), "{made:?}");
    User::login(server, "boss", PASSWORD)
}

fn managers_change_balances(database: &[&str]) {
    let server = start(database, "off");
    let boss = managed(&server, database);
    let guest = User::guest(&server);
    assert_eq!(result(|| guest.rpc("buy", json!(["order 1"]))), json!([990, 1, false]));
    let account = format!("/api/ledger/wallet/{}", guest.user_id);
    let change = |body: &Value| answered(|| boss.post(&account, body));

    // The game has it in use, and goes on with what the manager has made of it.
    let refund = json!({"changes": {"gold": 500}, "reason": "refund", "key": "ticket:7"});
    let made = change(&refund);
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.json(), json!({"version": 3, "balances": {"gold": 1490}, "repeated": false}));
    assert_eq!(made.header("etag"), Some("\"3\""));
    let again = change(&refund);
    assert_eq!(again.json(), json!({"version": 3, "balances": {"gold": 1490}, "repeated": true}));
    assert_eq!(result(|| guest.rpc("buy", json!(["order 2"]))), json!([1480, 2, false]));

    for (body, status, words) in [
        (json!({"changes": {"gold": 501}, "reason": "refund", "key": "ticket:7"}), 409, "with other changes"),
        (json!({"changes": {"gold": -1481}, "reason": "fine"}), 409, "has 1480 gold, and 1481 are needed"),
        (json!({"changes": {}, "reason": "x"}), 400, "one at least"),
        (json!({"changes": {"gold": 0.5}, "reason": "x"}), 400, "the body must be a change"),
        (json!({"changes": {"gold": 1}, "reason": ""}), 400, "reason"),
    ] {
        let refused = change(&body);
        assert_eq!(refused.status, status, "{refused:?}");
        assert!(refused.text().contains(words), "{refused:?}");
    }
    let fine = json!({"changes": {"gold": -2000}, "reason": "fine", "allow_negative": ["gold"]});
    assert_eq!(change(&fine).json()["balances"], json!({"gold": -520}));

    // No script says that this is a ledger, and nobody but managers may do it at all.
    let no_ledger = boss.post("/api/ledger/profile/7", &refund);
    assert!(no_ledger.status == 409 && no_ledger.text().contains("no script says"), "{no_ledger:?}");
    for refused in [guest.post(&account, &refund), guest.send("GET", &account, &[], b"")] {
        assert_eq!(refused.status, 403, "{refused:?}");
    }

    // A new account, and whose it is.
    let gift = json!({"changes": {"gold": 5}, "reason": "gift", "owner": guest.user_id});
    let made = answered(|| boss.post("/api/ledger/wallet/second", &gift));
    assert_eq!(made.json(), json!({"version": 1, "balances": {"gold": 5}, "repeated": false}));
    let document = boss.send("GET", "/api/data/wallet/second", &[], b"").json();
    assert_eq!((&document["owner"], &document["value"]), (&json!(guest.user_id), &json!({"gold": 5})));

    entries_are_shown(&boss, &guest, &account);
}

/// The answer, once the game has let the account go.
#[track_caller]
pub fn answered(ask: impl Fn() -> Response) -> Response {
    let mut response = ask();
    wait_within(std::time::Duration::from_secs(40), "the account", || {
        response.status != 503 || {
            response = ask();
            response.status != 503
        }
    });
    response
}

/// To managers an account's, the latest first; to players what is theirs, a page at a time.
fn entries_are_shown(boss: &User, guest: &User, account: &str) {
    let (mut reasons, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = boss.send("GET", &format!("{account}?limit=2{cursor}"), &[], b"").json();
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.len() <= 2, "{page}");
        reasons.extend(entries.iter().map(|entry| {
            format!("{} {} {}", entry["version"], entry["reason"].as_str().unwrap(), entry["changes"])
        }));
        let Some(next) = page["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(
        reasons,
        [
            r#"5 fine {"gold":-2000}"#,
            r#"4 a sword {"gold":-10,"sword":1}"#,
            r#"3 refund {"gold":500}"#,
            r#"2 a sword {"gold":-10,"sword":1}"#,
            r#"1 welcome {"gold":1000}"#,
        ]
    );
    for limit in [1, 2, 50] {
        let (mut documents, mut versions, mut cursor) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = guest.send("GET", &format!("/account/data?limit={limit}{cursor}"), &[], b"").json();
            documents.extend(page["documents"].as_array().unwrap().iter().map(|found| found["key"].clone()));
            let entries = page["entries"].as_array().map_or(&[][..], Vec::as_slice);
            versions.extend(entries.iter().map(|entry| (entry["key"].clone(), entry["version"].clone())));
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(documents, [json!(guest.user_id), json!("second")], "limit {limit}");
        let own = (1..=5).map(|version| (json!(guest.user_id), json!(version)));
        assert_eq!(versions, own.chain([(json!("second"), json!(1))]).collect::<Vec<_>>(), "limit {limit}");
    }
}

#[test]
fn managers_change_balances_and_see_entries() {
    managers_change_balances(&["--db-dsn", "game.db"]);
}

#[test]
fn managers_change_balances_and_see_entries_on_postgres() {
    let postgres = Postgres::start();
    let dsn = postgres.database("ledgers");
    managers_change_balances(&["--db-type", "postgres", "--db-dsn", &dsn]);
}

/// Several managers and the game at once: each change counts, and once.
#[test]
fn changes_of_managers_and_of_the_game_all_count() {
    const CHANGES: usize = 8;
    let server = start(&["--db-dsn", "game.db"], "off");
    let boss = managed(&server, &["--db-dsn", "game.db"]);
    let guest = User::guest(&server);
    result(|| guest.rpc("buy", json!(["order"])));
    let account = format!("/api/ledger/wallet/{}", guest.user_id);
    std::thread::scope(|scope| {
        for manager in 0..3 {
            let (boss, account) = (&boss, &account);
            scope.spawn(move || {
                for number in 0..CHANGES {
                    let key = format!("{manager} {number}");
                    let body = json!({"changes": {"gold": 100}, "reason": "a gift", "key": key});
                    // Sent twice, as by somebody who did not hear the answer.
                    for _ in 0..2 {
                        let made = answered(|| boss.post(account, &body));
                        assert_eq!(made.status, 200, "{made:?}");
                    }
                }
            });
        }
        for number in 0..CHANGES {
            result(|| guest.rpc("buy", json!([format!("order {number}")])));
        }
    });
    let gold = 1000 - 10 * (CHANGES as i64 + 1) + 100 * 3 * CHANGES as i64;
    assert_eq!(result(|| guest.rpc("show", json!([])))[0]["gold"], gold);
    let entries = boss.send("GET", &format!("{account}?limit=200"), &[], b"").json();
    assert_eq!(entries["entries"].as_array().unwrap().len(), 2 + CHANGES + 3 * CHANGES);

    // Beyond the keys that an account has at hand, the database knows them.
    let change = |number: u32| {
        let body = json!({"changes": {"gold": 1}, "reason": "a gift", "key": number.to_string()});
        answered(|| boss.post("/api/ledger/wallet/old", &body)).json()
    };
    let made: Vec<Value> = (1..=66).map(change).collect();
    assert_eq!(made[65], json!({"version": 66, "balances": {"gold": 66}, "repeated": false}));
    assert_eq!(change(1), json!({"version": 1, "balances": {"gold": 1}, "repeated": true}));
    assert_eq!(change(67)["balances"], json!({"gold": 67}));
}
