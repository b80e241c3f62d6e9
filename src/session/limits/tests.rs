use super::*;

fn second(limit: &mut InputRate, per_second: u32, now_ms: u64, times: usize) -> Vec<Verdict> {
    (0..times).map(|_| limit.admit(per_second, now_ms)).collect()
}

#[test]
fn twice_a_seconds_worth_passes_then_the_rate() {
    let mut limit = InputRate::new(true);
    assert_eq!(second(&mut limit, 10, 0, 20), [Verdict::Pass; 20]);
    assert_eq!(limit.admit(10, 0), Verdict::Refuse);
    assert_eq!(limit.admit(10, 99), Verdict::Refuse);
    assert_eq!(second(&mut limit, 10, 100, 2), [Verdict::Pass, Verdict::Refuse]);
    assert_eq!(second(&mut limit, 10, 100_000, 21)[19..], [Verdict::Pass, Verdict::Refuse]);
}

#[test]
fn patience_ends() {
    let mut limit = InputRate::new(true);
    let verdicts = second(&mut limit, 2, 0, 15);
    assert_eq!(verdicts[..4], [Verdict::Pass; 4]);
    assert_eq!(verdicts[4..14], [Verdict::Refuse; 10]);
    assert_eq!(verdicts[14], Verdict::Close);
    let mut limit = InputRate::new(true);
    let verdicts = second(&mut limit, 1_000_000, 0, 2_000_000 + 70_000);
    assert_eq!(verdicts[2_000_000], Verdict::Refuse);
    assert_eq!(verdicts.last(), Some(&Verdict::Close), "the count has an end, and stays there");
}

#[test]
fn every_connection_has_it() {
    assert_eq!((size_of::<InputRate>(), align_of::<InputRate>()), (12, 4));
}

/// A connection that moves to another event loop may find that its round began a moment earlier.
#[test]
fn regression_a_clock_that_is_behind_is_no_time_passed() {
    let mut limit = InputRate::new(true);
    assert_eq!(second(&mut limit, 1, 1000, 2), [Verdict::Pass; 2]);
    assert_eq!(limit.admit(1, 998), Verdict::Refuse);
    assert_eq!(limit.admit(1, 2000), Verdict::Pass);
}

#[test]
fn who_is_held_to_a_limit() {
    let by_default = Limit { most: 5, holds_for_local: false };
    assert_eq!([false, true].map(|is_local| by_default.holds_for(is_local)), [true, false]);
    assert_eq!([false, true].map(|is_local| Limit::set(5).holds_for(is_local)), [true, true]);
    for none in [Limit::NONE, Limit::set(0)] {
        assert_eq!([false, true].map(|is_local| none.holds_for(is_local)), [false, false]);
        let buckets = Buckets::per_minute(none);
        assert!((0..1000).all(|_| buckets.admit("a", false, 0).is_ok()));
    }
    let buckets = Buckets::per_minute(by_default);
    assert!((0..1000).all(|_| buckets.admit("a", true, 0).is_ok()));
    assert_eq!((0..6).map(|_| buckets.admit("a", false, 0)).collect::<Vec<_>>()[4..], [Ok(()), Err(12)]);
}

#[test]
fn clients_are_counted_apart() {
    let buckets = Buckets::per_minute(Limit::set(3));
    for _ in 0..3 {
        assert_eq!(buckets.admit("one", false, 1000), Ok(()));
    }
    assert_eq!(buckets.admit("one", false, 1000), Err(20));
    assert_eq!(buckets.admit("other", false, 1000), Ok(()));
    assert_eq!(buckets.admit("one", false, 20_999), Err(1));
    assert_eq!(buckets.admit("one", false, 21_000), Ok(()));
    let buckets = Buckets::per_second(Limit::set(30));
    let admitted = (0..100).filter(|_| buckets.admit("one", false, 1000).is_ok()).count();
    assert_eq!(admitted, 60);
}

/// Whoever has one IPv6 address has the 2^64 of its network.
#[test]
fn regression_an_ipv6_network_counts_as_one_address() {
    let buckets = Buckets::per_minute(Limit::set(1));
    let check = |address: &str, expected: Result<(), u32>| {
        let network = network(address.parse().unwrap());
        assert_eq!(buckets.admit(network, false, 0), expected, "{address}");
    };
    check("2001:db8::1", Ok(()));
    check("2001:db8::2:3:4:5", Err(60));
    check("2001:db8:0:1::1", Ok(()));
    check("::ffff:10.0.0.1", Ok(()));
    check("10.0.0.1", Err(60));
    check("::ffff:10.0.0.2", Ok(()));
}

/// The memory is what it is; those with the most to make up for are remembered.
#[test]
fn a_million_clients_do_not_free_one_that_floods() {
    let buckets = Buckets::per_minute(Limit::set(60));
    assert!((0..60).all(|_| buckets.admit("flooder", false, 0).is_ok()));
    for client in 0..1_000_000_u32 {
        assert_eq!(buckets.admit(client, false, 0), Ok(()));
    }
    assert_eq!(buckets.admit("flooder", false, 0), Err(1));
}

#[test]
fn tens_of_thousands_are_told_apart() {
    let buckets = Buckets::per_minute(Limit::set(1));
    let admit_all =
        |now_ms| (0..20_000).filter(|client| buckets.admit(client, false, now_ms).is_ok()).count();
    assert_eq!(admit_all(0), 20_000);
    // Few of the sets are over-full by chance.
    assert!(admit_all(1) < 200, "they are forgotten too early");
    assert_eq!(admit_all(120_000), 20_000);
}
