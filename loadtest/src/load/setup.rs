//! Before the run: players log in as guests, rooms are made, and both are dealt out to the workers.

use crate::attack::Seat;
use crate::client::http::{Answer, Call, Http};
use crate::load::plan::{ClientPlan, Plan, Returns, RoomPlan, Target};
use crate::measure::group::Group;
use crate::options::Options;
use crate::random::Random;
use serde::Deserialize;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A room by the groups of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// One entry a member.
    pub seats: Vec<Group>,
}

impl Layout {
    /// This many rooms with this many players of a group in each.
    pub(crate) fn rooms(rooms: usize, players: usize, group: Group) -> Vec<Self> {
        vec![Self { seats: vec![group; players] }; rooms]
    }

    /// The same with so many players more of another group in each.
    pub(crate) fn and(mut self, players: usize, group: Group) -> Self {
        self.seats.extend(vec![group; players]);
        self
    }

    /// Rooms of a size for a number of players; the last may be smaller.
    pub(crate) fn players(players: usize, room_size: usize, group: Group) -> Vec<Self> {
        let sizes = (0..players).step_by(room_size).map(|first| room_size.min(players - first));
        sizes.map(|size| Self { seats: vec![group; size] }).collect()
    }
}

const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections of one source address. Linux has 28,232 ports for them by default and tries one half of these first; once
/// it is used up, including those that are still closing, each search goes through all of it, and takes a millisecond.
const CONNECTIONS_PER_SOURCE: usize = 10_000;

/// Logins from one address, well within what a server allows in a minute.
const LOGINS_PER_SOURCE: usize = 40;
/// The first of the loopback addresses for logins that are spread.
const LOGIN_SOURCES: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

/// Opens a connection for calls.
pub(crate) fn http(options: &Options, target: SocketAddr) -> io::Result<Http> {
    http_within(options, target, HTTP_TIMEOUT)
}

/// Opens a connection for calls whose answers may take this long.
pub(crate) fn http_within(options: &Options, target: SocketAddr, timeout: Duration) -> io::Result<Http> {
    Http::connect(target, &options.host(target), options.tls(target), timeout).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot reach the server at {target}: {error}"))
    })
}

/// Deals the rooms out to the servers, makes them and their members there, and one plan for each worker.
pub(crate) fn prepare(
    options: &Options,
    targets: &[SocketAddr],
    layouts: &[Layout],
) -> io::Result<Vec<Plan>> {
    let workers = options.processes * options.threads;
    if workers < targets.len() && options.returns == Returns::Same {
        let servers = targets.len();
        return Err(io::Error::other(format!(
            "a worker plays on one server: {servers} servers need --processes {servers} or --threads {servers}"
        )));
    }
    let players = count_players(layouts);
    // Who comes back elsewhere must be known there, so all are made by one server and begin there.
    if options.returns != Returns::Same {
        let mut plans: Vec<Plan> = (0..workers).map(|worker| empty_plan(options, targets, worker)).collect();
        assign_sources(options, players, &mut plans);
        prepare_on(options, targets[0], &layouts.iter().collect::<Vec<_>>(), &mut plans)?;
        return Ok(plans);
    }
    let mut plans: Vec<(usize, Plan)> = Vec::new();
    for (n, target) in targets.iter().enumerate() {
        let layouts: Vec<&Layout> = layouts.iter().skip(n).step_by(targets.len()).collect();
        let workers: Vec<usize> = (n..workers).step_by(targets.len()).collect();
        let mut own: Vec<Plan> =
            workers.iter().map(|worker| empty_plan(options, &[*target], *worker)).collect();
        assign_sources(options, players, &mut own);
        prepare_on(options, *target, &layouts, &mut own)?;
        plans.extend(workers.into_iter().zip(own));
    }
    plans.sort_by_key(|(worker, _)| *worker);
    Ok(plans.into_iter().map(|(_, plan)| plan).collect())
}

/// Makes rooms and their members on one server, and deals them out to the workers that play there.
fn prepare_on(
    options: &Options,
    target: SocketAddr,
    layouts: &[&Layout],
    plans: &mut [Plan],
) -> io::Result<()> {
    let players = count_players(layouts.iter().copied());
    let mut guests = guests(options, target, players)?.into_iter();
    let rooms: Vec<(&Layout, Vec<Guest>)> =
        layouts.iter().map(|layout| (*layout, guests.by_ref().take(layout.seats.len()).collect())).collect();
    let ids = lobbies(&mut http(options, target)?, &rooms)?;
    let fair_share = players.div_ceil(plans.len());
    for (id, (layout, guests)) in ids.into_iter().zip(rooms) {
        deal(id, layout, guests, fair_share, plans);
    }
    Ok(())
}

