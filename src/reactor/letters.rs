//! Letters between shards, and from the engine.

use std::collections::VecDeque;

use super::mail::Mail;
use super::shard::Shard;
use crate::mailbox::Postbox;
use crate::state::ShardId;

/// Another shard, and the letters that its mailbox had no place for.
pub(super) struct Peer {
    postbox: Postbox<Mail>,
    backlog: VecDeque<Mail>,
}

impl Peer {
    pub(super) fn new(postbox: Postbox<Mail>) -> Self {
        Self { postbox, backlog: VecDeque::new() }
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
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
                    self.again.push(self.key(index));
                    if self.is_draining() {
                        self.with_session(index, |session, context| session.drain(context));
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
            Mail::Scripts(scripts) => self.scripts = scripts,
            Mail::Drain { spread_ms } => self.begin_draining(spread_ms),
            Mail::Stop => self.stopped = true,
        }
    }

    /// Posts a letter to another shard; if its mailbox is full the letter waits here. A letter to nobody is dropped.
    pub(super) fn post(&mut self, shard: ShardId, letter: Mail) {
        let Some(peer) = self.peers.get_mut(shard) else { return };
        if !peer.backlog.is_empty() {
            if peer.backlog.len() < self.shared.limits.backlog_letters {
                peer.backlog.push_back(letter);
            } else {
                log::error!("a letter between event loops is lost: the other one has stalled shard={shard}");
            }
        } else if let Err(letter) = peer.postbox.post(letter) {
            peer.backlog.push_back(letter);
        }
    }

    /// As [`Shard::post`]; a letter to this very shard is read at once.
    pub(super) fn post_or_read(&mut self, shard: ShardId, letter: Mail) {
        if shard == self.id { self.read_letter(letter) } else { self.post(shard, letter) }
    }

    pub(super) fn post_backlogs(&mut self) {
        for peer in &mut self.peers {
            while let Some(letter) = peer.backlog.pop_front() {
                if let Err(letter) = peer.postbox.post(letter) {
                    peer.backlog.push_front(letter);
                    break;
                }
            }
        }
    }
}
