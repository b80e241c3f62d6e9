//! Which numbered inputs have run: the last one of each user in each room, and the first answers of the latest. No Lua here.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;

use smol_str::SmolStr;

use crate::state::call::DUPLICATE;
use crate::state::sizes::{block, hash_table, shared_text};
use crate::state::{CallError, CallResult, ErrorSource};
use crate::wire::ids::RoomId;
use crate::wire::message::{InputOrder, KEPT_ANSWERS, MAX_ANSWER_BYTES};

/// What all answers may take together: beyond it none are kept.
const MAX_BYTES: usize = 16 << 20;
/// Answers are kept for so long, and a room's numbers if the room is gone.
const HOUR_MS: u64 = 3_600_000;
/// A user's number is kept for so long after the last one.
const DAY_MS: u64 = 24 * HOUR_MS;

/// The numbered inputs of all rooms.
#[derive(Debug, Default)]
pub(super) struct NumberedInputs {
    rooms: HashMap<RoomId, RoomInputs>,
    /// What the answers take.
    bytes: usize,
    /// What rooms' tables of users take, and the answers beside their texts.
    table_bytes: usize,
    /// The order of the inputs in the running batch, of users of whom one did not run.
    orders: HashMap<SmolStr, InputOrder>,
    /// What was there before the running call made the store forget its data.
    before_reset: Option<HashMap<RoomId, RoomInputs>>,
}

#[derive(Debug, Default)]
struct RoomInputs {
    users: HashMap<SmolStr, UserInputs>,
    used_at_ms: u64,
    /// When users were last looked through for what is to be forgotten.
    swept_at_ms: u64,
}

#[derive(Debug)]
struct UserInputs {
    /// The last that ran.
    n: u64,
    used_at_ms: u64,
    /// The latest, in order.
    answers: VecDeque<(u64, Answer)>,
}

#[derive(Debug)]
enum Answer {
    Ok(Box<[u8]>),
    Err(CallError),
}

/// The last input of a user in a room that ran, for the one who keeps it over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastRun {
    pub n: u64,
    /// When it ran, in milliseconds since the Unix epoch.
    pub used_at_ms: u64,
}

impl NumberedInputs {
    /// Another batch begins.
    pub(super) fn begin_batch(&mut self) {
        self.orders.clear();
    }

    /// The last input of a user in a room that ran; 0 if none did.
    pub(super) fn last(&self, room: &RoomId, user_id: &str) -> u64 {
        self.user(room, user_id).map_or(0, |user| user.n)
    }

    /// The result of an input that does not run: it has run before, or one before it has not.
    pub(super) fn answer(&mut self, room: &RoomId, user_id: &str, n: NonZeroU64) -> Option<CallResult> {
        if let Some(user) = self.user(room, user_id).filter(|user| n.get() <= user.n) {
            return Some(user.answer(n.get()));
        }
        let is_held = self.orders.get_mut(user_id)?.holds_back(Some(n));
        is_held.then(|| CallResult::Err(CallError::out_of_order()))
    }

    /// An input has run, unless its result says that it has not. Returns whether it has.
    pub(super) fn note(
        &mut self,
        room: &RoomId,
        user_id: &SmolStr,
        n: NonZeroU64,
        result: &CallResult,
        now_ms: u64,
    ) -> bool {
        let answer = match result {
            CallResult::Err(error) if error.code.asks_again() => {
                self.orders.entry(user_id.clone()).or_default().refused(Some(n));
                return false;
            }
            CallResult::Ok(json) => Answer::Ok(json[..].into()),
            CallResult::Err(error) => Answer::Err(error.clone()),
            CallResult::Skipped | CallResult::NotRun(_) => return false,
        };
        let is_kept = answer.bytes() <= MAX_ANSWER_BYTES && self.bytes + answer.bytes() <= MAX_BYTES;
        self.restore(room, user_id.clone(), LastRun { n: n.get(), used_at_ms: now_ms });
        let user = self.rooms.get_mut(room).and_then(|room| room.users.get_mut(user_id));
        if let (Some(user), true) = (user, is_kept) {
            let before = user.place_bytes();
            self.bytes = self.bytes + answer.bytes() - user.make_place();
            user.answers.push_back((n.get(), answer));
            self.table_bytes = self.table_bytes + user.place_bytes() - before;
        }
        true
    }

