//! Which documents the stores hold, which are on their way, and which batches wait for them. No clock, no thread and no lock here:
//! time is passed in, and what is to be done comes out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::calls::{CallDocuments, not_hot};
use super::resolve::resolve;
use super::{Departure, Installed};
use crate::document::{Address, Document, FetchError, Fetched};
use crate::state::sizes::{block, hash_table, shared_text};
use crate::state::{Batch, Call, CallError};
use crate::wire::ErrorCode;

/// How many batches may be parked; more are refused as busy.
pub(super) const MAX_PARKED: usize = 4_096;
/// How many documents may be on their way into the stores, and how many of them for one user.
pub(super) const MAX_FETCHING: usize = 8_192;
pub(super) const MAX_FETCHING_OF_USER: usize = 64;
/// A user for whom more than this is on its way has its inputs given back at once.
const PARKING_OF_USER: usize = 8;
/// How long a room's inputs are held up by those whose documents are not there: then the others run.
const HOLD: Duration = Duration::from_millis(50);
/// How long other batches wait. A fetch takes no longer.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long it is told of a fetch that it failed, before there is another.
const FAILURE: Duration = Duration::from_secs(1);
/// How soon something is fetched again that could not be installed, and for how long.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_FOR: Duration = Duration::from_secs(5);
/// What another home wants, and what has a save on its way to the database, is let go as soon as that is there: so often is the store
/// asked, and for so long do calls wait for it, or one save after another would keep it here.
const LEAVE_AGAIN: Duration = Duration::from_millis(20);
const LEAVE_AGAIN_FOR: Duration = Duration::from_secs(1);
/// Documents that nobody has used for so long are let go.
pub(super) const IDLE: Duration = Duration::from_secs(120);
/// The same for those that were not there when they were fetched: a caller may name as many as it likes, and each takes a row in
/// the database that says whose it is, until it is let go.
pub(super) const ABSENT_IDLE: Duration = Duration::from_secs(5);
/// A table of more places than this gives most of them back once they are empty.
const FEW_PLACES: usize = 1_024;
/// How many that are idle go at once, as the store does nothing else meanwhile.
const IDLE_AT_ONCE: usize = 512;
/// How many documents a store that is full lets go, at least.
const MAKING_ROOM: usize = 256;

/// What a call is told that wants more documents than may be on their way.
const TOO_MANY: &str = "too many documents are being fetched for you; try again";
const TOO_MANY_IN_ALL: &str = "too many documents are being fetched; try again";

/// A document of a store.
type Place = (usize, Address);
/// Names a parked batch.
type Number = u64;

/// Where a document is.
#[derive(Debug)]
enum Slot {
    /// In the store, used then; and since when it is in the list of those that may be idle.
    Hot { used: Instant, listed: Instant, is_absent: bool },
    /// On its way into the store, for this user first; and whether it is known that there is none.
    Fetching { since: Instant, user: SmolStr, waiting: Vec<Number>, is_absent: bool },
    /// The store was asked to let it go, at first then.
    Leaving { since: Instant, why: Departure, waiting: Vec<Number> },
    /// It could not be fetched.
    Failed { at: Instant, error: CallError },
}

/// A batch that goes to the engine.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) batch: Batch,
    /// The store that it is meant for, if it is meant for one.
    pub(super) to: Option<usize>,
}

