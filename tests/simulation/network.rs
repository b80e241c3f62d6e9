//! Links between clients and nodes: bytes that come late, in pieces of any size, until the link is cut.

use super::happening::{Happening, Later};
use super::random::Random;
use super::store::NodeName;

pub(super) type LinkId = usize;

/// One connection of a client.
pub(super) struct Link {
    pub(super) client: usize,
    pub(super) node: NodeName,
    /// Nothing gets through any more.
    is_cut: bool,
    /// So many bytes may be on their way to the client; a node that has more waits.
    window: usize,
    /// Bytes that the node has written and the client has not read.
    unread: usize,
    /// Whether the node waits for room.
    is_full: bool,
    /// What has arrived while the client reads nothing; the end, if it has.
    arrived: Vec<u8>,
    has_ended: bool,
    is_reading: bool,
    /// When the last piece arrives, in each direction.
    up_at_ms: u64,
    down_at_ms: u64,
    longest_delay_ms: u64,
}

pub(super) struct Network {
    links: Vec<Link>,
    random: Random,
    pub(super) now_ms: u64,
    /// What is to happen.
    pub(super) later: Vec<Later>,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written(pub(super) usize);

impl Network {
    pub(super) fn new(random: Random) -> Self {
        Self { links: Vec::new(), random, now_ms: 0, later: Vec::new() }
    }

    pub(super) fn link(&self, id: LinkId) -> &Link {
        &self.links[id]
    }

    /// A client connects to a node.
    pub(super) fn connect(&mut self, client: usize, node: NodeName, window: usize, delay_ms: u64) -> LinkId {
        self.links.push(Link {
            client,
            node,
            is_cut: false,
            window,
            unread: 0,
            is_full: false,
            arrived: Vec::new(),
            has_ended: false,
            is_reading: true,
            up_at_ms: self.now_ms,
            down_at_ms: self.now_ms,
            longest_delay_ms: delay_ms,
        });
        let id = self.links.len() - 1;
        self.go_up(id, Happening::Accept(id));
        id
    }

    /// A client sends bytes.
    pub(super) fn send(&mut self, id: LinkId, bytes: &[u8]) {
        for piece in self.pieces(bytes) {
            self.go_up(id, Happening::ToNode(id, piece));
        }
    }

    /// A node writes bytes; some of them fit.
    pub(super) fn write(&mut self, id: LinkId, bytes: &[u8]) -> Written {
        let link = &mut self.links[id];
        let count = bytes.len().min(link.window.saturating_sub(link.unread));
        link.unread += count;
        link.is_full |= count < bytes.len();
        for piece in self.pieces(&bytes[..count]) {
            self.go_down(id, Happening::ToClient(id, piece));
        }
        Written(count)
    }

    /// A node ends its half, behind all that it has written.
    pub(super) fn end_by_node(&mut self, id: LinkId) {
        self.go_down(id, Happening::ClientSeesEnd(id));
    }

    pub(super) fn end_by_client(&mut self, id: LinkId) {
        self.go_up(id, Happening::NodeSeesEnd(id));
    }

    /// Nothing gets through from now on. The ends may hear of it, or not.
    pub(super) fn cut(&mut self, id: LinkId, node_hears: bool, client_hears: bool) {
        self.links[id].is_cut = true;
        let delay_ms = self.random.between(1, 200);
        if node_hears {
            self.later.push(Later { at_ms: self.now_ms + delay_ms, what: Happening::NodeSeesEnd(id) });
        }
        if client_hears {
            self.later.push(Later { at_ms: self.now_ms + delay_ms, what: Happening::ClientSeesEnd(id) });
        }
    }

    /// Bytes have come to the client's end. They are given back if it reads.
    pub(super) fn arrive(&mut self, id: LinkId, bytes: Vec<u8>) -> Vec<u8> {
        let link = &mut self.links[id];
        if link.is_cut {
            return Vec::new();
        }
        if !link.is_reading {
            link.arrived.extend(bytes);
            return Vec::new();
        }
        self.note_read(id, bytes.len());
        bytes
    }

    /// The end has come to the client's end. Returns whether it sees it now.
    pub(super) fn arrive_end(&mut self, id: LinkId) -> bool {
        let link = &mut self.links[id];
        link.has_ended = true;
        link.is_reading || link.is_cut
    }

    pub(super) fn stop_reading(&mut self, id: LinkId) {
        self.links[id].is_reading = false;
    }

    /// The client reads again: what has arrived, and whether the end has.
    pub(super) fn read_again(&mut self, id: LinkId) -> (Vec<u8>, bool) {
        let link = &mut self.links[id];
        link.is_reading = true;
        let (bytes, has_ended) = (std::mem::take(&mut link.arrived), link.has_ended);
        self.note_read(id, bytes.len());
        (bytes, has_ended)
    }

    fn note_read(&mut self, id: LinkId, count: usize) {
        let link = &mut self.links[id];
        link.unread -= count;
        if link.is_full && count > 0 {
            link.is_full = false;
            self.later.push(Later { at_ms: self.now_ms + 1, what: Happening::Writable(id) });
        }
    }

    fn go_up(&mut self, id: LinkId, what: Happening) {
        let delay_ms = self.delay(id);
        let link = &mut self.links[id];
        link.up_at_ms = link.up_at_ms.max(self.now_ms + delay_ms);
        self.later.push(Later { at_ms: link.up_at_ms, what });
    }

    fn go_down(&mut self, id: LinkId, what: Happening) {
        let delay_ms = self.delay(id);
        let link = &mut self.links[id];
        link.down_at_ms = link.down_at_ms.max(self.now_ms + delay_ms);
        self.later.push(Later { at_ms: link.down_at_ms, what });
    }

    fn delay(&mut self, id: LinkId) -> u64 {
        self.random.between(1, self.links[id].longest_delay_ms)
    }

    /// Cuts bytes anywhere.
    fn pieces(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let whole = rest.len() < 2 || self.random.one_in(2);
            let length = if whole { rest.len() } else { self.random.between(1, rest.len() as u64) as usize };
            pieces.push(rest[..length].to_vec());
            rest = &rest[length..];
        }
        pieces
    }
}

impl Link {
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }
}
