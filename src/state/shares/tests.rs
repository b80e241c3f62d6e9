use std::sync::Arc;

use super::*;
use crate::script::Script;
use crate::wire::ids::{Identity, Role};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn call_of(user_id: &str, script: &'static str, membership: Membership) -> Call {
    let caller = Identity {
        user_id: user_id.into(),
        username: user_id.into(),
        role: Role::Player,
        expires_at_s: 0,
        login: Default::default(),
    };
    let script = Script::built_in(script, "return 1");
    Call { membership, ..Call::rpc(script, Arc::new(caller), Vec::new(), Vec::new()) }
}

fn call(user_id: &str) -> Call {
    call_of(user_id, "test", Membership::Unchanged)
}

/// Runs one user's calls of so many milliseconds, as often as they are allowed: how much time they get in ten seconds.
fn used_in_ten_seconds(each: u64) -> u64 {
    let began = Instant::now();
    let (mut shares, ann) = (Shares::default(), call("ann"));
    let mut used = 0;
    let mut at = 0;
    while at < 10_000 {
        let may_run = !shares.is_over(&ann, began + ms(at));
        at += if may_run { each } else { 1 };
        if may_run {
            used += each;
            shares.charge(&ann, ms(each), 0, began + ms(at));
        }
    }
    used
}

#[test]
fn a_user_gets_a_fifth_and_a_burst() {
    for each in [1, 13, 50] {
        let used = used_in_ten_seconds(each);
        assert!((2000..=2100 + 2 * each).contains(&used), "{used} ms in calls of {each} ms");
    }
}

#[test]
fn who_had_the_store_alone_waits_for_half_a_second_at_most() {
    let now = Instant::now();
    let (mut shares, ann, ben) = (Shares::default(), call("ann"), call("ben"));
    shares.charge(&ann, ms(60_000), 0, now);
    assert!(shares.is_over(&ann, now + ms(499)));
    assert!(!shares.is_over(&ben, now));
    assert!(!shares.is_over(&ann, now + ms(500)));
}

#[test]
fn the_servers_own_calls_are_nobodys() {
    let now = Instant::now();
    let mut shares = Shares::default();
    let own = [call(""), call_of("ann", "godra:note", Membership::Unchanged)];
    for call in &own {
        shares.charge(call, ms(1000), 0, now);
        assert!(!shares.is_over(call, now));
    }
    assert_eq!(shares.len(), 0);
    shares.charge(&call("ann"), ms(1000), 0, now);
    assert!(!shares.are_over(&own, now));
    let [_, note] = own;
    assert!(shares.are_over(&[call("ann"), note], now));
    assert!(!shares.are_over(&[call("ann"), call("ben")], now));
}

#[test]
fn idle_users_are_forgotten() {
    let now = Instant::now();
    let mut shares = Shares::default();
    shares.charge(&call("heavy"), ms(200), 0, now);
    for number in 0..100_000_u64 {
        shares.charge(&call(&number.to_string()), Duration::from_micros(10), 0, now + ms(number / 100));
        assert!(shares.len() <= 2 * buckets::FEW);
    }
    assert!(shares.users.has_over());
    shares.forget_idle(now + ms(2500));
    assert!(shares.len() == 0 && !shares.users.has_over());
}

/// Which of the calls run, each taking so long, while others wait.
fn taken(length: Duration, shares: &mut Shares, calls: &[Call], each: Duration) -> Vec<bool> {
    let now = Instant::now();
    let mut slice = Slice::of(length);
    let mut spent = Duration::ZERO;
    let mut runs = Vec::new();
    for call in calls {
        runs.push(slice.takes(call, spent, shares, now, || true));
        spent += if runs.ends_with(&[true]) { each } else { Duration::ZERO };
    }
    runs
}

#[test]
fn after_its_slice_all_the_rest_is_given_back() {
    let calls: Vec<Call> = (0..5).map(|number| call(&number.to_string())).collect();
    let mut shares = Shares::default();
    assert_eq!(taken(ms(8), &mut shares, &calls, ms(3)), [true, true, true, false, false]);
    assert_eq!(taken(ms(8), &mut shares, &calls, ms(50)), [true, false, false, false, false]);
    let mut slice = Slice::of(ms(8));
    assert!(slice.takes(&calls[0], ms(100), &mut shares, Instant::now(), || false), "nobody else waits");
    let mut whole = Slice::whole();
    whole.end();
    assert!(whole.takes(&calls[0], ms(100), &mut shares, Instant::now(), || true));
}

#[test]
fn whoever_is_over_waits_with_all_later_calls_and_nobody_else_does() {
    let mut shares = Shares::default();
    shares.charge(&call("ann"), ms(200), 0, Instant::now());
    let leave = |user_id| call_of(user_id, "on_disconnect", Membership::Leave(1));
    let calls = [leave("ann"), call("ann"), call("ben"), call(""), leave("ann"), leave("ben"), call("ann")];
    let expected = [true, false, true, true, false, true, false];
    assert_eq!(taken(ms(8), &mut shares, &calls, ms(0)), expected);
}

#[test]
fn users_of_one_network_share_its_bucket() {
    let now = Instant::now();
    let mut shares = Shares::default();
    let of = |user_id: &str, network: Option<[u8; 4]>| {
        let mut call = call(user_id);
        let caller = Arc::make_mut(&mut call.caller);
        caller.login.network = network.map(|address| NetworkId::of(std::net::IpAddr::from(address)));
        call
    };
    let crowd: Vec<Call> =
        (0..20).map(|number| of(&format!("guest {number}"), Some([203, 0, 113, 9]))).collect();
    crowd.iter().for_each(|call| shares.charge(call, ms(10), 0, now));
    assert!(!shares.are_over(&crowd, now), "none of them has had much");
    assert!(shares.are_of_networks_over(&crowd, now));
    let note = call_of("guest 0", "godra:note", Membership::Unchanged);
    assert!(!shares.are_of_networks_over(std::slice::from_ref(&note), now), "the server's own");
    assert!(shares.are_of_networks_over(&[note, crowd[0].clone()], now), "it waits for what it is about");
    for other in [of("ann", Some([203, 0, 113, 8])), of("ben", None)] {
        shares.charge(&other, ms(10), 0, now);
        assert!(!shares.are_of_networks_over(std::slice::from_ref(&other), now));
        assert!(!shares.are_of_networks_over(&[crowd[0].clone(), other], now));
    }
    let leaves = Call { membership: Membership::Leave(1), ..crowd[0].clone() };
    assert!(!shares.are_of_networks_over(std::slice::from_ref(&leaves), now));
    assert!(!shares.are_of_networks_over(&[leaves, crowd[0].clone()], now));
    assert!(!shares.are_of_networks_over(&[], now));
    assert!(!shares.are_of_networks_over(&crowd, now + ms(500)), "it has drained");
    shares.forget_idle(now + ms(60_000));
    assert_eq!((shares.len(), shares.networks.len()), (0, 0));
}