/// A batch whose documents are not all there.
#[derive(Debug)]
struct Parked {
    batch: Batch,
    to: Option<usize>,
    store: usize,
    since: Instant,
    /// How many documents it waits for.
    missing: usize,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Todo {
    /// To be fetched, by store.
    pub(super) fetch: Vec<(usize, Vec<Address>)>,
    /// To be let go by the store.
    pub(super) let_go: Vec<(usize, Vec<Address>, Departure)>,
    /// What is out of the store, which the database is to know.
    pub(super) gone: Vec<(usize, Vec<Address>)>,
    /// To be submitted.
    pub(super) ready: Vec<Ready>,
}

/// What becomes of a batch.
#[derive(Debug)]
pub(super) enum Admission {
    /// It goes to the engine.
    Ready(Batch),
    /// It waits.
    Parked,
    /// There is no place for it.
    Full(Batch),
}

/// All documents of all stores that are hot or on their way.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Whether other processes use the documents, too: then what is idle here is only forgotten.
    is_shared: bool,
    slots: HashMap<Place, Slot>,
    /// How many it has had room for: while entries go, it tells of less than it has.
    widest: usize,
    /// What the addresses in it take.
    address_bytes: usize,
    parked: HashMap<Number, Parked>,
    last_number: Number,
    /// By user, how many are on their way.
    users: HashMap<SmolStr, usize>,
    fetching: usize,
    hot: usize,
    /// Those that are hot, about in the order of their use.
    idle: VecDeque<(Instant, Place)>,
    /// The same of those that were not there.
    absent: VecDeque<(Instant, Place)>,
    /// When something is to be fetched again.
    again: VecDeque<(Instant, Place)>,
    /// When the store is to be asked again to let something go.
    leave_again: VecDeque<(Instant, Place)>,
    /// Failures, in order.
    failed: VecDeque<(Instant, Place)>,
}

impl Todo {
    fn let_go(&mut self, (store, address): Place, why: Departure) {
        match self.let_go.iter_mut().find(|(of, _, known)| *of == store && *known == why) {
            Some((_, addresses, _)) => addresses.push(address),
            None => self.let_go.push((store, vec![address], why)),
        }
    }

    fn add(list: &mut Vec<(usize, Vec<Address>)>, (store, address): Place) {
        match list.iter_mut().find(|(of, _)| *of == store) {
            Some((_, addresses)) => addresses.push(address),
            None => list.push((store, vec![address])),
        }
    }
}

impl Table {
    pub(super) fn new(is_shared: bool) -> Self {
        Self { is_shared, ..Self::default() }
    }

    /// A batch wants to go to a store.
    pub(super) fn admit(
        &mut self,
        batch: Batch,
        (to, store): (Option<usize>, usize),
        now: Instant,
        todo: &mut Todo,
    ) -> Admission {
        let parked = Parked { batch, to, store, since: now, missing: 0 };
        self.look(parked, now, todo)
    }

    /// How many documents are hot.
    pub(super) fn hot(&self) -> usize {
        self.hot
    }

    /// How many batches are parked.
    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Takes all that is parked.
    pub(super) fn take_parked(&mut self) -> Vec<Ready> {
        self.parked.drain().map(|(_, Parked { batch, to, .. })| Ready { batch, to }).collect()
    }

    fn look(&mut self, mut parked: Parked, now: Instant, todo: &mut Todo) -> Admission {
        let may_give_back = parked.batch.gives_back() && parked.batch.room.is_some();
        let has_time =
            now.saturating_duration_since(parked.since) < if may_give_back { HOLD } else { PATIENCE };
        let (mut awaited, mut late) = (Vec::new(), Vec::new());
        for index in 0..parked.batch.calls.len() {
            let Batch { room, calls, .. } = &mut parked.batch;
            let call = &mut calls[index];
            if !call.script.has_documents() {
                // It was put off behind another.
                call.documents = None;
                continue;
            }
            let was_late = matches!(call.documents.as_deref(), Some(CallDocuments::Later));
            if was_late || call.documents.is_none() {
                call.documents = Some(Arc::new(resolve(call, room.as_ref())));
            }
            let user = call.caller.user_id.clone();
            let is_greedy = self.users.get(&user).is_some_and(|count| *count > PARKING_OF_USER);
            match self.look_for(call, parked.store, &user, now, todo) {
                Err(refused) => call.documents = Some(Arc::new(CallDocuments::Refused(refused))),
                Ok(missing) if missing.is_empty() => {}
                Ok(_) if may_give_back && (was_late || is_greedy || !has_time) => late.push(index),
                Ok(_) if !has_time => call.documents = Some(Arc::new(CallDocuments::Refused(not_hot()))),
                Ok(missing) => awaited.extend(missing),
            }
        }
        put_off(&mut parked.batch.calls, &late);
        if awaited.is_empty() {
            return Admission::Ready(parked.batch);
        }
        self.park(parked, awaited)
    }

