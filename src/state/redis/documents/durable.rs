//! Deliveries that wait until the database has what their batch has saved (`-- DURABLE: on`). Entries of the outbox are known by their
//! numbers, and these by the tag of the data that they are in.
//!
//! A batch's answer says what it waits for, and so does a notice on the channel of each room that it tells something, in front of that.
//! A node that begins to listen to a room asks what the room waits for. What is written by then, the node asks for as long as
//! something waits: readers hear of it in the order of what they deliver.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::Value;

use super::super::endpoint::{Endpoint, Outlet};
use super::commands::{Rooms, Written};
use crate::state::held::HeldDeliveries;
use crate::state::{Deliver, Delivery, ShardId};
use crate::wire::ids::RoomId;

/// How often a node that waits asks what is written; seldom once nothing has been for [`IMPATIENCE`], as the database is away then.
pub(super) const ASK_INTERVAL: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_millis(100);
const IMPATIENCE: Duration = Duration::from_secs(1);

/// What calls are told of which nobody here gets to know any more whether the database has what they saved.
const OTHER_DATA: &str =
    "the store has begun anew with documents: whether what this call has saved is written is not known";
const STOPPING: &str =
    "the server stops before it knows whether what this call has saved is written: outcome unknown";

/// What a batch waits for.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Waits {
    /// Of the data that the entries are in.
    pub tag: Box<str>,
    /// The last entry's number.
    pub last: u64,
    /// Which calls are done with which entries, by their places in the batch.
    pub calls: Vec<(usize, u64)>,
}

impl Waits {
    /// Reads this part of an answer.
    pub(in super::super) fn read(parts: &[Value]) -> Option<Self> {
        let [Value::BulkString(tag), last, calls @ ..] = parts else { return None };
        let number = |value: &Value| match value {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        let call = |pair: &[Value]| match pair {
            [place, entry] => Some((usize::try_from(number(place)?).ok()?, number(entry)?)),
            _ => None,
        };
        let calls = calls.chunks(2).map(call).collect::<Option<_>>()?;
        Some(Self { tag: std::str::from_utf8(tag).ok()?.into(), last: number(last)?, calls })
    }
}

/// What waits of all stores, by their index.
#[derive(Debug, Default)]
pub(in super::super) struct Waiting(HashMap<usize, OfStore>);

#[derive(Debug)]
struct OfStore {
    held: HeldDeliveries,
    /// Of the data that all numbers are of.
    tag: Box<str>,
    is_asking: bool,
    asked_at: Option<Instant>,
    /// When something began to wait, or ended.
    moved_at: Instant,
}

impl Waiting {
    /// Delivers now or later.
    pub(in super::super) fn deliver(
        &mut self,
        store: usize,
        shard: ShardId,
        delivery: Delivery,
        out: &mut dyn Deliver,
    ) {
        match self.0.get_mut(&store) {
            Some(of_store) => of_store.held.deliver(shard, delivery, out),
            None => out.deliver(shard, delivery),
        }
    }

    /// What is delivered until [`Self::end_batch`] is of a batch that waits.
    fn begin_batch(&mut self, store: usize, waits: &Waits, now: Instant, out: &mut dyn Deliver) {
        let held = &mut self.of(store, &waits.tag, now, out).held;
        waits.calls.iter().for_each(|(place, number)| held.wait_for_call(*number, *place));
        held.wait_for(waits.last);
    }

    fn end_batch(&mut self, store: usize) {
        if let Some(of_store) = self.0.get_mut(&store) {
            of_store.held.end_batch();
        }
    }

    /// What waits of a store's data of that tag. If it was other data, nothing of that waits any more.
    fn of(&mut self, store: usize, tag: &str, now: Instant, out: &mut dyn Deliver) -> &mut OfStore {
        let of_store = self.0.entry(store).or_insert_with(|| OfStore {
            held: HeldDeliveries::default(),
            tag: tag.into(),
            is_asking: false,
            asked_at: None,
            moved_at: now,
        });
        if *of_store.tag != *tag {
            of_store.held.give_up(OTHER_DATA, out);
            of_store.tag = tag.into();
        }
        if !of_store.held.is_waiting() {
            of_store.moved_at = now;
        }
        of_store
    }

    /// Whether something waits, or would if it came.
    fn is_waiting(&self, store: usize) -> bool {
        self.0.get(&store).is_some_and(|of_store| of_store.held.is_waiting())
    }

