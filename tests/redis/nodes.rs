//! Several nodes share one store, or several stores.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use godra::wire::message::{MessageType, RESERVED_TYPE};
use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::proxy::{Mode, Proxy};
use crate::common::redis::Redis;
use crate::common::{wait_until, wait_within};
use crate::scene::subscribers;
use crate::stage::{User, counting_node, hookless_node, node, node_with};

/// After a node has died without a word, so long may pass until its players are out of their rooms.
const NOTICED: Duration = Duration::from_secs(15);

/// How often `on_disconnect` ran for a user of a room.
fn times_left(redis: &Redis, room: &str, user: &User) -> String {
    let answer = redis.command(&["HGET", &format!("game:{room}:left"), &user.id]);
    answer.trim_end().rsplit("\r\n").next().unwrap().to_owned()
}

/// Events until `count` of them are notes; panics at a gap in their numbers.
fn collect(player: &mut Player, count: usize) -> Vec<Value> {
    let mut last = player.welcome["payload"]["seq"].as_u64().unwrap();
    let (mut events, mut notes) = (Vec::new(), 0);
    while notes < count {
        let event = player.receive();
        last += 1;
        assert_eq!(event["seq"], last, "{event}");
        notes += usize::from(event["type"] == "state");
        events.push(event);
    }
    events
}

#[test]
fn scripts_cannot_publish_the_servers_own_messages() {
    const TELL: &str = r#"-- ROLE: guest
-- KEYS: game:{room}
if ARGV[3] then return redis.call("PUBLISH", "game_updates:" .. KEYS[1], cjson.encode({ type = ARGV[2] })) end
godra.publish(ARGV[2], 1)
return "OK"
"#;
    let redis = Redis::start();
    let node = node_with(("tell", TELL), &[redis.address()]);
    let user = User::new(&node);
    let key = format!("game:{}", user.create_lobby(&node));
    let tell = |args: Value| user.rpc(&node, "tell", args, &[&key]);
    for kind in MessageType::ALL.iter().map(|kind| kind.name) {
        for args in [json!([kind]), json!([kind, "by command"])] {
            let message = tell(args).json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(RESERVED_TYPE), "{kind}: {message}");
        }
    }
    assert_eq!((tell(json!(["told"])).status, tell(json!(["told", "by command"])).status), (200, 200));
}

#[test]
fn members_on_different_nodes_see_the_same() {
    let redis = Redis::start();
    let nodes = [0; 3].map(|_| node(&[redis.address()], &["--sync-interval", "20"]));
    let users = [0, 1, 2, 0, 1, 2].map(|place: usize| (&nodes[place], User::new(&nodes[place])));
    let room = users[0].1.create_lobby(&nodes[1]);
    let mut players: Vec<Player> = users.iter().map(|(node, user)| user.join(node, &room)).collect();
    const EACH: usize = 40;
    for number in 0..EACH {
        for player in &mut players {
            player.send("set", json!({"number": number}));
        }
    }
    let seen: Vec<Vec<Value>> =
        players.iter_mut().map(|player| collect(player, EACH * users.len())).collect();
    // Who came later has seen less at the beginning.
    let fewest = seen.iter().map(Vec::len).min().unwrap();
    for events in &seen {
        assert_eq!(events[events.len() - fewest..], seen[0][seen[0].len() - fewest..]);
    }
    let epochs: BTreeSet<String> =
        players.iter().map(|player| player.welcome["payload"]["epoch"].to_string()).collect();
    assert_eq!(epochs.len(), 1, "{epochs:?}");
}

#[test]
fn a_user_who_joins_through_another_node_replaces_the_older_socket() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| counting_node(&[redis.address()], &[]));
    let (ann, ben) = (User::new(&nodes[0]), User::new(&nodes[1]));
    let room = ann.create_lobby(&nodes[0]);
    let mut watcher = ben.join(&nodes[0], &room);
    let mut older = ann.join(&nodes[0], &room);
    for place in [1, 0, 1] {
        let newer = ann.join(&nodes[place], &room);
        assert_eq!(older.expect_close().0, 4502);
        older = newer;
    }
    assert_eq!(older.call("count", json!("still"), 1)["result"], "\"still\"");
    let mut between = Vec::new();
    watcher.receive_until(|event| {
        between.push(event["type"].as_str().unwrap_or_default().to_owned());
        event["type"] == "counted"
    });
    assert!(!between.contains(&"gone".to_owned()), "who only moves does not leave: {between:?}");
    older.close();
    watcher.receive_type("gone");
    assert_eq!(times_left(&redis, &room, &ann), "1");
}