    /// What all of it takes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        hash_table::<(RoomId, RoomInputs)>(self.rooms.capacity()) + self.table_bytes + self.bytes
    }

    /// Goes on where a user was.
    pub(super) fn restore(&mut self, room: &RoomId, user_id: SmolStr, last: LastRun) {
        let LastRun { n, used_at_ms } = last;
        // Looked up twice, so that a room that is there costs no clone of its id.
        if !self.rooms.contains_key(room) {
            let fresh = RoomInputs { swept_at_ms: used_at_ms, ..RoomInputs::default() };
            self.rooms.insert(room.clone(), fresh);
        }
        let room = self.rooms.get_mut(room).expect("inserted above");
        room.used_at_ms = room.used_at_ms.max(used_at_ms);
        let before = room.table_bytes();
        let fresh = || UserInputs { n, used_at_ms, answers: VecDeque::new() };
        let user = room.users.entry(user_id).or_insert_with(fresh);
        (user.n, user.used_at_ms) = (n, used_at_ms);
        self.table_bytes = self.table_bytes + room.table_bytes() - before;
    }

    /// Forgets everything, as the store has forgotten its data.
    pub(super) fn reset(&mut self) {
        let rooms = std::mem::take(&mut self.rooms);
        self.before_reset.get_or_insert(rooms);
        (self.bytes, self.table_bytes) = (0, 0);
    }

    /// The running call has failed and changed nothing.
    pub(super) fn undo_call(&mut self) {
        if let Some(rooms) = self.before_reset.take() {
            self.bytes = rooms.values().flat_map(|room| room.users.values()).map(UserInputs::bytes).sum();
            self.rooms = rooms;
            self.count_tables();
        }
    }

    /// Whether the call that has ended made the store forget its data.
    pub(super) fn take_reset(&mut self) -> bool {
        self.before_reset.take().is_some()
    }

    /// Forgets rooms unused for an hour that are gone, users unused for a day, and answers older than an hour; `forget` is told of
    /// each user.
    pub(super) fn forget_unused(
        &mut self,
        now_ms: u64,
        mut is_gone: impl FnMut(&RoomId) -> bool,
        mut forget: impl FnMut(&RoomId, &SmolStr),
    ) {
        let mut freed = 0;
        self.rooms.retain(|id, room| {
            let is_over = is_old(room.used_at_ms, HOUR_MS, now_ms) && is_gone(id);
            if is_over || is_old(room.swept_at_ms, HOUR_MS, now_ms) {
                room.swept_at_ms = now_ms;
                freed += room.sweep(now_ms, |user_id, user| {
                    let is_forgotten = is_over || is_old(user.used_at_ms, DAY_MS, now_ms);
                    if is_forgotten {
                        forget(id, user_id);
                    }
                    is_forgotten
                });
            }
            !room.users.is_empty()
        });
        self.bytes -= freed;
        // After many rooms the table is not kept for as many again.
        self.rooms.shrink_to(2 * self.rooms.len());
        self.count_tables();
    }

    fn count_tables(&mut self) {
        let of_room = |room: &RoomInputs| {
            room.table_bytes() + room.users.values().map(UserInputs::place_bytes).sum::<usize>()
        };
        self.table_bytes = self.rooms.values().map(of_room).sum();
    }

    fn user(&self, room: &RoomId, user_id: &str) -> Option<&UserInputs> {
        self.rooms.get(room)?.users.get(user_id)
    }
}

impl RoomInputs {
    /// What its table of users takes, with its id.
    fn table_bytes(&self) -> usize {
        const USUAL_ID: usize = 8;
        match self.users.capacity() {
            0 => 0,
            capacity => hash_table::<(SmolStr, UserInputs)>(capacity) + shared_text(USUAL_ID),
        }
    }

