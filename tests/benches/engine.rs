//! How many inputs a second the embedded engine takes: calls of `move_player` from 100 rooms, in batches of 10, as a
//! room's tick sends them, without sockets.
//!
//! `cargo bench --bench engine [-- SCRIPT [interpreter | engine | state-file | load]]` prints one JSON object a line. The first two count the processor
//! time of the thread that runs the scripts, in rounds of 10,000 inputs; a busy machine shows as a gap between best and
//! median:
//! - `interpreter`: Lua, keyspace and events, called directly.
//! - `engine`: the same on its own thread behind the queue, with what it takes to receive, deliver and free a batch.
//! - `state-file`: inputs per second of wall time with and without a state file, in turns.
//! - `load`: how long an engine takes to start with a million keys in its file.
//!
//! On a virtual machine with two cores of an AMD EPYC, shared with other work, release profile:
//!
//! | script | interpreter, best / median | engine, best / median |
//! |---|---|---|
//! | `move_player` | 328,000 / 323,000 | 308,000 / 303,000 |
//! | `send_chat` | 411,000 / 396,000 | 398,000 / 383,000 |
//! | `update_state` | 59,000 / 57,000 | 57,000 / 57,000 |

mod state_file;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, unbounded};
use godra::metrics::Metrics;
use godra::script::{Script, ScriptSet, catalog};
use godra::state::embedded::runner::{Invocation, ScriptRunner};
use godra::state::embedded::{EmbeddedEngine, EmbeddedOptions};
use godra::state::{Batch, Call, CallResult, Deliver, Delivery, Engine, ShardId};
use godra::wire::ids::{Identity, Role, RoomId};

const ROOMS: usize = 100;
const PLAYERS: usize = 10;
const BATCH: usize = 10;
const ROUND_BATCHES: usize = 1000;
const RUN_TIME: Duration = Duration::from_secs(3);

const SETUP: &str = r#"
redis.call("HSET", "game:" .. godra.room, "owner", "1", "capacity", 10, "status", "open", "created_at", godra.now,
  "width", 1000, "height", 1000, "max_speed", 1e9)
for i = 1, 10 do
  redis.call("SADD", "game:" .. godra.room .. ":players", i)
end
"#;

fn main() {
    // Cargo passes `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let name = arguments.first().map_or("move_player", String::as_str);
    let is_wanted = |part: &str| arguments.get(1).is_none_or(|wanted| wanted == part);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let scripts = catalog::load(&dir, None).set;
    let script = scripts.get(name).expect("a script of that name");
    let game = Game { script: script.clone(), setup: setup_script(), players: players() };
    if is_wanted("interpreter") {
        measure_interpreter(&game);
    }
    if is_wanted("engine") {
        measure_engine(&game, scripts.clone());
    }
    if is_wanted("state-file") {
        state_file::measure_cost(&game, &scripts);
    }
    if is_wanted("load") {
        state_file::measure_load();
    }
}

struct Game {
    script: Arc<Script>,
    setup: Arc<Script>,
    players: Vec<Arc<Identity>>,
}