fn count_players<'a>(layouts: impl IntoIterator<Item = &'a Layout>) -> usize {
    layouts.into_iter().map(|layout| layout.seats.len()).sum()
}

/// A guest's answer from the server.
#[derive(Deserialize)]
struct Guest {
    token: String,
    user_id: String,
}

fn guests(options: &Options, target: SocketAddr, count: usize) -> io::Result<Vec<Guest>> {
    let call = || Call { method: "POST", path: "/guest-login", token: None, body: "{}".into() };
    let calls: Vec<Call<'_>> = (0..count).map(|_| call()).collect();
    let per_address = if options.spreads_logins { LOGINS_PER_SOURCE } else { calls.len().max(1) };
    let mut guests = Vec::new();
    for calls in calls.chunks(per_address) {
        let answers = login_http(options, target)?.call_all(calls)?;
        for answer in &answers {
            guests.push(parse("/guest-login", answer)?);
        }
    }
    Ok(guests)
}

/// A connection from an address that was not used before, where logins are to be spread.
fn login_http(options: &Options, target: SocketAddr) -> io::Result<Http> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !options.spreads_logins || !target.ip().is_loopback() {
        return http(options, target);
    }
    let source = u32::from(LOGIN_SOURCES) + NEXT.fetch_add(1, Ordering::Relaxed);
    let (source, host) = (Some(Ipv4Addr::from(source)), options.host(target));
    Http::connect_from(source, target, &host, options.tls(target), HTTP_TIMEOUT)
}

/// Attackers: guests, and a lobby to which they belong, or one for each if they are `apart`.
pub(crate) fn seats(
    options: &Options,
    target: SocketAddr,
    count: usize,
    apart: bool,
) -> io::Result<Vec<Seat>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let in_one = if apart { 1 } else { count };
    let layout = Layout { seats: vec![Group::Players; in_one] };
    let mut guests = guests(options, target, count)?.into_iter();
    let rooms: Vec<_> =
        (0..count / in_one).map(|_| (&layout, guests.by_ref().take(in_one).collect::<Vec<_>>())).collect();
    let ids = lobbies(&mut http(options, target)?, &rooms)?;
    let host = options.host(target);
    let seats = rooms.into_iter().zip(ids).flat_map(|((_, guests), game_id)| {
        let seat = |guest: Guest| Seat { host: host.clone(), token: guest.token, game_id: game_id.clone() };
        guests.into_iter().map(seat).collect::<Vec<_>>()
    });
    Ok(seats.collect())
}

#[derive(Deserialize)]
struct RpcAnswer {
    result: String,
}

fn lobbies(http: &mut Http, rooms: &[(&Layout, Vec<Guest>)]) -> io::Result<Vec<String>> {
    let calls: Vec<Call<'_>> = rooms
        .iter()
        .map(|(layout, guests)| {
            let body = format!(r#"{{"script":"create_lobby","args":[{}]}}"#, layout.seats.len());
            Call {
                method: "POST",
                path: "/api/rpc",
                token: guests.first().map(|guest| guest.token.as_str()),
                body,
            }
        })
        .collect();
    let answers = http.call_all(&calls)?;
    let ids = answers.iter().map(|answer| parse::<RpcAnswer>("/api/rpc create_lobby", answer));
    ids.map(|answer| answer.map(|answer| answer.result.trim_start_matches("game:").to_owned())).collect()
}

/// The answer's content, or an error that says what the server said.
pub(crate) fn parse<'a, T: Deserialize<'a>>(what: &str, answer: &'a Answer) -> io::Result<T> {
    if answer.status == 429 {
        let hint = "the server limits how fast its players may log in; start it with that limit off (--login-rate 0)";
        return Err(io::Error::other(format!("{what}: 429: {hint}")));
    }
    if !(200..300).contains(&answer.status) {
        return Err(io::Error::other(format!(
            "{what}: the server answers {}: {}",
            answer.status,
            answer.body.trim()
        )));
    }
    serde_json::from_str(&answer.body)
        .map_err(|error| io::Error::other(format!("{what}: {error} in the answer {}", answer.body.trim())))
}

fn empty_plan(options: &Options, targets: &[SocketAddr], worker: usize) -> Plan {
    let server = |target: &SocketAddr| Target {
        address: *target,
        host: options.host(*target),
        trust: options.tls(*target).map(|_| options.trust.clone()),
    };
    Plan {
        servers: targets.iter().map(server).collect(),
        returns: options.returns,
        rooms: Vec::new(),
        traffic: options.traffic.clone(),
        jitter: options.jitter,
        sources: Vec::new(),
        seed: Random::new(options.seed, worker as u64).bits(),
        core: options
            .pin_core
            .map(|core| core + if options.threads > 1 { worker % options.threads } else { 0 }),
        resume: options.resume,
        restarts: options.restarts,
        persistence: options.persistence,
        addressed_events: options.addressed_events,
        compress: options.compress,
        slow_receive_buffer_bytes: options.slow_receive_buffer_bytes,
    }
}

/// Gives out loopback addresses 127.0.0.1, 127.0.0.2 … in turn when one has too few ports for all connections.
fn assign_sources(options: &Options, players: usize, plans: &mut [Plan]) {
    let needed = players.div_ceil(CONNECTIONS_PER_SOURCE);
    let count = options.source_addresses.unwrap_or(needed);
    if count <= 1 || !plans[0].servers[0].address.ip().is_loopback() {
        return;
    }
    let address = |n: usize| Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + n as u32);
    for plan in plans {
        plan.sources = (0..count).map(address).collect();
    }
}

