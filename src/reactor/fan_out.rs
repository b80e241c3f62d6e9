//! Events go out: gathered, encoded once, sent to every member; and what happens to members that cannot keep up.

use std::sync::Arc;

use bytes::Bytes;

use super::connection::{Seat, Stage, WriteOutcome};
use super::mail::Mail;
use super::purposes::Purpose;
use super::rooms::Place;
use super::shard::Shard;
use crate::room::flush::Flush;
use crate::script::{NO_HOOK, Script};
use crate::session::outbox::Kind;
use crate::state::{Batch, Call, ConnectionKey, Membership, OnError, ShardId};
use crate::state::{Position, RoomEvents};
use crate::wire::ids::RoomId;
use crate::wire::ws;
use crate::wire::ws::close_code;

impl Shard {
    /// Adds events to what the room's next flush sends.
    pub(super) fn gather(&mut self, events: RoomEvents) {
        let Some(room_index) = self.rooms.find(&events.room) else { return };
        self.send_direct(room_index, &events);
        self.metrics.events.inc_by(events.count());
        let Some(home) = self.home(room_index) else { return };
        if events.count() == 0 {
            return;
        }
        let is_known = |last: Position| last.epoch == events.epoch && events.last_seq() <= last.seq;
        if home.position.is_some_and(is_known) {
            return;
        }
        let follows =
            home.position.is_none_or(|last| last.epoch == events.epoch && last.seq + 1 == events.first_seq);
        home.position = Some(Position { epoch: events.epoch, seq: events.last_seq() });
        if follows {
            home.gathered.push(events);
        } else {
            // The store lost events or its data: what was gathered and what comes do not join up.
            home.gathered.clear();
            log::warn!("a room's events have a gap; its members get a snapshot room={}", events.room);
            self.resynchronise(&events.room, None);
        }
        self.touch(room_index);
    }

    /// Members get a snapshot in place of events that are missing: all of them, or those of one shard.
    pub(super) fn resynchronise(&mut self, room: &RoomId, shard: Option<ShardId>) {
        let home = self.rooms.find(room).and_then(|room_index| self.home(room_index));
        let Some(home) = home else { return };
        let keys: Vec<ConnectionKey> = home.members.values().map(|place| place.key).collect();
        for key in keys.into_iter().filter(|key| shard.is_none_or(|shard| usize::from(key.shard) == shard)) {
            self.post_or_read(usize::from(key.shard), Mail::Lagging(key));
        }
    }

    fn send_direct(&mut self, room_index: usize, events: &RoomEvents) {
        for (user_id, text) in &events.direct {
            let place = self.home(room_index).and_then(|home| home.members.get(&**user_id).copied());
            if let Some(Place { key, .. }) = place {
                let frame = ws::text_frame(text);
                self.post_or_read(key.shard as usize, Mail::Frame(key, frame));
            }
        }
    }

    /// Sends what the room has gathered to every member.
    pub(super) fn flush_room(&mut self, room_index: usize) {
        let Some(home) = self.home(room_index) else { return };
        let Some(flush) = Flush::new(std::mem::take(&mut home.gathered)) else { return };
        let flush = Arc::new(flush);
        let away = home.away.clone();
        let here = self.id;
        for (shard, _) in away.iter().enumerate().filter(|(shard, count)| **count > 0 && *shard != here) {
            if let Some(room) = self.rooms.get_mut(room_index) {
                let letter = Mail::Flush(room.id.clone(), flush.clone());
                self.post(shard, letter);
            }
        }
        self.fan_out(room_index, &flush);
    }

