//! The scenarios. Each says which rooms it needs and then directs the run; what it measured stands in the run afterwards.

mod documents;
mod endure;
mod handshakes;
mod hold;
mod hostile;
mod rooms;
mod saturate;
mod slow;
mod storm;
mod sweep;
mod timers;

use crate::load::setup::Layout;
use crate::measure::group::Group;
use crate::options::{Options, Scenario};
use crate::run::Run;
use std::io;
use std::net::SocketAddr;

/// The rooms that a scenario plays in.
pub(crate) fn layouts(scenario: &Scenario) -> Vec<Layout> {
    match scenario {
        Scenario::Hold(args) => Layout::players(args.connections, args.room_size, Group::Players),
        Scenario::Rooms(args) => Layout::rooms(args.rooms, args.players, Group::Players),
        Scenario::BigRoom(args) => Layout::rooms(1, args.players, Group::Players),
        Scenario::Saturate(args) => Layout::players(args.players, args.room_size, Group::Players),
        Scenario::StormConnect(args) => storm::layouts(args, 0),
        Scenario::StormReconnect(args) => storm::layouts(&args.storm, args.stay),
        Scenario::StormLogin(args) => storm::playing_layouts(&args.playing),
        Scenario::Handshakes(args) => storm::playing_layouts(&args.playing),
        Scenario::Slow(args) => slow::layouts(args.rooms, args.players, args.share),
        Scenario::Endure(args) => slow::layouts(args.rooms, args.players, args.slow),
        Scenario::Hostile(args) => Layout::rooms(args.rooms, args.players, Group::Players),
        Scenario::Mixed(args) => Layout::rooms(args.rooms, args.players, Group::Players),
        Scenario::Timers(args) => Layout::rooms(args.rooms, args.players, Group::Players),
        Scenario::Documents(args) => documents::layouts(args),
        Scenario::Sweep(args) => {
            let most = args.counts.iter().max().copied().unwrap_or(0);
            Layout::players(most, args.room_size, Group::Players)
        }
        Scenario::Floor(_) => Vec::new(),
    }
}

pub(crate) fn direct(
    scenario: &Scenario,
    options: &Options,
    target: SocketAddr,
    rooms: &[Room],
    run: &mut Run<'_>,
) -> io::Result<()> {
    match scenario {
        Scenario::Hold(args) => hold::direct(args, run),
        Scenario::Rooms(args) => rooms::direct(run, args.rate),
        Scenario::BigRoom(args) => rooms::direct(run, args.total_rate / args.players as f64),
        Scenario::Endure(args) => endure::direct(args, run),
        Scenario::Hostile(args) => hostile::direct(args, options, target, run),
        Scenario::Mixed(args) => rooms::direct_mixed(args, run),
        Scenario::Saturate(args) => saturate::direct(args, run),
        Scenario::StormConnect(args) => storm::direct_connect(args, run),
        Scenario::StormReconnect(args) => storm::direct_reconnect(args, run),
        Scenario::StormLogin(args) => storm::login::direct(args, options, target, run),
        Scenario::Handshakes(args) => handshakes::direct(args, options, target, run),
        Scenario::Slow(args) => slow::direct(args, run),
        Scenario::Timers(args) => timers::direct(args, options, target, rooms, run),
        Scenario::Documents(args) => documents::direct(args, options, target, rooms, run),
        Scenario::Sweep(args) => sweep::direct(args, run),
        Scenario::Floor(_) => Ok(()),
    }
}

/// What is left to be judged when everybody is gone.
pub(crate) fn conclude(
    scenario: &Scenario,
    options: &Options,
    targets: &[SocketAddr],
    rooms: &[Room],
    run: &mut Run<'_>,
) -> io::Result<()> {
    match scenario {
        Scenario::Endure(args) => endure::conclude(args, options, targets, rooms, run),
        _ => Ok(()),
    }
}

pub(crate) use documents::action as document_action;

/// A room, and a member's token.
pub(crate) struct Room {
    pub id: String,
    pub token: String,
    /// That member's group.
    pub group: Group,
}

/// How many connections go into one room, for the floor's bursts.
pub(crate) fn room_size(scenario: &Scenario) -> usize {
    layouts(scenario).iter().map(|layout| layout.seats.len()).max().unwrap_or(1)
}
