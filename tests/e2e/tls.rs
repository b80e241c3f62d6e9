//! Players by HTTPS and WSS.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::common::http::Connection;
use crate::common::server::{Folder, Server, run_to_end};
use crate::common::tls::{TlsStream, client, connect, make_certificate};
use crate::common::wait_until;

/// A server that speaks TLS, and a client that trusts it.
struct Secure {
    server: Server,
    client: Arc<ClientConfig>,
}

impl Secure {
    fn start() -> Self {
        Self::start_in(Folder::new(), &[])
    }

    fn start_in(folder: Folder, flags: &[&str]) -> Self {
        let (certificate, key) = make_certificate(folder.path());
        let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        let server = Server::start_in(folder, &[&files, flags].concat());
        Self { server, client: client(&certificate, &[&TLS12, &TLS13]) }
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.server.folder().path().join("cert.pem")
    }

    fn connect(&self) -> TlsStream {
        connect(&self.client, self.server.address())
    }

    /// One request on a connection of its own; the answer's body.
    fn request(&self, request: &str, body: &str) -> String {
        exchange(self.connect(), request, body)
    }

    fn guest(&self) -> Value {
        serde_json::from_str(&self.request("POST /guest-login", "{}")).unwrap()
    }

    fn rpc(&self, guest: &Value, body: &Value) -> Value {
        let token = guest["token"].as_str().unwrap();
        let request = format!("POST /api/rpc HTTP/1.1\r\nAuthorization: Bearer {token}");
        serde_json::from_str(&self.request(&request, &body.to_string())).unwrap()
    }

    fn create_lobby(&self, guest: &Value) -> String {
        let id = self.rpc(guest, &json!({"script": "create_lobby", "args": [4]}));
        id["result"].as_str().unwrap().strip_prefix("game:").unwrap().to_owned()
    }

    fn join(&self, guest: &Value, room: &str) -> WebSocket<TlsStream> {
        let token = guest["token"].as_str().unwrap();
        let url = format!("wss://localhost/ws?token={token}&game_id={room}");
        let (mut socket, _) = tungstenite::client(url, self.connect()).unwrap();
        assert_eq!(receive(&mut socket)["type"], "welcome");
        socket
    }

    fn metric(&self, name: &str) -> f64 {
        let page = self.request("GET /metrics", "");
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap()
    }
}

/// Sends a request, and reads to the connection's end, which must be in order; the answer's body.
fn exchange(mut stream: TlsStream, request: &str, body: &str) -> String {
    let (line, headers) = request.split_once("\r\n").unwrap_or((request, "X: y"));
    let line = if line.ends_with("/1.1") { line.to_owned() } else { format!("{line} HTTP/1.1") };
    let length = body.len();
    let head = format!(
        "{line}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an end that the server has told of");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    body.to_owned()
}