    /// Looks for a call's documents, and has those fetched that are nowhere. Gives those that are not in the store.
    fn look_for(
        &mut self,
        call: &Call,
        store: usize,
        user: &SmolStr,
        now: Instant,
        todo: &mut Todo,
    ) -> Result<Vec<Place>, CallError> {
        let mut missing = Vec::new();
        for declared in call.documents.as_deref().map(CallDocuments::declared).unwrap_or_default() {
            let place = (store, declared.address.clone());
            match self.slots.get_mut(&place) {
                Some(Slot::Hot { used, .. }) => *used = now,
                Some(Slot::Failed { at, error }) if now.saturating_duration_since(*at) < FAILURE => {
                    return Err(error.clone());
                }
                Some(Slot::Fetching { .. } | Slot::Leaving { .. }) => missing.push(place),
                Some(Slot::Failed { .. }) | None => {
                    self.fetch(place.clone(), user, now, todo)?;
                    missing.push(place);
                }
            }
        }
        Ok(missing)
    }

    fn fetch(
        &mut self,
        place: Place,
        user: &SmolStr,
        now: Instant,
        todo: &mut Todo,
    ) -> Result<(), CallError> {
        let of_user = self.users.get(user).copied().unwrap_or_default();
        if !user.is_empty() && of_user >= MAX_FETCHING_OF_USER {
            return Err(CallError::refusal(ErrorCode::Busy, TOO_MANY));
        }
        if self.fetching >= MAX_FETCHING {
            return Err(CallError::refusal(ErrorCode::Busy, TOO_MANY_IN_ALL));
        }
        self.begin(place, user.clone(), Vec::new(), now, todo);
        Ok(())
    }

    fn begin(&mut self, place: Place, user: SmolStr, waiting: Vec<Number>, now: Instant, todo: &mut Todo) {
        self.fetching += 1;
        *self.users.entry(user.clone()).or_default() += 1;
        self.put(place.clone(), Slot::Fetching { since: now, user, waiting, is_absent: false });
        Todo::add(&mut todo.fetch, place);
    }

    /// What was on its way for a user is no more.
    fn ended(&mut self, user: &SmolStr) {
        self.fetching -= 1;
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }

    fn park(&mut self, mut parked: Parked, mut awaited: Vec<Place>) -> Admission {
        if self.parked.len() >= MAX_PARKED {
            return Admission::Full(parked.batch);
        }
        awaited.sort();
        awaited.dedup();
        parked.missing = awaited.len();
        self.last_number += 1;
        for place in &awaited {
            if let Some(Slot::Fetching { waiting, .. } | Slot::Leaving { waiting, .. }) =
                self.slots.get_mut(place)
            {
                waiting.push(self.last_number);
            }
        }
        self.parked.insert(self.last_number, parked);
        Admission::Parked
    }

    /// Those that wait for a document go on, if it was the last.
    fn wake(&mut self, waiting: Vec<Number>, now: Instant, todo: &mut Todo) {
        for number in waiting {
            let Some(parked) = self.parked.get_mut(&number) else { continue };
            parked.missing -= 1;
            if parked.missing == 0
                && let Some(parked) = self.parked.remove(&number)
            {
                self.go_on(parked, now, todo);
            }
        }
    }

    /// What it waited for may have gone again, or have failed.
    fn go_on(&mut self, parked: Parked, now: Instant, todo: &mut Todo) {
        let to = parked.to;
        match self.look(parked, now, todo) {
            Admission::Ready(batch) => todo.ready.push(Ready { batch, to }),
            Admission::Full(_) => unreachable!("its own place is free"),
            Admission::Parked => {}
        }
    }
}

