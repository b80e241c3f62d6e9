//! `-- DURABLE: on` where rooms live in Redis: nobody hears of a call, on any server, before the database has what it saved.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::postgres::Postgres;
use crate::common::proxy::{Mode, Proxy};
use crate::common::redis::Redis;
use crate::common::server::{Guest, Server};
use crate::common::{wait_until, wait_within};
use crate::documents::{folder, postgres_count, result, result_in_time, try_add};

/// For what is not to come.
const A_WHILE: Duration = Duration::from_millis(300);

/// Redis, PostgreSQL and what servers are told of them.
struct Stage {
    redis: Redis,
    postgres: Postgres,
    dsn: String,
}

impl Stage {
    fn new() -> Self {
        let postgres = Postgres::start();
        let dsn = postgres.database("games");
        Self { redis: Redis::start(), postgres, dsn }
    }

    fn server(&self) -> Server {
        self.server_at(&self.redis.address())
    }

    fn server_at(&self, address: &str) -> Server {
        let flags =
            ["--threads", "2", "--redis-addr", address, "--db-type", "postgres", "--db-dsn", &self.dsn];
        let server = Server::start_in(folder(), &flags);
        server.output().wait_for_line(&["the store is there"]);
        server
    }

    /// A server that takes the outbox to the database, and one that does not.
    fn writer_and_other(&self) -> [Server; 2] {
        let writer = self.server();
        // Documents are asked for, and so is a writer.
        assert!(result_in_time(|| add(&writer.guest(), "first")).is_u64());
        wait_until("the first writes", || self.redis.command(&["GET", "godra:data:writer"]) != "$-1\r\n");
        [writer, self.server()]
    }

    fn await_outbox(&self, entries: usize) {
        let waiting = format!(":{entries}\r\n");
        wait_until("all are saved", || self.redis.command(&["LLEN", "godra:data:out"]) == waiting);
    }

