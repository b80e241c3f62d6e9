//! `/metrics` on a port of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::common::http::Connection;
use crate::common::server::{Folder, Server, run_to_end};
use crate::common::wait_until;

fn metrics_port(server: &Server) -> SocketAddr {
    server.output().wait_for("port of its metrics", |text| {
        let (_, rest) = text.split_once("metrics are at http://")?;
        rest.split_once("/metrics")?.0.parse().ok()
    })
}

#[test]
fn metrics_are_there_alone() {
    let server = Server::start(&["--metrics-addr", "127.0.0.1:0"]);
    let address = metrics_port(&server);
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    for path in ["/metrics", "/metrics?x=1"] {
        assert_eq!((server.get(path).status, server.get(path).error_code().as_str()), (404, "not_found"));
    }
    let ask = |method: &str, path: &str| Connection::open(address).request(method, path, &[], b"");
    let page = ask("GET", "/metrics");
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    assert!(page.text().contains("godra_connections{") && page.text().ends_with('\n'), "{}", page.text());
    // The server's own calls at its start have ended by then.
    wait_until("an empty queue", || ask("GET", "/metrics").text().contains("godra_engine_queue_depth 0"));
    let head = ask("HEAD", "/metrics");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(ask("POST", "/metrics").status, 405);
    for path in ["/", "/health", "/guest-login", "/metrics/"] {
        assert_eq!(ask("GET", path).status, 404, "{path}");
    }
    let mut other = Connection::open(address);
    other.send(b"\x16\x03\x01\x02\x00");
    assert!(other.read_to_end().starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn who_asks_for_nothing_holds_nobody_up_for_long() {
    let server = Server::start(&["--metrics-addr", "127.0.0.1:0"]);
    let address = metrics_port(&server);
    let mut silent = Connection::open(address);
    let mut slow = Connection::open(address);
    slow.send("GET /metrics HT");
    let began = Instant::now();
    assert_eq!(Connection::open(address).request("GET", "/metrics", &[], b"").status, 200);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    silent.expect_end();
    slow.expect_end();
    assert_eq!(server.get("/health").status, 200, "the players' port waits for nobody");
}

#[test]
fn a_port_that_is_taken_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run_to_end(&Folder::new(), &["--port", "0", "--metrics-addr", &address], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains(&format!("cannot listen on --metrics-addr {address}")), "{said}");
}
