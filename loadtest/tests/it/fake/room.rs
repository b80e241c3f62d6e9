//! A room of the small server, its members, and what a fault does to them.

use super::Fault;
use serde_json::{Value, json};
use socket2::SockRef;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::net::TcpStream;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

/// The fault happens at a room's event with this number, when everyone is in and plays.
const FAULTY_SEQ: u64 = 60;
/// What a member may leave unread before it is closed.
const MAX_BACKLOG_BYTES: usize = 800 << 10;

#[derive(Default)]
pub(super) struct Room {
    pub seq: u64,
    pub inputs: u64,
    pub flushes: u64,
    pub queue: Vec<String>,
    /// All events, from the first on.
    pub history: Vec<String>,
    pub refused_returns: u64,
    /// Numbered inputs that ran: `USER N`.
    pub ran: Vec<String>,
    /// How often timers rang.
    pub rang: u64,
    /// Of each user the last number that ran.
    pub last_n: HashMap<String, u64>,
    /// Numbered inputs that were refused once.
    pub put_off: HashSet<String>,
    pub members: Vec<Member>,
}

pub(super) struct Member {
    pub user_id: String,
    pub stream: TcpStream,
    pub backlog: Vec<u8>,
    pub closing: bool,
    /// Is never closed for not reading.
    pub kept: bool,
}

impl Room {
    pub(super) fn publish(&mut self, kind: &str, payload: &str) {
        self.seq += 1;
        let event = format!(r#"{{"type":"{kind}","payload":{payload},"seq":{}}}"#, self.seq);
        self.history.push(event.clone());
        self.queue.push(event);
    }

    pub(super) fn answer(&mut self, user_id: &str, answer: &Value) {
        let member = self.members.iter_mut().find(|member| member.user_id == user_id);
        member.unwrap().send(&answer.to_string());
    }

    pub(super) fn heartbeat(&mut self, fault: Fault, user_id: &str, input: &Value) {
        self.flush(fault);
        // Who is told that an input ran does not send it again.
        let n = if fault == Fault::RunAgain { 0 } else { self.last_n.get(user_id).copied().unwrap_or(0) };
        let seq = self.seq + u64::from(fault == Fault::HeartbeatAhead);
        self.answer(user_id, &json!({"type": "reply", "id": input["id"], "result": {"n": n, "seq": seq}}));
    }

    /// A numbered input; the tenth of a room is the one that a fault meets.
    pub(super) fn endure(&mut self, fault: Fault, user_id: &str, input: &Value) {
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
    pub(super) fn flush(&mut self, fault: Fault) {
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
    pub(super) fn send_events(&mut self, events: &[String]) {
        match events {
            [] => {}
            [event] => self.send(event),
            events => self.send(&format!(r#"{{"type":"batch","events":[{}]}}"#, events.join(","))),
        }
    }

    pub(super) fn send_missed(&mut self, fault: Fault, missed: &[String]) {
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

    pub(super) fn send_faulty(&mut self, fault: Fault, events: &[String], at: usize) {
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

    pub(super) fn send(&mut self, text: &str) {
        self.send_frame(Frame::message(text.to_owned(), OpCode::Data(Data::Text), true));
    }

    pub(super) fn close(&mut self, code: u16) {
        let frame = Frame::close(Some(CloseFrame { code: CloseCode::from(code), reason: "".into() }));
        frame.format(&mut self.backlog).unwrap();
        self.closing = true;
        self.flush();
    }

    pub(super) fn send_frame(&mut self, frame: Frame) {
        if !self.closing {
            frame.format(&mut self.backlog).unwrap();
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
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

pub(super) fn failed(n: u64, code: &str) -> Value {
    json!({"type": "error", "id": n, "n": n, "payload": {"code": code, "message": "no"}})
}

/// The welcome of somebody who was there at `since`.
pub(super) fn resumed(
    fault: Fault,
    user_id: &str,
    room_id: &str,
    (since, n): (u64, u64),
    now: u64,
) -> String {
    let seq = if fault == Fault::WrongSince { now } else { since };
    let epoch = if fault == Fault::WrongEpoch { "f" } else { "e" };
    let state = if fault == Fault::StateOnReturn { "{}" } else { "null" };
    format!(
        r#"{{"type":"welcome","payload":{{"user_id":"{user_id}","game_id":"{room_id}","epoch":"{epoch}","seq":{seq},"n":{n},"recovered":true,"state":{state},"sync_interval_ms":10}}}}"#
    )
}
