//! What a worker counts between two reports, by group of clients.

use crate::measure::group::Group;
use crate::measure::histogram::Durations;
use crate::measure::ledger::Ledger;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A promise of the server that it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Violation {
    /// The upgrade's answer breaks RFC 6455.
    BadHandshake,
    /// A frame that a server must not send.
    BadFrame,
    /// A text that is no message of the protocol.
    Malformed,
    /// Something came before the welcome.
    NoWelcome,
    /// A second welcome, or one for somebody else, or one that lacks something.
    WrongWelcome,
    /// A client came back, and the welcome is not for where it was.
    WrongReturn,
    /// A `seq` was left out.
    Gap,
    /// A `seq` came again, or after a later one.
    Double,
    /// Two members of a room got different events under one `seq`.
    Differs,
    /// A room's event without a `seq`, or a snapshot without one or without an epoch.
    NoSeq,
    /// An event of somebody who is not in this room.
    Foreign,
    /// An own event that answers no input, or not the one that it should, or a reply that nobody asked for.
    StrayAnswer,
    /// An input was neither answered by an event nor refused by an error.
    LostInput,
    /// The answer to a numbered input does not fit it.
    WrongAnswer,
    /// A numbered input ran more than once.
    RanTwice,
    /// Numbered inputs of one client ran in another order than it sent them.
    OutOfOrder,
    /// What was answered to be saved is not.
    LostSave,
    /// A timer did not ring, or less often than it should.
    LostTimer,
    /// A timer rang more often than it should.
    RangTwice,
    /// A call that failed has changed or published something.
    HalfDone,
    /// A numbered input that ran does not count any more.
    Forgotten,
    /// Those who did nothing wrong were slowed by others.
    SlowedDown,
    /// The server ended a connection that it should have kept.
    Disconnected,
    /// A slow client was not closed with 4002.
    NotClosed,
    /// An attack was not met as it should be.
    NotMet,
    /// The server's memory grew too much, or stayed so.
    MemoryGrew,
    /// A password login was not answered in time.
    LateLogin,
    /// A password login was answered neither by a token nor by 503.
    BadLogin,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadHandshake => "bad handshake",
            Self::BadFrame => "bad frame",
            Self::Malformed => "malformed message",
            Self::NoWelcome => "no welcome first",
            Self::WrongWelcome => "wrong welcome",
            Self::WrongReturn => "wrong return",
            Self::Gap => "gap in seq",
            Self::Double => "double or late seq",
            Self::Differs => "two events with one seq",
            Self::NoSeq => "event without seq",
            Self::Foreign => "event of another room",
            Self::StrayAnswer => "answer to no input",
            Self::LostInput => "own input lost",
            Self::WrongAnswer => "wrong answer",
            Self::RanTwice => "input ran twice",
            Self::OutOfOrder => "inputs ran out of order",
            Self::LostSave => "save lost",
            Self::LostTimer => "timer lost",
            Self::RangTwice => "timer rang twice",
            Self::HalfDone => "a failed call left something",
            Self::Forgotten => "an input that ran is forgotten",
            Self::SlowedDown => "others were slowed",
            Self::Disconnected => "disconnected",
            Self::NotClosed => "slow client not closed",
            Self::NotMet => "attack not met",
            Self::MemoryGrew => "memory grew too much",
            Self::LateLogin => "login not answered in time",
            Self::BadLogin => "login failed",
        })
    }
}

/// How many violations are described rather than only counted, for each worker and window.
const SAMPLES: usize = 10;

/// Violations by kind, the first few described.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Violations {
    /// How many of each kind.
    pub counts: BTreeMap<Violation, u64>,
    /// What happened, for the first few.
    pub samples: Vec<String>,
}

impl Violations {
    pub(crate) fn add(&mut self, kind: Violation, describe: impl FnOnce() -> String) {
        *self.counts.entry(kind).or_default() += 1;
        if self.samples.len() < SAMPLES {
            self.samples.push(format!("{kind}: {}", describe()));
        }
    }

