//! A call that fails has changed nothing, in Redis.

use crate::common::atomic::{check, write_scripts};
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

#[test]
fn a_call_that_fails_has_changed_nothing() {
    let redis = Redis::start();
    let folder = Folder::new();
    write_scripts(&folder);
    let server = Server::start_in(folder, &["--redis-addr", &redis.address()]);
    wait_until("the store to be there", || server.get("/ready").status == 200);
    check(&server, &["error", "command", "coded", "reply"]);
    assert_eq!(redis.command(&["KEYS", "godra:undo*"]).trim(), "*0");
}
