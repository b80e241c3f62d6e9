//! What a worker is told: its clients before the start, commands during the run. All of it travels as JSON to child processes.

use crate::client::tls::Trust;
use crate::measure::group::Group;
use crate::messages::traffic::Traffic;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// One worker thread's share of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Where its clients play; the first is where they begin.
    pub servers: Vec<Target>,
    pub returns: Returns,
    /// Rooms with clients of this worker.
    pub rooms: Vec<RoomPlan>,
    /// What the inputs look like.
    pub traffic: Traffic,
    /// Share of a period by which an input may come later than its regular time.
    pub jitter: f64,
    /// Addresses to connect from, in turn; none for the system's choice.
    pub sources: Vec<Ipv4Addr>,
    /// Seed of this worker's random numbers.
    pub seed: u64,
    /// The core to run on.
    pub core: Option<usize>,
    /// Clients that come back say where they left off.
    pub resume: bool,
    /// The server is restarted meanwhile, so that connections end.
    pub restarts: bool,
    /// Clients come back whatever happens, with numbered inputs.
    pub persistence: Option<Persistence>,
    /// Some events are not for all: numbers rise, and may jump.
    pub addressed_events: bool,
    pub compress: bool,
    /// Receive buffer of slow clients, in bytes.
    pub slow_receive_buffer_bytes: Option<usize>,
}

/// A server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub address: SocketAddr,
    pub host: String,
    /// Whose certificates are believed, if it is spoken with by TLS.
    pub trust: Option<Trust>,
}

/// How clients go on that never give up: their inputs are numbered, and sent again after each return.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Persistence {
    pub heartbeat_ms: u64,
    /// A connection whose heartbeat, or whose welcome, is not there after this is given up.
    pub silence_ms: u64,
}

/// By which of its servers a client comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Returns {
    #[default]
    Same,
    /// The one after that where it was.
    Next,
    /// Any of them, at random.
    Any,
}

impl Plan {
    /// Clients of one group, or of all.
    pub(crate) fn clients(&self, group: Option<Group>) -> usize {
        let clients = self.rooms.iter().flat_map(|room| &room.clients);
        clients.filter(|client| group.is_none_or(|group| client.group == group)).count()
    }
}

/// A room and those of its members that this worker plays.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RoomPlan {
    pub id: String,
    /// The `user_id` of every member, whoever plays it.
    pub members: Vec<String>,
    pub clients: Vec<ClientPlan>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientPlan {
    /// Place among the room's members.
    pub member: u32,
    pub token: String,
    /// The group that it belongs to.
    pub group: Group,
}

/// What a running worker can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Connect the first `count` clients of a group that are not connected, `per_second` of them (all at once if 0),
    /// at most `in_flight` at a time (0: no limit).
    Connect {
        group: Group,
        /// How many at most.
        count: usize,
        per_second: f64,
        /// How many may be between connect and welcome.
        in_flight: usize,
    },
    /// Each client of the group sends this many inputs a second from now on, and this many lines of chat.
    Play {
        group: Group,
        inputs_hz: f64,
        /// Lines of chat a second.
        chat_hz: f64,
    },
    /// Of the group's clients, this many a second leave, and each comes back after `away_ms`.
    Churn {
        group: Group,
        /// How many leave a second.
        per_second: f64,
        /// How long each is away.
        away_ms: u64,
    },
    /// Cut all connections of the group without a word.
    Drop { group: Group },
    /// Read or stop reading what the server sends to the group.
    Read { group: Group, on: bool },
    /// Send the window that has gathered since the last one.
    Report,
    /// Stop sending, wait up to `grace_ms` for answers that are still missing, judge, close everything, send the last window.
    Finish {
        /// How long to wait.
        grace_ms: u64,
    },
}
