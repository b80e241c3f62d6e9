//! A player's client: what it sends, and what it is told. It believes nothing: everything is held to the model.

mod frames;
mod told;

use std::collections::{BTreeMap, VecDeque};

use self::frames::{Frames, masked};
use super::network::{LinkId, Network};

/// For how long a client waits before it sends again what was refused.
const AGAIN_MS: u64 = 100;
/// More inputs than that are not under way.
const MOST_UNANSWERED: usize = 12;
/// After something has disturbed a client it may hear late for so long.
const CALM_MS: u64 = 3_000;

pub(super) struct Client {
    pub(super) user: String,
    pub(super) room: String,
    /// Whether its inputs have numbers, so that it may send them again.
    pub(super) has_numbers: bool,
    pub(super) link: Link,
    frames: Frames,
    /// Where it is in the room's history.
    pub(super) position: Option<Place>,
    /// Where its connection came in.
    entered: Option<Place>,
    /// Where it was when it was last in.
    last: Option<Place>,
    pub(super) has_been_in: bool,
    last_n: u64,
    last_id: u64,
    last_input: u64,
    /// Numbered inputs that are not answered, in order.
    unanswered: VecDeque<Sent>,
    /// What the answers to come are about.
    asked: BTreeMap<u64, Asked>,
    again_at_ms: u64,
    /// Before this time nobody may wonder that it hears late.
    pub(super) calm_from_ms: u64,
    pub(super) reads_slowly: bool,
    pub(super) heard_at_ms: u64,
    /// Whether a connection of it ended of which a node may still think that it wants to come in.
    pub(super) may_be_replaced: bool,
    /// Whether its node has lost notices since it connected, among which its removal may be.
    pub(super) may_miss_removal: bool,
}

/// A place in a room's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: u64,
    pub(super) seq: u64,
}

/// What it has to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Nothing, until that time.
    None { until_ms: u64 },
    /// It has asked to be let in.
    Asking(LinkId),
    /// It is in.
    In(LinkId),
    /// It has said that it goes, or has been told to.
    Closing(LinkId),
}

struct Sent {
    n: u64,
    input: String,
    payload: String,
}

enum Asked {
    Input(String),
    Heartbeat,
}

/// What a client wants to send.
pub(super) enum Wish {
    Input { payload: String, input: String },
    Heartbeat,
    Resync,
    Garbage,
    Leave,
}

impl Client {
    pub(super) fn new(user: String, room: String, has_numbers: bool) -> Self {
        Self {
            user,
            room,
            has_numbers,
            link: Link::None { until_ms: 0 },
            frames: Frames::default(),
            position: None,
            entered: None,
            last: None,
            has_been_in: false,
            last_n: 0,
            last_id: 0,
            last_input: 0,
            unanswered: VecDeque::new(),
            asked: BTreeMap::new(),
            again_at_ms: u64::MAX,
            calm_from_ms: 0,
            reads_slowly: false,
            heard_at_ms: 0,
            may_be_replaced: false,
            may_miss_removal: false,
        }
    }

    /// Its connection is cut, and its node may not know.
    pub(super) fn is_cut_off(&mut self) {
        self.may_be_replaced |= matches!(self.link, Link::Asking(_));
    }

    pub(super) fn link_id(&self) -> Option<LinkId> {
        match self.link {
            Link::None { .. } => None,
            Link::Asking(link) | Link::In(link) | Link::Closing(link) => Some(link),
        }
    }

    /// Until then, and for a while, it may hear late.
    pub(super) fn disturbed(&mut self, until_ms: u64) {
        self.calm_from_ms = self.calm_from_ms.max(until_ms + CALM_MS);
    }

    pub(super) fn inputs_thought_of(&self) -> u64 {
        self.last_input
    }

    pub(super) fn is_in(&self) -> bool {
        matches!(self.link, Link::In(_))
    }