fn receive(socket: &mut WebSocket<TlsStream>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// Sends an input, and waits for its answer.
fn call(socket: &mut WebSocket<TlsStream>, action: &str, payload: &Value, id: u64) -> Value {
    let text = json!({"action": action, "payload": payload, "id": id}).to_string();
    socket.send(Message::text(text)).unwrap();
    loop {
        let message = receive(socket);
        let events = message["events"].as_array().cloned().unwrap_or_else(|| vec![message]);
        if let Some(answer) = events.into_iter().find(|event| event["id"] == id) {
            return answer;
        }
    }
}

#[test]
fn players_play_over_tls() {
    let secure = Secure::start_in(Folder::new(), &["--threads", "2"]);
    let (ann, ben) = (secure.guest(), secure.guest());
    // Rooms at home in either event loop: connections are handed over.
    for _ in 0..4 {
        let room = secure.create_lobby(&ann);
        let (mut ann, mut ben) = (secure.join(&ann, &room), secure.join(&ben, &room));
        for id in 0..20 {
            let said = call(&mut ann, "send_chat", &json!({"message": "hello"}), id);
            assert_eq!(said["type"], "reply", "{said}");
            let chat = loop {
                let message = receive(&mut ben);
                let events = message["events"].as_array().cloned().unwrap_or_else(|| vec![message]);
                if let Some(chat) = events.into_iter().find(|event| event["type"] == "chat") {
                    break chat;
                }
            };
            assert_eq!(chat["payload"]["message"], "hello");
        }
        ann.close(None).unwrap();
        while ann.read().is_ok() {}
    }
    assert!(secure.metric("godra_tls_handshakes_total{outcome=\"full\"}") >= 1.0);
    assert!(secure.metric("godra_tls_handshakes_total{outcome=\"resumed\"}") >= 8.0);
    assert!(secure.metric("godra_tls_certificate_not_after_timestamp_seconds") > 0.0);
}

#[test]
fn both_versions_are_spoken_and_sessions_resumed() {
    let secure = Secure::start();
    for version in [&TLS12, &TLS13] {
        let client = client(&secure.certificate(), &[version]);
        let kinds = [(); 3].map(|()| {
            let mut stream = connect(&client, secure.server.address());
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
            stream.conn.handshake_kind().unwrap()
        });
        assert_eq!(
            kinds,
            [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed],
            "{version:?}"
        );
    }
    assert_eq!(secure.metric("godra_tls_handshakes_total{outcome=\"resumed\"}"), 4.0);
}

/// Whether a client gets an answer.
fn is_served(secure: &Secure, client: &Arc<ClientConfig>) -> bool {
    let mut stream = connect(client, secure.server.address());
    let sent = stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    sent.is_ok() && stream.read_to_string(&mut String::new()).is_ok()
}

#[test]
fn a_new_certificate_is_for_new_connections_and_a_broken_one_for_nobody() {
    let secure = Secure::start();
    let folder = secure.server.folder().path().to_owned();
    let guest = secure.guest();
    let mut player = secure.join(&guest, &secure.create_lobby(&guest));
    let old = fs::read(folder.join("cert.pem")).unwrap();
    secure.server.signal("HUP");
    secure.server.output().wait_for_line(&["the certificate is the same as before"]);

    // As certbot does it: other files, to which the names lead at once.
    let renewed = folder.join("renewed");
    fs::create_dir(&renewed).unwrap();
    make_certificate(&renewed);
    let link = |name: &str| {
        let _ = fs::remove_file(folder.join(name));
        std::os::unix::fs::symlink(renewed.join(name), folder.join(name)).unwrap();
    };
    link("cert.pem");
    link("key.pem");
    let fresh = client(&folder.join("cert.pem"), &[&TLS13]);
    wait_until("the new certificate", || is_served(&secure, &fresh));
    let stale = Secure { client: without_sessions(&old), ..secure };
    assert!(!is_served(&stale, &stale.client), "the old one is not shown any more");
    assert_eq!(call(&mut player, "send_chat", &json!({"message": "still here"}), 1)["type"], "reply");

    fs::write(renewed.join("key.pem"), "nonsense").unwrap();
    stale.server.output().wait_for_line(&[
        "the certificate is not replaced",
        "key.pem",
        "there is no private key in it",
    ]);
    assert!(is_served(&stale, &fresh), "the last good one serves on");
    assert_eq!(call(&mut player, "send_chat", &json!({"message": "and here"}), 2)["type"], "reply");
}

fn without_sessions(certificate: &[u8]) -> Arc<ClientConfig> {
    let folder = Folder::empty();
    let path = folder.path().join("cert.pem");
    fs::write(&path, certificate).unwrap();
    client(&path, &[&TLS13])
}

#[test]
fn bytes_that_come_one_at_a_time_are_read() {
    let secure = Secure::start();
    let mut stream = secure.connect();
    let mut sent = 0;
    // The request waits until the handshake is over.
    stream.conn.writer().write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    loop {
        let mut bytes = Vec::new();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut bytes).unwrap();
        }
        for byte in &bytes {
            stream.sock.write_all(&[*byte]).unwrap();
            sent += 1;
        }
        if stream.conn.read_tls(&mut stream.sock).unwrap() == 0 {
            break;
        }
        stream.conn.process_new_packets().unwrap();
        match stream.conn.reader().read_to_end(&mut answer) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            _ => {}
        }
    }
    assert!(sent > 300, "{sent}");
    assert!(String::from_utf8_lossy(&answer).ends_with(r#"{"status":"ok"}"#));
}

#[test]
fn who_does_not_speak_tls_is_told_so_or_closed() {
    let secure = Secure::start();
    let answer = secure.server.get("/health");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("This port speaks HTTPS"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "a page may read why");
    for garbage in [&b"\x00\x01\x02 nonsense"[..], b"\x16\x03\x01\x00\x05hello", &[0xff; 100_000]] {
        let left = secure.server.raw(garbage);
        // At most an alert (RFC 8446, section 6).
        assert!(left.len() == 7 && left[0] == 21 || left.is_empty(), "{left:?}");
    }
    // A client that does not know the authority.
    let other = Folder::empty();
    let (certificate, _) = make_certificate(other.path());
    assert!(!is_served(&secure, &client(&certificate, &[&TLS13])));
    wait_until("the count", || secure.metric("godra_tls_handshakes_total{outcome=\"failed\"}") >= 4.0);
    wait_until("nobody to linger but who asks", || secure.metric("godra_connections{kind=\"http\"}") == 1.0);
}

#[test]
fn a_slow_handshake_is_a_slow_request() {
    let secure = Secure::start();
    let mut silent = secure.server.connect();
    let mut half = secure.server.connect();
    half.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    let mut shaken = secure.connect();
    shaken.conn.complete_io(&mut shaken.sock).unwrap();
    let began = Instant::now();
    silent.expect_end();
    half.expect_end();
    assert_eq!(shaken.read(&mut [0]).unwrap(), 0, "an end that the server has told of");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(14), "{took:?}");
}

