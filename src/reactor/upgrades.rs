//! Guests become players: every room in which one may have something runs `on_upgrade`.
//!
//! Which rooms these are, the guest says, the rooms' home shards know from their members, and the stores from its book. The
//! client is answered once the rooms have been told, so that what it does next finds it done. A store that is away does not
//! keep it waiting: that store's rooms are told when it is back.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::mail::Mail;
use super::purposes::GuestTask;
use super::shard::Shard;
use super::{accounts, home_shard};
use crate::guests;
use crate::session::account::{AccountResult, Upgraded};
use crate::state::{CallResult, ConnectionKey};
use crate::wire::ids::RoomId;

/// How long to wait before a store is asked again.
const RETRY_MS: u64 = 1000;

/// Upgrades whose rooms are not all told, by their numbers.
#[derive(Default)]
pub(super) struct Upgrades {
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

/// A letter to all shards: rooms at home there are to run `on_upgrade`, each once.
#[derive(Debug)]
pub struct UpgradeNews {
    /// Who has become whom.
    pub upgraded: Arc<Upgraded>,
    /// Which rooms.
    pub rooms: UpgradedRooms,
}

/// Rooms in which a guest may have something.
#[derive(Debug)]
pub enum UpgradedRooms {
    /// Those that have it as a member, and those that it has named.
    Known,
    /// Those that a store knows.
    Stored {
        /// Their ids.
        rooms: Vec<RoomId>,
        /// Whether no more will follow.
        are_last: bool,
    },
}

impl Upgrades {
    /// When a store is to be asked again, in monotonic milliseconds.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let waiting = self.under_way.values().filter(|upgrade| upgrade.asked == 0);
        waiting.map(|upgrade| upgrade.retry_due_ms).min()
    }
}

impl Shard {
    /// An account has been made of a guest. The client is answered when the rooms are told.
    pub(super) fn begin_upgrade(
        &mut self,
        upgraded: Arc<Upgraded>,
        client: ConnectionKey,
        result: Box<AccountResult>,
    ) {
        let number = self.upgrades.next;
        self.upgrades.next = number.wrapping_add(1);
        let upgrading = Upgrading {
            rooms: Vec::new(),
            upgraded: upgraded.clone(),
            asked: 0,
            away: (0..self.shared.engine.stores()).collect(),
            retry_due_ms: 0,
            client: Some((client, result)),
        };
        self.upgrades.under_way.insert(number, upgrading);
        // Before the stores are asked: the guest's sockets close soon, and rooms are to hear of it in this order.
        self.post_upgrade(upgraded, UpgradedRooms::Known);
        self.ask_for_rooms(number);
    }

    /// Asks stores again that were away.
    pub(super) fn go_on_upgrading(&mut self) {
        let now_ms = self.now.monotonic_ms;
        if self.upgrades.due_ms().is_none_or(|due_ms| now_ms < due_ms) {
            return;
        }
        let is_due = |upgrade: &Upgrading| upgrade.asked == 0 && upgrade.retry_due_ms <= now_ms;
        let under_way = self.upgrades.under_way.iter();
        let due: Vec<u32> = under_way.filter(|(_, upgrade)| is_due(upgrade)).map(|(n, _)| *n).collect();
        for number in due {
            self.ask_for_rooms(number);
        }
    }

    fn ask_for_rooms(&mut self, number: u32) {
        let Some(upgrading) = self.upgrades.under_way.get_mut(&number) else { return };
        upgrading.retry_due_ms = self.now.monotonic_ms + RETRY_MS;
        let guest = upgrading.upgraded.guest.clone();
        for store in std::mem::take(&mut upgrading.away) {
            let batch = guests::rooms(&guest, self.id);
            let is_asked = self.submit_task_to(store, GuestTask::Rooms(number, store), batch);
            let Some(upgrading) = self.upgrades.under_way.get_mut(&number) else { return };
            match is_asked {
                true => upgrading.asked += 1,
                false => upgrading.away.push(store),
            }
        }
        self.tell_of_upgrade(number);
    }

    /// A store has told a guest's rooms.
    pub(super) fn upgrade_rooms(&mut self, number: u32, store: usize, result: &CallResult) {
        let Some(upgrading) = self.upgrades.under_way.get_mut(&number) else { return };
        upgrading.asked -= 1;
        match result {
            CallResult::Ok(answer) => {
                upgrading.rooms.extend(guests::read_rooms(answer));
                // If it is not struck off now, it is forgotten when its time is over.
                let batch = guests::strike(&upgrading.upgraded.guest, self.id);
                let _ = self.shared.engine.submit_to(store, batch);
            }
            CallResult::Err(error) if !accounts::is_unavailable(error) => {
                log::error!("the rooms of a guest are not known error={:?}", error.message);
            }
            _ => upgrading.away.push(store),
        }
        self.tell_of_upgrade(number);
    }

    /// Tells the rooms that are known, if no store is waited for.
    fn tell_of_upgrade(&mut self, number: u32) {
        let Some(upgrading) = self.upgrades.under_way.get_mut(&number) else { return };
        if upgrading.asked > 0 {
            return;
        }
        let rooms = std::mem::take(&mut upgrading.rooms);
        let are_last = upgrading.away.is_empty();
        let client = upgrading.client.take();
        let upgraded = upgrading.upgraded.clone();
        if are_last {
            self.upgrades.under_way.remove(&number);
        }
        self.post_upgrade(upgraded, UpgradedRooms::Stored { rooms, are_last });
        if let Some((key, result)) = client {
            self.answer_account(key, &result);
        }
    }

    fn post_upgrade(&mut self, upgraded: Arc<Upgraded>, rooms: UpgradedRooms) {
        let news = Arc::new(UpgradeNews { upgraded, rooms });
        for shard in 0..self.peers.len() {
            self.post_or_read(shard, Mail::Upgraded(news.clone()));
        }
    }

    /// Runs `on_upgrade` in those of the rooms that are at home here.
    pub(super) fn guest_upgraded(&mut self, news: &UpgradeNews) {
        let upgraded = &news.upgraded;
        let guest = &upgraded.guest.user_id;
        let mut told = self.upgrades.told.remove(guest).unwrap_or_default();
        let mut rooms: Vec<RoomId> = match &news.rooms {
            UpgradedRooms::Known => self.rooms.with_member(guest).chain(&upgraded.rooms).cloned().collect(),
            UpgradedRooms::Stored { rooms, .. } => rooms.clone(),
        };
        let shards = self.peers.len();
        rooms.retain(|room| home_shard(room, shards) == self.id);
        for room in rooms {
            if !told.contains(&room) {
                self.upgrade_in(&room, upgraded.clone());
                told.push(room);
            }
        }
        if !matches!(news.rooms, UpgradedRooms::Stored { are_last: true, .. }) {
            self.upgrades.told.insert(guest.clone(), told);
        }
    }

    /// The hook goes to the engine at once, behind what waits. What comes to the room later, the player's own join among it,
    /// finds it done; but if the engine has no place for it, or the store is away, it waits.
    fn upgrade_in(&mut self, room: &RoomId, upgraded: Arc<Upgraded>) {
        if self.scripts.get("on_upgrade").is_none() {
            return;
        }
        let room_index = self.open_at_home(room);
        self.run_on_upgrade(room_index, upgraded);
        self.submit_all(room_index);
    }
}
