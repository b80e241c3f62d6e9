use super::*;

const REFUSE: Verdict = Verdict::Refuse { retry_after_s: 1 };

fn second(limit: &mut InputRate, per_second: u32, now_ms: u64, times: usize) -> Vec<Verdict> {
    (0..times).map(|_| limit.admit(per_second, 100, now_ms)).collect()
}

#[test]
fn twice_a_seconds_worth_passes_then_the_rate() {
    let mut limit = InputRate::new(true);
    assert_eq!(second(&mut limit, 10, 0, 20), [Verdict::Pass; 20]);
    assert_eq!(limit.admit(10, 0, 0), REFUSE);
    assert_eq!(limit.admit(10, 100, 99), REFUSE);
    assert_eq!(second(&mut limit, 10, 100, 2), [Verdict::Pass, REFUSE]);
    assert_eq!(second(&mut limit, 10, 100_000, 21)[19..], [Verdict::Pass, REFUSE]);
}

#[test]
fn patience_ends() {
    let mut limit = InputRate::new(true);
    let verdicts = second(&mut limit, 2, 0, 15);
    assert_eq!(verdicts[..4], [Verdict::Pass; 4]);
    assert_eq!(verdicts[4..14], [REFUSE; 10]);
    assert_eq!(verdicts[14], Verdict::Close);
    let mut limit = InputRate::new(true);
    let verdicts = second(&mut limit, 1_000_000, 0, 2_000_000 + 70_000);
    assert_eq!(verdicts[2_000_000], REFUSE);
    assert_eq!(verdicts.last(), Some(&Verdict::Close), "the count has an end, and stays there");
}

#[test]
fn a_long_input_counts_as_one_for_each_piece_that_it_begins() {
    let passes = |bytes: usize| {
        let mut limit = InputRate::new(true);
        (0..1000).take_while(|_| limit.admit(60, bytes, 0) == Verdict::Pass).count()
    };
    assert_eq!([0, 1, 4096, 4097, 8192, 60 << 10].map(passes), [120, 120, 120, 60, 60, 8]);
    assert_eq!(passes(120 * 4096), 1);
    assert_eq!(passes(1 << 30), 1, "what is more than a full bucket takes all of one");
    let mut limit = InputRate::new(true);
    assert_eq!(
        [0, 1, 2000].map(|now_ms| limit.admit(1, 1 << 20, now_ms)),
        [Verdict::Pass, Verdict::Refuse { retry_after_s: 2 }, Verdict::Pass,]
    );
}

#[test]
fn who_is_refused_much_rests_until_the_bucket_holds_some() {
    let mut limit = InputRate::new(true);
    let refused = |limit: &mut InputRate, now_ms| {
        (0..).take_while(|_| !limit.rests() && limit.admit(60, 1, now_ms) == REFUSE).count()
    };
    second(&mut limit, 60, 5000, 120);
    assert_eq!(limit.rests_until_ms(60), None);
    assert_eq!(refused(&mut limit, 5000), 15);
    assert_eq!(limit.rests_until_ms(60), Some(5117));
    limit.end_rest();
    assert_eq!(limit.rests_until_ms(60), None);
    assert_eq!(second(&mut limit, 60, 5117, 7), [Verdict::Pass; 7]);
    assert_eq!(refused(&mut limit, 5117), 15);
    limit.end_rest();
    // One long input is refused alone.
    assert_eq!(limit.admit(60, 60 << 10, 5118), REFUSE);
    assert!(limit.rests());
    let mut slowest = InputRate::new(true);
    second(&mut slowest, 1, 5000, 6);
    assert_eq!(slowest.rests_until_ms(1), Some(6000));
    let mut unlimited = InputRate::new(false);
    assert_eq!(second(&mut unlimited, 60, 0, 1000), [Verdict::Pass; 1000]);
    assert!(!unlimited.rests());
}

/// Whatever the rate: a flood is read in few turns, and ends after some five seconds of them.
#[test]
fn a_flood_has_few_turns_and_an_end() {
    for per_second in [1, 5, 20, 60, 500, 2000, 20_000] {
        let mut limit = InputRate::new(true);
        let (mut now_ms, mut turns) = (0, 0);
        'all: loop {
            turns += 1;
            while !limit.rests() {
                if limit.admit(per_second, 1, now_ms) == Verdict::Close {
                    break 'all;
                }
            }
            let until_ms = limit.rests_until_ms(per_second).unwrap();
            assert!(until_ms > now_ms && until_ms <= now_ms + 1000, "{per_second}/s: {until_ms} at {now_ms}");
            now_ms = until_ms;
            limit.end_rest();
        }
        assert!((1000..=12_000).contains(&now_ms), "{per_second}/s: closed after {now_ms} ms");
        let most_a_second = if per_second <= 500 { 10 } else { per_second / 100 };
        let most = u64::from(most_a_second) * (1 + now_ms / 1000);
        assert!(turns <= most, "{per_second}/s: {turns} turns in {now_ms} ms");
    }
}

/// Who sends at most twice the rate is never closed; a flood is, though a part of it passes.
#[test]
fn patience_counts_what_is_refused_beyond_what_passes() {
    let closed_after_s = |per_s: u64| {
        let mut limit = InputRate::new(true);
        let verdict = |n| limit.admit(60, 1, n * 1000 / per_s);
        (0..1000 * per_s).map(verdict).position(|verdict| verdict == Verdict::Close).map(|n| n as u64 / per_s)
    };
    assert_eq!([70, 119, 300, 3000].map(closed_after_s), [None, None, Some(2), Some(0)]);
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
    assert_eq!(limit.admit(1, 100, 998), Verdict::Refuse { retry_after_s: 2 });
    assert_eq!(limit.admit(1, 100, 2000), Verdict::Pass);
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