#[test]
fn large_messages_arrive_whole() {
    let folder = Folder::new();
    folder.write_script("double", "-- ROLE: guest\nreturn ARGV[2] .. ARGV[2]");
    let secure = Secure::start_in(folder, &["--max-message-bytes", "1m"]);
    let guest = secure.guest();
    let text: String = (0..50_000).map(|index| char::from(b'a' + (index % 23) as u8)).collect();
    let answer = secure.rpc(&guest, &json!({"script": "double", "args": [text]}));
    assert_eq!(answer["result"], format!("{text}{text}"));
    let room = secure.create_lobby(&guest);
    let mut player = secure.join(&guest, &room);
    let text = text.repeat(8);
    let answer = call(&mut player, "double", &json!(text), 1);
    assert_eq!(answer["result"].as_str().map(str::len), Some(2 * (text.len() + 2)));
}

/// A folder in which a call fills the outboxes of all members.
fn blasting_folder() -> Folder {
    let folder = Folder::new();
    folder.write_script("on_connect", "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'");
    folder.write_script("on_snapshot", "-- KEYS: game:{room}\nreturn '{}'");
    folder.write_script(
        "blast",
        "-- ROLE: guest\n-- KEYS: game:{room}\nlocal text = string.rep('x', 50000)\n\
         for i = 1, 20 do godra.publish('blast', text) end\nreturn 'OK'",
    );
    folder.write_script("kept", "-- ROLE: guest\n-- KEYS: game:{room}\nreturn string.rep('x', 60000)");
    folder
}

