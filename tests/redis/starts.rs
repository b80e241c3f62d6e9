//! What a server's start makes of its store.

use std::time::Duration;

use serde_json::json;

use crate::common::proxy::{Mode, Proxy};
use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::wait_until;
use crate::stage::User;

const LISTENING: &str = "listening on";

/// Who comes as soon as a server listens is not refused.
#[test]
fn a_server_listens_once_its_store_is_there() {
    let redis = Redis::start();
    // Each of the questions that a connection begins with takes this time.
    let proxy = Proxy::start(redis.port(), Mode::Delay(Duration::from_millis(150)));
    let node = Server::start(&["--redis-addr", &proxy.address()]);
    let response = User::new(&node).rpc(&node, "create_lobby", json!([4]), &[]);
    let text = node.output().text();
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("nothing of {words:?} in {text}"));
    assert!(at("the store is there") < at(LISTENING), "{text}");
    assert_eq!(response.status, 200, "{response:?}");
}

/// A store that is away keeps nobody from the rest.
#[test]
fn a_server_starts_without_its_store_and_says_so() {
    let mut redis = Redis::start();
    redis.kill();
    let node = Server::start(&["--redis-addr", &redis.address()]);
    let text = node.output().text();
    let said = text.find("starting without a store that is away");
    assert!(said.is_some() && said < text.find(LISTENING), "{text}");
    assert_eq!(node.get("/ready").status, 503);
    let user = User::new(&node);
    let create = || user.rpc(&node, "create_lobby", json!([4]), &[]);
    assert_eq!((create().status, create().error_code().as_str()), (503, "unavailable"));
    redis.start_again();
    wait_until("the store to be there", || create().status == 200);
}