    /// Takes out the users that are to be forgotten, and the answers of all who have been away for long; returns what those took.
    fn sweep(&mut self, now_ms: u64, mut is_forgotten: impl FnMut(&SmolStr, &UserInputs) -> bool) -> usize {
        let mut freed = 0;
        self.users.retain(|user_id, user| {
            let is_forgotten = is_forgotten(user_id, user);
            if is_forgotten || is_old(user.used_at_ms, HOUR_MS, now_ms) {
                freed += user.bytes();
                user.answers = VecDeque::new();
            }
            !is_forgotten
        });
        freed
    }
}

impl UserInputs {
    /// What the answers take beside their texts.
    fn place_bytes(&self) -> usize {
        let texts = self.answers.iter().map(|(_, answer)| match answer {
            Answer::Ok(json) => block(json.len()) - json.len(),
            Answer::Err(_) => 0,
        });
        block(self.answers.capacity() * size_of::<(u64, Answer)>()) + texts.sum::<usize>()
    }

    fn answer(&self, n: u64) -> CallResult {
        match self.answers.iter().find(|(of, _)| *of == n) {
            Some((_, Answer::Ok(json))) => CallResult::Ok(bytes::Bytes::copy_from_slice(json)),
            // It was logged when it came up.
            Some((_, Answer::Err(error))) => {
                CallResult::Err(CallError { source: ErrorSource::Script, ..error.clone() })
            }
            None => CallResult::Ok(bytes::Bytes::from_static(DUPLICATE.as_bytes())),
        }
    }

    /// Drops the oldest answer if there are as many as may be; returns what it took.
    fn make_place(&mut self) -> usize {
        let oldest = if self.answers.len() < KEPT_ANSWERS { None } else { self.answers.pop_front() };
        oldest.map_or(0, |(_, answer)| answer.bytes())
    }

    fn bytes(&self) -> usize {
        self.answers.iter().map(|(_, answer)| answer.bytes()).sum()
    }
}

impl Answer {
    fn bytes(&self) -> usize {
        match self {
            Self::Ok(json) => json.len(),
            Self::Err(error) => {
                error.code.as_str().len()
                    + error.message.len()
                    + error.details.as_ref().map_or(0, |text| text.len())
            }
        }
    }
}

