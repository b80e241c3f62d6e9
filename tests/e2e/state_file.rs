//! The embedded store outlives its process: after a stop in good order all of it, after any other end what is older than a
//! second.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::PATIENCE;
use crate::common::server::{Folder, Server};

/// Writes every kind of value.
const PUT: &str = r#"
-- ROLE: guest
-- KEYS: t:string, t:hash, t:set, t:zset, t:list, t:brief, t:gone
redis.call("SET", KEYS[1], "a\0b\255")
redis.call("HSET", KEYS[2], "name", "Ada", "", "empty")
redis.call("SADD", KEYS[3], "x", "y")
redis.call("ZADD", KEYS[4], "1.5", "m", "-inf", "n")
redis.call("RPUSH", KEYS[5], "1", "2", "1")
redis.call("SET", KEYS[6], "soon over", "PX", ARGV[2])
redis.call("SET", KEYS[7], "x")
redis.call("DEL", KEYS[7])
return "OK"
"#;

const READ: &str = r#"
-- ROLE: guest
-- KEYS: t:string, t:hash, t:set, t:zset, t:list, t:brief, t:gone
local set = redis.call("SMEMBERS", KEYS[3])
table.sort(set)
return cjson.encode({
  redis.call("GET", KEYS[1]) == "a\0b\255", redis.call("HGET", KEYS[2], "name"), redis.call("HGET", KEYS[2], ""), set,
  redis.call("ZRANGE", KEYS[4], 0, -1, "WITHSCORES"), redis.call("LRANGE", KEYS[5], 0, -1),
  redis.call("PTTL", KEYS[1]), redis.call("PTTL", KEYS[6]), redis.call("EXISTS", KEYS[7]) })
"#;

/// Counts in two keys in step, with a good while between.
const STEP: &str = r#"
-- ROLE: guest
-- KEYS: t:one, t:two
redis.call("INCR", KEYS[1])
local sum = 0
for i = 1, 2000 do sum = sum + i end
return redis.call("INCR", KEYS[2])
"#;

const STEPS: &str = r#"
-- ROLE: guest
-- KEYS: t:one, t:two
return { tonumber(redis.call("GET", KEYS[1]) or 0), tonumber(redis.call("GET", KEYS[2]) or 0) }
"#;

/// Who is there, as the stock scripts have it.
const ONLINE: &str = "-- ROLE: guest\n-- KEYS: game:{room}:online\nreturn redis.call('SMEMBERS', KEYS[1])\n";

/// What outlives servers: their files, and the scripts of these tests.
struct World {
    files: Folder,
}

impl World {
    fn new() -> Self {
        Self { files: Folder::empty() }
    }

    fn state_file(&self) -> PathBuf {
        self.files.path().join("rooms.db")
    }

    fn start(&self) -> Server {
        let folder = Folder::new();
        let scripts = [("put", PUT), ("read", READ), ("step", STEP), ("steps", STEPS), ("online", ONLINE)];
        for (name, text) in scripts {
            folder.write_script(name, text);
        }
        let (state, accounts) = (self.state_file(), self.files.path().join("accounts.db"));
        let flags = ["--state-file", state.to_str().unwrap(), "--db-dsn", accounts.to_str().unwrap()];
        Server::start_in(folder, &flags)
    }
}

fn stop(mut server: Server) {
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
}

fn kill(mut server: Server) {
    server.signal("KILL");
    assert!(!server.wait().success());
}

fn result(server: &Server, script: &str, args: Value) -> Value {
    let response = server.guest().rpc(script, args, &[]);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["result"].clone()
}

/// Waits until what changed before the call is in the file.
fn wait_until_written(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    // The write that is under way may have begun before the change; the one after it has not.
    let wanted = server.metric("godra_state_file_writes_total") + 2.0;
    while server.metric("godra_state_file_writes_total") < wanted {
        assert!(Instant::now() < deadline, "nothing is written");
        result(server, "step", json!([]));
    }
}

fn check_contents(server: &Server) {
    let text = result(server, "read", json!([]));
    let found: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    let expected = json!([true, "Ada", "empty", ["x", "y"], ["n", "-inf", "m", "1.5"], ["1", "2", "1"], -1]);
    assert_eq!(found.as_array().unwrap()[..7], expected.as_array().unwrap()[..], "{found}");
    let ttl_ms = found[7].as_i64().unwrap();
    assert!((500_000..=600_000).contains(&ttl_ms), "{ttl_ms}");
    assert_eq!(found[8], 0, "what was deleted stays so");
}

#[test]
fn a_stop_in_good_order_keeps_everything() {
    let world = World::new();
    let server = world.start();
    result(&server, "put", json!(["600000"]));
    stop(server);
    assert!(!world.files.path().join("rooms.db-wal").exists(), "all of it is in the one file");
    check_contents(&world.start());
}

#[test]
fn a_key_that_ended_meanwhile_is_gone() {
    let world = World::new();
    let server = world.start();
    result(&server, "put", json!(["1"]));
    stop(server);
    let server = world.start();
    let text = result(&server, "read", json!([]));
    let found: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(found[7], -2);
}

#[test]
fn a_killed_server_comes_back_with_what_was_written() {
    let world = World::new();
    let server = world.start();
    result(&server, "put", json!(["600000"]));
    wait_until_written(&server);
    kill(server);
    check_contents(&world.start());
}

