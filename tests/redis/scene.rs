//! A node, a room with two players who play all the time, and callers: the scene of every fault.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::calls::{CallLog, Calls, call};
use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::wait_within;
use crate::stage::{User, node};
use crate::watch::{Seen, Watch};

/// What is promised for a call is a second; the rest is for a machine that is busy with tests.
const ANSWERED: Duration = Duration::from_millis(1700);
/// As promised, from when the store can be worked with again.
pub const BACK_TO_NORMAL: Duration = Duration::from_secs(5);

/// All of it.
pub struct Scene {
    pub node: Server,
    pub room: String,
    pub user: User,
    watches: [Watch; 2],
    calls: Calls,
    finals: Mutex<CallLog>,
}

/// How it came out.
pub struct Outcome {
    pub calls: CallLog,
    pub seen: [Seen; 2],
    /// Calls that ran, over HTTP and from sockets.
    pub ran: usize,
    /// Calls that may have run.
    pub unknown: usize,
}

impl Scene {
    /// Sets it up, and lets it play for a moment.
    pub fn start(address: &str) -> Self {
        let node = node(&[address.to_owned()], &["--sync-interval", "20"]);
        let users = [User::new(&node), User::new(&node)];
        let room = users[0].create_lobby(&node);
        let [ann, ben] = users.each_ref().map(|user| user.join(&node, &room));
        let watches = [Watch::start("ann", ann), Watch::start("ben", ben)];
        let user = users.into_iter().next().unwrap();
        let calls = Calls::start(node.address(), &user.token, &room);
        let scene = Self { node, room, user, watches, calls, finals: Mutex::default() };
        wait_within(Duration::from_secs(15), "some play", || {
            scene.calls.log().ok > 10
                && scene.watches.iter().all(|watch| watch.seen().answers.get("ok").is_some_and(|ok| *ok > 5))
        });
        scene
    }

    /// Does something to the store, and mends it; then everything must be back to normal in time.
    pub fn suffer(&self, redis: &mut Redis, fault: impl FnOnce(&mut Redis), mend: impl FnOnce(&mut Redis)) {
        fault(redis);
        mend(redis);
        let mended_at = Instant::now();
        let before = self.watches.each_ref().map(|watch| watch.seen().counted.len());
        let mut number = 0;
        wait_within(BACK_TO_NORMAL, "everything to be back to normal", || {
            number += 1;
            let tag = format!("final-{number}");
            let response = call(self.node.address(), &self.user.token, &self.room, &tag, &self.finals);
            let is_seen = |(watch, before): (&Watch, usize)| {
                watch.seen().counted[before..].iter().any(|tag| tag.starts_with("final-"))
            };
            response.status == 200
                && self.node.get("/ready").status == 200
                && self.watches.iter().zip(before).all(is_seen)
                && subscribers(redis, &self.room) == 1
        });
        eprintln!("back to normal {:?} after", mended_at.elapsed());
    }

    /// Ends it, and checks what is promised for every fault.
    pub fn end(self) -> Outcome {
        let seen = Watch::stop(self.watches);
        let mut calls = self.calls.stop();
        let finals = self.finals.into_inner().unwrap();
        calls.ok += finals.ok;
        calls.unknown += finals.unknown;
        assert!(calls.longest < ANSWERED, "a call took {:?}", calls.longest);
        assert!(calls.longest_health < ANSWERED, "/health took {:?}", calls.longest_health);
        for seen in &seen {
            assert!(seen.longest_answer < ANSWERED, "an input took {:?}", seen.longest_answer);
            assert!(seen.longest_pong < ANSWERED, "a ping took {:?}", seen.longest_pong);
            let is_known = |code: &String| ["ok", "unavailable", "busy"].contains(&code.as_str());
            assert!(seen.answers.keys().all(is_known), "{:?}", seen.answers);
            assert!(seen.others.iter().all(|kind| kind == "player_joined"), "{:?}", seen.others);
        }
        let of_sockets = |seen: &Seen| seen.answers.get("ok").copied().unwrap_or_default();
        let ran = calls.ok + seen.iter().map(of_sockets).sum::<usize>();
        let unknown = calls.unknown + seen.iter().map(|seen| seen.unknown).sum::<usize>();
        eprintln!(
            "ran={ran} unknown={unknown} not_run={} longest={:?} answer={:?} snapshots={:?}",
            calls.not_run,
            calls.longest,
            seen[0].longest_answer,
            seen.each_ref().map(|seen| seen.snapshots)
        );
        Outcome { calls, seen, ran, unknown }
    }
}

impl Outcome {
    /// What was answered has run, what was refused has not, and nothing has run twice.
    pub fn expect_count(&self, redis: &Redis, room: &str) {
        let answer = redis.command(&["GET", &format!("game:{room}:count")]);
        let count: usize = answer.trim_end().rsplit("\r\n").next().unwrap().parse().unwrap();
        let expected = self.ran..=self.ran + self.unknown;
        assert!(expected.contains(&count), "{count} calls ran, and not {expected:?}");
    }

    /// `/ready` has told that the store was away.
    pub fn expect_unready(&self) {
        assert!(self.calls.ready.contains(&503), "it was said to be ready throughout");
    }

    /// Both players got every event, what they had missed meanwhile among them: a gap has failed the test already.
    pub fn expect_all_events(&self) {
        assert!(
            self.seen.iter().all(|seen| seen.snapshots == 0),
            "a snapshot in place of events that are kept"
        );
    }
}

/// How many subscribe a room's events.
pub fn subscribers(redis: &Redis, room: &str) -> u64 {
    let answer = redis.command(&["PUBSUB", "NUMSUB", &format!("godra:0:events:{room}")]);
    answer.trim_end().rsplit(':').next().unwrap().parse().unwrap_or_default()
}