/// A node that was frozen finds upgrades of clients that have given up, and are in by another node since.
#[test]
fn an_upgrade_that_was_given_up_replaces_nobody() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| counting_node(&[redis.address()], &[]));
    let user = User::new(&nodes[0]);
    let room = user.create_lobby(&nodes[0]);
    for is_reset in [true, false] {
        nodes[0].signal("STOP");
        let mut given_up = TcpStream::connect(nodes[0].address()).unwrap();
        let path = format!("/ws?token={}&game_id={room}", user.token);
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        write!(given_up, "GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n\r\n").unwrap();
        if is_reset {
            socket2::SockRef::from(&given_up).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(given_up);
        let mut player = user.join(&nodes[1], &room);
        nodes[0].signal("CONT");
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            let answer = player.call("count", json!("still"), 1);
            assert_eq!(answer["result"], "\"still\"", "reset: {is_reset}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn subscriptions_follow_the_rooms_with_members() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| node(&[redis.address()], &[]));
    let user = User::new(&nodes[0]);
    let room = user.create_lobby(&nodes[0]);
    let other = user.create_lobby(&nodes[0]);
    assert_eq!(subscribers(&redis, &room), 0);
    let _one = user.join(&nodes[0], &room);
    wait_within(NOTICED, "one subscription", || subscribers(&redis, &room) == 1);
    let mut two = User::new(&nodes[1]).join(&nodes[1], &room);
    wait_within(NOTICED, "two subscriptions", || subscribers(&redis, &room) == 2);
    assert_eq!(subscribers(&redis, &other), 0);
    let channels = redis.command(&["PUBSUB", "CHANNELS"]);
    assert_eq!(channels.matches(":events:").count(), 1, "{channels}");
    two.close();
    let closed_at = Instant::now();
    wait_within(Duration::from_secs(45), "one subscription", || subscribers(&redis, &room) == 1);
    assert!(closed_at.elapsed() > Duration::from_secs(25), "members who come back find it still there");
}

#[test]
fn players_of_a_killed_node_leave_once() {
    let redis = Redis::start();
    let [one, two, mut doomed] = [0; 3].map(|_| counting_node(&[redis.address()], &[]));
    let (ann, ben) = (User::new(&one), User::new(&two));
    let rooms = [ann.create_lobby(&one), ann.create_lobby(&two)];
    let mut watchers = [ann.join(&one, &rooms[0]), ben.join(&two, &rooms[1])];
    // More than are looked after at once.
    let lost: Vec<User> = (0..90).map(|_| User::new(&doomed)).collect();
    // Everybody is in both rooms, but for the last, who comes back through another node.
    let mut seats: Vec<Player> = Vec::new();
    for user in &lost {
        seats.extend(rooms.iter().map(|room| user.join(&doomed, room)));
    }
    doomed.signal("KILL");
    doomed.wait();
    let killed_at = Instant::now();
    let back = lost.last().unwrap();
    let _back = back.join(&one, &rooms[0]);
    for (watcher, room) in watchers.iter_mut().zip(&rooms) {
        let expected: BTreeSet<&str> = lost
            .iter()
            .filter(|user| room == &rooms[1] || user.id != back.id)
            .map(|user| user.id.as_str())
            .collect();
        let mut gone = BTreeSet::new();
        while gone.len() < expected.len() {
            let event = watcher.receive_type("gone");
            let id = event["payload"]["user_id"].as_str().unwrap().to_owned();
            assert!(expected.contains(id.as_str()), "{event}");
            assert!(gone.insert(id), "twice: {event}");
        }
    }
    assert!(killed_at.elapsed() < NOTICED, "{:?}", killed_at.elapsed());
    // Both nodes have looked again meanwhile.
    let looks = Duration::from_secs(6);
    for watcher in &mut watchers {
        assert_eq!(watcher.receive_within(looks), None);
    }
    for room in &rooms {
        for user in &lost {
            let expected = if room == &rooms[0] && user.id == back.id { "$-1" } else { "1" };
            assert_eq!(times_left(&redis, room, user), expected);
        }
    }
    assert_eq!(redis.command(&["SCARD", "godra:nodes"]).trim(), ":2");
}

/// How many members the store knows of, by the room and by the nodes.
fn members(redis: &Redis, room: &str) -> (usize, usize) {
    let number = |answer: &str| answer.trim().trim_start_matches(':').parse::<usize>().unwrap();
    let script = "local n = 0 for _, node in ipairs(redis.call('SMEMBERS', 'godra:nodes')) do \
                  n = n + redis.call('SCARD', 'godra:node:' .. node .. ':members') end return n";
    (
        number(&redis.command(&["HLEN", &format!("godra:members:{room}")])),
        number(&redis.command(&["EVAL", script, "0"])),
    )
}

#[test]
fn a_game_without_hooks_has_members_all_the_same() {
    let redis = Redis::start();
    let [one, mut doomed] = [0; 2].map(|_| hookless_node(&[redis.address()], &[]));
    let (ann, ben) = (User::new(&one), User::new(&one));
    let mut older = ann.join(&one, "hall");
    let mut newer = ann.join(&doomed, "hall");
    assert_eq!(older.expect_close().0, 4502);
    wait_until("one member", || members(&redis, "hall") == (1, 1));
    let _ben = ben.join(&doomed, "hall");
    wait_until("two members", || members(&redis, "hall") == (2, 2));
    newer.close();
    wait_until("one member", || members(&redis, "hall") == (1, 1));
    doomed.signal("KILL");
    doomed.wait();
    wait_within(NOTICED, "no member", || members(&redis, "hall") == (0, 0));
    wait_within(NOTICED, "one node", || redis.command(&["SCARD", "godra:nodes"]).trim() == ":1");
}

#[test]
fn members_of_rooms_that_the_store_has_lost_are_closed_on_every_node() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| hookless_node(&[redis.address()], &[]));
    let users = [0, 1, 1].map(|place: usize| (&nodes[place], User::new(&nodes[place])));
    let room = "hall";
    let mut players = users.each_ref().map(|(node, user)| user.join(node, room));
    wait_until("all members", || members(&redis, room).0 == 3);
    redis.command(&["FLUSHALL"]);
    let lost_at = Instant::now();
    for player in &mut players {
        assert_eq!(player.expect_close().0, 4503);
    }
    assert!(lost_at.elapsed() < Duration::from_secs(2), "{:?}", lost_at.elapsed());
    wait_until("no members", || members(&redis, room) == (0, 0));
    // The next room of that id is like any other.
    let mut again = users[0].1.join(&nodes[1], room);
    assert_eq!(again.call("count", json!("after"), 1)["type"], "reply");
}