    /// How many there were in all.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Adds those that another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        add_counts(&mut self.counts, &other.counts);
        let room = SAMPLES.saturating_sub(self.samples.len());
        self.samples.extend(other.samples.iter().take(room).cloned());
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct GroupWindow {
    /// Clients that have had their welcome and are still connected.
    pub connected: u64,
    /// Those of them who came back and do not have everything yet that others of their room have.
    pub catching_up: u64,
    /// Numbered inputs that have no answer yet.
    pub unanswered: u64,
    /// Numbered inputs that were sent once more.
    pub resent: u64,
    /// Inputs sent, and lines of chat.
    pub inputs: u64,
    /// Own inputs that came back as events.
    pub answers: u64,
    /// Events delivered to clients.
    pub events: u64,
    /// Messages (data frames) delivered to clients.
    pub frames: u64,
    /// Snapshots that replaced events.
    pub snapshots: u64,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes written to sockets.
    pub bytes_out: u64,
    /// Clients that came back and got what they had missed.
    pub recovered: u64,
    /// Clients that came back, asked for what they had missed, and got the room's whole state.
    pub whole: u64,
    /// Upgrades of clients that wanted to come back and were refused.
    pub refused_returns: u64,
    /// Error events, by code.
    pub errors: BTreeMap<String, u64>,
    /// Upgrades and connections that failed, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Connections that the server ended, by close code.
    pub closes: BTreeMap<String, u64>,
    /// From an input's intended time to its own event.
    pub latency: Durations,
    /// From the intended time of a connection to its welcome.
    pub join: Durations,
    /// From the same time to the last event that others of the room had when the welcome came.
    pub caught_up: Durations,
}

impl GroupWindow {
    fn merge(&mut self, other: &Self) {
        self.connected += other.connected;
        self.unanswered += other.unanswered;
        self.resent += other.resent;
        self.catching_up += other.catching_up;
        self.inputs += other.inputs;
        self.answers += other.answers;
        self.events += other.events;
        self.frames += other.frames;
        self.snapshots += other.snapshots;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.recovered += other.recovered;
        self.whole += other.whole;
        self.refused_returns += other.refused_returns;
        add_counts(&mut self.errors, &other.errors);
        add_counts(&mut self.failures, &other.failures);
        add_counts(&mut self.closes, &other.closes);
        self.latency.merge(&other.latency);
        self.join.merge(&other.join);
        self.caught_up.merge(&other.caught_up);
    }
}

/// Everything that one worker counted since its last report, or the sum of several such windows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    /// By group, in the order of [`Group::ALL`].
    pub groups: [GroupWindow; Group::ALL.len()],
    /// From an input's intended time to its `write`: what the tester itself adds.
    pub lateness: Durations,
    /// From the first to the last member of a room that got the same frame.
    pub spread: Durations,
    /// Promises that were broken.
    pub violations: Violations,
    /// What the server says its rhythm is.
    pub sync_interval_ms: Option<f64>,
    /// What must have become of numbered inputs; in the last window only.
    pub ledgers: Vec<Ledger>,
    /// CPU time of the worker's thread.
    pub tester_cpu_ns: u64,
    /// The worker has finished; this is its last window.
    pub last: bool,
}

impl Window {
    pub(crate) fn group(&self, group: Group) -> &GroupWindow {
        &self.groups[group.index()]
    }

    /// One group's counters, to count in.
    pub(crate) fn group_mut(&mut self, group: Group) -> &mut GroupWindow {
        &mut self.groups[group.index()]
    }

    pub(crate) fn all(&self) -> GroupWindow {
        let mut all = GroupWindow::default();
        self.groups.iter().for_each(|group| all.merge(group));
        all
    }

    /// Adds another worker's window of the same time.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.groups.iter_mut().zip(&other.groups) {
            mine.merge(theirs);
        }
        self.lateness.merge(&other.lateness);
        self.spread.merge(&other.spread);
        self.violations.merge(&other.violations);
        self.sync_interval_ms = other.sync_interval_ms.or(self.sync_interval_ms);
        self.ledgers.extend(other.ledgers.iter().cloned());
        self.tester_cpu_ns += other.tester_cpu_ns;
        self.last |= other.last;
    }

    /// Adds a window of a later time: counters add up, gauges are replaced.
    pub(crate) fn follow(&mut self, later: &Self) {
        for group in &mut self.groups {
            (group.connected, group.catching_up, group.unanswered) = (0, 0, 0);
        }
        self.merge(later);
    }
}

/// Adds counts by name.
pub(super) fn add_counts<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (name, count) in from {
        *into.entry(name.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_gauges_are_replaced() {
        let mut first = Window::default();
        first.group_mut(Group::Players).connected = 5;
        first.group_mut(Group::Players).events = 10;
        let mut second = Window::default();
        second.group_mut(Group::Players).connected = 7;
        second.group_mut(Group::Storm).events = 1;
        let mut beside = first.clone();
        beside.merge(&second);
        assert_eq!((beside.all().connected, beside.all().events), (12, 11));
        let mut after = first;
        after.follow(&second);
        assert_eq!((after.all().connected, after.all().events), (7, 11));
    }

    #[test]
    fn every_violation_counts_and_only_the_first_are_described() {
        let mut violations = Violations::default();
        (0..100).for_each(|i| violations.add(Violation::Gap, || format!("number {i}")));
        let mut merged = Violations::default();
        merged.merge(&violations);
        merged.merge(&violations);
        assert_eq!((merged.total(), merged.samples.len()), (200, SAMPLES));
        assert_eq!(merged.samples[0], "gap in seq: number 0");
    }

    #[test]
    fn a_window_travels_as_json() {
        let mut window = Window::default();
        window.violations.add(Violation::Foreign, String::new);
        window.group_mut(Group::Slow).latency.record_ns(5_000_000);
        let text = serde_json::to_string(&window).unwrap();
        let back: Window = serde_json::from_str(&text).unwrap();
        assert_eq!(back.violations.counts, window.violations.counts);
        assert_eq!(back.group(Group::Slow).latency.count(), 1);
    }
}
