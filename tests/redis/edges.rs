//! Where a script does what nobody should: both stores refuse it in the same words, and no other call is touched.

use godra::state::{Batch, Call, CallResult};
use godra::wire::ids::RoomId;

use super::same::{Replay, call, script};
use super::sharing::Node;
use crate::common::redis::Redis;

/// Runs scripts in both stores, in one batch; gives what each came to there, the embedded store's first.
fn run(redis: &Redis, scripts: &[&str]) -> Vec<[String; 2]> {
    let node = Node::start(redis);
    let room = RoomId::parse("a").unwrap();
    let calls: Vec<Call> = scripts.iter().map(|text| call(&script("edge", "", text), "ann", "0")).collect();
    node.submit(Batch::new(Some(room.clone()), calls.clone(), 0));
    let done = node.done();
    let theirs = done.results.iter().map(told);
    let mut replay = Replay::new(1, &room);
    let ours =
        calls.iter().zip(&done.runs).map(|(call, run)| told(&replay.run(call, run.expect("it has run"))));
    let outcomes = ours.zip(theirs).map(|(ours, theirs)| [ours, theirs]).collect();
    let text = done.events.map(|events| String::from_utf8(events.text.to_vec()).unwrap());
    assert_eq!(replay.events(), text.unwrap_or_default());
    outcomes
}

fn told(result: &CallResult) -> String {
    match result {
        CallResult::Err(error) => {
            // Some stores do not tell at which line a command was refused.
            let message = error.message.replace("edge.lua:1: ERR ", "ERR ");
            format!("{} | {message} | {:?} | {:?}", error.code, error.details, error.source)
        }
        result => format!("{result:?}"),
    }
}

/// Runs scripts in both stores, which must agree; gives what came of each.
fn check(redis: &Redis, cases: &[(&str, &str)]) {
    let scripts: Vec<&str> = cases.iter().map(|(script, _)| *script).collect();
    for ((script, expected), [ours, theirs]) in cases.iter().zip(run(redis, &scripts)) {
        assert_eq!(ours, theirs, "{script}");
        assert!(ours.contains(expected), "{script}\n{ours:.300}");
    }
}

