//! The runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::faults::Fault;
use super::world;

/// How many seeds an ordinary run of the tests tries.
const SEEDS: u64 = 1_000;
/// In how many seeds a planted fault must be found.
const SEEDS_FOR_A_FAULT: u64 = 2_000;
/// Lines of a run that are shown when it fails.
const SHOWN_LINES: usize = 400;

#[test]
fn the_nine_sentences_hold_for_every_seed() {
    if let Some(seed) = number("GODRA_SIMULATION_SEED") {
        return check(seed);
    }
    let (next, seeds) = (AtomicU64::new(0), number("GODRA_SIMULATION_SEEDS").unwrap_or(SEEDS));
    let failed = AtomicU64::new(u64::MAX);
    let work = || {
        while failed.load(Ordering::Relaxed) == u64::MAX {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            if world::run(seed, None, false).violation.is_some() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let seed = failed.into_inner();
    if seed < u64::MAX {
        check(seed);
        panic!("seed {seed} failed, and does not when it is run again");
    }
}

/// Runs a seed, and shows its steps if it fails.
fn check(seed: u64) {
    let run = world::run(seed, None, true);
    let Some(violation) = run.violation else { return };
    let skipped = run.lines.len().saturating_sub(SHOWN_LINES);
    eprintln!("{}", run.lines[skipped..].join("\n"));
    panic!("{violation}\nGODRA_SIMULATION_SEED={seed} runs it again");
}

#[test]
fn a_seed_makes_the_same_run_each_time() {
    for seed in [1, 2, 3, 60, 61, 249] {
        let (one, other) = (world::run(seed, None, false), world::run(seed, None, true));
        assert_eq!(one.hash, other.hash, "seed {seed}");
        assert!(one.inputs > 0, "seed {seed} plays");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a whole number"))
}

/// A planted fault is found, and for what it breaks.
#[track_caller]
fn is_found(fault: Fault) {
    for seed in 0..SEEDS_FOR_A_FAULT {
        if let Some(violation) = world::run(seed, Some(fault), false).violation {
            assert!(fault.breaks().contains(&violation.sentence), "seed {seed}: {violation}");
            return;
        }
    }
    panic!("{fault:?} is not found in {SEEDS_FOR_A_FAULT} seeds");
}

macro_rules! faults_are_found {
    ($($name:ident: $fault:ident,)*) => {
        $(#[test]
        fn $name() {
            is_found(Fault::$fault);
        })*
    };
}

faults_are_found! {
    finds_a_forgotten_event: EventForgotten,
    finds_an_event_that_comes_twice: EventTwice,
    finds_events_that_change_places: EventsSwapped,
    finds_an_event_for_a_group_that_goes_to_all: GroupIsAll,
    finds_an_event_that_goes_to_whom_it_excepts: ExceptIgnored,
    finds_a_removed_member_that_goes_on_listening: RemovalForgotten,
    finds_a_snapshot_that_is_said_to_be_later: SnapshotEarly,
    finds_a_snapshot_that_is_said_to_be_earlier: SnapshotLate,
    finds_a_held_event_that_is_taken_for_known: HeldTooSoon,
    finds_a_gap_that_a_room_does_not_notice: GapUnnoticed,
    finds_a_queue_that_drops_events: QueueDropsEvents,
    finds_a_heartbeat_that_says_too_much: HeartbeatAhead,
    finds_an_event_of_an_epoch_that_is_over: EventOfOldEpoch,
    finds_a_return_that_forgets_an_event: ResumeForgets,
    finds_a_return_that_goes_on_too_late: ResumeLate,
    finds_a_return_that_goes_on_too_early: ResumeEarly,
    finds_an_epoch_that_is_kept: EpochKept,
    finds_an_input_that_runs_twice: InputTwice,
    finds_a_number_that_is_not_looked_at: NumberForgotten,
    finds_an_input_that_is_answered_and_did_not_run: InputForgotten,
    finds_a_first_answer_that_is_forgotten: AnswerForgotten,
    finds_a_welcome_that_tells_of_inputs_to_come: WelcomeAhead,
    finds_an_undo_that_forgets_when_a_key_ends: UndoForgetsLease,
    finds_an_undo_that_forgets_a_field: UndoForgetsField,
    finds_a_failed_call_that_publishes: FailedCallPublishes,
    finds_a_reader_that_stops_others: ReaderStopsOthers,
    finds_a_tick_that_is_not_due: TickTooOften,
    finds_a_tick_that_does_not_run: TickLeftOut,
    finds_ticks_that_end: TickGivenUp,
    finds_a_tick_that_is_told_a_wrong_time: TickTimeWrong,
    finds_a_message_that_runs_twice: MessageTwice,
    finds_a_message_that_is_lost: MessageLost,
    finds_messages_that_change_places: MessagesSwapped,
    finds_a_message_that_runs_too_early: MessageEarly,
    finds_a_message_that_runs_too_late: MessageLate,
    finds_a_timer_that_was_set_anew_and_runs_twice: NameForgotten,
    finds_a_message_that_was_cancelled_and_runs: CancelForgotten,
    finds_a_failed_call_that_tells: FailedCallTells,
    finds_a_message_to_an_empty_room_that_is_dropped: EmptyRoomUnheard,
    finds_a_restart_that_forgets_messages: RestartForgetsMessages,
    finds_messages_that_let_players_wait: PlayersWait,
    finds_a_state_file_that_is_not_written: SyncLeftOut,
    finds_a_death_that_forgets_a_key: DeathKeepsHalf,
    finds_a_death_that_forgets_messages: DeathForgetsMessages,
}