    /// How many servers listen to a room.
    fn listeners(&self, room: &str) -> usize {
        let told = self.redis.command(&["PUBSUB", "NUMSUB", &format!("godra:0:events:{room}")]);
        told.trim_end().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Which event a room has come to.
    fn seq(&self, room: &str) -> String {
        self.redis.command(&["HGET", &format!("godra:room:{room}"), "seq"])
    }
}

fn add(guest: &Guest<'_>, key: &str) -> Response {
    guest.rpc("add_durably", json!([key]), &[])
}

fn hears_nothing(player: &mut Player) {
    let early = player.receive_within(A_WHILE);
    assert!(early.is_none(), "{early:?}");
}

/// Before the database has it, neither who calls hears of it, nor others in the room on any server, nor does anybody hear what is
/// behind it in the room, nor see it in the room's past.
fn check_room(stage: &Stage, servers: &[Server; 2], round: usize) {
    let key = format!("key{round}");
    let (own, other) = (&servers[round % 2], &servers[1 - round % 2]);
    let guests = [own.guest(), other.guest()];
    for (guest, count) in guests.iter().zip(1..) {
        assert_eq!(result_in_time(|| add(guest, &key)), count);
    }
    let room = guests[0].create_lobby(8);
    let mut players = [guests[0].join(&room), guests[1].join(&room)];
    players[0].receive_type("player_joined");
    let elsewhere = guests[1].create_lobby(4);
    let late = own.guest();
    let before = stage.seq(&room);
    stage.postgres.signal("STOP");
    players[0].send_text(&json!({"action": "add_durably", "payload": [key], "id": 1}).to_string());
    wait_until("it has run", || stage.seq(&room) != before);
    let before = stage.seq(&room);
    players[1].send("set", json!({"behind": true}));
    wait_until("what is behind has run", || stage.seq(&room) != before);
    stage.await_outbox(1);
    let knock = late.knock(&room);
    players.iter_mut().for_each(hears_nothing);
    // Neither who has no room waits, nor another room, nor its events.
    assert_eq!(result(&guests[1].rpc("add", json!([key]), &[])), 4);
    let mut apart =
        Player::connect(other.address(), &format!("/ws?token={}&game_id={elsewhere}", guests[1].token))
            .unwrap();
    apart.send("set", json!({"apart": true}));
    assert_eq!(apart.receive_type("state")["payload"]["payload"]["apart"], true);
    players.iter_mut().for_each(hears_nothing);
    stage.postgres.signal("CONT");
    for player in &mut players {
        let mut types = Vec::new();
        while types.len() < 2 {
            let event = player.receive();
            if let Some(seq) = event["seq"].as_u64().filter(|_| event["type"] != "player_joined") {
                types.push((seq, event["type"].as_str().unwrap().to_owned()));
            }
        }
        assert_eq!(types.iter().map(|(_, kind)| kind.as_str()).collect::<Vec<_>>(), ["added", "state"]);
        assert_eq!(types[0].0 + 1, types[1].0);
    }
    let answer = players[0].seen().iter().find(|message| message["id"] == 1).cloned();
    let answer = answer.unwrap_or_else(|| players[0].receive_until(|message| message["id"] == 1));
    assert_eq!(answer["result"], 3, "{answer}");
    knock.finish().unwrap();
    wait_until("all is written", || postgres_count(&stage.postgres, &key) == "4");
}

#[test]
fn nobody_hears_of_a_durable_call_before_the_database_has_it() {
    let stage = Stage::new();
    let servers = stage.writer_and_other();
    (0..4).for_each(|round| check_room(&stage, &servers, round));
}

/// There the servers have a connection of their own for what is published.
#[test]
fn nobody_does_where_the_store_has_no_resp3() {
    let stage = Stage::new();
    let proxy = Proxy::start(stage.redis.port(), Mode::Refuse("HELLO", "-ERR unknown command 'HELLO'\r\n"));
    let servers = [stage.server_at(&proxy.address()), stage.server_at(&proxy.address())];
    servers[0].output().wait_for_line(&["the store is there", "resp3=false"]);
    (0..2).for_each(|round| check_room(&stage, &servers, round));
}

/// Also not one that comes back to a room that its server has not listened to.
#[test]
fn a_server_that_begins_to_listen_to_a_room_waits_as_well() {
    let stage = Stage::new();
    let [writer, other] = stage.writer_and_other();
    let guest = writer.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    // It knows by then what such a player is let in by, which takes a while to make.
    let known = other.guest();
    drop(known.join_with(&known.create_lobby(4), "&epoch=1&since=1"));
    let (epoch, seq) = (player.welcome["payload"]["epoch"].clone(), player.welcome["payload"]["seq"].clone());
    assert_eq!(player.call("add_durably", json!(["k"]), 1)["result"], 1);
    let before = stage.seq(&room);
    stage.postgres.signal("STOP");
    player.send("add_durably", json!(["k"]));
    wait_until("it has run", || stage.seq(&room) != before);
    let epoch = epoch.as_str().map_or_else(|| epoch.to_string(), str::to_owned);
    let path = format!("/ws?token={}&game_id={room}&epoch={epoch}&since={seq}", guest.token);
    let is_in = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let comes = scope.spawn(|| {
            let mut player = Player::connect(other.address(), &path).unwrap();
            is_in.store(true, Ordering::SeqCst);
            [player.receive_type("added"), player.receive_type("added")]
        });
        wait_until("it listens", || stage.listeners(&room) == 2);
        std::thread::sleep(A_WHILE);
        assert!(!is_in.load(Ordering::SeqCst), "it would hear of what is not written");
        stage.postgres.signal("CONT");
        let heard = comes.join().unwrap();
        assert_eq!(heard.map(|event| event["payload"].clone()), [json!(1), json!(2)]);
    });
}

/// A line that breaks meanwhile lets nothing out, and loses nothing.
#[test]
fn what_waits_outlasts_the_connection_to_the_store() {
    let stage = Stage::new();
    let servers = stage.writer_and_other();
    let guests = servers.each_ref().map(|server| server.guest());
    let room = guests[0].create_lobby(4);
    let mut players = [guests[1].join(&room), guests[0].join(&room)];
    players[0].receive_type("player_joined");
    assert_eq!(result_in_time(|| add(&guests[1], "k")), 1);
    stage.postgres.signal("STOP");
    players[0].send_text(r#"{"action":"add_durably","payload":["k"],"id":2}"#);
    stage.await_outbox(1);
    // What subscribes has no connection of another kind.
    for _ in 0..2 {
        assert_eq!(stage.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]), ":2\r\n");
        wait_until("both listen again", || stage.listeners(&room) == 2);
    }
    players.iter_mut().for_each(hears_nothing);
    stage.postgres.signal("CONT");
    assert_eq!(players[0].receive_until(|message| message["id"] == 2)["result"], 2);
    assert_eq!(players[1].receive_type("added")["payload"], 2);
    assert_eq!(postgres_count(&stage.postgres, "k"), "2");
    for server in &servers {
        assert!(!server.output().text().contains("makes no sense"));
    }
}

/// What a call has saved that another server was to write, its own server writes.
#[test]
fn a_writer_that_is_killed_is_stood_in_for() {
    let stage = Stage::new();
    let [mut writer, other] = stage.writer_and_other();
    let guest = other.guest();
    assert_eq!(result_in_time(|| add(&guest, "k")), 1);
    stage.postgres.signal("STOP");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| add(&guest, "k"));
        stage.await_outbox(1);
        writer.signal("KILL");
        writer.wait();
        stage.postgres.signal("CONT");
        assert_eq!(result(&answer.join().unwrap()), 2);
    });
    assert_eq!(postgres_count(&stage.postgres, "k"), "2");
    assert_eq!(result(&add(&guest, "k")), 3);
}