    /// From which number on it is to be asked now what is written.
    fn ask(&mut self, store: usize, is_urgent: bool, now: Instant) -> Option<u64> {
        let of_store = self.0.get_mut(&store)?;
        let is_long = now.duration_since(of_store.moved_at) >= IMPATIENCE;
        let interval = if is_long { SELDOM } else { ASK_INTERVAL };
        let is_soon = of_store.asked_at.is_some_and(|at| now.duration_since(at) < interval);
        if !is_urgent && (of_store.is_asking || is_soon) {
            return None;
        }
        let lowest = of_store.held.lowest()?;
        (of_store.is_asking, of_store.asked_at) = (true, Some(now));
        Some(lowest)
    }

    /// What was asked is not answered any more.
    fn begin_connection(&mut self, store: usize) {
        if let Some(of_store) = self.0.get_mut(&store) {
            (of_store.is_asking, of_store.asked_at) = (false, None);
        }
    }

    /// The store has told what is written.
    fn hear(&mut self, store: usize, written: &Written, now: Instant, out: &mut dyn Deliver) {
        let of_store = self.of(store, &written.tag, now, out);
        of_store.is_asking = false;
        if of_store.held.lowest().is_some_and(|lowest| lowest <= written.last) {
            of_store.moved_at = now;
            of_store.held.written(written.last, &written.lost, out);
        }
    }

    fn give_up(&mut self, store: usize, why: &str, out: &mut dyn Deliver) {
        if let Some(of_store) = self.0.get_mut(&store) {
            of_store.held.give_up(why, out);
        }
    }
}

impl Outlet {
    /// Takes out what is of a store, or lets it wait.
    pub(in super::super) fn pass(&mut self, store: usize, shard: ShardId, delivery: Delivery) {
        self.waiting.deliver(store, shard, delivery, &mut *self.deliver);
    }
}

/// What a store's threads say and ask of what waits.
impl Endpoint {
    /// What is delivered until [`Self::end_durable`] is of a batch that waits.
    pub(in super::super) fn begin_durable(&self, outlet: &mut Outlet, waits: &Waits) {
        outlet.waiting.begin_batch(self.index, waits, Instant::now(), &mut *outlet.deliver);
        self.waits.store(true, Ordering::SeqCst);
    }

    pub(in super::super) fn end_durable(&self, outlet: &mut Outlet) {
        outlet.waiting.end_batch(self.index);
    }

    /// What comes of these rooms waits. Where there is no way to the database, nobody would ask what is written.
    pub(in super::super) fn hold_rooms(&self, tag: &str, rooms: impl IntoIterator<Item = (RoomId, u64)>) {
        if self.documents.is_none() {
            return;
        }
        let mut outlet = self.outlet();
        let Outlet { waiting, deliver, .. } = &mut *outlet;
        for (room, number) in rooms {
            waiting.of(self.index, tag, Instant::now(), &mut **deliver).held.hold_room(room, number);
            self.waits.store(true, Ordering::SeqCst);
        }
    }