impl Game {
    fn call(&self, script: &Arc<Script>, number: usize) -> Call {
        let (x, y) = (number % 997, number % 89);
        let payload = match &*self.script.name {
            "move_player" => format!(r#"{{"x":{x}.5,"y":{y}.25}}"#),
            "send_chat" => format!(r#"{{"message":"hello number {x}"}}"#),
            _ => format!(r#"{{"action":"set","payload":{{"x":{x}.5,"y":{y}}}}}"#),
        };
        Call::input(script.clone(), self.players[number % PLAYERS].clone(), payload.as_bytes().into(), false)
    }

    fn batch(&self, script: &Arc<Script>, room: &RoomId, number: usize) -> Batch {
        Batch::new(
            Some(room.clone()),
            (0..BATCH).map(|index| self.call(script, number * BATCH + index)).collect(),
            0,
        )
    }
}

fn measure_interpreter(game: &Game) {
    let options = EmbeddedOptions::default();
    let metrics = Arc::new(Metrics::new());
    let mut runner = ScriptRunner::new(&options, metrics);
    let mut now_ms = 1_700_000_000_000;
    let mut events = 0;
    let mut run = |batch: &Batch, now_ms: u64| {
        let mut now = Instant::now();
        for call in &batch.calls {
            let result;
            let invocation =
                Invocation { call, room: batch.room.as_ref(), now_ms, now, seed: 1, passed_ms: 0 };
            (result, now) = runner.run(invocation);
            assert!(matches!(result, CallResult::Ok(_)), "{result:?}");
        }
        events += runner.event_log().take().map(|events| events.ends.len()).sum::<usize>();
    };
    let rooms = rooms();
    for room in &rooms {
        run(&game.batch(&game.setup, room, 0), now_ms);
    }
    let batches: Vec<_> =
        (0..ROUND_BATCHES).map(|n| game.batch(&game.script, &rooms[n % ROOMS], n)).collect();
    let started = Instant::now();
    let mut rounds = Vec::new();
    while started.elapsed() < RUN_TIME {
        let round_started = thread_time();
        for batch in &batches {
            run(batch, now_ms);
            now_ms += 1;
        }
        rounds.push(thread_time() - round_started);
    }
    assert_eq!(events, rounds.len() * ROUND_BATCHES * BATCH);
    report("interpreter", game, rounds);
}

fn measure_engine(game: &Game, scripts: Arc<ScriptSet>) {
    let (sender, done) = unbounded();
    let deliver = Box::new(Done { sender, errors: 0, left: 0, started: Duration::ZERO });
    let metrics = Arc::new(Metrics::new());
    let engine = EmbeddedEngine::start(EmbeddedOptions::default(), scripts, deliver, metrics)
        .expect("a thread for the engine");
    let rooms = rooms();
    let run = |batches: Vec<Batch>| -> Duration {
        for batch in batches {
            engine.submit(batch).expect("room in the queue");
        }
        let round: Round = done.recv().expect("the engine runs");
        assert_eq!(round.errors, 0, "calls failed");
        round.took
    };
    run((0..ROUND_BATCHES).map(|n| game.batch(&game.setup, &rooms[n % ROOMS], n)).collect());
    let started = Instant::now();
    let mut rounds = Vec::new();
    let mut number = 0;
    while started.elapsed() < RUN_TIME {
        let numbers = number..number + ROUND_BATCHES;
        rounds.push(run(numbers.map(|n| game.batch(&game.script, &rooms[n % ROOMS], n)).collect()));
        number += ROUND_BATCHES;
    }
    report("engine", game, rounds);
}

fn report(bench: &str, game: &Game, mut rounds: Vec<Duration>) {
    rounds.sort();
    let per_second = |round: Duration| (ROUND_BATCHES * BATCH) as f64 / round.as_secs_f64();
    let (best, median) = (per_second(rounds[0]), per_second(rounds[rounds.len() / 2]));
    println!(
        r#"{{"bench":"{bench}","script":"{}","rounds":{},"best_inputs_per_cpu_second":{best:.0},"median_inputs_per_cpu_second":{median:.0}}}"#,
        game.script.name,
        rounds.len()
    );
}

/// Tells, after each round of batches, what processor time the engine's thread took for it.
struct Done {
    sender: Sender<Round>,
    errors: usize,
    /// Batches of the round that are still to come.
    left: usize,
    started: Duration,
}

struct Round {
    took: Duration,
    errors: usize,
}

impl Deliver for Done {
    fn deliver(&mut self, _: ShardId, delivery: Delivery) {
        let Delivery::Done(done) = delivery else { return };
        if self.left == 0 {
            // Begins with the round's first batch done: close enough to its begin, for so many batches.
            (self.left, self.started, self.errors) = (ROUND_BATCHES, thread_time(), 0);
        }
        self.errors += done.results.iter().filter(|result| !matches!(result, CallResult::Ok(_))).count();
        self.left -= 1;
        if self.left == 0 {
            let round = Round { took: thread_time() - self.started, errors: self.errors };
            self.sender.send(round).expect("the bench waits for every round");
        }
    }

    fn home(&self, _: &RoomId) -> ShardId {
        0
    }
}

fn rooms() -> Vec<RoomId> {
    (0..ROOMS).map(|index| RoomId::parse(&format!("room{index}")).expect("a valid id")).collect()
}

fn players() -> Vec<Arc<Identity>> {
    let player = |index: usize| {
        Arc::new(Identity {
            user_id: index.to_string().into(),
            username: format!("Player {index}").into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Default::default(),
        })
    };
    (1..=PLAYERS).map(player).collect()
}

fn setup_script() -> Arc<Script> {
    state_file::script("setup", SETUP)
}

fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on the platforms at hand, and the struct is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
