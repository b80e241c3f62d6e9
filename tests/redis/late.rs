//! Joins that run in the store after their node has given them up, as what it had sent was still on its way.

use std::time::Duration;

use serde_json::json;

use crate::common::player::Player;
use crate::common::proxy::{Mode, Proxy};
use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::{wait_until, wait_within};
use crate::stage::{User, counting_node};

/// Two nodes, the first behind a proxy, and a room that somebody has made and is in.
struct Late {
    redis: Redis,
    proxy: Proxy,
    nodes: [Server; 2],
    room: String,
    _host: Player,
}

impl Late {
    fn start() -> Self {
        let redis = Redis::start();
        let proxy = Proxy::start(redis.port(), Mode::Pass);
        let nodes = [proxy.address(), redis.address()]
            .map(|address| counting_node(&[address], &["--rejoin-grace", "9m"]));
        let host = User::new(&nodes[1]);
        let room = host.create_lobby(&nodes[1]);
        // So that the first node has given its store the program that joins need, and sends no more than the join itself later.
        drop(host.join(&nodes[0], &room));
        wait_until("the first node to have nobody", || {
            nodes[0].metric("godra_connections{kind=\"websocket\"}") == 0.0
        });
        // What it had to do for that is over once it has answered what came behind.
        assert_eq!(host.rpc(&nodes[0], "heartbeat", json!([]), &[]).status, 200);
        let host = host.join(&nodes[1], &room);
        Self { redis, proxy, nodes, room, _host: host }
    }

    /// Joins through the first node, whose store hears nothing any more.
    fn join_in_vain(&self, user: &User) {
        let lost = || self.nodes[0].metric("godra_redis_lost_calls_total");
        let before = lost();
        let path = format!("/ws?token={}&game_id={}", user.token, self.room);
        let refused =
            Player::connect(self.nodes[0].address(), &path).err().expect("nothing answers the join");
        assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"));
        assert!(lost() > before, "it was sent");
    }

    /// As [`Late::join_in_vain`]; then the node has a new connection, on which it has given up the join.
    fn join_and_give_up(&self, user: &User) {
        self.proxy.hold();
        self.join_in_vain(user);
        wait_within(BACK, "the join to be given up", || self.noted() == ":1\r\n");
    }

    /// Whether the store knows something of joins that are not over.
    fn noted(&self) -> String {
        self.redis.command(&["EXISTS", &format!("godra:joins:{}", self.room)])
    }

    /// What was sent arrives, and has run.
    fn arrive(&self) {
        let address = format!(" addr=127.0.0.1:{} ", self.proxy.release().expect("the node has been there"));
        // The proxy closes what its client has closed, behind what waited.
        let is_there = || self.redis.command(&["CLIENT", "LIST"]).contains(&address);
        wait_until("what waited to be over", || !is_there());
    }

    /// Which nodes hold the user's membership, by their first letters in the store.
    fn held(&self, user: &User) -> String {
        self.redis.command(&["HGET", &format!("godra:members:{}", self.room), &user.id])
    }

    /// How often the user has left.
    fn left(&self, user: &User) -> String {
        self.redis.command(&["HGET", &format!("game:{}:left", self.room), &user.id])
    }
}

/// Within this time a node has a new connection.
const BACK: Duration = Duration::from_secs(20);
const NOBODY: &str = "$-1\r\n";

/// The first node has no connection to the store meanwhile.
#[test]
fn a_late_join_takes_no_seat_from_another_node() {
    let late = Late::start();
    let user = User::new(&late.nodes[1]);
    late.proxy.hold_all();
    late.join_in_vain(&user);
    let mut player = user.join(&late.nodes[1], &late.room);
    let held = late.held(&user);
    late.arrive();
    assert_eq!(player.call("count", json!("still"), 1)["type"], "reply", "it is in");
    assert_eq!((late.held(&user), late.left(&user).as_str()), (held, NOBODY));
    player.close();
    wait_until("the player to have left", || late.held(&user) == NOBODY);
}

/// The first node has a new one.
#[test]
fn a_join_that_was_given_up_takes_no_seat_from_another_node() {
    let late = Late::start();
    let user = User::new(&late.nodes[1]);
    late.join_and_give_up(&user);
    let mut player = user.join(&late.nodes[1], &late.room);
    player.close();
    wait_until("the player to have left", || late.held(&user) == NOBODY);
    late.arrive();
    assert_eq!((late.held(&user).as_str(), late.left(&user).as_str()), (NOBODY, "$1\r\n1\r\n"));
}

#[test]
fn a_late_join_takes_no_seat_from_a_later_one_of_its_node() {
    let late = Late::start();
    let user = User::new(&late.nodes[1]);
    late.join_and_give_up(&user);
    let mut player = user.join(&late.nodes[0], &late.room);
    let held = late.held(&user);
    late.arrive();
    assert_eq!(player.call("count", json!("still"), 1)["type"], "reply", "it is in");
    assert_eq!((late.held(&user), late.left(&user).as_str()), (held, NOBODY));
    player.close();
    wait_until("the player to have left", || late.held(&user) == NOBODY);
}

/// A second socket wanted to come in, and never did.
#[test]
fn a_late_join_takes_no_seat_from_an_earlier_one_of_its_node() {
    let late = Late::start();
    let user = User::new(&late.nodes[0]);
    let mut player = user.join(&late.nodes[0], &late.room);
    let held = late.held(&user);
    late.join_and_give_up(&user);
    late.arrive();
    assert_eq!(player.call("count", json!("still"), 1)["type"], "reply", "it is in");
    wait_until("the seat to be the first one's", || late.held(&user) == held);
    player.close();
    wait_until("the player to have left", || late.held(&user) == NOBODY);
}

/// Nobody comes back.
#[test]
fn a_late_join_leaves_nobody_in_the_room() {
    let late = Late::start();
    let user = User::new(&late.nodes[1]);
    late.join_and_give_up(&user);
    late.arrive();
    assert_eq!(late.held(&user), NOBODY);
    assert_eq!(late.left(&user), NOBODY, "who has not come does not leave");
}

/// What was sent has run, and its answer is lost.
#[test]
fn a_join_whose_answer_is_lost_leaves_nobody_in_the_room() {
    let late = Late::start();
    let user = User::new(&late.nodes[1]);
    late.proxy.set(Mode::Delay(Duration::from_millis(1500)));
    let path = format!("/ws?token={}&game_id={}", user.token, late.room);
    let refused = Player::connect(late.nodes[0].address(), &path).err().expect("no answer comes in time");
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"));
    assert_ne!(late.held(&user), NOBODY, "it has run");
    late.proxy.set(Mode::Pass);
    wait_within(BACK, "nobody to be in", || late.held(&user) == NOBODY);
    assert_eq!(late.left(&user), "$1\r\n1\r\n");
}

/// Who is in elsewhere comes in all the same, and the older socket closes.
#[test]
fn a_join_through_another_node_replaces_the_socket() {
    let late = Late::start();
    let user = User::new(&late.nodes[1]);
    let mut player = user.join(&late.nodes[0], &late.room);
    for round in 1..=4 {
        let mut next = user.join(&late.nodes[round % 2], &late.room);
        assert_eq!(player.expect_close().0, 4502);
        assert_eq!(next.call("count", json!("in"), 1)["type"], "reply");
        player = next;
    }
    assert_eq!(late.left(&user), NOBODY);
    assert_eq!(late.noted(), ":0\r\n", "nothing is kept of who came in");
}