fn is_old(used_at_ms: u64, age_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(used_at_ms) >= age_ms
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::ErrorCode;

    #[test]
    fn what_it_takes_is_counted() {
        use crate::state::sizes::tests::check;
        let room_of = |number: usize, users: usize| RoomId::parse(&format!("{:08}", number / users)).unwrap();
        let user = |number: usize| SmolStr::new(format!("guest:{number:016}"));
        for (users, json) in
            [(1, "null"), (50, "null"), (50, "{\"an\":\"answer\",\"of\":[\"usual\",\"length\"]}")]
        {
            check(
                "numbered inputs",
                NumberedInputs::default,
                |all, number| {
                    let (room, user, result) = (room_of(number, users), user(number), ok(json));
                    for n in 1..=3 {
                        all.note(&room, &user, NonZeroU64::new(n).unwrap(), &result, 1);
                    }
                },
                NumberedInputs::memory_bytes,
            );
        }
    }

    /// One room, and one user in it.
    struct Scene {
        inputs: NumberedInputs,
        now_ms: u64,
    }

    impl Scene {
        fn new() -> Self {
            Self { inputs: NumberedInputs::default(), now_ms: 1 }
        }

        /// Sends an input that would have this result; gives the one that it has.
        fn send(&mut self, n: u64, result: CallResult) -> String {
            let (room, user) = (room(), SmolStr::new("ann"));
            let n = NonZeroU64::new(n).unwrap();
            let answer = self.inputs.answer(&room, &user, n);
            let result = answer.unwrap_or_else(|| {
                self.inputs.note(&room, &user, n, &result, self.now_ms);
                result
            });
            match result {
                CallResult::Ok(json) => String::from_utf8(json.to_vec()).unwrap(),
                CallResult::Err(error) => error.code.to_string(),
                other => format!("{other:?}"),
            }
        }

        fn last(&self) -> u64 {
            self.inputs.last(&room(), "ann")
        }

        fn forget(&mut self, is_gone: bool) -> usize {
            let mut forgotten = 0;
            self.inputs.forget_unused(self.now_ms, |_| is_gone, |_, _| forgotten += 1);
            forgotten
        }
    }

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn ok(json: &str) -> CallResult {
        CallResult::Ok(Bytes::copy_from_slice(json.as_bytes()))
    }

    fn error(code: ErrorCode) -> CallResult {
        CallResult::Err(CallError::refusal(code, "no"))
    }

    #[test]
    fn each_runs_once_and_has_its_first_answer() {
        let mut scene = Scene::new();
        assert_eq!((scene.last(), scene.send(5, ok("1")), scene.last()), (0, "1".to_owned(), 5));
        assert_eq!(scene.send(5, ok("2")), "1");
        assert_eq!(scene.send(7, error(ErrorCode::ScriptError)), "script_error");
        assert_eq!((scene.send(7, ok("2")), scene.last()), ("script_error".to_owned(), 7));
        assert_eq!([scene.send(6, ok("2")), scene.send(1, ok("2"))], [DUPLICATE; 2]);
    }

    #[test]
    fn what_did_not_run_holds_back_what_comes_behind_it_in_its_batch() {
        let mut scene = Scene::new();
        assert_eq!(scene.send(1, error(ErrorCode::Unavailable)), "unavailable");
        assert_eq!([scene.send(2, ok("2")), scene.send(3, ok("3"))], ["out_of_order"; 2]);
        assert_eq!([scene.send(1, ok("1")), scene.send(2, ok("2"))], ["1", "2"]);
        scene.send(3, error(ErrorCode::Busy));
        scene.inputs.begin_batch();
        assert_eq!(scene.send(4, ok("4")), "4", "between batches the room sees to it");
    }

    #[test]
    fn answers_are_few_and_small() {
        let mut scene = Scene::new();
        for n in 1..=20 {
            scene.send(n, ok(&n.to_string()));
        }
        assert_eq!([scene.send(4, ok("")), scene.send(5, ok(""))], [DUPLICATE, "5"]);
        let [largest, too_large] = [512, 513].map(|bytes| "x".repeat(bytes));
        scene.send(21, ok(&largest));
        scene.send(22, ok(&too_large));
        assert_eq!([scene.send(21, ok("")), scene.send(22, ok(""))], [&largest, DUPLICATE]);
        assert_eq!(scene.inputs.bytes, (6..=20).map(|n: u32| n.to_string().len()).sum::<usize>() + 512);
        scene.inputs.bytes = MAX_BYTES;
        scene.send(23, ok("1"));
        assert_eq!(scene.send(23, ok("")), DUPLICATE);
        assert_eq!(scene.last(), 23);
    }

    #[test]
    fn a_user_is_forgotten_after_a_day_and_with_the_room_after_an_hour() {
        let mut scene = Scene::new();
        scene.send(1, ok("1"));
        scene.now_ms += HOUR_MS - 1;
        assert_eq!((scene.forget(true), scene.send(1, ok(""))), (0, "1".to_owned()));
        scene.now_ms += 1;
        assert_eq!((scene.forget(false), scene.send(1, ok(""))), (0, DUPLICATE.to_owned()));
        assert_eq!(scene.inputs.bytes, 0);
        scene.now_ms += DAY_MS;
        assert_eq!((scene.forget(false), scene.last(), scene.inputs.rooms.len()), (1, 0, 0));
        scene.send(2, ok("1"));
        scene.now_ms += HOUR_MS;
        assert_eq!((scene.forget(true), scene.last(), scene.inputs.bytes), (1, 0, 0));
    }

    #[test]
    fn a_reset_forgets_all_unless_its_call_fails() {
        let mut scene = Scene::new();
        scene.send(5, ok("1"));
        scene.inputs.reset();
        assert_eq!(scene.last(), 0);
        scene.inputs.undo_call();
        assert_eq!((scene.send(5, ok("2")), scene.inputs.bytes), ("1".to_owned(), 1));
        assert!(!scene.inputs.take_reset());
        scene.inputs.reset();
        assert!(scene.inputs.take_reset() && !scene.inputs.take_reset());
        assert_eq!((scene.send(1, ok("2")), scene.inputs.bytes), ("2".to_owned(), 1));
    }
}