/// What the keeper hears.
impl Table {
    /// Some have been fetched: gives those that are to be installed.
    pub(super) fn fetched(
        &mut self,
        store: usize,
        fetched: Fetched,
        now: Instant,
        todo: &mut Todo,
    ) -> Vec<Document> {
        let mut documents = Vec::new();
        for (address, result) in fetched {
            match result {
                Ok(document) => {
                    let is_none = document.value.is_none();
                    let place = (store, address);
                    if let Some(Slot::Fetching { is_absent, .. }) = self.slots.get_mut(&place) {
                        *is_absent = is_none;
                    }
                    documents.push(document);
                }
                Err(error) => self.failed((store, address), &error, now, todo),
            }
        }
        documents
    }

    fn failed(&mut self, place: Place, error: &FetchError, now: Instant, todo: &mut Todo) {
        let Some(Slot::Fetching { user, waiting, .. }) = self.take(&place) else { return };
        self.ended(&user);
        let error = CallError::refusal(
            ErrorCode::Unavailable,
            &format!("{error}; this did not run, and can be tried again"),
        );
        self.put(place.clone(), Slot::Failed { at: now, error });
        self.failed.push_back((now, place));
        self.wake(waiting, now, todo);
    }

    /// What became of those that were to be installed.
    pub(super) fn installed(
        &mut self,
        store: usize,
        installed: Vec<(Address, Installed)>,
        now: Instant,
        todo: &mut Todo,
    ) {
        let is_full = installed.iter().any(|(_, outcome)| *outcome == Installed::Full);
        for (address, outcome) in installed {
            let place = (store, address);
            let Some(Slot::Fetching { since, .. }) = self.slots.get(&place) else { continue };
            match outcome {
                Installed::Done => self.is_hot(place, now, todo),
                Installed::Again | Installed::Full if now.saturating_duration_since(*since) < AGAIN_FOR => {
                    self.again.push_back((now + AGAIN, place));
                }
                Installed::Again | Installed::Full => self.failed(place, &FetchError::Unavailable, now, todo),
            }
        }
        if is_full {
            self.make_room(store, now, todo);
        }
    }

    fn is_hot(&mut self, place: Place, now: Instant, todo: &mut Todo) {
        let Some(Slot::Fetching { user, waiting, is_absent, .. }) = self.take(&place) else { return };
        self.ended(&user);
        self.put_hot(place, is_absent, now);
        self.wake(waiting, now, todo);
    }

    fn put_hot(&mut self, place: Place, is_absent: bool, now: Instant) {
        self.hot += 1;
        self.list_of(is_absent).push_back((now, place.clone()));
        self.put(place, Slot::Hot { used: now, listed: now, is_absent });
    }

    fn list_of(&mut self, is_absent: bool) -> &mut VecDeque<(Instant, Place)> {
        if is_absent { &mut self.absent } else { &mut self.idle }
    }

    fn put(&mut self, place: Place, slot: Slot) {
        let bytes = shared_text(place.1.as_str().len());
        if self.slots.insert(place, slot).is_none() {
            self.address_bytes += bytes;
            self.widest = self.widest.max(self.slots.capacity());
        }
    }

    fn take(&mut self, place: &Place) -> Option<Slot> {
        let taken = self.slots.remove(place)?;
        self.address_bytes -= shared_text(place.1.as_str().len());
        Some(taken)
    }

