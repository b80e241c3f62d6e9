//! A small server of the protocol, a thread for each connection and one for the rhythm, that can be told to do one thing wrong.

mod fault;
mod room;

pub(crate) use fault::Fault;
use room::{Member, Room, resumed};
use serde_json::{Value, json};
use socket2::SockRef;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

const INTERVAL: Duration = Duration::from_millis(10);
const SEND_BUFFER_BYTES: usize = 16 << 10;

/// The running server; it ends with this value.
pub(crate) struct Fake {
    pub address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

struct State {
    fault: Fault,
    users: AtomicU64,
    registrations: AtomicU64,
    /// Saves by inputs, of all users together.
    saves: AtomicU64,
    logins: AtomicU64,
    rooms: Mutex<HashMap<String, Room>>,
    stopping: Arc<AtomicBool>,
}

impl Fake {
    /// Starts it on a free port.
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let state = Arc::new(State {
            fault,
            users: AtomicU64::new(0),
            registrations: AtomicU64::new(0),
            saves: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            rooms: Mutex::new(HashMap::new()),
            stopping: stopping.clone(),
        });
        let ticking = state.clone();
        std::thread::spawn(move || ticking.tick());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = state.clone();
                // A client that goes away in the middle is no concern of the test.
                std::thread::spawn(move || state.serve(stream.unwrap()).ok());
            }
        });
        Self { address, stopping }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        // So that the kernel does not read on for long in place of a client that does not.
        SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES)?;
        let mut inbound = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let Some(head) = inbound.windows(4).position(|window| window == b"\r\n\r\n") else {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                inbound.extend_from_slice(&buffer[..length]);
                continue;
            };
            let text = String::from_utf8_lossy(&inbound[..head]).into_owned();
            let header = |name: &str| {
                text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or("").to_owned()
            };
            let path = text.split(' ').nth(1).unwrap_or("").to_owned();
            if path.starts_with("/ws") {
                return self.upgrade(stream, &path, &header("Sec-WebSocket-Key:"));
            }
            let length: usize = header("Content-Length:").parse().unwrap_or(0);
            while inbound.len() < head + 4 + length {
                let count = stream.read(&mut buffer)?;
                inbound.extend_from_slice(&buffer[..count]);
            }
            let body: Vec<u8> = inbound.drain(..head + 4 + length).skip(head + 4).collect();
            let (status, answer) = match path.as_str() {
                "/login" if self.fault.has_accounts() => match self.log_in(&mut stream)? {
                    Some(answer) => answer,
                    None => return Ok(()),
                },
                path => self.answer(path, &body),
            };
            let headers = if matches!(status, 429 | 503) { "Retry-After: 0\r\n" } else { "" };
            write!(
                stream,
                "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{answer}",
                answer.len()
            )?;
        }
    }

    fn answer(&self, path: &str, body: &[u8]) -> (u16, String) {
        match path {
            "/guest-login" if self.fault == Fault::LimitLogins => (429, "{}".into()),
            "/guest-login" => {
                let n = self.users.fetch_add(1, Ordering::Relaxed);
                (200, format!(r#"{{"token":"{n}","user_id":"guest:{n}","role":"guest"}}"#))
            }
            "/api/rpc" => {
                let call: serde_json::Value = serde_json::from_slice(body).unwrap();
                match call["script"].as_str().unwrap() {
                    "endure_ran" => return (200, self.ran(&call)),
                    script if script.starts_with("documents_") => return (200, self.documents(script)),
                    "timers_set" | "timers_rang" => return (200, self.timers(&call)),
                    script => assert_eq!(script, "create_lobby"),
                }
                let mut rooms = self.rooms.lock().unwrap();
                let id = format!("room{}", rooms.len());
                rooms.insert(id.clone(), Room::default());
                (200, format!(r#"{{"result":"game:{id}"}}"#))
            }
            "/register" if self.fault.has_accounts() => {
                let n = self.registrations.fetch_add(1, Ordering::Relaxed);
                match n % 3 {
                    0 if self.fault == Fault::BusyAccounts => (503, "{}".into()),
                    1 if self.fault == Fault::BusyAccounts => (429, "{}".into()),
                    _ => (201, login(n)),
                }
            }
            "/metrics" => (200, format!("logins_total {}\n", self.users.load(Ordering::Relaxed))),
            _ => (404, r#"{"error":{"code":"not_found"}}"#.into()),
        }
    }

    /// The answer to a login with a password; none if the connection has ended. The fifth login is the one that a fault meets.
    fn log_in(&self, stream: &mut TcpStream) -> std::io::Result<Option<(u16, String)>> {
        let n = self.logins.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::BusyLogins if n % 2 == 1 => {
                let head =
                    "HTTP/1.1 503 X\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(head.as_bytes()).map(|()| None)
            }
            // Until the client goes away.
            Fault::SilentLogin if n == 4 => stream.read(&mut [0]).map(|_| None),
            Fault::CutLogin if n == 4 => Ok(None),
            Fault::NoToken if n == 4 => Ok(Some((200, r#"{"user_id":"4","role":"player"}"#.into()))),
            Fault::BrokenLogin if n == 4 => Ok(Some((500, r#"{"error":{"code":"internal"}}"#.into()))),
            _ => Ok(Some((200, login(n)))),
        }
    }

    fn upgrade(&self, mut stream: TcpStream, path: &str, key: &str) -> std::io::Result<()> {
        if self.fault == Fault::Full {
            return stream.write_all(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n");
        }
        let parameter = |name: &str| {
            let query = path.split('?').nth(1).unwrap_or("");
            query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or("").to_owned()
        };
        let (user_id, room_id) = (format!("guest:{}", parameter("token=")), parameter("game_id="));
        let since = parameter("since=").parse::<u64>().ok();
        assert_eq!(since.is_some(), parameter("epoch=") == "e", "{path}");
        let refuses = || match self.fault {
            Fault::RefuseReturns => self.refuses(&room_id),
            fault => fault == Fault::RefuseAllReturns,
        };
        if since.is_some() && refuses() {
            return stream.write_all(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n");
        }
        let accept = match self.fault {
            Fault::WrongAccept => "wrong".to_owned(),
            _ => derive_accept_key(key.as_bytes()),
        };
        write!(
            stream,
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )?;
        self.join(&user_id, &room_id, since, stream.try_clone()?);
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                self.input(&user_id, &room_id, text.as_str());
            }
        }
        self.leave(&user_id, &room_id);
        // What is left to say, above all the answer to a close frame.
        while socket.flush().is_ok() {}
        Ok(())
    }

    fn ran(&self, call: &Value) -> String {
        let rooms = self.rooms.lock().unwrap();
        let ran = &rooms[call["keys"][0].as_str().unwrap().strip_prefix("game:").unwrap()].ran;
        let (first, last) = (call["args"][0].as_u64().unwrap(), call["args"][1].as_u64().unwrap());
        let page = ran.iter().skip(first as usize).take((last - first + 1) as usize);
        json!({ "result": page.collect::<Vec<_>>() }).to_string()
    }

    /// Each document counts a save; that of whoever asks first those of all inputs besides.
    fn documents(&self, script: &str) -> String {
        if script == "documents_save" {
            return json!({ "result": "OK" }).to_string();
        }
        let saves = self.saves.swap(0, Ordering::Relaxed);
        let kept = match self.fault {
            Fault::LoseSave => saves.saturating_sub(1),
            Fault::SaveTwice if saves > 0 => saves + 1,
            _ => saves,
        };
        json!({ "result": kept + 1 }).to_string()
    }

    /// Timers ring at once, as often as they are to.
    fn timers(&self, call: &Value) -> String {
        let mut rooms = self.rooms.lock().unwrap();
        let id = call["keys"][0].as_str().unwrap().strip_prefix("game:").unwrap();
        let rang = &mut rooms.get_mut(id).unwrap().rang;
        if call["script"] == "timers_rang" {
            return json!({ "result": ["3", rang.to_string()] }).to_string();
        }
        let number = |at: usize| call["args"][at].as_str().unwrap().parse::<u64>().unwrap();
        let times = number(0) * number(1);
        *rang += match self.fault {
            Fault::LoseTimer => times.saturating_sub(1),
            Fault::RingTwice => times + 1,
            _ => times,
        };
        json!({ "result": "OK" }).to_string()
    }

    /// Whether a return is one of the first two to its room.
    fn refuses(&self, room_id: &str) -> bool {
        let mut rooms = self.rooms.lock().unwrap();
        let room = rooms.get_mut(room_id).unwrap();
        room.refused_returns += 1;
        room.refused_returns <= 2
    }

    fn join(&self, user_id: &str, room_id: &str, since: Option<u64>, stream: TcpStream) {
        let mut rooms = self.rooms.lock().unwrap();
        let room = rooms.get_mut(room_id).unwrap();
        room.flush(self.fault);
        let mut member = Member {
            user_id: user_id.into(),
            stream,
            backlog: Vec::new(),
            closing: false,
            kept: self.fault == Fault::KeepSlow,
        };
        let named = if self.fault == Fault::WrongWelcome { "elsewhere" } else { room_id };
        let seq = room.seq.saturating_sub(u64::from(self.fault == Fault::LowWelcome));
        let since = since.filter(|_| self.fault != Fault::Forgetful && self.fault != Fault::OldState);
        let n = room.last_n.get(user_id).copied().unwrap_or(0);
        let n = if self.fault == Fault::ForgetNumbers { n.saturating_sub(2) } else { n };
        if let Some(since) = since {
            member.send(&resumed(self.fault, user_id, room_id, (since, n), room.seq));
            member.send_missed(self.fault, &room.history[since as usize..]);
        } else if self.fault != Fault::NoWelcome {
            let seq = if self.fault == Fault::OldState { seq.min(4) } else { seq };
            member.send(&format!(
                r#"{{"type":"welcome","payload":{{"user_id":"{user_id}","game_id":"{named}","epoch":"e","seq":{seq},"n":{n},"recovered":false,"state":{{}},"sync_interval_ms":10}}}}"#
            ));
        }
        room.members.push(member);
        if since.is_none() || self.fault != Fault::NothingOnReturn {
            room.publish("player_joined", &format!(r#"{{"user_id":"{user_id}","username":"x"}}"#));
        }
    }

    fn leave(&self, user_id: &str, room_id: &str) {
        let mut rooms = self.rooms.lock().unwrap();
        let room = rooms.get_mut(room_id).unwrap();
        room.members.retain(|member| member.user_id != user_id);
        room.publish("player_left", &format!(r#"{{"user_id":"{user_id}","username":"x"}}"#));
    }

    fn input(&self, user_id: &str, room_id: &str, text: &str) {
        let input: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut rooms = self.rooms.lock().unwrap();
        let room = rooms.get_mut(room_id).unwrap();
        room.inputs += 1;
        if self.fault == Fault::Late {
            std::thread::sleep(Duration::from_millis(2));
        }
        let faulty = room.inputs == 20;
        if faulty && self.fault == Fault::LoseInput {
            return;
        }
        if self.fault == Fault::Busy && room.inputs.is_multiple_of(3) {
            let error = r#"{"type":"error","payload":{"code":"busy","message":"later"}}"#;
            return room
                .members
                .iter_mut()
                .filter(|member| member.user_id == user_id)
                .for_each(|member| member.send(error));
        }
        match input["action"].as_str().unwrap() {
            "heartbeat" => return room.heartbeat(self.fault, user_id, &input),
            "endure" => return room.endure(self.fault, user_id, &input),
            _ => {}
        }
        let payload = &input["payload"];
        let times = if faulty && self.fault == Fault::RepeatInput { 2 } else { 1 };
        for _ in 0..times {
            match input["action"].as_str().unwrap() {
                "move_player" => {
                    let shift = if faulty && self.fault == Fault::AlterInput { 0.5 } else { 0.0 };
                    let (x, y) = (payload["x"].as_f64().unwrap() + shift, payload["y"].as_f64().unwrap());
                    room.publish("player_moved", &format!(r#"{{"user_id":"{user_id}","x":{x},"y":{y}}}"#));
                }
                "send_chat" => {
                    let message = &payload["message"];
                    room.publish(
                        "chat",
                        &format!(
                            r#"{{"user_id":"{user_id}","username":"x","message":{message},"timestamp":1}}"#
                        ),
                    );
                }
                "documents_save" => {
                    self.saves.fetch_add(1, Ordering::Relaxed);
                    let n = &payload["n"];
                    room.publish("saved", &format!(r#"{{"user_id":"{user_id}","n":{n}}}"#));
                }
                action => {
                    room.publish(
                        "state",
                        &format!(r#"{{"user_id":"{user_id}","action":"{action}","payload":{payload}}}"#),
                    );
                }
            }
        }
    }

    fn tick(&self) {
        while !self.stopping.load(Ordering::Relaxed) {
            std::thread::sleep(INTERVAL);
            self.rooms.lock().unwrap().values_mut().for_each(|room| room.flush(self.fault));
        }
        // Members that are still there find out that the server has ended.
        for room in self.rooms.lock().unwrap().values() {
            room.members.iter().for_each(|member| drop(member.stream.shutdown(std::net::Shutdown::Both)));
        }
    }
}

/// What a player gets who has logged in or registered.
fn login(n: u64) -> String {
    format!(
        r#"{{"token":"e30.{n}.c2ln","refresh_token":"r{n}","expires_in":86400,"user_id":"{n}","username":"x","role":"player"}}"#
    )
}
