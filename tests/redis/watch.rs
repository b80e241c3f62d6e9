//! Players who watch a room while things happen to its store, and hold the server to what it promises them.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::Message;

use crate::common::PATIENCE;
use crate::common::player::Player;

/// How often a player sends an input and a ping.
const EVERY: Duration = Duration::from_millis(60);

/// A player on a thread of its own.
pub struct Watch {
    shared: Arc<Shared>,
    /// Gives the player back, so that others do not see it leave before they are done, too.
    thread: Option<JoinHandle<Player>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    seen: Mutex<Seen>,
}

/// What a player has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Tags of `counted` events.
    pub counted: Vec<String>,
    /// Codes of the inputs' answers; `ok` for those that ran.
    pub answers: HashMap<String, usize>,
    /// Snapshots in place of events.
    pub snapshots: usize,
    /// The longest that an input waited for its answer.
    pub longest_answer: Duration,
    /// The longest that a ping waited.
    pub longest_pong: Duration,
    /// Messages that say that an input's outcome is unknown.
    pub unknown: usize,
    /// Types of all other events.
    pub others: Vec<String>,
}

impl Watch {
    /// Watches as that player.
    pub fn start(name: &'static str, player: Player) -> Self {
        let shared = Arc::new(Shared::default());
        let watching = shared.clone();
        let thread = std::thread::spawn(move || Watcher::new(name, player, watching).run());
        Self { shared, thread: Some(thread) }
    }

    /// What it has seen until now.
    pub fn seen(&self) -> Seen {
        assert!(!self.thread.as_ref().unwrap().is_finished(), "the player's thread has failed");
        self.shared.seen.lock().unwrap().clone()
    }

    /// Ends them all, once each has its answers.
    pub fn stop<const N: usize>(watches: [Self; N]) -> [Seen; N] {
        watches.iter().for_each(|watch| watch.shared.is_over.store(true, Ordering::Release));
        let ended = watches.map(|mut watch| (watch.thread.take().unwrap().join().unwrap(), watch.shared));
        ended.map(|(_player, shared)| shared.seen.lock().unwrap().clone())
    }
}

struct Watcher {
    name: &'static str,
    player: Player,
    shared: Arc<Shared>,
    /// The last event or snapshot that is known.
    seq: u64,
    sent: u64,
    /// Inputs that wait for their answers.
    waiting: HashMap<u64, Instant>,
    pinged_at: Option<Instant>,
}

impl Watcher {
    fn new(name: &'static str, player: Player, shared: Arc<Shared>) -> Self {
        let seq = player.welcome["payload"]["seq"].as_u64().unwrap();
        Self { name, player, shared, seq, sent: 0, waiting: HashMap::new(), pinged_at: None }
    }

    fn run(mut self) -> Player {
        let mut next = Instant::now();
        while !self.shared.is_over.load(Ordering::Acquire) {
            if Instant::now() >= next {
                next = Instant::now() + EVERY;
                self.speak();
            }
            self.listen();
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.waiting.is_empty() {
            assert!(Instant::now() < deadline, "no answers to {:?}", self.waiting);
            self.listen();
        }
        self.player
    }

    fn speak(&mut self) {
        self.sent += 1;
        let tag = format!("{}-{}", self.name, self.sent);
        let input = json!({"action": "count", "payload": tag, "id": self.sent});
        self.waiting.insert(self.sent, Instant::now());
        self.player.send_text(&input.to_string());
        if self.pinged_at.is_none() {
            self.pinged_at = Some(Instant::now());
            self.player.socket().send(Message::Ping(Vec::new().into())).unwrap();
        }
    }

    fn listen(&mut self) {
        let socket = self.player.socket();
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        match socket.read() {
            Ok(Message::Text(text)) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                match message["events"].as_array() {
                    Some(events) => events.iter().for_each(|event| self.take(event)),
                    None => self.take(&message),
                }
            }
            Ok(Message::Pong(_)) => {
                let took = self.pinged_at.take().unwrap().elapsed();
                let mut seen = self.shared.seen.lock().unwrap();
                seen.longest_pong = seen.longest_pong.max(took);
            }
            Ok(Message::Ping(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn take(&mut self, message: &Value) {
        let mut seen = self.shared.seen.lock().unwrap();
        let kind = message["type"].as_str().unwrap();
        if let Some(id) = message["id"].as_u64() {
            // The answer is that of this very input.
            let took = self.waiting.remove(&id).unwrap_or_else(|| panic!("twice: {message}")).elapsed();
            seen.longest_answer = seen.longest_answer.max(took);
            let outcome = match kind {
                "reply" => {
                    assert_eq!(message["result"], format!("\"{}-{id}\"", self.name), "{message}");
                    "ok"
                }
                _ => message["payload"]["code"].as_str().unwrap(),
            };
            *seen.answers.entry(outcome.to_owned()).or_default() += 1;
            seen.unknown += usize::from(message.to_string().contains("outcome unknown"));
            return;
        }
        let seq = message["seq"].as_u64().unwrap_or_else(|| panic!("{message}"));
        if kind == "snapshot" {
            seen.snapshots += 1;
        } else {
            assert_eq!(seq, self.seq + 1, "{}: a gap before {message}", self.name);
            match message["payload"]["tag"].as_str() {
                Some(tag) => seen.counted.push(tag.trim_matches('"').to_owned()),
                None => seen.others.push(kind.to_owned()),
            }
        }
        self.seq = seq;
    }
}
