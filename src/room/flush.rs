//! What one flush of a room sends: a frame that all members share, encoded once, and frames of their own for those whom an
//! event names.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;

use crate::state::{Audience, ConnectionKey, RoomEvents, superseded};
use crate::wire::message;
use crate::wire::ws::deflate::SharedFrame;

/// A room's gathered events, ready to go out.
#[derive(Debug)]
pub(crate) struct Flush {
    /// The first event's `seq`.
    pub first_seq: u64,
    /// The whole WebSocket frame for members whom no event names; none if all events are for others.
    common: Option<SharedFrame>,
    /// The frames of members whom some event names: to get it, or not to get it.
    own: HashMap<SmolStr, Option<Arc<SharedFrame>>>,
    /// Where the members are that get anything, if these are all whom events name.
    targets: Option<Vec<ConnectionKey>>,
    /// Kept for members whose snapshot was taken in the middle of them.
    runs: Vec<Arc<RoomEvents>>,
    /// Events that nobody gets any more, as newer ones have taken their place: by their `seq`, which rises.
    superseded: Vec<u64>,
}

/// In what a member's frame differs from the common one: events by their `seq`, in order.
#[derive(Default)]
struct Difference {
    more: Vec<u64>,
    less: Vec<u64>,
    /// Whether an event is for this member alone. Compressed beside what others write, its content could be told from the
    /// frame's length by whoever sees that (RFC 7692, section 8, as CRIME does with TLS).
    is_private: bool,
}

impl Flush {
    /// Encodes the frames. `runs` follow each other without gaps; `place_of` tells a member's connection. Nothing is returned when
    /// they hold no event.
    pub(crate) fn new(
        mut runs: Vec<Arc<RoomEvents>>,
        place_of: impl Fn(&str) -> Option<ConnectionKey>,
    ) -> Option<Self> {
        runs.retain(|run| run.count() > 0);
        let (first_seq, last_seq) = (runs.first()?.first_seq, runs.last()?.last_seq());
        debug_assert!(runs.windows(2).all(|pair| pair[0].last_seq() + 1 == pair[1].first_seq));
        let superseded = superseded(&runs);
        if superseded.is_empty() && runs.iter().all(|run| run.addressed.is_empty()) {
            let texts: Vec<&[u8]> = runs.iter().map(|run| &run.text[..]).collect();
            let frame = message::batch_frame(&texts, (last_seq - first_seq + 1) as usize);
            let common = Some(SharedFrame::new(frame));
            let own = HashMap::new();
            return Some(Self { first_seq, common, own, targets: None, runs, superseded });
        }
        let common = common_events(&runs, &superseded);
        let own = own_frames(&runs, &superseded, &common, |user_id| place_of(user_id).is_some());
        let common = encode(&runs, &common).map(SharedFrame::new);
        let targets = if common.is_none() { targets(&own, place_of) } else { None };
        Some(Self { first_seq, common, own, targets, runs, superseded })
    }

    /// The last event's `seq`.
    pub(crate) fn last_seq(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.last_seq())
    }

    /// Which history the events are of.
    pub(crate) fn epoch(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.epoch)
    }

    /// Whether events take the place of earlier ones.
    pub(crate) fn is_replacing(&self) -> bool {
        self.runs.iter().any(|run| !run.replacing.is_empty())
    }

    /// Whether members have frames of their own.
    pub(crate) fn is_addressed(&self) -> bool {
        !self.own.is_empty()
    }

    /// Whether no member gets anything.
    pub(crate) fn is_for_nobody(&self) -> bool {
        self.common.is_none() && self.own.values().all(Option::is_none)
    }

    /// The connections of all who get anything, if it is known that there are no others.
    pub(crate) fn targets(&self) -> Option<&[ConnectionKey]> {
        self.targets.as_deref()
    }

    /// The frame that members share whom no event names.
    pub(crate) fn common(&self) -> Option<&SharedFrame> {
        self.common.as_ref()
    }

    /// The frame for a member.
    pub(crate) fn frame_for(&self, user_id: &str) -> Option<&SharedFrame> {
        match self.own.get(user_id) {
            Some(own) => own.as_deref(),
            None => self.common.as_ref(),
        }
    }

    /// The frame for a member that knows everything up to `seq`; nothing if there is nothing new for it.
    pub(crate) fn frame_after(&self, user_id: &str, seq: u64) -> Option<Bytes> {
        if seq < self.first_seq {
            return self.frame_for(user_id).map(|frame| frame.plain().clone());
        }
        let is_new = |of: &u64| *of > seq;
        encode(
            &self.runs,
            &events_for(&self.runs, &self.superseded, user_id).filter(is_new).collect::<Vec<_>>(),
        )
    }
}