    /// Whether something waits.
    pub(in super::super) fn is_waiting(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    /// From which number on the store is to be asked now what is written.
    pub(super) fn ask_written(&self, is_urgent: bool) -> Option<u64> {
        if !self.is_waiting() {
            return None;
        }
        let mut outlet = self.outlet();
        // Too much may have waited.
        self.waits.store(outlet.waiting.is_waiting(self.index), Ordering::SeqCst);
        outlet.waiting.ask(self.index, is_urgent, Instant::now())
    }

    /// The connection is new: what was asked on the one before is not answered any more.
    pub(super) fn begin_asking(&self) {
        self.outlet().waiting.begin_connection(self.index);
    }

    /// The store has told what is written.
    pub(in super::super) fn hear_written(&self, answer: Value) {
        let Some(written) = Written::read(answer) else {
            log::error!("what the store tells of written documents makes no sense address={}", self.address);
            return;
        };
        let mut outlet = self.outlet();
        let Outlet { waiting, deliver, .. } = &mut *outlet;
        waiting.hear(self.index, &written, Instant::now(), &mut **deliver);
        self.waits.store(waiting.is_waiting(self.index), Ordering::SeqCst);
    }

    /// The store has told which rooms wait.
    pub(in super::super) fn hear_rooms(&self, answer: Value) {
        match Rooms::read(answer) {
            Some(Rooms { tag, rooms }) => self.hold_rooms(&tag, rooms),
            None => {
                log::error!("what the store tells of rooms that wait makes no sense address={}", self.address)
            }
        }
    }

    /// The server stops: all that waits goes out.
    pub(in super::super) fn stop_waiting(&self) {
        let mut outlet = self.outlet();
        let Outlet { waiting, deliver, .. } = &mut *outlet;
        waiting.give_up(self.index, STOPPING, &mut **deliver);
        self.waits.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what comes out.
    #[derive(Default)]
    struct Out(Vec<RoomId>);

    impl Deliver for Out {
        fn deliver(&mut self, _: ShardId, delivery: Delivery) {
            let Delivery::Missed(room) = delivery else { panic!("{delivery:?}") };
            self.0.push(room);
        }

        fn home(&self, _: &RoomId) -> ShardId {
            0
        }
    }

    fn room(id: &str) -> RoomId {
        RoomId::parse(id).expect("a valid id")
    }

    fn missed(id: &str) -> Delivery {
        Delivery::Missed(room(id))
    }

    fn written(tag: &str, last: u64) -> Written {
        Written { tag: tag.into(), last, lost: Vec::new() }
    }

    #[test]
    fn a_part_of_an_answer() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let read = |numbers: &[i64]| {
            let parts: Vec<Value> =
                [text("t")].into_iter().chain(numbers.iter().copied().map(Value::Int)).collect();
            Waits::read(&parts)
        };
        let waits = |last, calls: &[(usize, u64)]| Waits { tag: "t".into(), last, calls: calls.to_vec() };
        assert_eq!(read(&[7, 0, 6, 3, 7]), Some(waits(7, &[(0, 6), (3, 7)])));
        for wrong in [&[][..], &[7, 0], &[-1], &[7, -1, 7], &[7, 0, 6, 3]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(Waits::read(&[Value::Int(1), Value::Int(1)]), None);
    }

    #[test]
    fn each_store_has_numbers_of_its_own() {
        let (mut waiting, mut out, now) = (Waiting::default(), Out::default(), Instant::now());
        waiting.begin_batch(0, &Waits { tag: "t".into(), last: 5, calls: Vec::new() }, now, &mut out);
        waiting.deliver(1, 0, missed("b"), &mut out);
        waiting.deliver(0, 0, missed("a"), &mut out);
        waiting.end_batch(0);
        waiting.hear(1, &written("t", 9), now, &mut out);
        assert_eq!(out.0, [room("b")]);
        assert!(waiting.is_waiting(0) && !waiting.is_waiting(1));
        waiting.hear(0, &written("t", 5), now, &mut out);
        assert_eq!((out.0, waiting.is_waiting(0)), (vec![room("b"), room("a")], false));
    }

    #[test]
    fn a_store_that_has_begun_anew_holds_nothing_of_before() {
        let (mut waiting, mut out, now) = (Waiting::default(), Out::default(), Instant::now());
        let hold = |waiting: &mut Waiting, out: &mut Out, tag: &str, number| {
            waiting.of(0, tag, now, out).held.hold_room(room("a"), number);
            waiting.deliver(0, 0, missed("a"), out);
        };
        hold(&mut waiting, &mut out, "t", 500);
        waiting.hear(0, &written("u", 3), now, &mut out);
        assert_eq!((out.0.len(), waiting.is_waiting(0)), (1, false));
        hold(&mut waiting, &mut out, "u", 4);
        hold(&mut waiting, &mut out, "v", 1);
        assert_eq!((out.0.len(), waiting.is_waiting(0)), (2, true));
        waiting.hear(0, &written("v", 1), now, &mut out);
        assert_eq!((out.0.len(), waiting.is_waiting(0)), (3, false));
    }

    #[test]
    fn it_is_asked_while_something_waits_and_seldom_after_a_while() {
        let (mut waiting, mut out, began) = (Waiting::default(), Out::default(), Instant::now());
        let at = |ms| began + Duration::from_millis(ms);
        assert_eq!(waiting.ask(0, true, at(0)), None);
        waiting.of(0, "t", at(0), &mut out).held.hold_room(room("a"), 8);
        assert_eq!(waiting.ask(0, false, at(0)), Some(8));
        assert_eq!(waiting.ask(0, false, at(20)), None, "it is asked already");
        assert_eq!(waiting.ask(0, true, at(20)), Some(8));
        waiting.hear(0, &written("t", 7), at(21), &mut out);
        assert_eq!(waiting.ask(0, false, at(29)), None);
        assert_eq!(waiting.ask(0, false, at(35)), Some(8));
        waiting.begin_connection(0);
        assert_eq!(waiting.ask(0, false, at(36)), Some(8));
        waiting.hear(0, &written("t", 7), at(2000), &mut out);
        assert_eq!(waiting.ask(0, false, at(130)), Some(8));
        waiting.hear(0, &written("t", 7), at(2000), &mut out);
        assert_eq!(waiting.ask(0, false, at(1210)), Some(8));
        waiting.hear(0, &written("t", 7), at(2000), &mut out);
        assert_eq!(waiting.ask(0, false, at(1290)), None, "the database is away");
        waiting.hear(0, &written("t", 8), at(1300), &mut out);
        assert_eq!(waiting.ask(0, true, at(1400)), None, "nothing waits");
    }
}
