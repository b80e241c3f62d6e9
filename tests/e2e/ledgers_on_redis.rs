//! Ledgers where rooms live in Redis: by the same rules as in the embedded store.

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, try_command};
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;
use crate::ledgers::{BUY, SHOW, TRADE, answered, result, trades};

/// Asks for much that is wrong, and for some that is right; gives what each came to.
const TRY: &str = r#"
-- ROLE: guest
-- DATA: wallet/{user} ledger, purse/{user}
local wallet, purse = "wallet/" .. godra.user.id, "purse/" .. godra.user.id
local long, many = string.rep("x", 2000), {}
for index = 1, 33 do many["item" .. index] = 1 end
godra.save(purse, { gold = 5 })
local tries = {
  { wallet, { gold = 100 }, "first", { key = "one" } },
  { wallet, { gold = 100 }, "again", { key = "one" } },
  { wallet, { gold = 99 }, "other", { key = "one" } },
  { wallet, { gold = -101 }, "too dear" },
  { wallet, { gold = -101 }, "a debt", { allow_negative = { "sword" } } },
  { wallet, { gold = -101, ["sw\"ord\\"] = 3 }, "a debt", { allow_negative = { "gold" } } },
  { wallet, { gold = -1 }, "more of it" },
  { wallet, { gold = 1 }, "some back" },
  { wallet, { gold = -5 }, "any", { allow_negative = true, key = "k\"ey" } },
  { wallet, { gold = -5 }, "any", { allow_negative = true, key = "k\"ey" } },
  { wallet, { gold = 9007199254740992 }, "rich" },
  { wallet, { gold = 9007199254740992 }, "richer" },
  { wallet, { gems = 9007199254740992 }, "most" },
  { wallet, { gems = 1 }, "one more" },
  { wallet, { gems = 9007199254740994 }, "beyond" },
  { wallet, { gems = -9007199254740992 }, "none is left" },
  { wallet, { gold = 0.5 }, "half" },
  { wallet, { gold = "5" }, "text" },
  { wallet, { gold = 0 / 0 }, "none" },
  { wallet, { gold = 1 / 0 }, "all" },
  { wallet, {}, "nothing" },
  { wallet, { 1, 2 }, "a list" },
  { wallet, nil, "nothing" },
  { wallet, "gold", "text" },
  { wallet, many, "many" },
  { wallet, { [""] = 1 }, "no name" },
  { wallet, { ["a\n"] = 1 }, "control" },
  { wallet, { ["\255"] = 1 }, "bytes" },
  { wallet, { [long] = 1 }, "long" },
  { wallet, { gold = 1 } },
  { wallet, { gold = 1 }, "" },
  { wallet, { gold = 1 }, long },
  { wallet, { gold = 1 }, "\255" },
  { wallet, { gold = 1 }, {} },
  { wallet, { gold = 1 }, 7 },
  { wallet, { gold = 1 }, "x", "key" },
  { wallet, { gold = 1 }, "x", { other = 1 } },
  { wallet, { gold = 1 }, "x", { key = "" } },
  { wallet, { gold = 1 }, "x", { key = long } },
  { wallet, { gold = 1 }, "x", { key = {} } },
  { wallet, { gold = 1 }, "x", { key = 7 } },
  { wallet, { gold = 1 }, "x", { allow_negative = "gold" } },
  { wallet, { gold = 1 }, "x", { allow_negative = false } },
  { wallet, { gold = 1 }, "x", { owner = "" } },
  { wallet, { gold = 1 }, "x", { owner = "somebody" } },
  { purse, { gold = 1 }, "no account" },
  { "wallet/other", { gold = 1 }, "not declared" },
  { {}, { gold = 1 }, "no name" },
}
local found = {}
for index = 1, 48 do
  local one = tries[index]
  local ok, balances, is_repeated = pcall(godra.ledger, one[1], one[2], one[3], one[4])
  found[index] = { ok, type(balances) == "table" and (balances.message or balances) or balances or cjson.null, is_repeated or false }