/// A room's events that members have missed, each another part of them: frames that are alike are encoded once.
pub(super) struct MissedFrames<'a> {
    runs: &'a [Arc<RoomEvents>],
    superseded: Vec<u64>,
    encoded: HashMap<Vec<u64>, Option<Bytes>>,
}

impl<'a> MissedFrames<'a> {
    /// The runs follow each other; what lies between them was superseded.
    pub(super) fn new(runs: &'a [Arc<RoomEvents>]) -> Self {
        Self { runs, superseded: superseded(runs), encoded: HashMap::new() }
    }

    /// The events behind `since` and up to `until` that are for a user; nothing if there are none.
    pub(super) fn frame(&mut self, user_id: &str, since: u64, until: u64) -> Option<Bytes> {
        let is_missed = |seq: &u64| (since + 1..=until).contains(seq);
        let missed = events_for(self.runs, &self.superseded, user_id).filter(is_missed).collect();
        let encode = |events: &Vec<u64>| encode(self.runs, events);
        self.encoded.entry(missed).or_insert_with_key(encode).clone()
    }
}

/// What a user gets of these events.
fn events_for<'a>(
    runs: &'a [Arc<RoomEvents>],
    superseded: &'a [u64],
    user_id: &'a str,
) -> impl Iterator<Item = u64> + 'a {
    let is_current = |seq: &u64| superseded.binary_search(seq).is_err();
    all_events(runs).filter(is_current).filter(|seq| is_for(runs, *seq, user_id))
}

fn all_events(runs: &[Arc<RoomEvents>]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|run| run.first_seq..=run.last_seq())
}

fn run_of(runs: &[Arc<RoomEvents>], seq: u64) -> &RoomEvents {
    &runs[runs.partition_point(|run| run.last_seq() < seq)]
}

fn is_for(runs: &[Arc<RoomEvents>], seq: u64, user_id: &str) -> bool {
    let run = run_of(runs, seq);
    let index = run.addressed.binary_search_by_key(&(seq - run.first_seq), |(index, _)| u64::from(*index));
    index.is_ok_and(|index| run.addressed[index].1.includes(user_id)) || index.is_err()
}

/// The events for whoever is named nowhere.
fn common_events(runs: &[Arc<RoomEvents>], superseded: &[u64]) -> Vec<u64> {
    let for_some = runs.iter().flat_map(|run| run.audiences());
    let mut for_some = for_some
        .filter_map(|(seq, audience)| matches!(audience, Audience::Users(_)).then_some(seq))
        .peekable();
    let for_all = all_events(runs).filter(|seq| for_some.next_if_eq(seq).is_none());
    for_all.filter(|seq| superseded.binary_search(seq).is_err()).collect()
}

