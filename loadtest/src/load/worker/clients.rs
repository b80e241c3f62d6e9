//! The clients of a worker and the groups that they are steered in.

use crate::check::{Expectations, RoomCheck};
use crate::client::connection::Connection;
use crate::load::plan::ClientPlan;
use crate::load::schedule::Pace;
use crate::measure::group::Group;

/// One player's connection and what is expected of it.
pub(super) struct Client {
    /// Index of its room.
    pub room: u32,
    /// Place among the room's members.
    pub member: u32,
    /// The group that it is steered with.
    pub group: Group,
    pub token: String,
    /// Which of the worker's servers it plays on.
    pub server: usize,
    /// None while it is away.
    pub connection: Option<Connection>,
    /// What it must receive next.
    pub expected: Expectations,
    /// When the connection was due: what a join's duration counts from.
    pub due_ns: u64,
    /// Counts connections; what was planned for an earlier one is void.
    pub life: u32,
    /// Tries to connect since it was last in.
    pub tries: u32,
    /// Number of the next input.
    pub next_n: u32,
    /// Said goodbye and waits for the server to close; then it stays away this long.
    pub leaving_for_ns: Option<u64>,
    pub paused: bool,
    /// Refused inputs are to be sent again soon.
    pub resends: bool,
}

/// A room of which this worker plays some members.
pub(super) struct Room {
    pub id: String,
    /// The `user_id` of every member.
    pub members: Vec<String>,
    pub check: RoomCheck,
}

/// Steers all clients of one group.
pub(super) struct ClientGroup {
    /// Indexes of its clients.
    pub clients: Vec<u32>,
    /// Who is away connects, while this lasts.
    pub joining: Option<Joining>,
    /// Clients between connect and welcome.
    pub in_flight: usize,
    /// Inputs a second of each.
    pub inputs_hz: f64,
    /// Lines of chat a second of each.
    pub chat_hz: f64,
    /// Counts changes of the rates; what was planned for an earlier rate is void.
    pub tempo: u32,
    /// Some leave and come back, while this lasts.
    pub churn: Option<Churn>,
    /// Whether they read what comes.
    pub reading: bool,
    /// Clients that are in.
    pub connected: u64,
}

/// How those who are away connect.
pub(super) struct Joining {
    /// When the next is due.
    pub pace: Pace,
    /// How many are still to connect.
    pub remaining: usize,
    /// Place in the group's list from which on somebody may still be away.
    pub cursor: usize,
    /// How many may be on their way (0: no limit).
    pub in_flight_limit: usize,
}

pub(super) struct Churn {
    /// When the next is due.
    pub pace: Pace,
    /// How long each stays away.
    pub away_ns: u64,
}

/// The end of a run, while answers are waited for.
pub(super) struct Finishing {
    pub deadline_ns: u64,
    /// When to look again whether all are there.
    pub next_look_ns: u64,
}

impl Client {
    /// One that is away.
    pub(crate) fn new(room: u32, plan: ClientPlan) -> Self {
        Self {
            room,
            member: plan.member,
            group: plan.group,
            token: plan.token,
            server: 0,
            connection: None,
            expected: Expectations::new(),
            due_ns: 0,
            life: 0,
            tries: 0,
            next_n: 0,
            leaving_for_ns: None,
            paused: false,
            resends: false,
        }
    }

    /// Whether it has no connection at all.
    pub(super) fn is_away(&self) -> bool {
        self.connection.is_none()
    }
}

impl ClientGroup {
    /// Those of all clients that belong to the group.
    pub(crate) fn new(group: Group, clients: &[Client]) -> Self {
        let own = (0..).zip(clients).filter(|(_, client)| client.group == group).map(|(index, _)| index);
        Self {
            clients: own.collect(),
            joining: None,
            in_flight: 0,
            inputs_hz: 0.0,
            chat_hz: 0.0,
            tempo: 0,
            churn: None,
            reading: true,
            connected: 0,
        }
    }

    /// Whether somebody is still to connect and may do so now.
    pub(super) fn may_join(&self) -> bool {
        self.joining.as_ref().is_some_and(|joining| {
            joining.remaining > 0
                && (joining.in_flight_limit == 0 || self.in_flight < joining.in_flight_limit)
        })
    }
}
