//! Who gets how much of the engine when not all can have it.

use super::*;
use crate::state::Membership;
use crate::wire::ids::{Login, NetworkId};

/// What a call that never ends takes.
const HEAVY: Duration = Duration::from_millis(10);

fn game() -> Game {
    Game::start(EmbeddedOptions { time_budget: HEAVY, ..EmbeddedOptions::default() })
}

fn heavy() -> Arc<Script> {
    script("while true do end")
}

/// Calls of these users; a name with a `-` in front stands for the hook that takes its user out. Who is called `ann@7` is in the
/// network of that number.
fn calls(users: &[&str], script: &Arc<Script>) -> Vec<Call> {
    let call = |name: &&str| {
        let user_id = name.trim_start_matches('-');
        let network = user_id.split_once('@').map(|(_, number)| {
            NetworkId::of(std::net::Ipv4Addr::from(number.parse::<u32>().unwrap()).into())
        });
        let caller = Arc::new(Identity {
            user_id: user_id.into(),
            username: user_id.into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Login { network, ..Login::default() },
        });
        let membership = if name.starts_with('-') { Membership::Leave(1) } else { Membership::Unchanged };
        let call = Call::rpc(script.clone(), caller, Vec::new(), Vec::new());
        Call { keys: CallKeys::FromRoom, membership, ..call }
    };
    users.iter().map(call).collect()
}

/// What a room sends.
fn inputs(room: &str, users: &[&str], script: &Arc<Script>) -> Batch {
    Batch { may_give_back: true, ..whole(room, users, script) }
}

/// What must run whole.
fn whole(room: &str, users: &[&str], script: &Arc<Script>) -> Batch {
    Batch::new(RoomId::parse(room), calls(users, script), 0)
}

fn not_run(done: &BatchDone) -> usize {
    done.results.iter().filter(|result| matches!(result, CallResult::NotRun(_))).count()
}

/// Has the user use up its share while nobody else wants the engine.
fn use_up(game: &Game, user: &str) {
    game.submit(whole("1z", &[user; 20], &heavy()));
    game.done();
}

/// Keeps the engine from looking at what is submitted next, so that all of that waits at once.
fn hold(game: &Game) {
    game.submit(whole("1y", &[""; 3], &heavy()));
}

#[test]
fn a_long_batch_gives_back_what_it_has_no_time_for() {
    let game = game();
    game.submit(inputs("1a", &["ann"; 100], &heavy()));
    game.submit(inputs("2b", &["ben"], &script("return 1")));
    let asked_at = Instant::now();
    let (_, done) = game.done();
    let ran = done.results.len() - not_run(&done);
    assert!((1..=20).contains(&ran), "{ran} ran");
    assert!(done.results[ran..].iter().all(|result| matches!(result, CallResult::NotRun(_))));
    assert_eq!(shown(&game.done().1.results), ["1"]);
    assert!(asked_at.elapsed() < Duration::from_millis(500), "{:?}", asked_at.elapsed());
}

#[test]
fn calls_come_back_in_order_and_as_they_were() {
    let game = game();
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    hold(&game);
    game.submit(inputs("1a", &names, &heavy()));
    game.submit(inputs("2b", &["ben"], &script("return 1")));
    game.done();
    let (_, done) = game.done();
    assert_eq!(not_run(&done), 19);
    for (name, result) in names.iter().zip(&done.results).skip(1) {
        assert!(matches!(result, CallResult::NotRun(call) if call.caller.user_id == *name));
    }
}

#[test]
fn a_long_batch_goes_on_while_nobody_else_waits() {
    let game = game();
    game.submit(inputs("1a", &["ann"; 30], &heavy()));
    assert_eq!(not_run(&game.done().1), 0);
}

#[test]
fn what_must_run_whole_does() {
    let game = game();
    hold(&game);
    game.submit(whole("1a", &["ann"; 5], &heavy()));
    let mut stopping = inputs("1a", &["ben"; 5], &script("return 1"));
    stopping.on_error = OnError::Stop;
    game.submit(stopping);
    game.submit(inputs("2b", &["eve"], &script("return 1")));
    game.done();
    assert_eq!(not_run(&game.done().1), 0);
    assert_eq!(not_run(&game.done().1), 0);
}