    /// Sends a flush to the members whose sockets are here.
    pub(super) fn fan_out(&mut self, room_index: usize, flush: &Flush) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let members = std::mem::take(&mut room.members);
        let mut casualties = Vec::new();
        let mut frames = 0;
        for &index in &members {
            let Some(seat) = &self.connections[index as usize].seat else { continue };
            let own;
            let frame = match seat.known_seq {
                _ if seat.lagging => continue,
                known_seq if known_seq < flush.first_seq => &flush.frame,
                known_seq => {
                    own = flush.frame_after(known_seq);
                    let Some(own) = &own else { continue };
                    own
                }
            };
            frames += 1;
            if !self.send_frame(index as usize, frame) {
                casualties.push(self.key(index as usize));
            }
        }
        self.metrics.frames_out.inc_by(frames);
        if let Some(room) = self.rooms.get_mut(room_index) {
            room.members = members;
        }
        for key in casualties {
            self.drop_connection(key);
        }
    }

    /// Returns false if the connection is broken.
    pub(super) fn send_frame(&mut self, index: usize, frame: &Bytes) -> bool {
        let now_ms = self.now.monotonic_ms;
        let connection = &mut self.connections[index];
        let outcome = connection.send_shared(frame, now_ms, &mut self.bytes_out);
        if outcome == WriteOutcome::Full {
            let is_watched = connection.wants_writable;
            self.bound_outbox(index);
            // A socket that is watched tells when it has room: to try before that is a wasted call.
            if !is_watched {
                self.mark_dirty(index);
            }
        }
        outcome != WriteOutcome::Broken
    }

    /// Holds a member's outbox to its bounds: over the soft one, queued events give way to one snapshot; over the hard
    /// one the member is closed.
    pub(super) fn bound_outbox(&mut self, index: usize) {
        let (soft_bytes, hard_bytes) =
            (self.shared.limits.outbox_soft_bytes, self.shared.limits.outbox_hard_bytes);
        let connection = &mut self.connections[index];
        let Some(seat) = connection.seat.as_mut() else { return };
        if connection.carried.outbox.counted_bytes() > soft_bytes && !seat.lagging {
            seat.lagging = true;
            connection.carried.outbox.drop_replaceable();
            self.metrics.snapshots_replaced.inc();
        }
        if connection.carried.outbox.counted_bytes() > hard_bytes {
            let key = self.key(index);
            self.slow.push(key);
        }
    }

    /// A member that lags has read everything: it wants the snapshot that replaces what it missed.
    pub(super) fn want_snapshot(&mut self, index: usize) {
        self.snapshots.push(self.key(index));
    }

    /// Asks the store for the snapshots that were wanted in this round: one for many members of a room, if it can be.
    pub(super) fn request_snapshots(&mut self) {
        let wanted = std::mem::take(&mut self.snapshots);
        let room_of = |key: &ConnectionKey| Some(self.connections[self.find(*key)?].seat.as_ref()?.room);
        let mut wanted: Vec<(u32, ConnectionKey)> =
            wanted.iter().filter_map(|key| Some((room_of(key)?, *key))).collect();
        wanted.sort_by_key(|(room, key)| (*room, key.index));
        wanted.dedup();
        let most = self.snapshot_readers();
        for of_room in wanted.chunk_by(|one, other| one.0 == other.0) {
            for some in of_room.chunks(most) {
                let keys: Vec<ConnectionKey> = some.iter().map(|(_, key)| *key).collect();
                self.request_snapshot(some[0].0 as usize, keys);
            }
        }
    }

    fn request_snapshot(&mut self, room_index: usize, keys: Vec<ConnectionKey>) {
        let on_snapshot = self.hook("on_snapshot");
        let Some(room) = self.rooms.get_mut(room_index).map(|room| room.id.clone()) else { return };
        let call = |script: &Arc<Script>, seat: &Seat, membership| {
            Call::hook(script.clone(), seat.identity.clone(), &room, membership).wanting_result()
        };
        let seats = || keys.iter().filter_map(|key| self.connections[key.index as usize].seat.as_ref());
        // Word of a newer socket on another node may be among what was missed.
        let confirm = |seat: &Seat| call(&NO_HOOK, seat, Membership::Confirm(seat.ticket));
        let snapshot = seats().next().map(|seat| call(&on_snapshot, seat, Membership::Unchanged));
        let calls = seats().map(confirm).chain(snapshot).collect();
        let batch =
            Batch { on_error: OnError::LastNeedsAnother, ..Batch::new(Some(room.clone()), calls, self.id) };
        if let Err((_, _, Some(Purpose::Snapshot(keys)))) = self.submit_for(Purpose::Snapshot(keys), batch) {
            // Tried again when the wheel comes by.
            self.snapshot_retries.extend(keys);
        }
    }

    /// The snapshot of a member that lagged is here.
    pub(super) fn send_snapshot(&mut self, index: usize, position: Position, frame: Bytes) {
        let Some(seat) = self.connections[index].seat.as_mut() else { return };
        seat.lagging = false;
        seat.known_seq = position.seq;
        self.queue(index, frame, Kind::State);
    }

    /// Closes the slow consumers of this round.
    pub(super) fn close_slow(&mut self) {
        for key in std::mem::take(&mut self.slow) {
            self.close_slow_consumer(key);
        }
    }

    pub(super) fn close_slow_consumer(&mut self, key: ConnectionKey) {
        let Some(index) = self.find(key) else { return };
        let connection = &mut self.connections[index];
        if connection.carried.stage != Stage::Open || connection.seat.is_none() {
            return;
        }
        // What is queued cannot be delivered; the close frame comes right behind the frame that has begun.
        connection.carried.outbox.drop_unbegun();
        self.metrics.slow_consumers.inc();
        self.close(key, close_code::SLOW_CONSUMER, "the connection reads too slowly");
    }

    /// Marks a member as one that gets a snapshot next.
    pub(super) fn make_lag(&mut self, key: ConnectionKey) {
        let Some(index) = self.find(key) else { return };
        let connection = &mut self.connections[index];
        if let Some(seat) = &mut connection.seat {
            seat.lagging = true;
            connection.carried.outbox.drop_replaceable();
            self.mark_dirty(index);
        }
    }
}
