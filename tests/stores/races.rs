//! Several threads at once, each with a connection of its own.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use godra::account::records::{Ban, CreatedLinked, Linking, NoticeKind, Renaming, Rotation, Unlinking};
use godra::account::store::Stores;

use crate::suite::{
    NOW_MS, NOW_S, Store, ended, external, family, new_account, notices_of, spend, start, without_password,
};

const THREADS: usize = 8;

/// Runs every race on one database.
pub fn all(stores: &Stores) {
    a_name_is_given_to_one(stores);
    names_that_look_alike_are_given_to_one(stores);
    a_token_is_spent_by_one(stores, "guest:raced", false);
    let account = stores.connect().unwrap().create(&new_account("spender"), NOW_S).unwrap().unwrap();
    a_token_is_spent_by_one(stores, &account.id.to_string(), true);
    notices_come_whole_and_in_order(stores);
    families_of_one_user_are_ended_from_all_sides(stores);
    an_identity_makes_one_account(stores);
    an_identity_is_linked_to_one(stores);
    one_way_to_log_in_is_left(stores);
    logins_that_are_under_way_end_with_the_account(stores);
    a_new_name_is_given_to_one(stores);
    a_code_is_good_once(stores);
}

/// Lets all threads do the same at the same moment; what each came to.
fn together<T: Send>(stores: &Stores, act: impl Fn(&mut Store, usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let run = |number| {
            let (start, act) = (&start, &act);
            scope.spawn(move || {
                let mut store = stores.connect().unwrap();
                start.wait();
                act(&mut store, number)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn a_name_is_given_to_one(stores: &Stores) {
    for round in 0..10 {
        let account = new_account(&format!("raced{round}"));
        let made = together(stores, |store, _| store.create(&account, NOW_S).unwrap());
        assert_eq!(made.iter().flatten().count(), 1);
    }
}

fn names_that_look_alike_are_given_to_one(stores: &Stores) {
    const LETTERS: [char; 4] = ['1', 'l', 'i', '\u{456}'];
    for round in 0..10 {
        let made = together(stores, |store, number| {
            let letter = |place: usize| LETTERS[number / 4_usize.pow(place as u32) % 4];
            let name = format!("alike{round}-{}{}", letter(0), letter(1));
            store.create(&new_account(&name), NOW_S).unwrap()
        });
        assert_eq!(made.iter().flatten().count(), 1, "{made:?}");
    }
}

fn an_identity_makes_one_account(stores: &Stores) {
    for round in 0..10 {
        let identity = external(&format!("raced|{round}"));
        let made = together(stores, |store, number| {
            let account = without_password(&format!("raced-{round}-{number}"));
            store.create_linked(&account, &identity, NOW_S).unwrap()
        });
        let of = |made: &CreatedLinked| match made {
            CreatedLinked::Created(account) => Some(account.id),
            CreatedLinked::Linked => None,
            CreatedLinked::Taken => panic!("the names are free"),
        };
        let ids: Vec<u64> = made.iter().filter_map(of).collect();
        let mut store = stores.connect().unwrap();
        let found = store.find_by_identity(&identity.issuer, &identity.subject, NOW_S).unwrap();
        assert_eq!(ids, [found.expect("it is there").0.id]);
        let names = (0..THREADS).filter(|number| {
            store.find_by_name(&format!("raced-{round}-{number}"), NOW_S).unwrap().is_some()
        });
        assert_eq!(names.count(), 1, "the others left nothing behind");
    }
}

fn an_identity_is_linked_to_one(stores: &Stores) {
    let mut store = stores.connect().unwrap();
    let mut account = |number: usize| {
        store.create(&new_account(&format!("linker{number}")), NOW_S).unwrap().expect("the name is free").id
    };
    let accounts: Vec<u64> = (0..THREADS).map(&mut account).collect();
    for round in 0..10 {
        let identity = external(&format!("linked by many|{round}"));
        let linked = together(stores, |store, number| store.link(accounts[number], &identity).unwrap());
        assert_eq!(linked.iter().filter(|&&linking| linking == Linking::Linked).count(), 1, "{linked:?}");
        assert_eq!(linked.iter().filter(|&&linking| linking == Linking::Taken).count(), THREADS - 1);
    }
}

fn one_way_to_log_in_is_left(stores: &Stores) {
    for round in 0..10 {
        let identity = |number: usize| external(&format!("last|{round}|{number}"));
        let mut store = stores.connect().unwrap();
        let made = store.create_linked(&without_password(&format!("lasting{round}")), &identity(0), NOW_S);
        let CreatedLinked::Created(account) = made.unwrap() else { panic!("it was not made") };
        for number in 1..THREADS {
            assert_eq!(store.link(account.id, &identity(number)).unwrap(), Linking::Linked);
        }
        let unlinked = together(stores, |store, number| {
            let identity = identity(number);
            store.unlink(account.id, &identity.issuer, &identity.subject, None, NOW_MS).unwrap()
        });
        assert_eq!(unlinked.iter().filter(|&&one| one == Unlinking::LastWay).count(), 1, "{unlinked:?}");
        assert_eq!(store.identities(account.id).unwrap().len(), 1);
    }
}

fn a_token_is_spent_by_one(stores: &Stores, user_id: &str, is_written: bool) {
    for round in 0..10 {
        let family = family(&format!("r{round}-{user_id}"), user_id);
        let mut store = stores.connect().unwrap();
        if is_written {
            start(&mut store, &family);
        }
        let outcomes = together(stores, |store, _| spend(store, &family, 0));
        let count = |wanted: fn(&Rotation) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
        assert_eq!(count(|outcome| matches!(outcome, Rotation::Rotated(_))), 1, "{outcomes:?}");
        assert_eq!(count(|outcome| matches!(outcome, Rotation::Repeated(_))), THREADS - 1, "{outcomes:?}");
        assert!(matches!(spend(&mut store, &family, 1), Rotation::Rotated(_)), "the session goes on");
        // One that is older comes from all sides.
        let outcomes = together(stores, |store, _| spend(store, &family, 0));
        let reused = outcomes.iter().filter(|outcome| **outcome == Rotation::Reused).count();
        assert_eq!(reused, 1, "{outcomes:?}");
        assert_eq!(spend(&mut store, &family, 2), Rotation::Unknown, "the family has ended");
        let told = notices_of(&mut store, user_id);
        assert_eq!(told.iter().filter(|kind| **kind == ended(&family)).count(), 1);
    }
}

fn notices_come_whole_and_in_order(stores: &Stores) {
    const NOTICES_EACH: usize = 40;
    let mut reader = stores.connect().unwrap();
    let before = reader.notices(0, usize::MAX).unwrap().last().map_or(0, |notice| notice.id);
    let writing = AtomicUsize::new(THREADS);
    let read = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut read = Vec::new();
            loop {
                // Looked at before reading: what was written until then is in what is read.
                let is_last = writing.load(Ordering::SeqCst) == 0;
                let after = read.last().map_or(before, |(id, _)| *id);
                read.extend(reader.notices(after, 7).unwrap().into_iter().map(|n| (n.id, n.user_id)));
                if is_last && read.last().map_or(before, |(id, _)| *id) == after {
                    return read;
                }
            }
        });
        together(stores, |store, number| {
            for _ in 0..NOTICES_EACH {
                store.kick(&format!("guest:writer{number}"), "", NOW_MS).unwrap();
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        });
        reading.join().unwrap()
    });
    assert_eq!(read.len(), THREADS * NOTICES_EACH, "a reader that goes on from its last number misses none");
    let numbers: HashSet<u64> = read.iter().map(|(id, _)| *id).collect();
    assert_eq!(numbers.len(), read.len());
}

/// Bans and changes of the password lock the same rows in any order; none may fail for that.
fn families_of_one_user_are_ended_from_all_sides(stores: &Stores) {
    let mut store = stores.connect().unwrap();
    let account = store.create(&new_account("beset"), NOW_S).unwrap().unwrap();
    let user_id = account.id.to_string();
    for round in 0..5 {
        let families: Vec<_> = (0..20).map(|n| family(&format!("beset{round}-{n}"), &user_id)).collect();
        families.iter().for_each(|family| start(&mut store, family));
        together(stores, |store, number| match number % 3 {
            0 => store.ban(&user_id, &Ban { until_s: None, reason: String::new() }, NOW_MS).unwrap(),
            1 => {
                let hash = store.find(account.id, NOW_S).unwrap().unwrap().password_hash;
                store.change_password(account.id, &hash, &format!("{hash}+"), None, NOW_MS).unwrap();
            }
            _ => families.iter().rev().for_each(|family| {
                store.end_family(&family.id, &user_id, family.expires_at_s, NOW_MS).unwrap();
            }),
        });
        for family in &families {
            assert_eq!(spend(&mut store, family, 0), Rotation::Unknown);
        }
    }
    assert!(
        notices_of(&mut store, &user_id)
            .contains(&NoticeKind::Banned(Ban { until_s: None, reason: String::new() }))
    );
}

/// Seven log in while the eighth deletes the account.
fn logins_that_are_under_way_end_with_the_account(stores: &Stores) {
    for round in 0..10 {
        let mut store = stores.connect().unwrap();
        let account = store.create(&new_account(&format!("leaving{round}")), NOW_S).unwrap().unwrap();
        let user_id = account.id.to_string();
        let families: Vec<_> =
            (0..THREADS).map(|n| family(&format!("leaving{round}-{n}"), &user_id)).collect();
        together(stores, |store, number| match number {
            0 => assert!(store.delete_account(account.id, Some(&account.password_hash), NOW_MS).unwrap()),
            _ => _ = store.start_family(&families[number], &account.password_hash).unwrap(),
        });
        for family in &families {
            assert_eq!(spend(&mut store, family, 0), Rotation::Unknown, "{}", family.id);
        }
        assert_eq!(notices_of(&mut store, &user_id), [NoticeKind::Gone]);
    }
}

/// Of those who want one name some have an account, and one registers.
fn a_new_name_is_given_to_one(stores: &Stores) {
    for round in 0..10 {
        let mut store = stores.connect().unwrap();
        let accounts: Vec<_> = (0..THREADS)
            .map(|n| store.create(&new_account(&format!("suitor{round}-{n}")), NOW_S).unwrap().unwrap())
            .collect();
        let name = format!("bride{round}");
        let got = together(stores, |store, number| match number {
            0 => store.create(&new_account(&name), NOW_S).unwrap().is_some(),
            _ => {
                let id = accounts[number].id;
                store.rename(id, None, &name.to_uppercase(), &name, NOW_MS).unwrap() == Renaming::Renamed
            }
        });
        assert_eq!(got.iter().filter(|got| **got).count(), 1, "{got:?}");
        assert!(store.find_by_name(&name, NOW_S).unwrap().is_some());
    }
    // Two who want each other's name: both have one in the end, and neither both.
    let mut store = stores.connect().unwrap();
    let [one, other] =
        ["swap one", "swap other"].map(|name| store.create(&new_account(name), NOW_S).unwrap().unwrap());
    let renamed = together(stores, |store, number| match number {
        0 => store.rename(one.id, None, "SWAP OTHER", "swap other", NOW_MS).unwrap(),
        1 => store.rename(other.id, None, "SWAP ONE", "swap one", NOW_MS).unwrap(),
        _ => Renaming::Taken,
    });
    assert!(renamed.iter().all(|renaming| *renaming == Renaming::Taken), "{renamed:?}");
}

fn a_code_is_good_once(stores: &Stores) {
    let mut store = stores.connect().unwrap();
    let account = store.create(&new_account("much helped"), NOW_S).unwrap().unwrap();
    for round in 0..10 {
        let code = format!("code{round}");
        assert!(store.put_reset(account.id, &code, NOW_S + 60).unwrap());
        let done = together(stores, |store, number| {
            store.reset_password(account.id, &code, &format!("hash {number}"), NOW_MS).unwrap()
        });
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    }
}