#[test]
fn a_slow_reader_gets_a_snapshot_in_place_of_what_it_missed() {
    let secure = Secure::start_in(blasting_folder(), &["--script-time-budget", "2s"]);
    let (ann, ben) = (secure.guest(), secure.guest());
    let (mut ann, mut ben) = (secure.join(&ann, "arena"), secure.join(&ben, "arena"));
    for id in 0..30 {
        assert_eq!(call(&mut ann, "blast", &json!(null), id)["result"], "OK");
    }
    assert!(secure.metric("godra_outbox_snapshots_total") >= 1.0, "nothing was replaced");
    let mut seq = 0;
    let (mut is_behind, mut is_whole) = (false, false);
    while !is_whole {
        let message = receive(&mut ben);
        let events = message["events"].as_array().cloned().unwrap_or_else(|| vec![message]);
        for event in events {
            let next = event["seq"].as_u64().unwrap();
            assert!(next > seq, "{next} after {seq}");
            is_behind |= event["type"] == "snapshot";
            is_whole = is_behind;
            seq = next;
        }
    }
    assert_eq!(call(&mut ben, "heartbeat", &json!(null), 99)["type"], "reply");
}

/// What is encrypted and waits counts as unsent.
#[test]
fn who_reads_nothing_is_closed_and_told_why() {
    let secure = Secure::start_in(blasting_folder(), &["--script-time-budget", "2s"]);
    let guest = secure.guest();
    let mut player = secure.join(&guest, "arena");
    for id in 0..400 {
        let text = json!({"action": "kept", "payload": null, "id": id}).to_string();
        if player.send(Message::text(text)).is_err() {
            break;
        }
    }
    // Who reads before would perhaps be fast enough.
    wait_until("the end", || secure.metric("godra_members") == 0.0);
    let code = loop {
        match player.read() {
            Ok(Message::Close(frame)) => break u16::from(frame.unwrap().code),
            Ok(_) => {}
            Err(error) => panic!("no close frame but {error}"),
        }
    };
    // It has sent too little for 4003: a flood is thousands that are told `busy`.
    assert_eq!(code, 4002);
}

#[test]
fn an_end_is_an_end_with_or_without_a_word() {
    let secure = Secure::start();
    let guest = secure.guest();
    let room = secure.create_lobby(&guest);
    let count = || secure.metric("godra_members");
    // It is cut off.
    let player = secure.join(&guest, &room);
    assert_eq!(count(), 1.0);
    player.get_ref().sock.shutdown(Shutdown::Write).unwrap();
    wait_until("the end", || count() == 0.0);
    drop(player);
    // It says so, and keeps the socket.
    let mut player = secure.join(&guest, &room);
    assert_eq!(count(), 1.0);
    let stream = player.get_mut();
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).unwrap();
    wait_until("the end", || count() == 0.0);
    // It may say so behind a request, and reads the answer.
    let mut stream = secure.connect();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    // So it may behind a call, whose answer comes later.
    let call = r#"{"script":"create_lobby","args":[4]}"#;
    let mut stream = secure.connect();
    let head = format!(
        "POST /api/rpc HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n",
        guest["token"].as_str().unwrap()
    );
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{call}", call.len()).as_bytes()).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    stream.sock.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(r#""result":"game:"#), "{answer}");
}