/// Gives a room to the worker with the least to do, or a large room to all of them.
fn deal(id: String, layout: &Layout, guests: Vec<Guest>, fair_share: usize, plans: &mut [Plan]) {
    let members: Vec<String> = guests.iter().map(|guest| guest.user_id.clone()).collect();
    let clients = (0..).zip(guests).zip(&layout.seats);
    let clients: Vec<ClientPlan> = clients
        .map(|((member, guest), group)| ClientPlan { member, token: guest.token, group: *group })
        .collect();
    let parts = if clients.len() > fair_share { plans.len() } else { 1 };
    for part in 0..parts {
        let own = clients.iter().skip(part).step_by(parts).cloned().collect();
        let room = RoomPlan { id: id.clone(), members: members.clone(), clients: own };
        let idlest = plans.iter_mut().min_by_key(|plan| plan.clients(None));
        idlest.expect("there is at least one worker").rooms.push(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(sizes: &[usize], workers: usize) -> Vec<Vec<usize>> {
        let options = Options::for_test();
        let targets = ["127.0.0.1:1".parse().unwrap()];
        let mut plans: Vec<Plan> =
            (0..workers).map(|worker| empty_plan(&options, &targets, worker)).collect();
        let players: usize = sizes.iter().sum();
        for (n, size) in sizes.iter().enumerate() {
            let layout = Layout { seats: vec![Group::Players; *size] };
            let guests =
                (0..*size).map(|i| Guest { token: String::new(), user_id: format!("{n}-{i}") }).collect();
            deal(n.to_string(), &layout, guests, players.div_ceil(workers), &mut plans);
        }
        plans.iter().map(|plan| plan.rooms.iter().map(|room| room.clients.len()).collect()).collect()
    }

    #[test]
    fn rooms_stay_whole_unless_they_are_too_large() {
        let check =
            |sizes: &[usize], workers, expected: &[Vec<usize>]| assert_eq!(dealt(sizes, workers), expected);
        check(&[5, 5, 5, 5], 2, &[vec![5, 5], vec![5, 5]]);
        check(&[9], 2, &[vec![5], vec![4]]);
        check(&[3, 4], 1, &[vec![3, 4]]);
        check(&[10, 1, 1], 2, &[vec![5, 1], vec![5, 1]]);
    }

    #[test]
    fn players_fill_rooms() {
        let sizes = |players, size| -> Vec<usize> {
            Layout::players(players, size, Group::Players).iter().map(|layout| layout.seats.len()).collect()
        };
        assert_eq!(sizes(10, 4), [4, 4, 2]);
        assert_eq!(sizes(8, 4), [4, 4]);
        assert_eq!(sizes(0, 4), [0; 0]);
    }

    #[test]
    fn a_refusal_is_told_as_it_is() {
        let check = |status, body: &str, expected: &str| {
            let answer = Answer { status, body: body.into(), retry_after_s: None, closes: false };
            let error = parse::<Guest>("/guest-login", &answer).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(503, r#"{"error":{"code":"unavailable"}}"#, "answers 503: {\"error\"");
        check(429, "", "--login-rate 0");
        check(200, "{}", "missing field");
    }
}
