//! Who gets how much of a store that several nodes share: the engine itself, without the server around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use godra::metrics::Metrics;
use godra::script::{Script, ScriptSet};
use godra::state::redis::{Address, Prefix, RedisEngine, RedisOptions, TlsFiles};
use godra::state::{
    Arguments, Batch, BatchDone, Call, CallResult, Deliver, Delivery, Engine, OnError, ShardId,
};
use godra::wire::ids::{Identity, Role, RoomId};

use crate::common::redis::Redis;
use crate::common::wait_until;

/// A node's engine.
pub struct Node {
    engine: RedisEngine,
    deliveries: Receiver<Delivery>,
}

/// How many have been started: each has a seed of its own, which names it in the store.
static NODES: AtomicU64 = AtomicU64::new(0);

struct Mailbox(Sender<Delivery>);

impl Deliver for Mailbox {
    fn deliver(&mut self, _: ShardId, delivery: Delivery) {
        // The test may have ended already.
        let _ = self.0.send(delivery);
    }

    fn home(&self, _: &RoomId) -> ShardId {
        0
    }
}

impl Node {
    pub fn start(redis: &Redis) -> Self {
        let (sender, deliveries) = unbounded();
        let options = RedisOptions {
            addresses: Address::parse_list(&redis.address()).unwrap(),
            prefix: Prefix::default(),
            tls: TlsFiles::default(),
            queue_capacity: 10_000,
            shards: 1,
            seed: u64::from(redis.port()) << 32 | NODES.fetch_add(1, Ordering::Relaxed),
            room_ttl_s: 3600,
            lobbies_per_owner: 16,
            rejoin_grace: std::time::Duration::ZERO,
            history: godra::state::HistoryBounds::default(),
            documents: None,
        };
        let (scripts, metrics) = (Arc::new(ScriptSet::default()), Arc::new(Metrics::new()));
        let engine = RedisEngine::start(options, scripts, Box::new(Mailbox(sender)), metrics).unwrap();
        wait_until("the store to be there", || engine.is_ready());
        Self { engine, deliveries }
    }

    pub fn submit(&self, batch: Batch) {
        self.engine.submit(batch).unwrap();
    }

    pub fn done(&self) -> BatchDone {
        loop {
            let delivery = self.deliveries.recv_timeout(Duration::from_secs(20)).expect("a batch's end");
            if let Delivery::Done(done) = delivery {
                return done;
            }
        }
    }
}

fn script(name: &str, text: &str) -> Arc<Script> {
    Script::built_in(name, text)
}

/// Takes ten milliseconds, about: for scripts the clock stands still.
fn heavy() -> Arc<Script> {
    script("heavy", "for _ = 1, 3e6 do end return 'heavy'")
}

fn light() -> Arc<Script> {
    script("light", "return redis.call('INCR', 'light')")
}

fn whole(room: &str, users: &[&str], script: &Arc<Script>, bytes: usize) -> Batch {
    let call = |user_id: &&str| {
        let caller = Identity {
            user_id: (*user_id).into(),
            username: (*user_id).into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Default::default(),
        };
        Call::input(script.clone(), Arc::new(caller), (&*vec![b'1'; bytes]).into(), true)
    };
    Batch::new(RoomId::parse(room), users.iter().map(call).collect(), 0)
}

fn inputs(room: &str, users: &[&str], script: &Arc<Script>, bytes: usize) -> Batch {
    Batch { may_give_back: true, ..whole(room, users, script, bytes) }
}

pub fn shown(results: &[CallResult]) -> Vec<String> {
    let show = |result: &CallResult| match result {
        CallResult::Ok(json) => String::from_utf8(json.to_vec()).unwrap(),
        CallResult::Err(error) => format!("{}: {}", error.code, error.message),
        CallResult::Skipped => "skipped".into(),
        CallResult::NotRun(call) => format!("not run: {}", call.caller.user_id),
    };
    results.iter().map(show).collect()
}

#[test]
fn a_burst_of_heavy_inputs_holds_no_node_up() {
    let redis = Redis::start();
    let (a, b) = (Node::start(&redis), Node::start(&redis));
    let names: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    a.submit(inputs("a", &names, &heavy(), 100));
    b.submit(inputs("b", &["ben"], &light(), 1));
    let asked_at = Instant::now();
    assert_eq!(shown(&b.done().results), ["1"]);
    assert!(asked_at.elapsed() < Duration::from_millis(500), "{:?}", asked_at.elapsed());
    let results = shown(&a.done().results);
    let ran = results.iter().take_while(|shown| *shown == "\"heavy\"").count();
    assert!((1..100).contains(&ran), "{ran} ran: {results:?}");
    let rest: Vec<String> = names[ran..].iter().map(|name| format!("not run: {name}")).collect();
    assert_eq!(results[ran..], rest);
}

#[test]
fn a_large_batch_is_sent_in_parts() {
    let redis = Redis::start();
    let node = Node::start(&redis);
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut parts = 0;
    while !names.is_empty() {
        node.submit(inputs("a", &names, &light(), 60_000));
        let ran =
            shown(&node.done().results).iter().take_while(|shown| !shown.starts_with("not run")).count();
        assert!((1..=4).contains(&ran), "{ran} ran at once");
        names.drain(..ran);
        parts += 1;
    }
    assert!(parts >= 5);
    assert!(redis.command(&["GET", "light"]).contains("20"), "each has run once");
}

/// Has `ann` use up her share, and the turn that those get who have.
fn use_up(node: &Node) {
    for _ in 0..3 {
        node.submit(whole("a", &["ann"; 10], &heavy(), 1));
        assert_eq!(shown(&node.done().results), ["\"heavy\""; 10]);
    }
}

