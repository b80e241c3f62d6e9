//! What memory the process keeps.

use std::time::{Duration, Instant};

use crate::common::server::Server;
use crate::common::wait_within;

const MIB: f64 = (1 << 20) as f64;

fn resident_mib(server: &Server) -> f64 {
    server.metric("process_resident_memory_bytes") / MIB
}

/// A thousand requests that never end: each holds what came of it so far.
#[test]
fn what_a_flood_took_is_given_back_within_a_minute() {
    const CONNECTIONS: usize = 1000;
    // Below what the C library asks the kernel for one by one, and gives back so.
    const BODY: usize = 100_000;
    let server = Server::start(&["--threads", "2", "--state-file", "off"]);
    let token = server.guest().token;
    let before = resident_mib(&server);
    // A body of that length is taken of somebody who is known.
    let head = format!(
        "POST /api/rpc HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {BODY}\r\n\r\n"
    );
    let request = [head.as_bytes(), &vec![b'x'; BODY - 1]].concat();
    let flood: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut connection = server.connect();
            connection.send(&request);
            connection
        })
        .collect();
    wait_within(Duration::from_secs(30), "the flood to fill the memory", || {
        resident_mib(&server) > before + 60.0
    });
    drop(flood);
    let began = Instant::now();
    wait_within(Duration::from_secs(60), "memory to be given back", || {
        std::thread::sleep(Duration::from_millis(500));
        resident_mib(&server) < before + 30.0
    });
    println!("after {:?}", began.elapsed());
}
