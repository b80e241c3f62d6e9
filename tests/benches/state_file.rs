//! What keeping the store in its file costs the engine, and how long a start with a million keys takes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use godra::metrics::Metrics;
use godra::script::{Header, Script, ScriptSet};
use godra::state::embedded::{EmbeddedEngine, EmbeddedOptions};
use godra::state::{Batch, Call, CallResult, Deliver, Delivery, Engine, ShardId};
use godra::wire::ids::{Identity, Role, RoomId};

use crate::{BATCH, Game, ROOMS, ROUND_BATCHES, players, rooms};

const STRETCHES: usize = 6;
const STRETCH: Duration = Duration::from_secs(2);
/// Long enough for the last cut of a stretch to be written, so that it does not burden the next one.
const PAUSE: Duration = Duration::from_millis(1500);
const KEYS: usize = 1_000_000;
const KEYS_A_CALL: usize = 1000;

/// Fills the store: one player of a game in eight has a hash, the others a string.
const FILL: &str = r#"
local first = tonumber(ARGV[2])
for i = first, first + 999 do
  if i % 8 == 0 then
    redis.call("HSET", "player:" .. i, "name", "Player " .. i, "x", i % 997, "y", i % 89, "score", i)
  else
    redis.call("SET", "session:" .. i, "an opaque value of forty bytes or so: " .. i)
  end
end
return redis.call("DBSIZE")
"#;

/// Inputs a second with and without the file, in turns in one run.
pub fn measure_cost(game: &Game, scripts: &Arc<ScriptSet>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("state.db");
    let engines = [None, Some(&*file)].map(|file| Bench::start(file, scripts.clone()));
    let rooms = rooms();
    for engine in &engines {
        engine.run((0..ROOMS).map(|n| game.batch(&game.setup, &rooms[n], n)).collect());
    }
    let mut inputs = [0; 2];
    let mut took = [Duration::ZERO; 2];
    for stretch in 0..2 * STRETCHES {
        let which = stretch % 2;
        let began = Instant::now();
        while began.elapsed() < STRETCH {
            let batches = (0..ROUND_BATCHES)
                .map(|n| game.batch(&game.script, &rooms[n % ROOMS], n + inputs[which]))
                .collect();
            took[which] += engines[which].run(batches);
            inputs[which] += ROUND_BATCHES * BATCH;
        }
        std::thread::sleep(PAUSE);
    }
    let [off, on] = [0, 1].map(|which| inputs[which] as f64 / took[which].as_secs_f64());
    println!(
        r#"{{"bench":"state-file","script":"{}","inputs_per_second_off":{off:.0},"inputs_per_second_on":{on:.0},"ratio":{:.3}}}"#,
        game.script.name,
        on / off
    );
}

/// How long an engine takes to be there with a million keys in its file.
pub fn measure_load() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("state.db");
    let engine = Bench::start(Some(&file), Arc::default());
    let (fill, players) = (script("fill", FILL), players());
    let began = Instant::now();
    for first in (0..KEYS).step_by(KEYS_A_CALL) {
        engine.run(vec![call(&fill, &players[0], first)]);
    }
    let filled = began.elapsed();
    let began = Instant::now();
    drop(engine);
    let stopped = began.elapsed();
    let bytes = std::fs::metadata(&file).expect("the file is there").len();
    let began = Instant::now();
    let engine = Bench::start(Some(&file), Arc::default());
    let loaded = began.elapsed();
    let results = engine.results(vec![call(&script("size", "return redis.call('DBSIZE')"), &players[0], 0)]);
    let [CallResult::Ok(size)] = &results[..] else { panic!("{results:?}") };
    assert_eq!(size, &KEYS.to_string());
    println!(
        r#"{{"bench":"load","keys":{KEYS},"file_bytes":{bytes},"fill_ms":{},"stop_ms":{},"load_ms":{}}}"#,
        filled.as_millis(),
        stopped.as_millis(),
        loaded.as_millis()
    );
}

struct Bench {
    engine: EmbeddedEngine,
    done: Receiver<Vec<CallResult>>,
}

struct Done(Sender<Vec<CallResult>>);

impl Deliver for Done {
    fn deliver(&mut self, _: ShardId, delivery: Delivery) {
        if let Delivery::Done(done) = delivery {
            // The bench may be over.
            let _ = self.0.send(done.results);
        }
    }

    fn home(&self, _: &RoomId) -> ShardId {
        0
    }
}

impl Bench {
    fn start(file: Option<&Path>, scripts: Arc<ScriptSet>) -> Self {
        let (sender, done) = unbounded();
        let options = EmbeddedOptions {
            state_file: file.map(Path::to_owned),
            time_budget: Duration::from_secs(1),
            ..EmbeddedOptions::default()
        };
        let metrics = Arc::new(Metrics::new());
        let engine =
            EmbeddedEngine::start(options, scripts, Box::new(Done(sender)), metrics).expect("an engine");
        Self { engine, done }
    }

    /// How long the batches take from the first's submission to the last's end.
    fn run(&self, batches: Vec<Batch>) -> Duration {
        let (began, count) = (Instant::now(), batches.len());
        for batch in batches {
            self.engine.submit(batch).expect("room in the queue");
        }
        for _ in 0..count {
            let results = self.done.recv().expect("the engine runs");
            assert!(results.iter().all(|result| matches!(result, CallResult::Ok(_))), "{results:?}");
        }
        began.elapsed()
    }

    fn results(&self, batches: Vec<Batch>) -> Vec<CallResult> {
        for batch in batches {
            self.engine.submit(batch).expect("room in the queue");
        }
        self.done.recv().expect("the engine runs")
    }
}

fn call(script: &Arc<Script>, caller: &Arc<Identity>, argument: usize) -> Batch {
    let arguments = vec![argument.to_string().into_bytes().into()];
    Batch::new(None, vec![Call::rpc(script.clone(), caller.clone(), Vec::new(), arguments)], 0)
}

/// A script of the bench's own.
pub fn script(name: &str, text: &str) -> Arc<Script> {
    let header = Header {
        role: Role::Player,
        names_role: true,
        is_for_server: false,
        keys: Vec::new(),
        kept_keys: Vec::new(),
        documents: Vec::new(),
        is_durable: false,
        room_argument: None,
        tick_ms: None,
        is_atomic: true,
        actions: Vec::new(),
    };
    Arc::new(Script::new(name, format!("{name}.lua"), text, header))
}