/// A script's writes are there together or not at all, and those of calls that were answered a second before the end are.
#[test]
fn killed_under_load_no_call_is_torn_and_only_the_last_second_is_lost() {
    let world = World::new();
    let mut lowest = 0;
    for round in 0..4_u64 {
        let server = world.start();
        let is_over = AtomicBool::new(false);
        let answered = std::thread::scope(|scope| {
            let (began, begins) = channel();
            let (server, is_over) = (&server, &is_over);
            let counting = scope.spawn(move || count(server, is_over, &began));
            begins.recv().unwrap();
            std::thread::sleep(Duration::from_millis(1300 + 150 * round));
            server.signal("KILL");
            let killed_at = Instant::now();
            is_over.store(true, Ordering::SeqCst);
            let answered: Vec<(u64, Instant)> = counting.join().unwrap();
            let is_old = |at: Instant| killed_at.duration_since(at) >= Duration::from_secs(1);
            answered.into_iter().filter(|(_, at)| is_old(*at)).map(|(count, _)| count).max()
        });
        let answered = answered.expect("calls were answered more than a second before the end");
        kill(server);
        let server = world.start();
        let steps = result(&server, "steps", json!([]));
        let (one, two) = (steps[0].as_u64().unwrap(), steps[1].as_u64().unwrap());
        assert_eq!(one, two, "half of a call in round {round}");
        assert!(one >= answered && one > lowest, "{one} is less than {answered} in round {round}");
        lowest = one;
        kill(server);
    }
}

/// Calls `step` until the server is gone; gives what each call counted, and when the answer came. `answered_one` hears of each.
fn count(server: &Server, is_over: &AtomicBool, answered_one: &Sender<()>) -> Vec<(u64, Instant)> {
    let guest = server.guest();
    let room = guest.create_lobby(2);
    let mut player = guest.join(&room);
    let mut answered = Vec::new();
    let mut id = 0;
    while !is_over.load(Ordering::SeqCst) {
        id += 1;
        let text = json!({"action": "step", "id": id}).to_string();
        if player.socket().send(tungstenite::Message::text(text)).is_err() {
            break;
        }
        while let Ok(message) = player.socket().read() {
            let Ok(text) = message.to_text() else { continue };
            let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
            if message["type"] == "reply" && message["id"] == id {
                answered.push((message["result"].as_u64().unwrap(), Instant::now()));
                // Nobody may listen any more.
                _ = answered_one.send(());
                break;
            }
        }
    }
    answered
}

/// Whoever was connected when the server was killed is taken out of its rooms by the next one, once.
#[test]
fn members_of_a_killed_server_are_taken_out_of_their_rooms() {
    let world = World::new();
    let server = world.start();
    let (ann, ben) = (server.guest(), server.guest());
    let room = ann.create_lobby(4);
    let key = format!("game:{room}:online");
    let online = |server: &Server| {
        let response = server.guest().rpc("online", json!([]), &[&key]);
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["result"].as_array().map_or(0, Vec::len)
    };
    let (_ann_plays, mut ben_plays) = (ann.join(&room), ben.join(&room));
    assert_eq!(online(&server), 2);
    ben_plays.close();
    ben_plays.expect_close();
    wait_until_written(&server);
    assert_eq!(online(&server), 1);
    kill(server);

    let server = world.start();
    server.output().wait_for_line(&["state file", "left_members=1"]);
    assert_eq!(online(&server), 0);
    wait_until_written(&server);
    kill(server);
    world.start().output().wait_for_line(&["state file", "left_members=0"]);
}

/// A client that comes back learns whether its events still count.
#[test]
fn rooms_go_on_counting_only_after_a_stop_in_good_order() {
    let world = World::new();
    let server = world.start();
    let guest = server.guest();
    let (room, token) = (guest.create_lobby(4), guest.token.clone());
    let join = |server: &Server| {
        let path = format!("/ws?token={token}&game_id={room}");
        let player = crate::common::player::Player::connect(server.address(), &path).unwrap();
        let place = &player.welcome["payload"];
        (place["epoch"].clone(), place["seq"].as_u64().unwrap())
    };
    let first = join(&server);
    stop(server);
    let server = world.start();
    let second = join(&server);
    assert_eq!(first.0, second.0);
    assert!(first.1 < second.1, "the leaving and the coming were counted: {first:?}, {second:?}");
    wait_until_written(&server);
    kill(server);
    let third = join(&world.start());
    assert_ne!(second.0, third.0);
}

/// While nothing can be written the game goes on; when there is room again nothing is missing.
#[test]
fn a_full_disk_is_survived() {
    let world = World::new();
    let server = world.start();
    wait_until_written(&server);
    server.limit_file_size(Some(4096));
    result(&server, "put", json!(["600000"]));
    server.output().wait_for_line(&["ERROR", "the state file cannot be written"]);
    assert!(server.metric("godra_state_file_errors_total") >= 1.0);
    assert_eq!(server.get("/ready").status, 200);
    check_contents(&server);
    server.limit_file_size(None);
    server.output().wait_for_line(&["the state file is written again"]);
    kill(server);
    check_contents(&world.start());
}
