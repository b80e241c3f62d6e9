//! Guests become players: every room in which one may have something runs `on_upgrade`.
//!
//! Which rooms these are, the guest says, the rooms' home shards know from their members, and the stores from its book. The
//! client is answered once the rooms have been told, so that what it does next finds it done. A store that is away does not
//! keep it waiting: that store's rooms are told when it is back.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::submissions::{GuestTask, Submissions};
use crate::guests;
use crate::session::account::{AccountResult, Upgraded};
use crate::state::{CallResult, ConnectionKey, ShardId};
use crate::wire::ids::RoomId;

/// How long to wait before a store is asked again.
const RETRY_MS: u64 = 1000;

/// Upgrades whose rooms are not all told, by their numbers.
pub(super) struct Upgrades {
    shard: ShardId,
    under_way: HashMap<u32, Upgrading>,
    next: u32,
    /// Rooms at home here that have run the hook, by the guest, while more may follow.
    told: HashMap<SmolStr, Vec<RoomId>>,
}

struct Upgrading {
    upgraded: Arc<Upgraded>,
    /// Rooms that stores have told of, and which are to be told.
    rooms: Vec<RoomId>,
    /// Stores whose answers are waited for.
    asked: usize,
    /// Stores that could not answer.
    away: Vec<usize>,
    retry_due_ms: u64,
    /// Who waits for what.
    client: Option<(ConnectionKey, Box<AccountResult>)>,
}

/// What follows, in this order.
#[derive(Debug)]
#[must_use]
pub(super) enum Step {
    /// Every shard is to hear this.
    Tell(Arc<UpgradeNews>),
    /// The client gets its answer.
    Answer(ConnectionKey, Box<AccountResult>),
}

/// A message to all shards: rooms at home there are to run `on_upgrade`, each once.
#[derive(Debug)]
pub(crate) struct UpgradeNews {
    /// Who has become whom.
    pub upgraded: Arc<Upgraded>,
    pub rooms: UpgradedRooms,
}

/// Rooms in which a guest may have something.
#[derive(Debug)]
pub(crate) enum UpgradedRooms {
    /// Those that have it as a member, and those that it has named.
    Known,
    /// Those that a store knows.
    Stored {
        rooms: Vec<RoomId>,
        /// Whether no more will follow.
        are_last: bool,
    },
}

impl Upgrades {
    /// None is under way.
    pub(super) fn new(shard: ShardId) -> Self {
        Self { shard, under_way: HashMap::new(), next: 0, told: HashMap::new() }
    }

    /// When a store is to be asked again, in monotonic milliseconds.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let waiting = self.under_way.values().filter(|upgrade| upgrade.asked == 0);
        waiting.map(|upgrade| upgrade.retry_due_ms).min()
    }

    /// An account has been made of a guest. The client is answered when the rooms are told.
    pub(super) fn begin(
        &mut self,
        upgraded: Arc<Upgraded>,
        client: (ConnectionKey, Box<AccountResult>),
        submissions: &mut Submissions,
        now_ms: u64,
    ) -> Vec<Step> {
        let number = self.next;
        self.next = number.wrapping_add(1);
        let upgrading = Upgrading {
            rooms: Vec::new(),
            upgraded: upgraded.clone(),
            asked: 0,
            away: (0..submissions.engine.stores()).collect(),
            retry_due_ms: 0,
            client: Some(client),
        };
        self.under_way.insert(number, upgrading);
        // Before the stores are asked: the guest's sockets close soon, and rooms are to hear of it in this order.
        let mut steps = vec![tell(upgraded, UpgradedRooms::Known)];
        self.ask_for_rooms(number, submissions, now_ms, &mut steps);
        steps
    }

    /// Asks stores again that were away.
    pub(super) fn go_on(&mut self, submissions: &mut Submissions, now_ms: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.due_ms().is_none_or(|due_ms| now_ms < due_ms) {
            return steps;
        }
        let is_due = |upgrade: &Upgrading| upgrade.asked == 0 && upgrade.retry_due_ms <= now_ms;
        let under_way = self.under_way.iter();
        let due: Vec<u32> = under_way.filter(|(_, upgrade)| is_due(upgrade)).map(|(n, _)| *n).collect();
        for number in due {
            self.ask_for_rooms(number, submissions, now_ms, &mut steps);
        }
        steps
    }

    fn ask_for_rooms(
        &mut self,
        number: u32,
        submissions: &mut Submissions,
        now_ms: u64,
        steps: &mut Vec<Step>,
    ) {
        let Some(upgrading) = self.under_way.get_mut(&number) else { return };
        upgrading.retry_due_ms = now_ms + RETRY_MS;
        for store in std::mem::take(&mut upgrading.away) {
            let batch = guests::rooms(&upgrading.upgraded.guest, self.shard);
            match submissions.submit_task(store, GuestTask::Rooms(number, store), batch) {
                true => upgrading.asked += 1,
                false => upgrading.away.push(store),
            }
        }
        self.tell_rooms(number, steps);
    }

    /// A store has told a guest's rooms.
    pub(super) fn rooms_told(
        &mut self,
        number: u32,
        store: usize,
        result: &CallResult,
        submissions: &Submissions,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(upgrading) = self.under_way.get_mut(&number) else { return steps };
        upgrading.asked -= 1;
        match result {
            CallResult::Ok(answer) => {
                upgrading.rooms.extend(guests::read_rooms(answer));
                // If it is not struck off now, it is forgotten when its time is over.
                let batch = guests::strike(&upgrading.upgraded.guest, self.shard);
                let _ = submissions.engine.submit_to(store, batch);
            }
            CallResult::Err(error) if !error.is_unavailable() => {
                log::error!("the rooms of a guest are not known error={:?}", error.message);
            }
            _ => upgrading.away.push(store),
        }
        self.tell_rooms(number, &mut steps);
        steps
    }

    /// Tells the rooms that are known, if no store is waited for.
    fn tell_rooms(&mut self, number: u32, steps: &mut Vec<Step>) {
        let Some(upgrading) = self.under_way.get_mut(&number) else { return };
        if upgrading.asked > 0 {
            return;
        }
        let rooms = std::mem::take(&mut upgrading.rooms);
        let are_last = upgrading.away.is_empty();
        let client = upgrading.client.take();
        steps.push(tell(upgrading.upgraded.clone(), UpgradedRooms::Stored { rooms, are_last }));
        steps.extend(client.map(|(key, result)| Step::Answer(key, result)));
        if are_last {
            self.under_way.remove(&number);
        }
    }

    /// Which rooms at home here are to run the hook now: those of `rooms` that have not.
    pub(super) fn rooms_to_tell(&mut self, news: &UpgradeNews, rooms: Vec<RoomId>) -> Vec<RoomId> {
        let guest = &news.upgraded.guest.user_id;
        let mut told = self.told.remove(guest).unwrap_or_default();
        let mut untold = Vec::new();
        for room in rooms {
            if !told.contains(&room) {
                told.push(room.clone());
                untold.push(room);
            }
        }
        if !matches!(news.rooms, UpgradedRooms::Stored { are_last: true, .. }) {
            self.told.insert(guest.clone(), told);
        }
        untold
    }
}

fn tell(upgraded: Arc<Upgraded>, rooms: UpgradedRooms) -> Step {
    Step::Tell(Arc::new(UpgradeNews { upgraded, rooms }))
}
