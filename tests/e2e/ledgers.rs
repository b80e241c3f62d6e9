//! Ledgers end to end: what is sent twice counts once, through restarts and kills, and what is kept of it.

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, try_command};
use crate::common::http::Response;
use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Server};
use crate::common::wait_within;

const BUY: &str = r#"
-- ROLE: guest
-- DATA: wallet/{user} ledger
-- DURABLE: on
local wallet = "wallet/" .. godra.user.id
local given = godra.ledger(wallet, { gold = 1000 }, "welcome", { key = "welcome" })
local all, again = godra.ledger(wallet, { gold = -10, sword = 1 }, "a sword", { key = ARGV[2] })
return cjson.encode({ all.gold, all.sword, again })
"#;

const TRADE: &str = r#"
-- ROLE: guest
-- DATA: wallet/{user} ledger, wallet/{arg:1} ledger
local price = tonumber(ARGV[3])
godra.ledger("wallet/" .. ARGV[2], { gold = price, sword = -1 }, "sold", { owner = ARGV[2] })
godra.ledger("wallet/" .. godra.user.id, { gold = -price, sword = 1 }, "bought")
return 1
"#;

const SHOW: &str = r#"
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
fn result(mut call: impl FnMut() -> Response) -> Value {
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

fn trades(server: &Server, token: &str, id: &str) {
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
