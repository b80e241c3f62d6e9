//! A call that fails has changed nothing, in the embedded store.

use crate::common::atomic::{check, write_scripts};
use crate::common::server::{Folder, Server};

#[test]
fn a_call_that_fails_has_changed_nothing() {
    let folder = Folder::new();
    write_scripts(&folder);
    let server = Server::start_in(folder, &[]);
    check(&server, &["error", "command", "coded", "reply", "loop"]);
}
