//! How many inputs a second go through the Redis engine, beside what `redis-benchmark` reaches on the same redis-server
//! with one EVALSHA of the same logic an input: calls of `move_player` from 100 rooms, without the server's sockets.
//!
//! `cargo bench --bench redis [-- INPUTS A BATCH]` starts a redis-server of its own and prints one JSON object. It needs
//! `redis-server` and `redis-benchmark` on the PATH. Both ways publish every event to one subscriber, as a room with
//! members has one. The two are measured in turns; of each the median round counts.

#[path = "../common/mod.rs"]
#[allow(clippy::unwrap_used, reason = "a harness of tests, where a panic is an answer")]
mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use godra::metrics::Metrics;
use godra::script::{Script, catalog};
use godra::state::redis::{Address, Prefix, RedisEngine, RedisOptions, TlsFiles};
use godra::state::{Batch, Call, CallResult, Deliver, Delivery, Engine, HistoryBounds, ShardId};
use godra::wire::ids::{Identity, Role, RoomId};

use common::redis::Redis;

const ROOMS: usize = 100;
const PLAYERS: usize = 10;
const INPUTS: usize = 300_000;
const ROUNDS: usize = 5;
/// Batches under way at once: two of each room, more than a server's ticks make.
const UNDER_WAY: usize = 2 * ROOMS;

/// In front of the script, for one EVALSHA an input: numbers and publishes each event by itself.
const ALONE: &str = r#"
local time = redis.call("TIME")
local godra = { now = time[1] * 1000 + math.floor(time[2] / 1000) }
function godra.error(code, message) error(code .. ": " .. message, 0) end
function godra.publish(kind, payload)
  local seq = redis.call("HINCRBY", "alone:" .. KEYS[1], "seq", 1)
  redis.call("PUBLISH", "alone:" .. KEYS[1], cjson.encode({ type = kind, payload = payload, seq = seq }))
end
"#;

fn main() {
    env_logger::init();
    // Cargo passes `--bench`.
    let batch: usize = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(PLAYERS);
    let redis = Redis::start();
    for room in 0..ROOMS {
        let key = format!("game:{room:012}");
        redis.command(&["HSET", &key, "width", "1000", "height", "1000", "max_speed", "1e9"]);
        for player in 1..=PLAYERS {
            redis.command(&["SADD", &format!("{key}:players"), &player.to_string()]);
        }
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let scripts = catalog::load(&dir, None).set;
    let script = scripts.get("move_player").expect("a stock script").clone();
    let alone = load(&redis, &format!("{ALONE}\n{}", &script.text));
    listen(&redis);

    let (sender, done) = unbounded();
    let options = RedisOptions {
        addresses: Address::parse_list(&redis.address()).expect("an address"),
        prefix: Prefix::default(),
        tls: TlsFiles::default(),
        queue_capacity: 10_000,
        shards: 1,
        seed: 1,
        room_ttl_s: 3600,
        lobbies_per_owner: 16,
        rejoin_grace: std::time::Duration::ZERO,
        history: HistoryBounds::default(),
        documents: None,
    };
    let deliver = Box::new(Done { sender });
    let engine = RedisEngine::start(options, scripts, deliver, Arc::new(Metrics::new()))
        .expect("threads for the engine");
    while !engine.is_ready() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let game = Game::new(script, batch);
    for room in &game.rooms {
        engine.watch(room, true);
    }

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(Figures::of(&redis, || one_by_one(&redis, &alone)));
        ours.push(Figures::of(&redis, || game.play(&engine, &done)));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        r#"{{"bench":"redis","script":"move_player","inputs_a_batch":{batch},"inputs_per_s":{:.0},"redis_benchmark_per_s":{:.0},"ratio":{:.2},"redis_cpu_us":{:.2},"redis_benchmark_cpu_us":{:.2},"cpu_ratio":{:.2},"own_cpu_us":{:.2}}}"#,
        ours.per_s,
        theirs.per_s,
        ours.per_s / theirs.per_s,
        ours.redis_us,
        theirs.redis_us,
        ours.redis_us / theirs.redis_us,
        ours.own_us,
    );
}

/// What a round came to: inputs a second, and microseconds of processor time an input, in Redis and here.
#[derive(Clone, Copy)]
struct Figures {
    per_s: f64,
    redis_us: f64,
    own_us: f64,
}