#[test]
fn who_has_had_more_than_its_share_waits_with_all_that_comes_after() {
    let game = game();
    use_up(&game, "ann");
    hold(&game);
    let light = script("return 1");
    game.submit(inputs("1a", &["-ann", "ann", "ben", "-ann", "-ben", ""], &light));
    game.submit(inputs("2b", &["ben"], &light));
    game.done();
    let expected = ["1", "not run", "1", "not run", "1", "1"];
    assert_eq!(shown(&game.done().1.results), expected);
    // Nobody waits behind it.
    assert_eq!(shown(&game.done().1.results), ["1"]);
    game.submit(inputs("1a", &["ann"], &light));
    assert_eq!(shown(&game.done().1.results), ["1"]);
}

#[test]
fn whole_batches_of_such_users_run_after_all_others() {
    let game = game();
    use_up(&game, "ann");
    use_up(&game, "ann");
    hold(&game);
    let light = script("return godra.user.id");
    game.submit(whole("1a", &["ann"], &heavy()));
    (0..2).for_each(|_| game.submit(whole("1a", &["ann"], &light)));
    game.submit(whole("1a", &["ann", "ben"], &light));
    (0..5).for_each(|_| game.submit(inputs("2b", &["ben"], &light)));
    game.done();
    let order: Vec<String> = (0..9).map(|_| shown(&game.done().1.results)[0].clone()).collect();
    // The first has its turn; after that, those two wait to the end.
    assert!(order[0].starts_with("script_timeout"), "{order:?}");
    let ben_is_in = ["\"ann\"", "\"ben\"", "\"ben\"", "\"ben\"", "\"ben\"", "\"ben\"", "\"ann\"", "\"ann\""];
    assert_eq!(order[1..], ben_is_in);
}