/// Somebody else makes a room of the same id before anybody has noticed that the old one is lost.
#[test]
fn who_was_in_a_lost_room_does_not_hear_the_next_one_of_its_id() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| node(&[redis.address()], &[]));
    let (ann, ben) = (User::new(&nodes[0]), User::new(&nodes[1]));
    let room = ann.create_lobby(&nodes[0]);
    let mut ghost = ann.join(&nodes[0], &room);
    redis.command(&["FLUSHALL"]);
    let key = format!("game:{room}");
    assert_eq!(ben.rpc(&nodes[1], "create_lobby", json!([4]), &[&key]).status, 200);
    let mut owner = ben.join(&nodes[1], &room);
    owner.call("update_state", json!("for members only"), 1);
    assert_eq!(ghost.expect_close().0, 4503);
    let heard = ghost.seen().iter().any(|message| message.to_string().contains("for members only"));
    assert!(!heard, "{:?}", ghost.seen());
    owner.call("update_state", json!("again"), 2);
}

#[test]
fn a_node_that_was_frozen_closes_its_sockets() {
    let redis = Redis::start();
    let [one, frozen] = [0; 2].map(|_| counting_node(&[redis.address()], &[]));
    let (ann, ben) = (User::new(&one), User::new(&frozen));
    let room = ann.create_lobby(&one);
    let mut watcher = ann.join(&one, &room);
    let mut seat = ben.join(&frozen, &room);
    frozen.signal("STOP");
    watcher.receive_type("gone");
    assert_eq!(times_left(&redis, &room, &ben), "1");
    frozen.signal("CONT");
    assert_eq!(seat.expect_close().0, 1001, "come back");
    assert_eq!(watcher.receive_within(Duration::from_secs(2)), None);
    assert_eq!(times_left(&redis, &room, &ben), "1");
    let mut seat = ben.join(&frozen, &room);
    watcher.receive_type("player_joined");
    seat.close();
    watcher.receive_type("gone");
    assert_eq!(times_left(&redis, &room, &ben), "2");
}