    pub(super) fn has_unanswered(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Whether it has sent so much without an answer that it sends nothing new.
    pub(super) fn waits_for_much(&self) -> bool {
        self.unanswered.len() >= MOST_UNANSWERED
    }

    /// A name for its next input, and the number if it has one.
    pub(super) fn next_input(&mut self) -> (String, u64) {
        self.last_input += 1;
        let n = if self.has_numbers { self.last_n + 1 } else { 0 };
        (format!("{}i{}", self.user, self.last_input), n)
    }

    /// Its connection has been made: it asks to be let in.
    pub(super) fn ask(&mut self, link: LinkId, network: &mut Network) {
        self.link = Link::Asking(link);
        self.frames = Frames::default();
        self.asked.clear();
        self.may_miss_removal = false;
        let since = self.last.map(|last| format!("&epoch={:x}&since={}", last.epoch, last.seq));
        let request = format!(
            "GET /ws?token={}&game_id={}{} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.user,
            self.room,
            since.unwrap_or_default()
        );
        network.send(link, request.as_bytes());
    }

    /// Its connection is over.
    pub(super) fn lost(&mut self, until_ms: u64) {
        self.link = Link::None { until_ms };
        self.last = self.position.or(self.last);
        self.position = None;
        self.entered = None;
    }

    pub(super) fn send(&mut self, wish: Wish, network: &mut Network) {
        let Link::In(link) = self.link else { return };
        match wish {
            Wish::Input { payload, input } if self.has_numbers => {
                self.last_n += 1;
                let n = self.last_n;
                // What waits to be sent again goes first.
                let waits = self.again_at_ms != u64::MAX;
                self.unanswered.push_back(Sent { n, input, payload });
                if !waits {
                    self.send_numbered(link, n, network);
                }
            }
            Wish::Input { payload, input } => {
                self.last_id += 1;
                self.asked.insert(self.last_id, Asked::Input(input));
                let text = format!(r#"{{"action":"play","payload":{payload},"id":{}}}"#, self.last_id);
                network.send(link, &masked(1, text.as_bytes()));
            }
            Wish::Heartbeat => {
                self.last_id += 1;
                self.asked.insert(self.last_id, Asked::Heartbeat);
                let text = format!(r#"{{"action":"heartbeat","id":{}}}"#, self.last_id);
                network.send(link, &masked(1, text.as_bytes()));
            }
            Wish::Resync => network.send(link, &masked(1, br#"{"action":"resync"}"#)),
            Wish::Garbage => network.send(link, &masked(1, b"{\"action\":7")),
            Wish::Leave => {
                network.send(link, &masked(8, &1000_u16.to_be_bytes()));
                self.link = Link::Closing(link);
            }
        }
    }

    fn send_numbered(&mut self, link: LinkId, n: u64, network: &mut Network) {
        let Some(sent) = self.unanswered.iter().find(|sent| sent.n == n) else { return };
        self.last_id += 1;
        self.asked.insert(self.last_id, Asked::Input(sent.input.clone()));
        let (payload, id) = (&sent.payload, self.last_id);
        let text = format!(r#"{{"action":"play","payload":{payload},"id":{id},"n":{n}}}"#);
        network.send(link, &masked(1, text.as_bytes()));
    }

    /// Sends again what is not answered, in order, when it is time to.
    pub(super) fn send_again(&mut self, now_ms: u64, network: &mut Network) {
        let Link::In(link) = self.link else { return };
        if self.again_at_ms > now_ms {
            return;
        }
        self.again_at_ms = u64::MAX;
        for n in self.unanswered.iter().map(|sent| sent.n).collect::<Vec<_>>() {
            self.send_numbered(link, n, network);
        }
    }

    /// All inputs up to this one have run.
    fn forget_up_to(&mut self, n: u64) -> Vec<String> {
        let ran = self.unanswered.iter().take_while(|sent| sent.n <= n).count();
        self.unanswered.drain(..ran).map(|sent| sent.input).collect()
    }
}
