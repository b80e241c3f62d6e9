//! What is promised to players, shown from end to end: the load tester plays on two nodes and a real store, and meanwhile
//! these are killed, frozen and restarted.
//!
//! 1. A room's events arrive in one order, and never with a silent gap.
//! 2. Who comes back gets exactly what was missed, or the whole state.
//! 3. An input runs at most once, and with a client that sends it again, exactly once.
//! 4. A call that fails has changed nothing.
//! 5. A slow client slows nobody.
//!
//! The tester checks all of it with every message, and in the end against the script's own record (see `loadtest/README.md`,
//! *Endure*). Here is what happens to the servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod cluster;
mod faults;
mod tester;

use std::time::{Duration, Instant};

use cluster::Cluster;
use faults::Fault;
use tester::Tester;

/// Longer than a node's lease on its rooms.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(11);

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Nothing may be lost where the store keeps what it was given.
#[test]
fn nodes_and_a_store_that_keeps_its_data_are_killed_and_frozen() {
    let mut cluster = Cluster::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let tester = Tester::start(&cluster, "endure --rooms 8 --players 6 --rate 5 --duration 52s");
    tester.wait_for_trouble();
    cluster.freeze_store(Duration::from_millis(2500));
    pause(3000);
    cluster.cut_connections_to_store();
    pause(2000);
    cluster.kill_store();
    pause(1000);
    cluster.start_store();
    pause(4000);
    cluster.replace_node(1, Duration::from_secs(1));
    pause(5000);
    cluster.freeze_node(0, BEYOND_THE_LEASE);
    pause(5000);
    cluster.replace_node(0, Duration::ZERO);
    pause(3000);
    // All at once.
    cluster.kill_store();
    cluster.replace_node(1, Duration::ZERO);
    cluster.start_store();
    let outcome = tester.finish();
    outcome.expect_passed();
    assert_eq!(outcome.finding("inputs that were lost with the store's data"), 0.0);
    assert!(outcome.finding("inputs that ran exactly once") > 3_000.0, "{outcome}");
    assert!(outcome.finding("inputs that failed and left nothing") > 300.0, "{outcome}");
    assert!(outcome.finding("inputs sent once more") > 100.0, "{outcome}");
    assert!(outcome.finding("returns that got what they had missed") > 100.0, "{outcome}");
}

/// One thing after the other goes wrong at nodes that speak TLS, and nothing of it stays behind. `GODRA_TEST_MINUTES` makes it longer, and the faults rarer.
#[test]
fn faults_leave_nothing_behind() {
    let minutes = std::env::var("GODRA_TEST_MINUTES").map(|text| text.parse::<u64>().expect("whole minutes"));
    let (seconds, pause_s) = minutes.map_or((50, 5), |minutes| (minutes * 60, 20));
    let mut cluster = Cluster::start_secure(&["--appendonly", "yes", "--appendfsync", "always"]);
    let play = |seconds| format!("endure --rooms 8 --players 6 --rate 5 --duration {seconds}s");
    // What a server has done once it keeps ready for the next time.
    Tester::start(&cluster, &play(10)).finish().expect_passed();
    let before = [0, 1].map(|index| cluster.usage_at_rest(index));
    let tester = Tester::start(&cluster, &play(seconds));
    tester.wait_for_trouble();
    let end = Instant::now() + Duration::from_secs(seconds);
    for fault in Fault::in_turn(tester.seed()) {
        if Instant::now() + fault.longest() > end {
            break;
        }
        fault.happen(&mut cluster);
        pause(pause_s * 1000);
    }
    tester.finish_within(Duration::from_secs(seconds + 180)).expect_passed();
    for (index, before) in before.into_iter().enumerate() {
        cluster.expect_usage(index, before);
    }
}

/// The data is lost, and nobody takes the room that follows for the one that was.
#[test]
fn a_store_that_keeps_nothing_is_emptied_and_restarted() {
    let mut cluster = Cluster::start_forgiving(&[]);
    let tester = Tester::start(&cluster, "endure --rooms 4 --players 6 --rate 5 --duration 20s");
    tester.wait_for_trouble();
    pause(2000);
    cluster.empty_store();
    pause(5000);
    cluster.kill_store();
    pause(500);
    cluster.start_store();
    pause(4000);
    cluster.replace_node(1, Duration::ZERO);
    let outcome = tester.finish();
    outcome.expect_passed();
    assert!(outcome.finding("inputs that were lost with the store's data") > 100.0, "{outcome}");
    assert!(outcome.finding("inputs that ran exactly once") > 300.0, "{outcome}");
    assert!(outcome.finding("returns that got the whole state") > 20.0, "{outcome}");
}

/// Those who never read are closed, and the others do not feel them.
#[test]
fn some_never_read() {
    let cluster = Cluster::start(&[]);
    let outcome = Tester::start(
        &cluster,
        "slow --threads 2 --rooms 2 --players 8 --rate 20 --share 0.125 --payload-bytes 4000 --unread 8 \
         --duration 3s",
    )
    .finish();
    outcome.expect_passed();
    assert_eq!(outcome.finding("slow clients closed with 4002"), 2.0, "{outcome}");
    assert!(outcome.finding("p99 of the others") < 1_000.0, "{outcome}");
}