/// The port that sends to HTTPS.
fn redirecting_port(server: &Server) -> SocketAddr {
    let port = server.output().wait_for("port that redirects", |text| {
        let (_, rest) = text.split_once("redirecting to HTTPS on 127.0.0.1:")?;
        rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse::<u16>().ok()
    });
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn a_port_without_tls_sends_to_the_one_that_has_it() {
    let flags = ["--https-redirect", "0", "--hsts", "30d", "--threads", "2"];
    let secure = Secure::start_in(Folder::new(), &flags);
    let port = secure.server.address().port();
    let plain = redirecting_port(&secure.server);
    // Each event loop has a listener of its own.
    for _ in 0..8 {
        let request = format!("POST /guest-login?a=b HTTP/1.1\r\nHost: localhost:{}\r\n", plain.port());
        let mut connection = Connection::open(plain);
        connection.send(request + "Content-Length: 2\r\n\r\n{}");
        let answer = connection.read_response();
        assert_eq!(answer.status, 308, "{answer:?}");
        let to = format!("https://localhost:{port}/guest-login?a=b");
        assert_eq!(answer.header("location"), Some(to.as_str()));
        connection.expect_end();
    }
    let mut connection = Connection::open(plain);
    connection.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(connection.read_response().status, 400);
    let refused = tungstenite::client(
        format!("ws://localhost:{}/ws?token=x&game_id=r", plain.port()),
        TcpStream::connect(plain).unwrap(),
    );
    assert!(refused.is_err_and(|error| error.to_string().contains("308")));

    let mut stream = secure.connect();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nStrict-Transport-Security: max-age=2592000\r\n"), "{answer}");
    assert!(secure.metric("godra_http_requests_total{route=\"/guest-login\",status=\"308\"}") == 8.0);
}

#[test]
fn who_is_redirected_counts_as_any_other_and_waits_for_nobody() {
    let flags = ["--https-redirect", "0", "--max-connections-per-ip", "2", "--threads", "1"];
    let secure = Secure::start_in(Folder::new(), &flags);
    let plain = redirecting_port(&secure.server);
    let mut silent = Connection::open(plain);
    let mut half = Connection::open(plain);
    half.send("GET / HTTP/1.1\r\n");
    wait_until("a third is turned away", || {
        let mut third = Connection::open(plain);
        third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        third.read_to_end().starts_with(b"HTTP/1.1 503 ")
    });
    let began = Instant::now();
    silent.expect_end();
    assert!(half.read_to_end().starts_with(b"HTTP/1.1 408 "));
    let took = began.elapsed();
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(14), "{took:?}");
}

#[test]
fn a_stop_ends_the_port_that_redirects() {
    let mut secure = Secure::start_in(Folder::new(), &["--https-redirect", "0", "--threads", "1"]);
    let plain = redirecting_port(&secure.server);
    let (mut silent, mut half) = (Connection::open(plain), Connection::open(plain));
    half.send("GET / HTTP/1.1\r\nHo");
    // One that has come later is answered, so those are in.
    assert_eq!(Connection::open(plain).request("GET", "/", &[], b"").status, 308);
    secure.server.terminate();
    silent.expect_end();
    half.send("st: a\r\n\r\n");
    assert_eq!(half.read_response().status, 308);
    half.expect_end();
    assert!(secure.server.wait().success());
    assert!(TcpStream::connect(plain).is_err(), "the listeners are closed");
}

/// A stop closes those in the middle of a handshake, too.
#[test]
fn a_stop_is_told_of() {
    let mut secure = Secure::start();
    let guest = secure.guest();
    let mut player = secure.join(&guest, &secure.create_lobby(&guest));
    let mut silent = Connection::open(secure.server.address());
    secure.server.terminate();
    loop {
        if let Message::Close(frame) = player.read().unwrap() {
            break assert_eq!(u16::from(frame.unwrap().code), 1001);
        }
    }
    silent.expect_end();
    drop(player);
    assert!(secure.server.wait().success());
}

#[test]
fn a_start_without_a_usable_certificate_is_refused() {
    let folder = Folder::new();
    let (certificate, key) = make_certificate(folder.path());
    let refused = |flags: &[&Path], code: i32, expected: &str| {
        let names = ["--tls-cert", "--tls-key"];
        let flags: Vec<&str> =
            names.into_iter().zip(flags).flat_map(|(name, path)| [name, path.to_str().unwrap()]).collect();
        let ended = run_to_end(&folder, &[&["--port", "0"], flags.as_slice()].concat(), &[]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(expected), "{ended:?}");
        assert!(!folder.path().join("game.db").exists(), "a refused start leaves nothing behind");
    };
    refused(&[&certificate], 2, "--tls-cert without --tls-key: TLS needs both");
    refused(
        &[Path::new("none.pem"), &key],
        1,
        "--tls-cert none.pem: it cannot be read: there is no such file",
    );
    refused(&[&key, &key], 1, "there is no certificate in it");
    refused(&[&certificate, &certificate], 1, "there is no private key in it");
}