#[test]
fn text_that_is_not_utf8_is_published_by_nobody() {
    const NOT_UTF8: &str = "an event's text must be UTF-8";
    let redis = Redis::start();
    let ready = |bytes: &str| {
        format!(
            r#"local n = redis.call("PUBLISH", "game_updates:game:a", '{{"type":"t","payload":"{bytes}"}}') return n"#
        )
    };
    let plain = |bytes: &str| format!(r#"godra.publish("t", {{ text = "{bytes}" }}) return "sent""#);
    // From the tables of RFC 3629: the first and the last of each length, then what is none.
    let good = [
        r"\127",
        r"\194\128",
        r"\223\191",
        r"\224\160\128",
        r"\236\191\191",
        r"\237\159\191",
        r"\238\128\128",
        r"\239\191\191",
        r"\240\144\128\128",
        r"\243\191\191\191",
        r"\244\143\191\191",
        r"\195\164\226\130\172\240\159\145\139",
    ];
    let bad = [
        r"\128",
        r"a\191b",
        r"\192\128",
        r"\193\191",
        r"\194",
        r"\194a",
        r"\224\159\191",
        r"\226\130",
        r"\237\160\128",
        r"\240\143\191\191",
        r"\240\159\145",
        r"\244\144\128\128",
        r"\245\128\128\128",
        r"\255",
        r"\195\164\226\195\164\130\172",
    ];
    let both = |bytes: &&str| [ready(bytes), plain(bytes)];
    let good: Vec<String> = good.iter().flat_map(both).collect();
    let bad: Vec<String> = bad.iter().flat_map(both).collect();
    let mut cases: Vec<(&str, &str)> = good.iter().map(|script| (script.as_str(), "Ok(")).collect();
    cases.extend(bad.iter().map(|script| (script.as_str(), NOT_UTF8)));
    cases.extend([
        (r#"godra.publish("t\255", 1)"#, NOT_UTF8),
        (r#"godra.send("ann", "t", string.sub("ä€", 1, 4))"#, NOT_UTF8),
        (r#"local e = redis.pcall("PUBLISH", "game_updates:game:a", "\255") return e.err"#, NOT_UTF8),
        (r#"godra.publish("t", string.sub("ä€", 1, 2)) return "sent""#, "Ok("),
    ]);
    check(&redis, &cases);
}

#[test]
fn errors_have_bounds() {
    let redis = Redis::start();
    let (long, cut) = ("x".repeat(1022), format!("| {}…", "x".repeat(1021)));
    let coded = |message: &str| format!("godra.error('c', '{message}')");
    let (fits, longer) = (coded(&long), coded(&format!("{long}xyz")));
    let details = |bytes: usize| format!("godra.error('c', 'm', ('x'):rep({bytes}))");
    let (most, more) = (details(16_382), details(16_383));
    check(
        &redis,
        &[
            (&fits, &format!("c | {long} | None | Script")),
            (&longer, &format!("{cut} | None | Script")),
            ("error(('x'):rep(3e6))", "x… | None | Fault"),
            ("error(('€'):rep(3e6))", "€… | None | Fault"),
            ("return redis.error_reply(('x'):rep(3e6))", "x… | None | Script"),
            ("godra.error(('x'):rep(3e6), 'm')", "x… | m | None | Script"),
            (&most, "c | m | Some(\"\\\"xx"),
            (&more, "the details of an error have at most 16384 bytes"),
        ],
    );
}

/// An answer that made no sense ended the connection, and every call of the node with it; an error in the reading of an error was
/// the whole batch's.
#[test]
fn whatever_a_script_raises_is_its_own_error() {
    let redis = Redis::start();
    check(
        &redis,
        &[
            ("error({ code = 'c', message = 'm', details = { x = 1 } })", r#"c | m | Some("{\"x\":1}")"#),
            ("error({ code = 'c', message = 'm', details = 5 })", r#"c | m | Some("5")"#),
            ("error({ code = 'c', message = 'm', details = 'five' })", r#"c | m | Some("\"five\"")"#),
            ("error({ code = 'c', message = 'm', details = print_me })", "c | m | None"),
            ("error({ code = 'c', message = 'm', details = error })", "c | m | None | Script"),
            ("error({ code = 'c', message = 'm', details = ('x'):rep(1e6) })", "c | m | None | Script"),
            ("local ok, e = pcall(godra.error, 'c', 'm', { x = 5 }) return e.details.x", "5"),
            ("local ok, e = pcall(godra.error, 'c', 'm', 'd') e.details = nil error(e)", "c | m | None"),
            ("error(setmetatable({}, { __index = function() error('no') end }))", "script_error"),
            ("return setmetatable({}, { __index = function() error('no') end })", "Ok("),
        ],
    );
}

/// Redis told a line of our program, which says nothing to whoever wrote the script.
#[test]
fn what_is_no_json_is_an_error_in_the_scripts_line() {
    const NUMBER: &str = "edge.lua:2: Cannot serialise number";
    const DEEP: &str = "edge.lua:2: Cannot serialise, excessive nesting";
    let redis = Redis::start();
    check(
        &redis,
        &[
            ("\ngodra.publish('t', 1e400)", NUMBER),
            ("\ngodra.publish('t', { x = { 0 / 0 } })", NUMBER),
            ("local t = {} t.t = t\ngodra.publish('t', t)", DEEP),
            ("\ngodra.publish('t', { x = error })", "edge.lua:2: Cannot serialise function"),
            ("local a = godra.array({ 1 })\ngodra.publish('t', { a, -1 / 0 })", NUMBER),
            ("\ngodra.publish('t', 1 / 0, { to = 'ann' })", NUMBER),
            ("\ngodra.send('ann', 't', 1 / 0)", NUMBER),
            ("\ngodra.error('c', 'm', { 1 / 0 })", NUMBER),
            ("\nlocal ok, text = pcall(godra.publish, 't', 1 / 0) return text", "Cannot serialise number"),
        ],
    );
}
