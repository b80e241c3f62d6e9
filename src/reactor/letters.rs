//! Letters between shards, and from the engine.

use std::collections::{HashSet, VecDeque};

use super::mail::Mail;
use super::shard::Shard;
use crate::mailbox::Postbox;
use crate::session::Session;
use crate::state::ShardId;
use crate::wire::ids::RoomId;

/// Another shard, and the letters that its mailbox had no place for.
pub(super) struct Peer {
    postbox: Postbox<Mail>,
    backlog: VecDeque<Mail>,
    /// Rooms whose events were lost on the way to it, which its members learn once it reads again.
    missed: HashSet<RoomId>,
}

impl Peer {
    pub(super) fn new(postbox: Postbox<Mail>) -> Self {
        Self { postbox, backlog: VecDeque::new(), missed: HashSet::new() }
    }

    pub(super) fn postbox(&self) -> Postbox<Mail> {
        self.postbox.clone()
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    fn post(&mut self, letter: Mail, bound: usize) {
        if self.backlog.is_empty() {
            if let Err(letter) = self.postbox.post(letter) {
                self.backlog.push_back(letter);
            }
            return;
        }
        match letter {
            Mail::Flush(room, _) if self.backlog.len() >= bound => {
                if self.missed.insert(room) {
                    log::error!("an event loop has stalled; its members get snapshots in place of events");
                }
            }
            Mail::Frame(..) | Mail::Inputs(..) if self.backlog.len() >= bound => {
                log::error!("an event loop has stalled; an input or an answer is lost");
            }
            letter => self.backlog.push_back(letter),
        }
    }

    /// Posts what has waited; returns the rooms whose members must be told, once nothing waits.
    fn post_backlog(&mut self) -> HashSet<RoomId> {
        while let Some(letter) = self.backlog.pop_front() {
            if let Err(letter) = self.postbox.post(letter) {
                self.backlog.push_front(letter);
                return HashSet::new();
            }
        }
        std::mem::take(&mut self.missed)
    }
}

impl Shard {
    pub(super) fn read_mail(&mut self) {
        self.mailbox.answer();
        for _ in 0..self.shared.limits.mail_budget {
            let Some(letter) = self.mailbox.take() else { return };
            self.read_letter(letter);
        }
    }

    pub(super) fn read_letter(&mut self, letter: Mail) {
        match letter {
            Mail::Engine(delivery) => self.take_delivery(*delivery),
            Mail::Adopt(handover) => self.adopt_to_join(*handover),
            Mail::AdoptMember(member) => {
                let (handover, membership) = *member;
                if let Some(index) = self.adopt(handover) {
                    self.seat_adopted(index, &membership);
                    self.check_standing(index);
                    self.again.push(self.key(index));
                    if self.is_draining() {
                        self.with_session(index, Session::drain);
                    }
                }
            }
            Mail::Settled(arrival, key) => self.member_settled(&arrival, key),
            Mail::Left(arrival, shard) => self.member_left(&arrival, shard),
            Mail::Inputs(room, inputs) => self.take_inputs(&room, inputs),
            Mail::Flush(room, flush) => {
                if let Some(room_index) = self.rooms.find(&room) {
                    self.fan_out(room_index, &flush);
                }
            }
            Mail::Lagging(key) => self.make_lag(key),
            Mail::Frame(key, frame) => self.frame_for_one(key, frame),
            Mail::Close(key, code, reason) => self.close(key, code, reason),
            Mail::Upgraded(news) => self.guest_upgraded(&news),
            Mail::Account(key, result) => self.account_answered(key, result),
            Mail::GuestForgotten(store, is_done) => self.guest_forgotten(store, is_done),
            Mail::Dismiss(dismissal) => self.dismiss(&dismissal),
            Mail::Scripts(scripts) => self.scripts = scripts,
            Mail::Drain { spread_ms } => self.begin_draining(spread_ms),
            Mail::Stop => self.stopped = true,
        }
    }

    /// Posts a letter to another shard; if its mailbox is full the letter waits here. A letter to nobody is dropped.
    pub(super) fn post(&mut self, shard: ShardId, letter: Mail) {
        if let Some(peer) = self.peers.get_mut(shard) {
            peer.post(letter, self.shared.limits.backlog_letters);
        }
    }

    /// As [`Shard::post`]; a letter to this very shard is read at once.
    pub(super) fn post_or_read(&mut self, shard: ShardId, letter: Mail) {
        if shard == self.id { self.read_letter(letter) } else { self.post(shard, letter) }
    }

    pub(super) fn post_backlogs(&mut self) {
        for shard in 0..self.peers.len() {
            for room in self.peers[shard].post_backlog() {
                log::warn!("a room's events were lost; its members get a snapshot room={room}");
                self.resynchronise(&room, Some(shard));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::mailbox::mailbox;
    use crate::room::flush::Flush;
    use crate::state::ConnectionKey;
    use crate::state::RoomEvents;

    #[test]
    fn a_stalled_peer_loses_events_but_no_comings_and_goings() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (postbox, mailbox) = mailbox(1, waker);
        let mut peer = Peer::new(postbox);
        let room = RoomId::parse("r").unwrap();
        let (text, ends) = (Bytes::from_static(b"{}"), vec![2]);
        let events =
            RoomEvents { room: room.clone(), epoch: 1, first_seq: 1, text, ends, direct: Vec::new() };
        let flush = Arc::new(Flush::new(vec![events]).unwrap());
        let close = || Mail::Close(ConnectionKey::NOBODY, 4502, "");
        let bound = 2;
        for _ in 0..3 {
            peer.post(close(), bound);
        }
        peer.post(Mail::Flush(room.clone(), flush.clone()), bound);
        peer.post(Mail::Frame(ConnectionKey::NOBODY, Bytes::new()), bound);
        peer.post(close(), bound);
        assert_eq!(peer.post_backlog(), HashSet::new(), "its mailbox is still full");
        let mut read = 0;
        let missed = loop {
            while let Some(letter) = mailbox.take() {
                assert!(matches!(letter, Mail::Close(..)));
                read += 1;
            }
            let missed = peer.post_backlog();
            if !peer.has_backlog() {
                break missed;
            }
        };
        read += usize::from(mailbox.take().is_some());
        assert_eq!((read, missed), (4, HashSet::from([room])));
    }
}