impl Figures {
    fn of(redis: &Redis, round: impl FnOnce()) -> Self {
        let (redis_before, own_before, started) = (redis.cpu_time(), own_time(), Instant::now());
        round();
        let took = started.elapsed();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / INPUTS as f64;
        Self {
            per_s: INPUTS as f64 / took.as_secs_f64(),
            redis_us: each(redis.cpu_time() - redis_before),
            own_us: each(own_time() - own_before),
        }
    }
}

/// Of the round in the middle, by inputs a second.
fn median(mut rounds: Vec<Figures>) -> Figures {
    rounds.sort_by(|a, b| a.per_s.total_cmp(&b.per_s));
    rounds[rounds.len() / 2]
}

fn load(redis: &Redis, text: &str) -> String {
    let answer = redis.command(&["SCRIPT", "LOAD", text]);
    let sha = answer.lines().nth(1).unwrap_or_default();
    assert_eq!(sha.len(), 40, "redis-server did not take the script: {answer}");
    sha.to_owned()
}

/// Takes the events of the other way, and does nothing with them.
fn listen(redis: &Redis) {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).expect("redis-server takes connections");
    let channels: String = (0..ROOMS).map(|room| format!(" alone:game:{room:012}")).collect();
    stream.write_all(format!("SUBSCRIBE{channels}\r\n").as_bytes()).expect("redis-server reads");
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        // Ends with the server.
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
}

fn one_by_one(redis: &Redis, sha: &str) {
    let output = Command::new("redis-benchmark")
        .args(["-p", &redis.port().to_string(), "-P", "64", "-n", &INPUTS.to_string()])
        .args(["-r", &ROOMS.to_string(), "-q", "-e", "EVALSHA", sha, "3"])
        .args(["game:__rand_int__", "game:__rand_int__:positions", "game:__rand_int__:players"])
        .args(["1", r#"{"x":123.5,"y":45.25}"#])
        .output()
        .expect("this benchmark needs redis-benchmark on the PATH");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !told.contains("Error"), "{told}");
}

struct Game {
    script: Arc<Script>,
    rooms: Vec<RoomId>,
    players: Vec<Arc<Identity>>,
    batch: usize,
}

impl Game {
    fn new(script: Arc<Script>, batch: usize) -> Self {
        let room = |index: usize| RoomId::parse(&format!("{index:012}")).expect("a valid id");
        let player = |index: usize| {
            Arc::new(Identity {
                user_id: index.to_string().into(),
                username: format!("Player {index}").into(),
                role: Role::Player,
                expires_at_s: 0,
                login: Default::default(),
            })
        };
        let (rooms, players) = ((0..ROOMS).map(room).collect(), (1..=PLAYERS).map(player).collect());
        Self { script, rooms, players, batch }
    }

    fn batch(&self, number: usize) -> Batch {
        Batch::new(
            Some(self.rooms[number % ROOMS].clone()),
            (0..self.batch).map(|index| self.call(number * self.batch + index)).collect(),
            0,
        )
    }

    fn call(&self, number: usize) -> Call {
        let (x, y) = (number % 997, number % 89);
        Call::input(
            self.script.clone(),
            self.players[number % PLAYERS].clone(),
            format!(r#"{{"x":{x}.5,"y":{y}.25}}"#).as_bytes().into(),
            false,
        )
    }

    /// Sends all inputs, [`UNDER_WAY`] batches at a time, and waits for their answers.
    fn play(&self, engine: &RedisEngine, done: &Receiver<usize>) {
        let batches = INPUTS.div_ceil(self.batch);
        let mut answered = 0;
        for number in 0..batches {
            if number - answered >= UNDER_WAY {
                assert_eq!(done.recv().expect("the engine runs"), self.batch);
                answered += 1;
            }
            engine.submit(self.batch(number)).expect("room in the queue");
        }
        for _ in answered..batches {
            assert_eq!(done.recv().expect("the engine runs"), self.batch);
        }
    }
}

/// Tells of every batch how many of its calls succeeded, each with its event.
struct Done {
    sender: Sender<usize>,
}

impl Deliver for Done {
    fn deliver(&mut self, _: ShardId, delivery: Delivery) {
        let Delivery::Done(done) = delivery else { return };
        if let Some(bad) = done.results.iter().find(|result| !matches!(result, CallResult::Ok(_))) {
            eprintln!("a call failed: {bad:?}");
        }
        let good = done.results.iter().filter(|result| matches!(result, CallResult::Ok(_))).count();
        let events = done.events.map_or(0, |events| events.ends.len());
        self.sender.send(good.min(events)).expect("the bench waits for every batch");
    }

    fn home(&self, _: &RoomId) -> ShardId {
        0
    }
}

fn own_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on the platforms at hand, and the struct is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
