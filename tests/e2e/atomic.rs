//! A call that fails has changed nothing, whatever way it fails.

use crate::common::atomic::{check, write_scripts};
use crate::common::server::{Folder, Server};

#[test]
fn a_call_that_fails_has_changed_nothing() {
    let folder = Folder::new();
    write_scripts(&folder);
    let server = Server::start_in(folder, &[]);
    let mut endings = vec!["error", "command", "coded", "reply"];
    // A loop in Redis holds the store for as long as it likes.
    if std::env::var_os("GODRA_TEST_REDIS").is_none() {
        endings.push("loop");
    }
    check(&server, &endings);
}
