//! Guests that are gone for good, where several nodes look for them.

use std::time::Duration;

use serde_json::json;

use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::{wait_until, wait_within};
use crate::stage::{User, counting_node};

const GUEST_TTL: [&str; 2] = ["--guest-ttl", "2s"];

fn call_in(user: &User, node: &Server, room: &str) {
    let answer = user.rpc(node, "count", json!([]), &[&format!("game:{room}:count")]);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The fields and values of a hash.
fn hash(redis: &Redis, key: &str) -> Vec<String> {
    let answer = redis.command(&["HGETALL", key]);
    answer
        .split("\r\n")
        .filter(|line| !line.starts_with(['*', '$']) && !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Those of a room's guests whom the hook has taken out, each with how often.
fn left(redis: &Redis, room: &str) -> Vec<String> {
    let fields = hash(redis, &format!("game:{room}:left"));
    let mut left: Vec<String> = fields.chunks(2).map(|pair| format!("{} {}", pair[0], pair[1])).collect();
    left.sort();
    left
}

#[test]
fn each_guest_is_cleaned_up_once_whatever_becomes_of_the_nodes() {
    const GUESTS: usize = 120;
    const ROOMS: [&str; 3] = ["one", "two", "three"];
    let stores = [Redis::start(), Redis::start()];
    let addresses = stores.each_ref().map(Redis::address);
    let mut nodes: Vec<Server> = (0..3).map(|_| counting_node(&addresses, &GUEST_TTL)).collect();
    let guests: Vec<User> = (0..GUESTS).map(|number| User::new(&nodes[number % 3])).collect();
    let staying = User::new(&nodes[0]);
    let elsewhere = staying.create_lobby(&nodes[0]);
    let _socket = staying.join(&nodes[0], &elsewhere);
    for room in ROOMS {
        for (number, guest) in guests.iter().enumerate() {
            call_in(guest, &nodes[number % 3], room);
        }
        call_in(&staying, &nodes[1], room);
    }
    let all_left =
        |room: &str| -> Vec<String> { stores.iter().flat_map(|store| left(store, room)).collect() };

    // One node dies among it.
    let count = || ROOMS.iter().map(|room| all_left(room).len()).sum::<usize>();
    wait_until("the first to be cleaned up", || count() > 0);
    let mut killed = nodes.pop().unwrap();
    killed.signal("KILL");
    killed.wait();

    let mut expected: Vec<String> = guests.iter().map(|guest| format!("{} 1", guest.id)).collect();
    expected.sort();
    wait_within(Duration::from_secs(30), "all to be cleaned up", || count() >= ROOMS.len() * GUESTS);
    for room in ROOMS {
        let mut left = all_left(room);
        left.sort();
        assert_eq!(left, expected, "in room {room}");
    }
    // Nothing is left but of the one that has a socket.
    wait_until("guests to be forgotten", || {
        let keys = stores.each_ref().map(|store| store.command(&["KEYS", "godra:guest:*"]));
        keys.iter().all(|keys| !keys.contains("guest:") || keys.matches("guest:").count() == 2)
    });
    for store in &stores {
        let alive = store.command(&["ZRANGE", "active_sessions:guests", "0", "-1"]);
        assert!(alive.matches("guest:").count() <= 1, "{alive}");
        assert!(!alive.contains("guest:") || alive.contains(&staying.id), "{alive}");
    }
}

#[test]
fn a_store_that_was_away_for_long_makes_no_guest_with_a_socket_expire() {
    let redis = Redis::start();
    let node = counting_node(&[redis.address()], &GUEST_TTL);
    let guest = User::new(&node);
    call_in(&guest, &node, "r");
    let elsewhere = guest.create_lobby(&node);
    let mut socket = guest.join(&node, &elsewhere);
    redis.signal("STOP");
    wait_until("the store to be missed", || node.get("/ready").status == 503);
    std::thread::sleep(Duration::from_secs(3));
    redis.signal("CONT");
    wait_until("the store to be back", || node.get("/ready").status == 200);
    // For longer than it takes to find out.
    assert_eq!(socket.receive_within(Duration::from_secs(2)).filter(|event| event["type"] == "gone"), None);
    assert_eq!(left(&redis, "r"), [""; 0]);
    drop(socket);
    wait_until("the guest to be cleaned up", || left(&redis, "r") == [format!("{} 1", guest.id)]);
}

#[test]
fn a_guest_of_a_dead_node_is_taken_out_by_its_membership_and_not_again() {
    let redis = Redis::start();
    let [one, two] = [0; 2].map(|_| counting_node(&[redis.address()], &GUEST_TTL));
    let guest = User::new(&one);
    let room = guest.create_lobby(&one);
    let _socket = guest.join(&one, &room);
    one.signal("KILL");
    wait_within(Duration::from_secs(20), "the member to leave", || {
        left(&redis, &room) == [format!("{} 1", guest.id)]
    });
    wait_until("the guest to be forgotten", || two.metric("godra_guests_expired_total") == 1.0);
    assert_eq!(left(&redis, &room), [format!("{} 1", guest.id)]);
}
