//! Ledgers in the embedded store.

use super::*;
use crate::document::ledger::{Amounts, LedgerEntry};

const WALLETS: &str = "-- DATA: wallet/{user} ledger, wallet/{arg:1}, profile/{user}";

fn world() -> World {
    World::with(Database::default(), EmbeddedOptions::default(), &[named("wallets", WALLETS, "return 1")])
}

/// What a script gives, which makes JSON of what is more than a number.
fn run(world: &World, text: &str) -> Result<String, CallError> {
    world.run_as("7", WALLETS, text, &["8"]).map(|result| bare(&result))
}

fn bare(result: &str) -> String {
    serde_json::from_str(result).unwrap_or_else(|_| result.to_owned())
}

#[track_caller]
fn ok(world: &World, text: &str, expected: &str) {
    let found = run(world, text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn fails(world: &World, text: &str, code: &str, part: &str) {
    let error = run(world, text).expect_err(text);
    assert!(error.code.as_str() == code && error.message.contains(part), "{text}: {error:?}");
}

/// What the database has of an account's entries, once it has so many.
fn entries(world: &World, account: &str, count: usize) -> Vec<LedgerEntry> {
    let ends = Instant::now() + LONG;
    loop {
        let found = world.database.state().entries.get(&address(account)).cloned().unwrap_or_default();
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < ends, "{found:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn amounts(list: &[(&str, i64)]) -> Amounts {
    list.iter().map(|(item, amount)| ((*item).into(), *amount)).collect()
}

#[test]
fn changes_add_up_and_each_is_kept() {
    let world = world();
    ok(
        &world,
        "return cjson.encode({godra.ledger('wallet/7', {gold = 100}, 'gift')})",
        r#"[{"gold":100},false]"#,
    );
    let twice = "godra.ledger('wallet/7', {gold = -60, sword = 1}, 'a sword') \
         local all = godra.ledger('wallet/7', {gold = -40}, 'a bet') return cjson.encode({all.gold, godra.load('wallet/7')})";
    ok(&world, twice, r#"[0,{"sword":1},3]"#);
    world.await_value("wallet/7", Some(r#"{"sword":1}"#));
    let kept = entries(&world, "wallet/7", 3);
    assert_eq!(
        kept.iter().map(|entry| (entry.version, &*entry.reason)).collect::<Vec<_>>(),
        [(1, "gift"), (2, "a sword"), (3, "a bet")]
    );
    assert_eq!(kept[1].changes, amounts(&[("gold", -60), ("sword", 1)]));
    assert_eq!(kept[1].balances, amounts(&[("gold", 40), ("sword", 1)]));
    assert!(kept[1].key.is_none() && kept[1].at_ms > 0);
    let saved = world.database.state().documents[&address("wallet/7")].clone();
    assert_eq!((saved.owner.as_deref(), saved.recent_keys.as_deref()), (Some("7"), Some("[]")));
    // Numbers as high as Lua counts are exact.
    ok(&world, "return godra.ledger('wallet/7', {gem = 2^53 - 1}, 'x').gem == 2^53 - 1", "1");
    world.await_value("wallet/7", Some(r#"{"gem":9007199254740991,"sword":1}"#));
}

#[test]
fn a_key_counts_once() {
    let world = world();
    let buy = "local all, again = godra.ledger('wallet/7', {gold = 5}, 'x', {key = 'k'}) return cjson.encode({all.gold, again})";
    ok(&world, buy, "[5,false]");
    ok(&world, "return godra.ledger('wallet/7', {gold = 3}, 'x').gold", "8");
    ok(&world, buy, "[5,true]");
    ok(&world, &format!("local function f() {buy} end return f() .. f()"), "[5,true][5,true]");
    fails(&world, &buy.replace("gold = 5", "gold = 6"), "conflict", "belongs to an entry with other changes");
    assert_eq!(entries(&world, "wallet/7", 2).len(), 2);
    // Another account's is another.
    let other = buy.replace("wallet/7", "wallet/8");
    ok(&world, &other, "[5,false]");
    // So it is in a store that begins anew.
    let database = world.database.clone();
    drop(world);
    let scripts = [named("wallets", WALLETS, "return 1")];
    let world = World::with(database, EmbeddedOptions::default(), &scripts);
    ok(&world, buy, "[5,true]");
    ok(&world, "return godra.load('wallet/7').gold", "8");
}

/// The database has an entry of a key that its account does not have at hand any more.
#[test]
fn an_old_key_is_refused_by_the_database_and_known_afterwards() {
    let world = world();
    let buy = "local all, again = godra.ledger('wallet/7', {gold = 5}, 'x', {key = 'k'}) return cjson.encode({all.gold, again})";
    ok(&world, buy, "[5,false]");
    entries(&world, "wallet/7", 1);
    let many = "for i = 1, 70 do godra.ledger('wallet/7', {gold = 1}, 'x', {key = 'k' .. i}) end return 1";
    ok(&world, many, "1");
    entries(&world, "wallet/7", 71);
    let durable = format!("{WALLETS}\n-- DURABLE: on");
    let run = || world.run_as("7", &durable, buy, &["8"]);
    let told = run().unwrap_err();
    assert!(told.is_unavailable() && told.message.contains("an entry of its key"), "{told:?}");
    let ends = Instant::now() + LONG;
    let found = loop {
        match run() {
            Err(error) if error.is_unavailable() && Instant::now() < ends => {}
            found => break found,
        }
    };
    assert_eq!(found.map(|found| bare(&found)), Ok("[5,true]".into()));
    ok(&world, "return godra.load('wallet/7').gold", "75");
    assert_eq!(entries(&world, "wallet/7", 71).len(), 71);
    world.await_value("wallet/7", Some(r#"{"gold":75}"#));
}

#[test]
fn a_trade_is_all_or_nothing() {
    let world = world();
    ok(&world, "return godra.ledger('wallet/7', {gold = 10}, 'gift').gold", "10");
    assert!(
        world.run_as("8", WALLETS, "return godra.ledger('wallet/8', {sword = 1}, 'gift')", &["7"]).is_ok()
    );
    let trade = |price: u32| {
        format!(
            "godra.ledger('wallet/8', {{gold = {price}, sword = -1}}, 'trade', {{owner = '8'}}) \
             godra.ledger('wallet/7', {{gold = -{price}, sword = 1}}, 'trade') return 1"
        )
    };
    fails(&world, &trade(11), "insufficient", "wallet/7 has 10 gold, and 11 are needed");
    fails(&world, &trade(4).replace("return 1", "godra.error('no', 'no')"), "no", "no");
    ok(
        &world,
        "return cjson.encode({(godra.load('wallet/7')), (godra.load('wallet/8'))})",
        r#"[{"gold":10},{"sword":1}]"#,
    );
    ok(&world, &trade(4), "1");
    world.await_value("wallet/7", Some(r#"{"gold":6,"sword":1}"#));
    world.await_value("wallet/8", Some(r#"{"gold":4}"#));
    assert_eq!((entries(&world, "wallet/7", 2).len(), entries(&world, "wallet/8", 2).len()), (2, 2));
    // What a `pcall` catches has changed nothing.
    let caught =
        "local ok, e = pcall(godra.ledger, 'wallet/7', {gold = -7}, 'x') return cjson.encode({ok, e.code})";
    ok(&world, caught, r#"[false,"insufficient"]"#);
}

#[test]
fn nobody_pays_with_what_is_anothers() {
    let world = world();
    assert!(
        world.run_as("8", WALLETS, "return godra.ledger('wallet/8', {gold = 9}, 'gift')", &["7"]).is_ok()
    );
    let take = "godra.ledger('wallet/8', {gold = -9}, 'mine')";
    fails(&world, take, "script_error", "wallet/8 is owned by 8: say owner = '8'");
    fails(&world, &take.replace("'mine'", "'mine', {owner = '7'}"), "script_error", "is owned by 8");
    fails(
        &world,
        "godra.save('wallet/8', {gold = 9}, {owner = '8'})",
        "script_error",
        "only godra.ledger changes it",
    );
    fails(&world, "godra.save('wallet/7', {gold = 9})", "script_error", "only godra.ledger changes it");
    fails(&world, "godra.delete('wallet/8', {owner = '8'})", "script_error", "only godra.ledger changes it");
    // Also where no header says any more that it is one.
    let database = world.database.clone();
    drop(world);
    let world = World::with(database, EmbeddedOptions::default(), &[]);
    let plain = "-- DATA: wallet/{arg:1}";
    let saved = world.run_as("8", plain, "return godra.save('wallet/8', {gold = 9})", &["8"]);
    assert!(saved.unwrap_err().message.contains("only godra.ledger changes it"));
}

#[test]
fn what_is_no_change() {
    let world = world();
    let fails = |arguments: &str, part: &str| {
        fails(&world, &format!("godra.ledger('wallet/7', {arguments})"), "script_error", part);
    };
    for changes in ["nil, 'x'", "5, 'x'", "{}, 'x'", "{5}, 'x'", "{gold = 1, 5}, 'x'"] {
        fails(changes, "a table of items, as in {gold = -50}");
    }
    for amount in ["0.5", "'5'", "0/0", "1/0", "2^53 + 2", "{}", "true"] {
        fails(&format!("{{gold = {amount}}}, 'x'"), "change of gold must be a whole number");
    }
    fails("{[''] = 1}, 'x'", "an item of a ledger is a text of 1 to 64 bytes");
    fails("{['\\255'] = 1}, 'x'", "an item of a ledger");
    for reason in ["", ", nil", ", ''", ", string.rep('x', 1025)"] {
        fails(&format!("{{gold = 1}}{reason}"), "reason of a change is a text of 1 to 1024 bytes");
    }
    fails("{gold = 1}, '\\255'", "UTF-8");
    for key in ["''", "string.rep('x', 129)", "'a\\n'", "'\\255'", "{}", "true"] {
        fails(&format!("{{gold = 1}}, 'x', {{key = {key}}}"), "key of a change is a text of 1 to 128 bytes");
    }
    fails("{gold = 1}, 'x', {allow_negative = 'gold'}", "allow_negative: true, or a list");
    fails("{gold = 1}, 'x', {allow_negative = {{}}}", "a list of strings, got a table in it");
    fails("{gold = 1}, 'x', {keys = 'k'}", "no option \"keys\": there are key, allow_negative, owner");
    fails("{gold = 1}, 'x', 'k'", "a table of options");
    fails(
        "(function() local t = {} for i = 1, 33 do t['i' .. i] = 1 end return t end)(), 'x'",
        "at most 32 items",
    );
    fails("{gold = 2^53}, 'x') godra.ledger('wallet/7', {gold = 1}, 'x'", "would have more gold than");
    let plain = "godra.ledger('profile/7', {gold = 1}, 'x')";
    super::ledgers::fails(&world, plain, "script_error", "as in -- DATA: profile/{user} ledger");
    assert_eq!(run(&world, "local _, version = godra.load('wallet/7') return version"), Ok("0".into()));
    let debt = "local all = godra.ledger('wallet/7', {gold = -5, gem = -1}, 'x', {allow_negative = {'gold', 'gem'}}) \
         return godra.ledger('wallet/7', {gold = -5}, 'x', {allow_negative = true}).gold";
    assert_eq!(run(&world, debt), Ok("-10".into()));
}

#[test]
fn a_plain_document_does_not_become_an_account() {
    let world = world();
    world.database.put("wallet/7", 3, Some("7"), r#"{"gold":5}"#);
    let adopted = "godra.ledger('wallet/7', {gold = 1}, 'x')";
    fails(&world, adopted, "script_error", "wallet/7 is no account of a ledger: it was saved");
}

/// Entries that were not written when the process ended come back with the state file.
#[test]
fn entries_wait_in_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let database = Database::default();
    let scripts = [named("wallets", WALLETS, "return 1")];
    let buy = "return cjson.encode({godra.ledger('wallet/7', {gold = 5}, 'x', {key = 'k'})})";
    let world = World::with(database.clone(), with_file(&file), &scripts);
    assert_eq!(run(&world, "return godra.load('wallet/7')"), Ok("null".into()));
    database.state().is_away = true;
    assert_eq!(run(&world, buy), Ok(r#"[{"gold":5},false]"#.into()));
    drop(world);
    assert!(database.state().entries.is_empty());
    database.state().is_away = false;
    let world = World::with(database, with_file(&file), &scripts);
    assert_eq!(entries(&world, "wallet/7", 1)[0].key.as_deref(), Some("k"));
    assert_eq!(run(&world, buy), Ok(r#"[{"gold":5},true]"#.into()));
    assert_eq!(entries(&world, "wallet/7", 1).len(), 1);
}
