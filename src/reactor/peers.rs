//! The other shards, and the messages that their mailboxes had no place for.

use std::collections::{HashSet, VecDeque};

use super::messages::ShardMessage;
use crate::mailbox::MailboxSender;
use crate::state::ShardId;
use crate::wire::ids::RoomId;

/// All shards, this one among them.
pub(super) struct Peers {
    peers: Vec<Peer>,
    /// Messages to one peer that wait; beyond it some are lost, see [`ShardMessage`].
    bound: usize,
}

/// A shard, and what its mailbox had no place for.
struct Peer {
    sender: MailboxSender<ShardMessage>,
    backlog: VecDeque<ShardMessage>,
    /// Rooms whose events were lost on the way to it, which its members learn once it reads again.
    missed: HashSet<RoomId>,
}

impl Peers {
    /// The shards by their mailboxes.
    pub(super) fn new(senders: Vec<MailboxSender<ShardMessage>>, bound: usize) -> Self {
        let peer = |sender| Peer { sender, backlog: VecDeque::new(), missed: HashSet::new() };
        Self { peers: senders.into_iter().map(peer).collect(), bound }
    }

    /// How many shards there are.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// A shard's mailbox, for other threads.
    pub(super) fn sender(&self, shard: ShardId) -> MailboxSender<ShardMessage> {
        self.peers[shard].sender.clone()
    }

    /// Whether messages wait for a mailbox.
    pub(super) fn has_backlog(&self) -> bool {
        self.peers.iter().any(|peer| !peer.backlog.is_empty())
    }

    /// Whether a shard takes nothing, and as much waits for it as may.
    pub(super) fn has_stalled(&self, shard: ShardId) -> bool {
        self.peers.get(shard).is_some_and(|peer| peer.backlog.len() >= self.bound)
    }

    /// Posts a message; if the shard's mailbox is full the message waits here. A message to nobody is dropped.
    pub(super) fn post(&mut self, shard: ShardId, message: ShardMessage) {
        if let Some(peer) = self.peers.get_mut(shard) {
            peer.post(message, self.bound);
        }
    }

    /// Posts what has waited; gives the rooms whose members at a shard missed events, once nothing waits for that shard.
    pub(super) fn post_backlogs(&mut self) -> Vec<(ShardId, RoomId)> {
        let peers = self.peers.iter_mut().enumerate();
        peers
            .flat_map(|(shard, peer)| peer.post_backlog().into_iter().map(move |room| (shard, room)))
            .collect()
    }
}

impl Peer {
    fn post(&mut self, message: ShardMessage, bound: usize) {
        if self.backlog.is_empty() {
            if let Err(message) = self.sender.post(message) {
                self.backlog.push_back(message);
            }
            return;
        }
        match message {
            ShardMessage::Flush(room, _) if self.backlog.len() >= bound => {
                if self.missed.insert(room) {
                    log::error!("an event loop has stalled; its members get snapshots in place of events");
                }
            }
            ShardMessage::Frame(..) | ShardMessage::RefuseInput(..) | ShardMessage::InputsRan(..)
                if self.backlog.len() >= bound =>
            {
                log::error!("an event loop has stalled; an answer is lost");
            }
            message => self.backlog.push_back(message),
        }
    }

    /// Posts what has waited; returns the rooms whose members must be told, once nothing waits.
    fn post_backlog(&mut self) -> HashSet<RoomId> {
        while let Some(message) = self.backlog.pop_front() {
            if let Err(message) = self.sender.post(message) {
                self.backlog.push_front(message);
                return HashSet::new();
            }
        }
        std::mem::take(&mut self.missed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::mailbox::mailbox;
    use crate::room::flush::Flush;
    use crate::state::{ConnectionKey, RoomEvents};

    #[test]
    fn a_stalled_peer_loses_events_but_no_comings_and_goings() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (sender, mailbox) = mailbox(1, waker);
        let mut peers = Peers::new(vec![sender], 2);
        let room = RoomId::parse("r").unwrap();
        let (text, ends) = (Bytes::from_static(b"{}"), vec![2]);
        let events = RoomEvents {
            room: room.clone(),
            epoch: 1,
            first_seq: 1,
            text,
            ends,
            addressed: Vec::new(),
            replacing: Vec::new(),
            removals: Vec::new(),
        };
        let flush = Arc::new(Flush::new(vec![Arc::new(events)], |_| Some(ConnectionKey::NOBODY)).unwrap());
        let close = || ShardMessage::Close(ConnectionKey::NOBODY, 4502, "");
        for _ in 0..3 {
            peers.post(0, close());
        }
        peers.post(0, ShardMessage::Flush(room.clone(), flush.clone()));
        peers.post(0, ShardMessage::Frame(ConnectionKey::NOBODY, Bytes::new()));
        peers.post(0, close());
        assert_eq!(peers.post_backlogs(), [], "its mailbox is still full");
        let mut read = 0;
        let missed = loop {
            while let Some(message) = mailbox.take() {
                assert!(matches!(message, ShardMessage::Close(..)));
                read += 1;
            }
            let missed = peers.post_backlogs();
            if !peers.has_backlog() {
                break missed;
            }
        };
        read += usize::from(mailbox.take().is_some());
        assert_eq!((read, missed), (4, vec![(0, room)]));
    }
}