#[test]
fn who_has_had_more_than_its_share_waits() {
    let redis = Redis::start();
    let node = Node::start(&redis);
    use_up(&node);
    node.submit(inputs("a", &["ben", "ann", "ben", "ann"], &light(), 1));
    node.submit(inputs("a", &["ann"], &light(), 1));
    let mixed = shown(&node.done().results);
    let alone = shown(&node.done().results);
    // What nothing of is sent has an end at once.
    let (mixed, alone) = if mixed.len() == 4 { (mixed, alone) } else { (alone, mixed) };
    assert_eq!(mixed, ["1", "not run: ann", "2", "not run: ann"]);
    assert_eq!(alone, ["not run: ann"]);
    wait_until("ann to have a share again", || {
        node.submit(inputs("a", &["ann"], &light(), 1));
        shown(&node.done().results) == ["3"]
    });
}

#[test]
fn whole_batches_of_such_users_come_later() {
    let redis = Redis::start();
    let node = Node::start(&redis);
    use_up(&node);
    (0..40).for_each(|_| node.submit(whole("a", &["ann"], &heavy(), 1)));
    node.submit(whole("b", &["ann", "ben"], &light(), 1));
    let ends: Vec<Vec<String>> = (0..41).map(|_| shown(&node.done().results)).collect();
    let busy = "busy: you have used more than your share of the server; try again";
    let place = |wanted: &str| ends.iter().position(|end| end[0] == wanted).unwrap();
    assert!(place("1") < place("\"heavy\""), "{ends:?}");
    assert!(place(busy) < place("\"heavy\""), "{ends:?}");
    // As many wait as may, and none for long.
    let refused = ends.iter().filter(|end| end[0] == busy).count();
    assert!((8..30).contains(&refused), "{refused} of 40");
}

#[test]
fn what_a_call_may_publish_is_its_own() {
    let redis = Redis::start();
    let node = Node::start(&redis);
    // Nobody has such an id: this counts, and no member gets it.
    let text = "local s = ('x'):rep(1e6) for _ = 1, tonumber(ARGV[2]) do godra.send('no\\nbody', 'big', s) end return 1";
    let asking = |mut batch: Batch, count: &[u8]| {
        batch.calls[0].arguments = Arguments::Payload(count.into());
        batch
    };
    let big = script("big", text);
    node.submit(asking(whole("a", &["ann", "ben"], &big, 1), b"100"));
    let results = shown(&node.done().results);
    assert!(results[0].contains("too many events at once"), "{results:?}");
    assert_eq!(results[1], "1");
    node.submit(asking(inputs("a", &["eve", "ben"], &big, 1), b"3"));
    assert_eq!(shown(&node.done().results), ["1", "not run: ben"]);
}

/// Redis ends the connection of a node that has more than 32 MiB to read. One call may publish no more than all nodes can take, and
/// neither may calls of which none is given back.
#[test]
fn as_much_as_may_be_published_reaches_every_node() {
    let redis = Redis::start();
    let (a, b) = (Node::start(&redis), Node::start(&redis));
    let room = RoomId::parse("a").unwrap();
    [&a, &b].iter().for_each(|node| node.engine.watch(&room, true));
    let most =
        script("most", "local s = ('x'):rep(1040000) for _ = 1, 4 do godra.publish('big', s) end return 1");
    let wait_for_events = |last_seq: u64| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match b.deliveries.recv_deadline(deadline).expect("the events") {
                Delivery::Events(events) if events.last_seq() == last_seq => return events,
                Delivery::Missed(room) => panic!("the connection was lost: {room}"),
                _ => {}
            }
        }
    };
    // The subscription is in force once something has come.
    wait_until("the other node to listen", || {
        a.submit(whole("a", &["ann"], &script("first", "godra.publish('first', 1)"), 1));
        let seq = a.done().position.seq;
        std::iter::from_fn(|| b.deliveries.recv_timeout(Duration::from_millis(200)).ok())
            .any(|delivery| matches!(delivery, Delivery::Events(events) if events.last_seq() == seq))
    });
    for _ in 0..10 {
        a.submit(whole("a", &["ann"], &most, 1));
        let done = a.done();
        assert_eq!(shown(&done.results), ["1"]);
        assert!(wait_for_events(done.position.seq).text.len() > 4_160_000);
    }
    a.submit(whole("a", &["ann", "ben", "cid"], &most, 1));
    let done = a.done();
    let results = shown(&done.results);
    assert_eq!(results[0], "1");
    assert!(results[1].contains("too many events at once") && results[1] == results[2], "{results:?}");
    wait_for_events(done.position.seq);
    assert!(a.engine.is_ready() && b.engine.is_ready());
}

#[test]
fn nothing_is_given_back_where_a_failure_means_something_or_the_engine_stops() {
    let redis = Redis::start();
    let node = Node::start(&redis);
    let together = Batch { on_error: OnError::Stop, ..inputs("a", &["ben"; 10], &heavy(), 1) };
    node.submit(together);
    assert_eq!(shown(&node.done().results), ["\"heavy\""; 10]);
    let names: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    (0..20).for_each(|_| node.submit(inputs("a", &names, &heavy(), 1)));
    let asked_at = Instant::now();
    node.engine.stop();
    assert!(asked_at.elapsed() < Duration::from_secs(4), "{:?}", asked_at.elapsed());
    let stopping = "unavailable: the server is stopping; this did not run";
    let ends: Vec<_> = (0..20).map(|_| shown(&node.done().results)).collect();
    // On a busy machine even the last have been sent by then.
    let last = &ends[19];
    let has_ended = |shown: &&String| *shown == stopping || shown.contains("outcome unknown");
    assert!(last.iter().filter(has_ended).count() > 100, "{last:?}");
}