    /// What it takes in memory, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let lists = [&self.idle, &self.absent, &self.again, &self.leave_again, &self.failed];
        let listed: usize = lists.iter().map(|list| list.capacity()).sum();
        hash_table::<(Place, Slot)>(self.widest)
            + self.address_bytes
            + block(listed * size_of::<(Instant, Place)>())
            + hash_table::<(SmolStr, usize)>(self.users.capacity())
            + hash_table::<(Number, Parked)>(self.parked.capacity())
    }

    /// Gives memory back after many have been there.
    fn shrink(&mut self) {
        let is_wide = |len: usize, capacity: usize| capacity > FEW_PLACES && len < capacity / 4;
        if is_wide(self.slots.len(), self.widest) {
            self.slots.shrink_to(2 * self.slots.len());
            self.widest = self.slots.capacity();
        }
        for list in
            [&mut self.idle, &mut self.absent, &mut self.again, &mut self.leave_again, &mut self.failed]
        {
            if is_wide(list.len(), list.capacity()) {
                list.shrink_to(2 * list.len());
            }
        }
    }

    /// The store was asked to let these go, and `gone` are out of it.
    pub(super) fn let_go(
        &mut self,
        store: usize,
        asked: &[Address],
        gone: &[Address],
        now: Instant,
        todo: &mut Todo,
    ) {
        let gone_set: std::collections::HashSet<&Address> = gone.iter().collect();
        for address in asked {
            let place = (store, address.clone());
            if gone_set.contains(address) {
                Todo::add(&mut todo.gone, place.clone());
            }
            let Some(Slot::Leaving { since, why, .. }) = self.slots.get(&place) else { continue };
            let is_kept = !gone_set.contains(address);
            if is_kept && *why == Departure::Wanted && now.saturating_duration_since(*since) < LEAVE_AGAIN_FOR
            {
                self.leave_again.push_back((now + LEAVE_AGAIN, place));
                continue;
            }
            let Some(Slot::Leaving { waiting, .. }) = self.take(&place) else { continue };
            match (gone_set.contains(address), waiting.is_empty()) {
                (true, true) => {}
                (true, false) => self.begin(place, SmolStr::default(), waiting, now, todo),
                (false, _) => {
                    // It is there: a save of it waits for the database.
                    self.put_hot(place, false, now);
                    self.wake(waiting, now, todo);
                }
            }
        }
    }

    /// Other homes want these of a store, or have them already.
    pub(super) fn wanted(&mut self, store: usize, addresses: Vec<Address>, now: Instant, todo: &mut Todo) {
        for address in addresses {
            self.leave((store, address), Departure::Wanted, now, todo);
        }
    }

    fn leave(&mut self, place: Place, why: Departure, now: Instant, todo: &mut Todo) {
        match self.slots.get(&place) {
            // Named again if it is still wanted when that is over.
            Some(Slot::Fetching { .. } | Slot::Leaving { .. }) => return,
            Some(Slot::Hot { .. }) => self.hot -= 1,
            Some(Slot::Failed { .. }) | None => {}
        }
        self.put(place.clone(), Slot::Leaving { since: now, why, waiting: Vec::new() });
        todo.let_go(place, why);
    }

    /// These are not in the store.
    pub(super) fn missing(&mut self, store: usize, addresses: Vec<Address>) {
        for address in addresses {
            self.forget(&(store, address));
        }
    }

    fn forget(&mut self, place: &Place) {
        if let Some(Slot::Hot { .. }) = self.slots.get(place) {
            self.hot -= 1;
            self.take(place);
        }
    }

    /// The engine has something to run that needs these.
    pub(super) fn needed(&mut self, store: usize, addresses: Vec<Address>, now: Instant, todo: &mut Todo) {
        self.missing(store, addresses.clone());
        for address in addresses {
            let place = (store, address);
            if !self.slots.contains_key(&place) {
                // It asks again.
                let _ = self.fetch(place, &SmolStr::default(), now, todo);
            }
        }
    }

    /// Time has passed.
    pub(super) fn time(&mut self, now: Instant, todo: &mut Todo) {
        while self.again.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, place)) = self.again.pop_front() else { break };
            if matches!(self.slots.get(&place), Some(Slot::Fetching { .. })) {
                Todo::add(&mut todo.fetch, place);
            }
        }
        while self.leave_again.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, place)) = self.leave_again.pop_front() else { break };
            if matches!(self.slots.get(&place), Some(Slot::Leaving { .. })) {
                todo.let_go(place, Departure::Wanted);
            }
        }
        while self.failed.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= FAILURE) {
            let Some((at, place)) = self.failed.pop_front() else { break };
            if matches!(self.slots.get(&place), Some(Slot::Failed { at: of, .. }) if *of == at) {
                self.take(&place);
            }
        }
        self.let_idle_go(false, IDLE, now, todo);
        self.let_idle_go(true, ABSENT_IDLE, now, todo);
        self.shrink();
        self.end_patience(now, todo);
    }

    /// When it is to be told of the time next, if nothing else happens.
    pub(super) fn wait(&self) -> Duration {
        if self.parked.is_empty() && self.again.is_empty() && self.leave_again.is_empty() {
            Duration::from_millis(500)
        } else {
            Duration::from_millis(10)
        }
    }

    fn let_idle_go(&mut self, is_absent: bool, idle: Duration, now: Instant, todo: &mut Todo) {
        for _ in 0..IDLE_AT_ONCE {
            let is_over = |(at, _): &(Instant, Place)| now.saturating_duration_since(*at) >= idle;
            if !self.list_of(is_absent).front().is_some_and(is_over) {
                break;
            }
            let Some((at, place)) = self.list_of(is_absent).pop_front() else { break };
            if let Some(used) = self.used(&place, at) {
                match now.saturating_duration_since(used) >= idle {
                    true if self.is_shared => self.forget(&place),
                    true => self.leave(place, Departure::Idle, now, todo),
                    false => self.list(place, used),
                }
            }
        }
    }

    /// When a hot document was used last, if this is its entry in the list.
    fn used(&self, place: &Place, at: Instant) -> Option<Instant> {
        match self.slots.get(place) {
            Some(Slot::Hot { used, listed, .. }) if *listed == at => Some(*used),
            _ => None,
        }
    }

    /// Puts a hot document at the end of the list.
    fn list(&mut self, place: Place, at: Instant) {
        let Some(Slot::Hot { listed, is_absent, .. }) = self.slots.get_mut(&place) else { return };
        *listed = at;
        let is_absent = *is_absent;
        self.list_of(is_absent).push_back((at, place));
    }

    /// A store is full: what was not there goes first, and then what was used longest ago.
    fn make_room(&mut self, store: usize, now: Instant, todo: &mut Todo) {
        let mut left = MAKING_ROOM;
        for is_absent in [true, false] {
            let mut looks = self.list_of(is_absent).len();
            while left > 0 && looks > 0 {
                looks -= 1;
                let Some((at, place)) = self.list_of(is_absent).pop_front() else { break };
                let Some(used) = self.used(&place, at) else { continue };
                if place.0 != store || used > at {
                    self.list(place, used);
                    continue;
                }
                self.leave(place, Departure::Idle, now, todo);
                left -= 1;
            }
        }
    }

    fn end_patience(&mut self, now: Instant, todo: &mut Todo) {
        let is_over = |parked: &Parked| {
            let hold = if parked.batch.gives_back() && parked.batch.room.is_some() { HOLD } else { PATIENCE };
            now.saturating_duration_since(parked.since) >= hold
        };
        let over: Vec<Number> =
            self.parked.iter().filter(|(_, parked)| is_over(parked)).map(|(number, _)| *number).collect();
        for number in over {
            if let Some(parked) = self.parked.remove(&number) {
                self.go_on(parked, now, todo);
            }
        }
    }
}

/// Has these calls given back, and those behind them of the same callers, as a caller's inputs run in order.
fn put_off(calls: &mut [Call], late: &[usize]) {
    let Some(&first) = late.first() else { return };
    let mut callers: Vec<SmolStr> = Vec::new();
    for (index, call) in calls.iter_mut().enumerate().skip(first) {
        let user_id = call.caller.user_id.clone();
        if late.contains(&index) || callers.contains(&user_id) && !user_id.is_empty() {
            call.documents = Some(Arc::new(CallDocuments::Later));
            callers.push(user_id);
        }
    }
}