/// Members who get the same events share a frame.
fn own_frames(
    runs: &[Arc<RoomEvents>],
    superseded: &[u64],
    common: &[u64],
    is_member: impl Fn(&str) -> bool,
) -> HashMap<SmolStr, Option<Arc<SharedFrame>>> {
    let mut differences: HashMap<&SmolStr, Difference> = HashMap::new();
    let audiences = runs.iter().flat_map(|run| run.audiences());
    for (seq, audience) in audiences.filter(|(seq, _)| superseded.binary_search(seq).is_err()) {
        let (Audience::Users(users) | Audience::AllBut(users)) = audience;
        for user in users.iter().filter(|user| is_member(user)) {
            let difference = differences.entry(user).or_default();
            difference.is_private |= matches!(audience, Audience::Users(users) if users.len() == 1);
            match audience {
                Audience::Users(_) => difference.more.push(seq),
                Audience::AllBut(_) => difference.less.push(seq),
            }
        }
    }
    let mut frames: HashMap<Vec<u64>, Option<Arc<SharedFrame>>> = HashMap::new();
    let frame = |(user, difference): (&SmolStr, Difference)| {
        let shared = if difference.is_private { SharedFrame::always_plain } else { SharedFrame::new };
        let events = difference.applied_to(common);
        let frame = match frames.get(&events) {
            Some(frame) => frame.clone(),
            None => {
                let encode = |events: &Vec<u64>| encode(runs, events).map(shared).map(Arc::new);
                frames.entry(events).or_insert_with_key(encode).clone()
            }
        };
        (user.clone(), frame)
    };
    differences.into_iter().map(frame).collect()
}

/// Where those are who get a frame; nothing if the place of one is not known, who is on its way to another event loop.
fn targets(
    own: &HashMap<SmolStr, Option<Arc<SharedFrame>>>,
    place_of: impl Fn(&str) -> Option<ConnectionKey>,
) -> Option<Vec<ConnectionKey>> {
    let named = own.iter().filter(|(_, frame)| frame.is_some());
    let places = named.filter_map(|(user_id, _)| place_of(user_id));
    places.map(|place| (place != ConnectionKey::NOBODY).then_some(place)).collect()
}

impl Difference {
    fn applied_to(self, common: &[u64]) -> Vec<u64> {
        let mut less = self.less.into_iter().peekable();
        let kept = common.iter().copied().filter(|seq| less.next_if_eq(seq).is_none());
        let mut events: Vec<u64> = kept.chain(self.more).collect();
        // Two runs that rise, which the sort merges.
        events.sort();
        events
    }
}

