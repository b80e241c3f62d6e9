//! A small server of the protocol, a thread for each connection and one for the rhythm, that can be told to do one thing wrong.

use socket2::SockRef;
use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, coding::CloseCode};
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Message, WebSocket};

/// What the server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One event is not delivered to one member.
    Drop,
    /// One event is delivered twice to one member.
    Double,
    /// Two events change places for one member.
    Reorder,
    /// An event of another room is delivered in place of one, under its number.
    Leak,
    LoseInput,
    /// One input is carried out twice.
    RepeatInput,
    /// One input comes back with the content of another.
    AlterInput,
    /// A batch lacks a bracket.
    BrokenBatch,
    /// A batch nests another.
    NestedBatch,
    /// A frame is masked.
    MaskedFrame,
    NoWelcome,
    /// The welcome is for another room.
    WrongWelcome,
    /// The welcome's number is one too low.
    LowWelcome,
    /// An event has no number.
    NoSeq,
    /// A connection ends without reason.
    Cut,
    /// A connection is closed with a code.
    Kick,
    /// The upgrade's accept key is wrong.
    WrongAccept,
    /// Upgrades are answered with 503.
    Full,
    /// Logins are answered with 429.
    LimitLogins,
    /// Whoever does not read is kept for ever.
    KeepSlow,
    /// Each third input is refused with an error, which is no fault in itself.
    Busy,
    /// A quarter of the flushes replaces its events by a snapshot, which is no fault in itself.
    Snapshots,
    /// Answers come late: not a fault, but slow.
    Late,
    /// Who comes back gets the whole state, which is no fault in itself.
    Forgetful,
    /// Who comes back is refused twice, which is no fault in itself.
    RefuseReturns,
    /// Who comes back is refused, always.
    RefuseAllReturns,
    /// Who comes back does not get the first event that it missed.
    GapOnReturn,
    /// Who comes back gets the last event that it missed twice.
    DoubleOnReturn,
    /// Who comes back gets nothing of what it missed, and nothing happens after that.
    NothingOnReturn,
    /// Who comes back is told that it was where the room is.
    WrongSince,
    /// Who comes back gets what it missed, as events of another epoch.
    WrongEpoch,
    /// Who comes back gets what it missed, and the state besides.
    StateOnReturn,
    /// Who comes back gets the state of a time before it left.
    OldState,
    /// Each fourth numbered input is refused at first, and those behind it; no fault in itself.
    PutOff,
    /// Each fourth numbered input runs, is answered as one that did not, and runs again when it is sent again.
    RunAgain,
    /// One numbered input is noted twice.
    NoteTwice,
    /// One numbered input is answered, and did not run.
    AnswerOnly,
    /// A numbered input that fails leaves what it wrote before.
    LeaveTraces,
    /// A numbered input that fails leaves what it published before.
    PublishTraces,
    /// The welcome of somebody who comes back tells a number that is too low.
    ForgetNumbers,
    /// The answer to a heartbeat tells of an event that was not sent.
    HeartbeatAhead,
    /// There are accounts, which is no fault in itself.
    Accounts,
    /// The same, and all are refused with 503 and 429 before they are registered, which is no fault in itself.
    BusyAccounts,
    /// The same, and each second login is refused with 503, after which the connection ends: no fault in itself.
    BusyLogins,
    /// The same, and one login is never answered.
    SilentLogin,
    /// The same, and one login gets no token.
    NoToken,
    /// The same, and one login is answered with 500.
    BrokenLogin,
    /// The same, and the connection of one login ends without an answer.
    CutLogin,
}

impl Fault {
    fn has_accounts(self) -> bool {
        use Fault::{Accounts, BrokenLogin, BusyAccounts, BusyLogins, CutLogin, NoToken, SilentLogin};
        matches!(self, Accounts | BusyAccounts | BusyLogins | SilentLogin | NoToken | BrokenLogin | CutLogin)
    }
}

const INTERVAL: Duration = Duration::from_millis(10);
/// The fault happens at a room's event with this number, when everyone is in and plays.
const FAULTY_SEQ: u64 = 60;
const SEND_BUFFER_BYTES: usize = 16 << 10;
/// What a member may leave unread before it is closed.
const MAX_BACKLOG_BYTES: usize = 800 << 10;

