//! A balancer that passes on bytes says by a header whose each connection is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use rustls::version::TLS13;
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;
use tungstenite::Message;

use crate::common::http::{Connection, Response};
use crate::common::server::{Folder, Server};
use crate::common::tls::{client, make_certificate};

const BEHIND_A_BALANCER: &[&str] = &["--trusted-proxy", "127.0.0.1", "--proxy-protocol"];
const STRANGER: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 8080\r\n";

/// Version 2 of the header for a client of IPv4, with a TLV behind the addresses.
fn binary(client: Ipv4Addr) -> Vec<u8> {
    let ports_and_tlv = [0x12, 0x67, 0x1f, 0x90, 0x04, 0, 2, 0, 0];
    let addresses = [&client.octets()[..], &[10, 0, 0, 1], &ports_and_tlv].concat();
    let fixed = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0", &[addresses.len() as u8][..]].concat();
    [fixed, addresses].concat()
}

fn connect(server: &Server, header: &[u8]) -> Connection {
    let mut connection = server.connect();
    connection.send(header);
    connection
}

fn guest_login(server: &Server, header: &[u8], forwarded: &[(&str, &str)]) -> Response {
    connect(server, header).request("POST", "/guest-login", forwarded, b"{}")
}

/// The server's own page of metrics, which is asked for as a balancer does.
fn refusals(server: &Server, reason: &str) -> f64 {
    let page = connect(server, b"PROXY UNKNOWN\r\n").request("GET", "/metrics", &[], b"").text();
    let name = format!("godra_refusals_total{{reason=\"{reason}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).expect("there is such a reason")
}

#[test]
fn a_header_says_whose_logins_they_are() {
    let server = Server::start(BEHIND_A_BALANCER);
    let forged = [("x-forwarded-for", "198.51.100.1")];
    let refused = (0..80).map(|_| guest_login(&server, STRANGER, &[])).find(|answer| answer.status != 200);
    assert_eq!(refused.expect("there is a limit").status, 429);
    assert_eq!(guest_login(&server, STRANGER, &forged).status, 429, "its own header does not help");
    let binary = binary([203, 0, 113, 9].into());
    assert_eq!(guest_login(&server, &binary, &[]).status, 429, "it is the same client");
    assert_eq!(guest_login(&server, b"PROXY TCP4 203.0.113.10 10.0.0.1 1 2\r\n", &[]).status, 200);
    assert_eq!(guest_login(&server, b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n", &[]).status, 200);
    // Another proxy is believed what it says of its clients.
    let chained = b"PROXY TCP4 127.0.0.1 10.0.0.1 1 2\r\n";
    assert_eq!(guest_login(&server, chained, &[("x-forwarded-for", "203.0.113.9")]).status, 429);
    assert_eq!(guest_login(&server, chained, &forged).status, 200);
}

#[test]
fn an_address_has_its_share_of_connections() {
    let flags = [BEHIND_A_BALANCER, &["--max-connections-per-ip", "2"]].concat();
    let server = Server::start(&flags);
    let health = |connection: &mut Connection| connection.request("GET", "/health", &[], b"").status;
    let mut first = connect(&server, STRANGER);
    let mut second = connect(&server, &binary([203, 0, 113, 9].into()));
    assert_eq!((health(&mut first), health(&mut second)), (200, 200));
    let mut third = connect(&server, STRANGER);
    let refused = third.request("GET", "/health", &[], b"");
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"));
    third.expect_end();
    assert_eq!(refusals(&server, "address_full"), 1.0);
    let mut other = connect(&server, b"PROXY TCP4 203.0.113.10 10.0.0.1 1 2\r\n");
    assert_eq!(health(&mut other), 200);
    // The balancer's own are not anybody's.
    let own: Vec<_> = (0..4).map(|_| connect(&server, b"PROXY UNKNOWN\r\n")).collect();
    assert!(own.into_iter().all(|mut one| health(&mut one) == 200));
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(10);
    while health(&mut connect(&server, STRANGER)) != 200 {
        assert!(Instant::now() < deadline, "the place is not free");
    }
    assert_eq!(health(&mut second), 200);
}

#[test]
fn a_header_may_come_in_pieces() {
    let server = Server::start(BEHIND_A_BALANCER);
    for header in [STRANGER.to_vec(), binary([203, 0, 113, 9].into())] {
        let mut connection = server.connect();
        for piece in header.chunks(5) {
            connection.send(piece);
            std::thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(connection.request("GET", "/health", &[], b"").status, 200);
        // With the request in the same piece, and the next one behind it.
        let request: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut connection = connect(&server, &[&header, request, request].concat());
        assert_eq!((connection.read_response().status, connection.read_response().status), (200, 200));
    }
}

#[test]
fn without_a_header_a_proxys_connection_is_closed() {
    let server = Server::start(BEHIND_A_BALANCER);
    let without: [&[u8]; 4] = [
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROXY TCP4 203.0.113.999 10.0.0.1 1 2\r\n",
        &[b'P'; 200],
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
    ];
    for bytes in without {
        assert!(server.raw(bytes).is_empty(), "{bytes:?} is answered");
    }
    assert_eq!(refusals(&server, "proxy_header"), 4.0);
    server.output().wait_for_line(&["WARN", "--proxy-protocol", "proxy=127.0.0.1"]);
    assert_eq!(server.output().text().matches("does not begin its connections").count(), 1);
    // Nobody waits for the rest of a header for long.
    let began = Instant::now();
    connect(&server, &STRANGER[..20]).expect_end();
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn nobody_else_can_say_who_it_is() {
    let server = Server::start(&["--trusted-proxy", "10.0.0.0/8", "--proxy-protocol"]);
    assert_eq!(server.get("/health").status, 200, "no header is expected");
    let answer = server.raw([STRANGER, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"].concat());
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{:?}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_player_comes_by_tls_behind_a_header() {
    let folder = Folder::empty();
    std::fs::create_dir(folder.scripts()).unwrap();
    let (certificate, key) = make_certificate(folder.path());
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = Server::start_in(folder, &[BEHIND_A_BALANCER, &files].concat());
    let config = client(&certificate, &[&TLS13]);
    let connect = |header: &[u8]| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
        stream.write_all(header).unwrap();
        let connection = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
        StreamOwned::new(connection, stream)
    };
    let mut stream = connect(STRANGER);
    let body = json!({}).to_string();
    let request = format!(
        "POST /guest-login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let guest: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();

    let url = format!("wss://localhost/ws?token={}&game_id=hall", guest["token"].as_str().unwrap());
    let (mut socket, _) = tungstenite::client(url, connect(&binary([203, 0, 113, 9].into()))).unwrap();
    let welcome = loop {
        if let Message::Text(text) = socket.read().unwrap() {
            break text;
        }
    };
    assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
}