#[test]
fn a_node_that_stops_leaves_nothing_behind() {
    let redis = Redis::start();
    let [one, mut stopping] = [0; 2].map(|_| counting_node(&[redis.address()], &[]));
    let (ann, ben) = (User::new(&one), User::new(&stopping));
    let room = ann.create_lobby(&one);
    let mut watcher = ann.join(&one, &room);
    let mut seat = ben.join(&stopping, &room);
    stopping.terminate();
    assert_eq!(seat.expect_close().0, 1001);
    assert!(stopping.wait().success());
    watcher.receive_type("gone");
    assert_eq!(times_left(&redis, &room, &ben), "1");
    assert_eq!(redis.command(&["SCARD", "godra:nodes"]).trim(), ":1");
}

#[test]
fn rooms_are_spread_over_several_stores() {
    let mut stores = [Redis::start(), Redis::start()];
    let addresses = stores.each_ref().map(Redis::address);
    // The order in which they are named does not matter.
    let nodes = [
        node(&[addresses[0].clone(), addresses[1].clone()], &[]),
        node(&[addresses[1].clone(), addresses[0].clone()], &[]),
    ];
    let (ann, ben) = (User::new(&nodes[0]), User::new(&nodes[1]));
    let mut at: [Vec<String>; 2] = Default::default();
    while at.iter().any(|rooms| rooms.len() < 2) {
        let room = ann.create_lobby(&nodes[0]);
        let mut players = [ann.join(&nodes[0], &room), ben.join(&nodes[1], &room)];
        players[1].send("set", json!({"round": 1}));
        for player in &mut players {
            player.receive_type("state");
        }
        let keys = stores.each_ref().map(|store| store.command(&["KEYS", &format!("*{room}*")]));
        let holds = keys.each_ref().map(|keys| keys.contains(&room));
        assert_eq!(holds.iter().filter(|holds| **holds).count(), 1, "{keys:?}");
        at[usize::from(holds[1])].push(room);
        assert!(at.iter().map(Vec::len).sum::<usize>() < 40, "{at:?}");
    }
    // What becomes of one does not touch the rooms of the other.
    stores[0].kill();
    wait_within(NOTICED, "a node that is not ready", || nodes[0].get("/ready").status == 503);
    let count = |room: &str| ann.rpc(&nodes[0], "count", json!(["x"]), &[&format!("game:{room}:count")]);
    for room in &at[1] {
        assert_eq!(count(room).status, 200);
    }
    for room in &at[0] {
        assert_eq!((count(room).status, count(room).error_code().as_str()), (503, "unavailable"));
    }
    assert_eq!(nodes[0].get("/health").status, 200);
}

/// Word of a removal is not lost with the connection that it would have come on.
#[test]
fn who_was_put_out_while_the_store_was_away_is_closed() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port(), Mode::Pass);
    let nodes = [node(&[redis.address()], &[]), node(&[proxy.address()], &[])];
    let users = nodes.each_ref().map(User::new);
    let room = users[0].create_lobby(&nodes[0]);
    let mut owner = users[0].join(&nodes[0], &room);
    let mut player = users[1].join(&nodes[1], &room);
    proxy.set(Mode::Answer("-LOADING Redis is loading the dataset in memory\r\n"));
    wait_until("the store to be away", || nodes[1].get("/ready").status == 503);
    let out = owner.call("kick_player", json!({"user_id": users[1].id}), 1);
    assert_eq!(out["result"], "OK", "{out}");
    owner.call("update_state", json!("for members only"), 2);
    proxy.set(Mode::Pass);
    assert_eq!(player.expect_close().0, 4502);
    assert!(!player.seen().iter().any(|message| message.to_string().contains("for members only")));
}

/// Where a player is, for its way back.
fn place(player: &Player) -> String {
    let payload = &player.welcome["payload"];
    format!("&epoch={}&since={}", payload["epoch"].as_str().unwrap(), payload["seq"])
}

/// The types of the next events about a player coming or going.
fn about(player: &mut Player, user: &User) -> String {
    let event = player.receive_until(|event| event["payload"]["user_id"] == user.id);
    event["type"].as_str().unwrap().to_owned()
}