/// The running server; it ends with this value.
pub(crate) struct Fake {
    pub address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

struct State {
    fault: Fault,
    users: AtomicU64,
    registrations: AtomicU64,
    logins: AtomicU64,
    rooms: Mutex<HashMap<String, Room>>,
    stopping: Arc<AtomicBool>,
}

#[derive(Default)]
struct Room {
    seq: u64,
    inputs: u64,
    flushes: u64,
    queue: Vec<String>,
    /// All events, from the first on.
    history: Vec<String>,
    refused_returns: u64,
    /// Numbered inputs that ran: `USER N`.
    ran: Vec<String>,
    /// Of each user the last number that ran.
    last_n: HashMap<String, u64>,
    /// Numbered inputs that were refused once.
    put_off: HashSet<String>,
    members: Vec<Member>,
}

struct Member {
    user_id: String,
    stream: TcpStream,
    backlog: Vec<u8>,
    closing: bool,
    /// Is never closed for not reading.
    kept: bool,
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
                if call["script"] == "endure_ran" {
                    return (200, self.ran(&call));
                }
                assert_eq!(call["script"], "create_lobby");
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
        let refused = match self.fault {
            Fault::RefuseReturns => self.refuses(&room_id),
            fault => fault == Fault::RefuseAllReturns,
        };
        if since.is_some() && refused {
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

fn failed(n: u64, code: &str) -> Value {
    json!({"type": "error", "id": n, "n": n, "payload": {"code": code, "message": "no"}})
}

/// The welcome of somebody who was there at `since`.
fn resumed(fault: Fault, user_id: &str, room_id: &str, (since, n): (u64, u64), now: u64) -> String {
    let seq = if fault == Fault::WrongSince { now } else { since };
    let epoch = if fault == Fault::WrongEpoch { "f" } else { "e" };
    let state = if fault == Fault::StateOnReturn { "{}" } else { "null" };
    format!(
        r#"{{"type":"welcome","payload":{{"user_id":"{user_id}","game_id":"{room_id}","epoch":"{epoch}","seq":{seq},"n":{n},"recovered":true,"state":{state},"sync_interval_ms":10}}}}"#
    )
}

/// What a player gets who has logged in or registered.
fn login(n: u64) -> String {
    format!(
        r#"{{"token":"e30.{n}.c2ln","refresh_token":"r{n}","expires_in":86400,"user_id":"{n}","username":"x","role":"player"}}"#
    )
}

impl Room {
    fn publish(&mut self, kind: &str, payload: &str) {
        self.seq += 1;
        let event = format!(r#"{{"type":"{kind}","payload":{payload},"seq":{}}}"#, self.seq);
        self.history.push(event.clone());
        self.queue.push(event);
    }

    fn answer(&mut self, user_id: &str, answer: &Value) {
        let member = self.members.iter_mut().find(|member| member.user_id == user_id);
        member.unwrap().send(&answer.to_string());
    }

    fn heartbeat(&mut self, fault: Fault, user_id: &str, input: &Value) {
        self.flush(fault);
        let n = self.last_n.get(user_id).copied().unwrap_or(0);
        let seq = self.seq + u64::from(fault == Fault::HeartbeatAhead);
        self.answer(user_id, &json!({"type": "reply", "id": input["id"], "result": {"n": n, "seq": seq}}));
    }

    /// A numbered input; the tenth of a room is the one that a fault meets.
    fn endure(&mut self, fault: Fault, user_id: &str, input: &Value) {
        let n = input["n"].as_u64().unwrap();
        let token = format!("{user_id} {n}");
        let last_n = self.last_n.get(user_id).copied().unwrap_or(0);
        let refuses = |room: &mut Self| n.is_multiple_of(4) && room.put_off.insert(token.clone());
        let code = match fault {
            Fault::PutOff if n > last_n + 1 => Some("out_of_order"),
            Fault::PutOff if n > last_n && refuses(self) => Some("busy"),
            _ => None,
        };
        if let Some(code) = code {
            return self.answer(user_id, &failed(n, code));
        }
        if n <= last_n && fault != Fault::RunAgain {
            let result = json!({"duplicate": true});
            return self.answer(user_id, &json!({"type": "reply", "id": n, "result": result}));
        }
        self.last_n.insert(user_id.into(), n.max(last_n));
        let (fails, faulty) = (input["payload"]["fail"] == true, self.ran.len() == 10);
        if faulty && fault == Fault::AnswerOnly {
            // So that the next one is met no more.
            self.ran.push("guest:0 0".into());
        } else {
            let times = match fault {
                Fault::NoteTwice if faulty => 2,
                Fault::LeaveTraces => 1,
                _ => usize::from(!fails),
            };
            self.ran.extend(vec![token.clone(); times]);
            if !fails || fault == Fault::PublishTraces {
                self.publish("endured", &json!({"user_id": user_id, "n": n}).to_string());
            }
        }
        if fault == Fault::RunAgain && refuses(self) {
            return self.answer(user_id, &failed(n, "unavailable"));
        }
        match fails {
            true => self.answer(user_id, &failed(n, "script_error")),
            false => self.answer(user_id, &json!({"type": "reply", "id": n, "result": "OK"})),
        }
    }

    /// Sends what has gathered; the first member is the one that a fault meets.
    fn flush(&mut self, fault: Fault) {
        let events = std::mem::take(&mut self.queue);
        self.members.iter_mut().for_each(|member| member.flush());
        if events.is_empty() {
            return;
        }
        self.flushes += 1;
        let first_seq = self.seq - events.len() as u64 + 1;
        for (index, member) in self.members.iter_mut().enumerate() {
            if fault == Fault::Snapshots && self.flushes.is_multiple_of(4) {
                member
                    .send(&format!(r#"{{"type":"snapshot","payload":{{}},"epoch":"e","seq":{}}}"#, self.seq));
                continue;
            }
            match FAULTY_SEQ.checked_sub(first_seq).map(|at| at as usize) {
                Some(at) if index == 0 && at < events.len() => member.send_faulty(fault, &events, at),
                _ => member.send_events(&events),
            }
        }
    }
}

impl Member {
    fn send_events(&mut self, events: &[String]) {
        match events {
            [] => {}
            [event] => self.send(event),
            events => self.send(&format!(r#"{{"type":"batch","events":[{}]}}"#, events.join(","))),
        }
    }

    fn send_missed(&mut self, fault: Fault, missed: &[String]) {
        match fault {
            Fault::GapOnReturn => self.send_events(&missed[1..]),
            Fault::DoubleOnReturn => {
                self.send_events(missed);
                self.send(&missed[missed.len() - 1]);
            }
            Fault::NothingOnReturn => {}
            _ => self.send_events(missed),
        }
    }

    fn send_faulty(&mut self, fault: Fault, events: &[String], at: usize) {
        let mut events = events.to_vec();
        match fault {
            Fault::Drop => drop(events.remove(at)),
            Fault::Double => events.insert(at, events[at].clone()),
            Fault::Reorder => {
                let later = events.remove(at);
                self.send_events(&events);
                return self.send(&later.replace("\"seq\":60", "\"seq\":59"));
            }
            Fault::Leak => {
                events[at] = format!(
                    r#"{{"type":"player_moved","payload":{{"user_id":"guest:elsewhere","x":1,"y":1}},"seq":{FAULTY_SEQ}}}"#
                );
            }
            Fault::BrokenBatch => {
                return self.send(&format!(r#"{{"type":"batch","events":[{}}}"#, events.join(",")));
            }
            Fault::NestedBatch => {
                return self.send(&format!(
                    r#"{{"type":"batch","events":[{{"type":"batch","events":[{}]}}]}}"#,
                    events.join(",")
                ));
            }
            Fault::NoSeq => events[at] = r#"{"type":"chat","payload":{"user_id":"guest:0"}}"#.into(),
            Fault::MaskedFrame => {
                let mut frame = Frame::message(events.join(","), OpCode::Data(Data::Text), true);
                frame.header_mut().mask = Some([1, 2, 3, 4]);
                return self.send_frame(frame);
            }
            Fault::Cut => return drop(self.stream.shutdown(std::net::Shutdown::Both)),
            Fault::Kick => return self.close(4500),
            _ => {}
        }
        self.send_events(&events);
    }

    fn send(&mut self, text: &str) {
        self.send_frame(Frame::message(text.to_owned(), OpCode::Data(Data::Text), true));
    }

    fn close(&mut self, code: u16) {
        let frame = Frame::close(Some(CloseFrame { code: CloseCode::from(code), reason: "".into() }));
        frame.format(&mut self.backlog).unwrap();
        self.closing = true;
        self.flush();
    }

    fn send_frame(&mut self, frame: Frame) {
        if !self.closing {
            frame.format(&mut self.backlog).unwrap();
            self.flush();
        }
    }

    fn flush(&mut self) {
        while !self.backlog.is_empty() {
            match SockRef::from(&self.stream).send_with_flags(&self.backlog, libc::MSG_DONTWAIT) {
                Ok(sent) => drop(self.backlog.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.backlog.clear(),
            }
        }
        if self.backlog.len() > MAX_BACKLOG_BYTES && !self.closing {
            match self.kept {
                true => self.closing = true,
                false => self.close(4002),
            }
        }
    }
}