fn encode(runs: &[Arc<RoomEvents>], events: &[u64]) -> Option<Bytes> {
    let texts: Vec<&[u8]> = events.iter().map(|seq| run_of(runs, *seq).event(*seq)).collect();
    (!texts.is_empty()).then(|| message::batch_frame(&texts, texts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ids::RoomId;
    use crate::wire::ws::text_frame;

    /// Events with these numbers; the text of event 7 is `{7}`.
    fn run(seqs: std::ops::RangeInclusive<u64>) -> RoomEvents {
        let first_seq = *seqs.start();
        let events: Vec<String> = seqs.map(|seq| format!("{{{seq}}}")).collect();
        let ends = events.iter().scan(0, |end, event| {
            let this = *end + event.len() as u32;
            *end = this + 1;
            Some(this)
        });
        let ends = ends.collect();
        let (room, text) = (RoomId::parse("r").unwrap(), events.join(",").into());
        RoomEvents {
            room,
            epoch: 1,
            first_seq,
            text,
            ends,
            addressed: Vec::new(),
            replacing: Vec::new(),
            removals: Vec::new(),
        }
    }

    fn addressed(seqs: std::ops::RangeInclusive<u64>, audiences: &[(u64, Audience)]) -> RoomEvents {
        let run = run(seqs);
        let first_seq = run.first_seq;
        let addressed = audiences.iter().map(|(seq, audience)| ((seq - first_seq) as u32, audience.clone()));
        RoomEvents { addressed: addressed.collect(), ..run }
    }

    fn shared(runs: Vec<RoomEvents>) -> Vec<Arc<RoomEvents>> {
        runs.into_iter().map(Arc::new).collect()
    }

    fn on_the_way(_: &str) -> Option<ConnectionKey> {
        Some(ConnectionKey::NOBODY)
    }

    /// The same, where these events take the place of others of their key.
    fn replacing(run: RoomEvents, keys: &[(u64, &str)]) -> RoomEvents {
        let first_seq = run.first_seq;
        let keys = keys.iter().map(|(seq, key)| ((seq - first_seq) as u32, SmolStr::new(key)));
        RoomEvents { replacing: keys.collect(), ..run }
    }

    fn all_but(users: &[&str]) -> Audience {
        Audience::AllBut(users.iter().map(SmolStr::new).collect())
    }

    fn users(users: &[&str]) -> Audience {
        Audience::Users(users.iter().map(SmolStr::new).collect())
    }

    fn batch(events: &str) -> Option<Bytes> {
        Some(text_frame(format!(r#"{{"type":"batch","events":[{events}]}}"#).as_bytes()))
    }

    #[track_caller]
    fn check(runs: Vec<RoomEvents>, seqs: (u64, u64), expected: Option<Bytes>) {
        let flush = Flush::new(shared(runs), on_the_way).unwrap();
        assert_eq!((flush.first_seq, flush.last_seq()), seqs);
        assert_eq!(flush.common.map(|frame| frame.plain().clone()), expected);
    }

    #[test]
    fn runs_become_one_frame() {
        check(vec![run(5..=5)], (5, 5), Some(text_frame(b"{5}")));
        check(vec![run(9..=11)], (9, 11), batch("{9},{10},{11}"));
        check(vec![run(1..=1), run(2..=3), run(4..=4)], (1, 4), batch("{1},{2},{3},{4}"));
    }

    #[test]
    fn without_events_there_is_no_frame() {
        assert!(Flush::new(Vec::new(), on_the_way).is_none());
    }

    #[test]
    fn a_member_gets_what_its_snapshot_does_not_hold() {
        let flush = Flush::new(shared(vec![run(8..=9), run(10..=12)]), on_the_way).unwrap();
        let check =
            |seq: u64, expected: Option<Bytes>| assert_eq!(flush.frame_after("ann", seq), expected, "{seq}");
        check(0, batch("{8},{9},{10},{11},{12}"));
        check(7, batch("{8},{9},{10},{11},{12}"));
        check(8, batch("{9},{10},{11},{12}"));
        check(9, batch("{10},{11},{12}"));
        check(10, batch("{11},{12}"));
        check(11, Some(text_frame(b"{12}")));
        check(12, None);
        check(1000, None);
    }

    #[test]
    fn members_share_the_frame() {
        let flush = Flush::new(shared(vec![run(1..=2)]), on_the_way).unwrap();
        let shared = flush.frame_after("ann", 0).unwrap();
        assert_eq!(shared.as_ptr(), flush.common().unwrap().plain().as_ptr(), "it is encoded once");
        assert!(!flush.is_addressed() && !flush.is_for_nobody());
    }

    #[test]
    fn each_member_gets_what_is_meant_for_it_in_order() {
        let runs = vec![
            addressed(1..=4, &[(2, users(&["ann", "bob"])), (3, all_but(&["ann"]))]),
            addressed(5..=6, &[(5, users(&["bob"])), (6, all_but(&["bob", "gone"]))]),
        ];
        let flush = Flush::new(shared(runs), |user| on_the_way(user).filter(|_| user != "gone")).unwrap();
        let check = |user: &str, seq: u64, expected: Option<Bytes>| {
            assert_eq!(flush.frame_after(user, seq), expected, "{user} after {seq}");
        };
        assert!(flush.is_addressed() && !flush.own.contains_key("gone"));
        check("ann", 0, batch("{1},{2},{4},{6}"));
        check("bob", 0, batch("{1},{2},{3},{4},{5}"));
        check("cat", 0, batch("{1},{3},{4},{6}"));
        assert!(std::ptr::eq(flush.common().unwrap(), flush.frame_for("cat").unwrap()));
        check("ann", 2, batch("{4},{6}"));
        check("bob", 4, Some(text_frame(b"{5}")));
        check("bob", 5, None);
        check("cat", 4, Some(text_frame(b"{6}")));
    }

    /// An event for a few costs only those few.
    #[test]
    fn those_whom_all_events_name_are_known_by_their_places() {
        let key = |index| ConnectionKey { shard: 0, index, generation: 0 };
        let place_of = |user: &str| match user {
            "ann" => Some(key(1)),
            "bob" => Some(key(2)),
            "eve" => Some(ConnectionKey::NOBODY),
            _ => None,
        };
        let to = |named: &[&str]| {
            let runs = shared(vec![addressed(1..=2, &[(1, users(named)), (2, users(&["bob"]))])]);
            let flush = Flush::new(runs, place_of).unwrap();
            let mut targets = flush.targets().map(<[ConnectionKey]>::to_vec);
            targets.iter_mut().for_each(|targets| targets.sort_by_key(|key| key.index));
            targets
        };
        assert_eq!(to(&["ann", "gone"]), Some(vec![key(1), key(2)]));
        assert_eq!(to(&["eve"]), None, "its place is not known");
        let for_all = Flush::new(shared(vec![addressed(1..=2, &[(1, users(&["ann"]))])]), place_of).unwrap();
        assert_eq!(for_all.targets(), None);
    }

    #[test]
    fn of_events_that_take_each_others_place_the_last_goes_out() {
        let first = replacing(run(1..=4), &[(1, "a"), (2, "b"), (4, "a")]);
        let second = replacing(addressed(5..=7, &[(6, users(&["ann"]))]), &[(5, "b"), (6, "a"), (7, "c")]);
        let flush = Flush::new(shared(vec![first, second]), on_the_way).unwrap();
        let check = |user: &str, seq: u64, expected: Option<Bytes>| {
            assert_eq!(flush.frame_after(user, seq), expected, "{user} after {seq}");
        };
        check("bob", 0, batch("{3},{4},{5},{7}"));
        check("ann", 0, batch("{3},{4},{5},{6},{7}"));
        check("bob", 4, batch("{5},{7}"));
        assert_eq!((flush.first_seq, flush.last_seq()), (1, 7));
    }

    #[test]
    fn who_missed_the_same_shares_a_frame() {
        let runs =
            shared(vec![addressed(3..=5, &[(4, users(&["ann"]))]), replacing(run(8..=9), &[(9, "k")])]);
        let mut frames = MissedFrames::new(&runs);
        assert_eq!(frames.frame("bob", 2, 9), batch("{3},{5},{8},{9}"));
        assert_eq!(frames.frame("ann", 3, 8), batch("{4},{5},{8}"));
        assert_eq!(frames.frame("ann", 9, 9), None);
        let [one, other] = ["bob", "cat"].map(|user| frames.frame(user, 4, 9).unwrap());
        assert_eq!((one.as_ptr(), Some(one)), (other.as_ptr(), batch("{5},{8},{9}")));
    }

    #[test]
    fn what_is_for_one_team_is_encoded_once_and_costs_nobody_else_a_frame() {
        let flush =
            Flush::new(shared(vec![addressed(1..=1, &[(1, users(&["ann", "bob"]))])]), on_the_way).unwrap();
        let frame = |user: &str| flush.frame_for(user).map(|frame| frame.plain().as_ptr());
        assert!(frame("ann").is_some() && frame("ann") == frame("bob"));
        assert_eq!(frame("cat"), None);
        let flush = Flush::new(shared(vec![addressed(1..=1, &[(1, users(&["gone"]))])]), |_| None).unwrap();
        assert!(flush.is_for_nobody() && !flush.is_addressed());
    }
}