#[test]
fn who_comes_back_by_another_node_has_its_seat_and_what_it_missed() {
    let redis = Redis::start();
    let [one, two] = [0; 2].map(|_| node(&[redis.address()], &["--rejoin-grace", "3s"]));
    let (ann, ben) = (User::new(&one), User::new(&one));
    let room = ann.create_lobby(&one);
    let mut a = ann.join(&one, &room);
    let b = ben.join(&two, &room);
    assert_eq!(about(&mut a, &ben), "player_joined");
    let place = place(&b);
    drop(b);
    assert_eq!(about(&mut a, &ben), "player_away");
    a.call("set", json!({"number": 1}), 1);
    let mut b = ben.come_back(&one, &room, &place);
    assert_eq!(b.welcome["payload"]["recovered"], true);
    assert_eq!(about(&mut b, &ben), "player_away", "it hears what it has missed");
    assert_eq!(b.receive_type("state")["payload"]["payload"]["number"], 1);
    assert_eq!(about(&mut a, &ben), "player_back");
    // The node that lost it knows that it is no more that one's affair.
    assert_eq!(a.receive_within(Duration::from_secs(4)).map(|event| event["type"].clone()), None);
}

#[test]
fn seats_on_a_node_that_is_killed_can_be_taken_up_again() {
    let redis = Redis::start();
    let one = node(&[redis.address()], &["--rejoin-grace", "5m"]);
    let mut doomed = node(&[redis.address()], &["--rejoin-grace", "5m"]);
    let (ann, ben) = (User::new(&one), User::new(&one));
    let room = ann.create_lobby(&one);
    let mut a = ann.join(&one, &room);
    let b = ben.join(&doomed, &room);
    assert_eq!(about(&mut a, &ben), "player_joined");
    let place = place(&b);
    doomed.signal("KILL");
    doomed.wait();
    let b = ben.come_back(&one, &room, &place);
    assert_eq!(b.welcome["payload"]["recovered"], true);
    assert_eq!(a.receive_within(Duration::from_secs(1)).map(|event| event["type"].clone()), None);
    drop(b);
    assert_eq!(about(&mut a, &ben), "player_away");
}

#[test]
fn seats_on_a_node_that_stops_are_kept_for_the_grace() {
    let redis = Redis::start();
    let one = node(&[redis.address()], &[]);
    let mut stopping = node(&[redis.address()], &["--rejoin-grace", "6s"]);
    let users = [0; 3].map(|_| User::new(&one));
    let [ann, ben, cem] = &users;
    let room = ann.create_lobby(&one);
    let mut a = ann.join(&one, &room);
    let seats = [ben, cem].map(|user| user.join(&stopping, &room));
    for user in [ben, cem] {
        assert_eq!(about(&mut a, user), "player_joined");
    }
    stopping.terminate();
    assert!(stopping.wait().success());
    let stopped_at = Instant::now();
    let _b = ben.come_back(&one, &room, &place(&seats[0]));
    assert_eq!(about(&mut a, ben), "player_away");
    assert_eq!(about(&mut a, ben), "player_back");
    let left = a.receive_type("player_left");
    assert_eq!(left["payload"]["user_id"], cem.id);
    let kept = stopped_at.elapsed();
    assert!((Duration::from_secs(5)..NOTICED).contains(&kept), "{kept:?}");
    wait_within(NOTICED, "one node", || redis.command(&["SCARD", "godra:nodes"]).trim() == ":1");
}

/// Long messages have short heads between them, and nobody may get all of a flood at once who has read nothing of it.
#[test]
fn a_history_of_long_messages_keeps_to_its_bound() {
    const BLAST: &str = "-- ROLE: guest\n-- KEYS: game:{room}\nlocal text = string.rep('x', 50000)\n\
        for _ = 1, 4 do godra.publish('blast', text) end\nreturn 'OK'";
    let redis = Redis::start();
    let node = node_with(("blast", BLAST), &[redis.address()]);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    for id in 0..20 {
        assert_eq!(player.call("blast", json!(null), id)["result"], "OK");
    }
    let key = format!("godra:history:{room}");
    let taken = redis.command(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]);
    // Nothing, or a number: the last message may be longer than all may be.
    let taken: usize = taken.trim().trim_start_matches(':').parse().unwrap_or(0);
    assert!(taken < 600_000, "{taken} bytes");
}
