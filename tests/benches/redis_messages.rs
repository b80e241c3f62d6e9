//! How late timers are that become due on one redis-server, and what each of them costs there and here: 100 rooms set them
//! evenly, and each publishes an event when it runs.
//!
//! `cargo bench --bench redis_messages [-- TIMERS A SECOND]` starts a redis-server of its own and prints one JSON object.
//! Lateness is by the store's own clock, in the script that a timer runs.

#[path = "../common/mod.rs"]
#[allow(clippy::unwrap_used, reason = "a harness of tests, where a panic is an answer")]
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use godra::metrics::Metrics;
use godra::script::catalog;
use godra::state::redis::{Address, Prefix, RedisEngine, RedisOptions, TlsFiles};
use godra::state::{Batch, Call, Deliver, Delivery, Engine, HistoryBounds, ShardId};
use godra::wire::ids::{Identity, Role, RoomId};

use common::redis::Redis;

const ROOMS: usize = 100;
/// Timers that one call sets: one every so often within a second, a second later.
const OF_A_CALL: usize = 100;
const SECONDS: usize = 15;

const SET: &str = "-- ROLE: guest\n-- KEYS: game:{room}\n\
    for n = 1, tonumber(ARGV[2]) do\n\
      local after = 1000 + math.floor(1000 * n / ARGV[2])\n\
      godra.tell(godra.room, 'ring', { due = godra.now + after }, { after = after })\n\
    end\n\
    return 'OK'";
const RING: &str = "-- ROLE: server\n-- KEYS: lateness\n\
    redis.call('HINCRBY', KEYS[1], string.format('%.0f', godra.now - cjson.decode(ARGV[2]).due), 1)\n\
    godra.publish('rang', {})";

fn main() {
    env_logger::init();
    // Cargo passes `--bench`.
    let rate: usize = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(10_000);
    let redis = Redis::start();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("set", SET), ("ring", RING)] {
        std::fs::write(folder.path().join(format!("{name}.lua")), text).expect("it can be written");
    }
    let scripts = catalog::load(folder.path(), None).set;
    let script = scripts.get("set").expect("written above").clone();
    let events = Arc::new(AtomicUsize::new(0));
    let options = RedisOptions {
        addresses: Address::parse_list(&redis.address()).expect("an address"),
        prefix: Prefix::default(),
        tls: TlsFiles::default(),
        queue_capacity: 10_000,
        shards: 1,
        seed: 1,
        room_ttl_s: 3600,
        lobbies_per_owner: 16,
        rejoin_grace: Duration::ZERO,
        history: HistoryBounds::default(),
        documents: None,
    };
    let deliver = Box::new(Events(events.clone()));
    let engine = RedisEngine::start(options, scripts, deliver, Arc::new(Metrics::new()))
        .expect("threads for the engine");
    while !engine.is_ready() {
        std::thread::sleep(Duration::from_millis(1));
    }

    // One a room: each user has a share of the store.
    let caller = |number: usize| {
        Arc::new(Identity {
            user_id: number.to_string().into(),
            username: format!("Player {number}").into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Default::default(),
        })
    };
    let callers: Vec<Arc<Identity>> = (0..ROOMS).map(caller).collect();
    let calls = SECONDS * rate / OF_A_CALL;
    let (redis_before, own_before, began) = (redis.cpu_time(), own_time(), Instant::now());
    for number in 0..calls {
        let room = RoomId::parse(&format!("{:012}", number % ROOMS)).expect("a valid id");
        let count = OF_A_CALL.to_string();
        let call =
            Call::input(script.clone(), callers[number % ROOMS].clone(), count.as_bytes().into(), false);
        engine.submit(Batch::new(Some(room), vec![call], 0)).expect("room in the queue");
        let next = began + Duration::from_secs(SECONDS as u64).mul_f64((number + 1) as f64 / calls as f64);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let timers = calls * OF_A_CALL;
    let end = Instant::now() + Duration::from_secs(30);
    while events.load(Ordering::Relaxed) < timers {
        assert!(Instant::now() < end, "{} of {timers} timers have run", events.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(5));
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / timers as f64;
    let (redis_us, own_us) = (each(redis.cpu_time() - redis_before), each(own_time() - own_before));
    let lateness = lateness(&redis);
    assert_eq!(lateness.values().sum::<usize>(), timers, "each ran once");
    println!(
        r#"{{"bench":"redis_messages","timers_per_s":{rate},"timers":{timers},"late_ms_p50":{},"late_ms_p99":{},"late_ms_max":{},"redis_cpu_us":{redis_us:.2},"own_cpu_us":{own_us:.2}}}"#,
        percentile(&lateness, 0.5),
        percentile(&lateness, 0.99),
        percentile(&lateness, 1.0),
    );
}

/// How many timers were so many milliseconds late.
fn lateness(redis: &Redis) -> BTreeMap<i64, usize> {
    let answer = redis.command(&["HGETALL", "lateness"]);
    let words: Vec<&str> =
        answer.lines().filter(|line| !line.starts_with(['*', '$'])).map(str::trim).collect();
    let pair = |pair: &[&str]| (pair[0].parse().expect("milliseconds"), pair[1].parse().expect("a count"));
    words.chunks(2).map(pair).collect()
}

fn percentile(lateness: &BTreeMap<i64, usize>, part: f64) -> i64 {
    let all: usize = lateness.values().sum();
    let wanted = (all as f64 * part).ceil() as usize;
    let mut seen = 0;
    let is_it = |(_, count): &(&i64, &usize)| {
        seen += **count;
        seen >= wanted
    };
    lateness.iter().find(is_it).map_or(0, |(ms, _)| *ms)
}

/// Counts the events of all rooms.
struct Events(Arc<AtomicUsize>);

impl Deliver for Events {
    fn deliver(&mut self, _: ShardId, delivery: Delivery) {
        let events = match delivery {
            Delivery::Done(done) => done.events.map_or(0, |events| events.ends.len()),
            Delivery::Events(events) => events.ends.len(),
            _ => 0,
        };
        self.0.fetch_add(events, Ordering::Relaxed);
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