/// In a room and in none, through the server that writes and through another.
#[test]
fn a_call_whose_saves_are_refused_is_told_that() {
    let stage = Stage::new();
    let servers = stage.writer_and_other();
    for (round, server) in servers.iter().enumerate() {
        let key = format!("k{round}");
        let guest = server.guest();
        let room = guest.create_lobby(4);
        let mut player = guest.join(&room);
        assert_eq!(result_in_time(|| add(&guest, &key)), 1);
        let overtake = format!(
            "DELETE FROM document_homes WHERE key = '{key}'; \
             UPDATE documents SET version = version + 10, value = '{{\"count\": 70}}' WHERE key = '{key}'"
        );
        stage.postgres.sql("games", &overtake);
        let lost = add(&guest, &key);
        assert_eq!((lost.status, lost.error_code().as_str()), (503, "unavailable"), "{lost:?}");
        assert!(lost.text().contains("what it saved is lost"), "{lost:?}");
        assert_eq!(result_in_time(|| add(&guest, &key)), 71);
        stage.postgres.sql("games", &overtake);
        let lost = player.call("add_durably", json!([key]), 1);
        assert_eq!(lost["payload"]["code"], "unavailable", "{lost}");
        assert!(lost["payload"]["message"].as_str().unwrap().contains("what it saved is lost"), "{lost}");
        assert_eq!(result_in_time(|| add(&guest, &key)), 71);
    }
}

/// An input that is sent again gets its answer no sooner than the first time, through any server.
#[test]
fn a_repeated_input_waits_as_well() {
    let stage = Stage::new();
    let [writer, other] = stage.writer_and_other();
    let guest = writer.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let input = |n: u64| json!({"action": "add_durably", "payload": ["k"], "id": n, "n": n}).to_string();
    player.send_text(&input(1));
    assert_eq!(player.receive_until(|message| message["id"] == 1)["result"], 1);
    stage.postgres.signal("STOP");
    player.send_text(&input(2));
    stage.await_outbox(1);
    std::thread::scope(|scope| {
        let again = scope.spawn(|| {
            let path = format!("/ws?token={}&game_id={room}", guest.token);
            let mut player = Player::connect(other.address(), &path).unwrap();
            player.send_text(&input(2));
            player.receive_until(|message| message["id"] == 2)
        });
        wait_until("it listens", || stage.listeners(&room) == 2);
        std::thread::sleep(A_WHILE);
        assert!(!again.is_finished(), "it is answered before its first answer");
        assert_eq!(stage.redis.command(&["LLEN", "godra:data:out"]), ":1\r\n");
        stage.postgres.signal("CONT");
        assert_eq!(again.join().unwrap()["result"], 2);
    });
    assert_eq!(postgres_count(&stage.postgres, "k"), "2");
}

/// A server that stops writes what its calls wait for.
#[test]
fn a_server_that_stops_answers_what_is_written() {
    let stage = Stage::new();
    let [_writer, mut other] = stage.writer_and_other();
    assert_eq!(result_in_time(|| add(&other.guest(), "k")), 1);
    let (token, address) = (other.guest().token.clone(), other.address());
    stage.postgres.signal("STOP");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| try_add(address, &token));
        stage.await_outbox(1);
        other.terminate();
        stage.postgres.signal("CONT");
        assert_eq!(answer.join().unwrap(), Some(2));
        assert!(other.wait().success());
    });
    assert_eq!(postgres_count(&stage.postgres, "k"), "2");
}

/// A store that loses all that it has takes nothing with it that was answered.
#[test]
fn durable_saves_outlast_the_store() {
    let mut stage = Stage::new();
    let servers = [stage.server(), stage.server()];
    let tokens = servers.each_ref().map(|server| server.guest().token.clone());
    let (answered, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (server, token) in servers.iter().zip(&tokens) {
            let (answered, is_over) = (&answered, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    if let Some(count) = try_add(server.address(), token) {
                        answered.fetch_max(count, Ordering::SeqCst);
                    }
                }
            });
        }
        for round in 0..4 {
            let before = answered.load(Ordering::SeqCst);
            wait_within(Duration::from_secs(40), "calls go on", || {
                answered.load(Ordering::SeqCst) > before + 5
            });
            std::thread::sleep(Duration::from_millis(30 * round));
            stage.redis.kill();
            stage.redis.start_again();
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let last = result_in_time(|| add(&servers[0].guest(), "k")).as_u64().unwrap();
    assert!(last > answered.load(Ordering::SeqCst), "{last} comes after what was answered");
}