end
for _, change in ipairs({
  function() local version = godra.save(wallet, {}) return version end,
  function() local was_there = godra.delete(wallet) return was_there end,
  function() return (godra.load(wallet)) end,
  function() return select(2, godra.load(wallet)) end,
}) do
  local ok, value = pcall(change)
  -- Without the line: a program of Redis has others.
  found[#found + 1] = { ok, type(value) == "string" and string.gsub(value, "^[%w_.]+:%d+: ", "") or value }
end
return cjson.encode(found)
"#;

/// Many changes with keys of their own, and then the first again.
const MANY: &str = r#"
-- ROLE: guest
-- DATA: wallet/{user} ledger
local wallet, balances, again = "wallet/" .. godra.user.id
for index = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  balances, again = godra.ledger(wallet, { gold = 1 }, "one of many", { key = "number " .. index })
end
return cjson.encode({ balances.gold, again })
"#;

fn scripts() -> Folder {
    let folder = Folder::new();
    for (name, text) in [("buy", BUY), ("trade", TRADE), ("show", SHOW), ("try", TRY), ("many", MANY)] {
        folder.write_script(name, text);
    }
    folder
}

fn start_on(redis: &Redis, database: &[&str]) -> Server {
    let address = redis.address();
    let flags = [&["--threads", "2", "--redis-addr", &address], database].concat();
    let server = Server::start_in(scripts(), &flags);
    server.output().wait_for_line(&["the store is there"]);
    server
}

#[test]
fn purchases_count_once_on_every_node_and_without_the_store() {
    let postgres = Postgres::start();
    let dsn = postgres.database("ledgers");
    let database = ["--db-type", "postgres", "--db-dsn", &dsn];
    let redis = Redis::start();
    let servers = [start_on(&redis, &database), start_on(&redis, &database)];
    let guest = servers[0].guest();
    let (token, id) = (guest.token.clone(), guest.user_id.clone());
    let elsewhere = servers[1].known(&token, &id);
    let buy = |order: &str| json!([format!("order {order}")]);
    assert_eq!(result(|| guest.rpc("buy", buy("1"), &[])), json!([990, 1, false]));
    assert_eq!(result(|| elsewhere.rpc("buy", buy("1"), &[])), json!([990, 1, true]));
    for (order, gold) in [("2", 980), ("3", 970), ("4", 960), ("5", 950)] {
        let node = if gold % 20 == 0 { &guest } else { &elsewhere };
        assert_eq!(result(|| node.rpc("buy", buy(order), &[])), json!([gold, (1000 - gold) / 10, false]));
    }
    assert_eq!(result(|| guest.rpc("buy", buy("3"), &[])), json!([970, 3, true]));
    let entries = "SELECT count(*) FROM ledger_entries WHERE entry_key LIKE 'order%'";
    wait_until("all to be in the database", || postgres.sql("ledgers", entries) == "5");
    redis.command(&["FLUSHALL"]);
    wait_until("the account to be fetched again", || {
        let shown = guest.rpc("show", json!([]), &[]);
        shown.status == 200 && shown.text().contains("950")
    });
    assert_eq!(result(|| elsewhere.rpc("buy", buy("5"), &[])), json!([950, 5, true]));
    trades(&servers[1], &token, &id);
    let sum = "SELECT count(*) || ' ' || sum((changes::json->>'gold')::bigint) FROM ledger_entries \
         WHERE entry_key LIKE 'order%'";
    wait_until("all of it to be in the database", || postgres.sql("ledgers", sum) == "6 -60");
}

#[test]
fn changes_are_judged_as_in_the_embedded_store() {
    let found = |flags: &[&str]| {
        let files = Folder::empty();
        let dsn = files.path().join("game.db");
        let flags = [&["--db-dsn", dsn.to_str().unwrap()], flags].concat();
        let server = Server::start_in(scripts(), &flags);
        let guest = server.guest();
        let text = result(|| guest.rpc("try", json!([]), &[])).to_string();
        // Called by a pcall the function may have no name.
        let text = text.replace(&guest.user_id, "ME").replace("'?'", "'ledger'");
        let found: Value = serde_json::from_str(&text).unwrap();
        found.as_array().unwrap().clone()
    };
    let embedded = found(&["--state-file", "off"]);
    let redis = Redis::start();
    let on_redis = found(&["--redis-addr", &redis.address()]);
    assert_eq!(embedded.len(), 52, "{embedded:?}");
    for (index, (one, other)) in embedded.iter().zip(&on_redis).enumerate() {
        assert_eq!(other, one, "try {}", index + 1);
    }
    assert_eq!(embedded[0], json!([true, {"gold": 100}, false]));
    assert_eq!(embedded[3], json!([false, "wallet/ME has 100 gold, and 101 are needed", false]));
    assert!(embedded.iter().filter(|one| one[0] == false).count() > 30, "{embedded:?}");
}

/// Beyond the keys that an account has at hand the database knows all.
#[test]
fn an_old_key_counts_once_and_comes_back_to_hand() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let redis = Redis::start();
    let server = start_on(&redis, &["--db-dsn", dsn.to_str().unwrap()]);
    let guest = server.guest();
    let many = |from: u64, to: u64| guest.rpc("many", json!([from.to_string(), to.to_string()]), &[]);
    assert_eq!(result(|| many(1, 70)), json!([70, false]));
    assert_eq!(result(|| many(7, 7)), json!([7, true]));
    // Seventy keys have been there since, and the account has sixty-four.
    assert_eq!(result(|| many(6, 6)), json!([71, false]));
    wait_until("the first of that key to be known again", || {
        let response = many(6, 6);
        response.status == 200 && response.json()["result"] == "[6,true]"
    });
    let shown = result(|| guest.rpc("show", json!([]), &[]));
    assert_eq!(shown[0], json!({"gold": 70}));
}

#[test]
fn managers_and_the_game_change_one_account() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db").to_str().unwrap().to_owned();
    let redis = Redis::start();
    let server = start_on(&redis, &["--db-dsn", &dsn]);
    let create = ["user", "create", "boss", "--role", "manager", "--db-dsn", &dsn];
    assert_eq!(try_command(server.folder(), &create, PASSWORD).0, Some(0));
    let (boss, guest) = (User::login(&server, "boss", PASSWORD), User::guest(&server));
    assert_eq!(result(|| guest.rpc("buy", json!(["order 1"]))), json!([990, 1, false]));
    let account = format!("/api/ledger/wallet/{}", guest.user_id);
    let refund = json!({"changes": {"gold": 500}, "reason": "refund", "key": "ticket:7"});
    for is_repeated in [false, true] {
        let made = answered(|| boss.post(&account, &refund)).json();
        assert_eq!(made, json!({"version": 3, "balances": {"gold": 1490}, "repeated": is_repeated}));
    }
    assert_eq!(result(|| guest.rpc("buy", json!(["order 2"]))), json!([1480, 2, false]));
    let fine = json!({"changes": {"gold": -1481}, "reason": "fine"});
    let refused = answered(|| boss.post(&account, &fine));
    assert!(refused.status == 409 && refused.text().contains("has 1480 gold"), "{refused:?}");
    // Nobody writes it in any other way.
    let put = boss.send("PUT", &format!("/api/data/wallet/{}", guest.user_id), &[], b"{}");
    assert!(put.status == 409 && put.text().contains("an account of a ledger"), "{put:?}");
}