/// None of them has had more than a fifth, but their address has.
#[test]
fn many_users_of_one_address_have_one_share() {
    let game = game();
    let many: Vec<String> = (0..20).map(|number| format!("{number}@7")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    game.submit(whole("1z", &many, &heavy()));
    game.submit(whole("1z", &many, &heavy()));
    game.done();
    game.done();
    hold(&game);
    let light = script("return godra.user.id");
    // The first has its turn.
    game.submit(inputs("1a", &[many[0]], &heavy()));
    many[..10].iter().for_each(|user| game.submit(inputs("1a", &[user], &light)));
    game.submit(inputs("1a", &["-0@7"], &light));
    (0..3).for_each(|_| game.submit(inputs("2b", &["ben@8"], &light)));
    game.done();
    game.done();
    let order: Vec<String> = (0..14).map(|_| shown(&game.done().1.results)[0].clone()).collect();
    let in_time = ["\"-0@7\"", "\"ben@8\"", "\"ben@8\"", "\"ben@8\""].map(|user| user.replace('-', ""));
    assert_eq!(order[..4], in_time, "{order:?}");
    assert!(order[4..].iter().all(|user| user.ends_with("@7\"")), "{order:?}");
}

/// Those may want the processor, though they do not want the engine at this moment.
#[test]
fn an_address_rests_between_its_calls_while_others_play() {
    let game = game();
    let many: Vec<String> = (0..20).map(|number| format!("{number}@7")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let time_of_six = || {
        let began = Instant::now();
        many[..6].iter().for_each(|user| game.submit(inputs("1a", &[user], &heavy())));
        (0..6).for_each(|_| drop(game.done()));
        began.elapsed()
    };
    game.submit(whole("1z", &many, &heavy()));
    game.done();
    let alone = time_of_six();
    game.submit(inputs("2b", &["ben@8"], &script("return 1")));
    game.done();
    let beside_another = time_of_six();
    assert!(beside_another > alone * 2, "{beside_another:?}, alone {alone:?}");
}

#[test]
fn too_many_of_one_users_batches_are_refused() {
    let game = game();
    use_up(&game, "ann");
    use_up(&game, "ann");
    hold(&game);
    let light = script("return 1");
    game.submit(whole("1a", &["ann"], &heavy()));
    (0..40).for_each(|_| game.submit(whole("1a", &["ann"], &light)));
    game.submit(whole("2b", &["ben"], &light));
    game.done();
    // That one has its turn, and the others wait.
    game.done();
    let shown: Vec<String> = (0..41).map(|_| shown(&game.done().1.results).remove(0)).collect();
    let busy = "busy: you have used more than your share of the server; try again";
    let refused = shown.iter().filter(|shown| *shown == busy).count();
    assert_eq!(refused, 8, "{shown:?}");
    assert_eq!(shown.iter().filter(|shown| *shown == "1").count(), 33);
    assert_eq!(game.engine.queue_depth(), 0);
}

#[test]
fn what_a_call_may_publish_is_not_used_up_by_others() {
    let game = Game::start(EmbeddedOptions { time_budget: Duration::from_secs(20), ..Default::default() });
    let big = script("local s = ('x'):rep(1e6) for i = 1, 4 do godra.publish('big', s) end return 1");
    game.submit(Batch { origin: 1, ..whole("1a", &["ann"; 7], &big) });
    let mut next_seq = 1;
    let done = loop {
        match game.next().1 {
            Delivery::Events(events) => {
                assert_eq!(events.first_seq, next_seq);
                next_seq += events.ends.len() as u64;
            }
            Delivery::Done(done) => break done,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(shown(&done.results), ["1"; 7]);
    assert_eq!((next_seq, done.position.seq), (29, 28));
}

#[test]
fn a_batch_that_has_published_much_gives_the_rest_back() {
    let game = Game::start(EmbeddedOptions { time_budget: Duration::from_secs(20), ..Default::default() });
    let big = script("local s = ('x'):rep(1e6) for i = 1, 2 do godra.publish('big', s) end return 1");
    game.submit(inputs("0a", &["ann", "ben", "eve"], &big));
    let mut done = loop {
        if let Delivery::Done(done) = game.next().1 {
            break done;
        }
    };
    assert_eq!(shown(&done.results), ["1", "1", "not run"]);
    let Some(CallResult::NotRun(rest)) = done.results.pop() else { panic!() };
    game.submit(Batch { may_give_back: true, ..Batch::new(RoomId::parse("0a"), vec![*rest], 0) });
    let again = loop {
        match game.next().1 {
            Delivery::Done(done) => break done,
            Delivery::Events(events) => assert_eq!(events.first_seq, 5),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((shown(&again.results), again.position.seq), (vec!["1".to_owned()], 6));
}

#[test]
fn the_file_is_written_while_a_long_batch_runs() {
    let folder = tempfile::TempDir::new().unwrap();
    let state_file = Some(folder.path().join("state.db"));
    let game = Game::start(EmbeddedOptions { time_budget: HEAVY, state_file, ..EmbeddedOptions::default() });
    let set = script("return redis.call('SET', KEYS[1] or 'k', 'v')");
    let calls = [calls(&["ann"], &set), calls(&["ann"; 100], &heavy())].concat();
    game.submit(Batch::new(RoomId::parse("1a"), calls, 0));
    let asked_at = Instant::now();
    while game.metrics.state_file_writes.get() == 0 {
        assert!(asked_at.elapsed() < Duration::from_secs(10), "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(game.deliveries.is_empty(), "the batch has ended");
    game.done();
}

#[test]
fn keys_expire_while_a_long_batch_runs() {
    let game = game();
    let set = script("return redis.call('SET', 'k', 'v', 'PX', 1)");
    let size = script("return redis.call('DBSIZE')");
    let calls = [calls(&["ann"], &set), calls(&["ann"; 30], &heavy()), calls(&["ann"], &size)].concat();
    game.submit(Batch::new(RoomId::parse("1a"), calls, 0));
    assert_eq!(shown(&game.done().1.results).last().unwrap(), "0");
}

#[test]
fn stopping_has_an_end() {
    let game = game();
    game.submit(whole("1a", &["ann"; 2000], &heavy()));
    game.submit(whole("2b", &["ben"], &script("return 1")));
    let asked_at = Instant::now();
    game.engine.stop();
    assert!(asked_at.elapsed() < Duration::from_secs(8), "{:?}", asked_at.elapsed());
    let long = shown(&game.done().1.results);
    let stopping = "unavailable: the server is stopping; this did not run";
    assert!(long[0].starts_with("script_timeout"));
    assert!(long.iter().filter(|shown| *shown == stopping).count() > 500);
    assert_eq!(shown(&game.done().1.results), [stopping]);
}
