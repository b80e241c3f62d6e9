//! Accounts that change and end. Part of the suite.

use godra::account::records::{Ban, NoticeKind, Renaming, Rotation};

use crate::suite::{NOW_MS, NOW_S, Store, created, ended, family, new_account, notices_of, spend, start};

pub fn an_account_gets_another_name(one: &mut Store, other: &mut Store) {
    let account = created(one, "before");
    let taken = created(one, "somebody");
    let login = family("of renamed", &account.id.to_string());
    start(one, &login);
    let rename = |store: &mut Store, hash: Option<&str>, name: &str| {
        store.rename(account.id, hash, &name.to_uppercase(), name, NOW_MS).unwrap()
    };
    assert_eq!(rename(one, Some("another hash"), "after"), Renaming::Changed);
    assert_eq!(rename(one, None, "somebody"), Renaming::Taken);
    assert_eq!(one.rename(account.id + 1_000_000, None, "AFTER", "after", NOW_MS), Ok(Renaming::Changed));
    assert_eq!(other.find(account.id, NOW_S).unwrap().unwrap(), account, "nothing has changed");
    assert_eq!(notices_of(other, &login.user_id), []);

    assert_eq!(rename(one, Some("hash of before"), "after"), Renaming::Renamed);
    let renamed = other.find_by_name("after", NOW_S).unwrap().unwrap();
    assert_eq!((renamed.id, renamed.username.as_str()), (account.id, "AFTER"));
    assert_eq!(other.find_by_name("before", NOW_S), Ok(None));
    // What it looks like goes over with it, and comes back to the old name when the new one is refused.
    assert!(other.is_look_alike("AFTER").unwrap() && !other.is_look_alike("BEFORE").unwrap());
    assert_eq!(rename(one, None, "s0mebody"), Renaming::Taken);
    assert!(other.is_look_alike("AFTER").unwrap() && other.is_look_alike("SOMEBODY").unwrap());
    // In another case it is the same name.
    assert_eq!(one.rename(account.id, None, "After", "after", NOW_MS), Ok(Renaming::Renamed));
    assert_eq!(other.find(account.id, NOW_S).unwrap().unwrap().username, "After");
    let told = ["AFTER", "After"].map(|name| NoticeKind::Renamed(name.to_owned()));
    assert_eq!(notices_of(other, &login.user_id), told);
    assert!(matches!(spend(other, &login, 0), Rotation::Rotated(_)), "the session goes on");
    assert_eq!(other.find(taken.id, NOW_S).unwrap(), Some(taken));

    let heir = other.create(&new_account("before"), NOW_S).unwrap().expect("the name is free");
    assert_eq!(other.create(&new_account("after"), NOW_S), Ok(None));
    assert!(heir.id > account.id);
}

pub fn a_deleted_account_leaves_nothing_behind(one: &mut Store, other: &mut Store) {
    let account = created(one, "leaver");
    let user_id = account.id.to_string();
    let [login, another] = ["of leaver", "of leaver, too"].map(|id| family(id, &user_id));
    let stays = created(one, "stayer");
    let of_stayer = family("of stayer", &stays.id.to_string());
    for family in [&login, &another, &of_stayer] {
        start(one, family);
    }
    one.ban(&user_id, &Ban { until_s: None, reason: String::new() }, NOW_MS).unwrap();
    assert_eq!(one.delete_account(account.id, Some("another hash"), NOW_MS), Ok(false));
    assert_eq!(other.find(account.id, NOW_S).unwrap().unwrap().id, account.id);

    assert_eq!(one.delete_account(account.id, Some("hash of leaver"), NOW_MS), Ok(true));
    assert_eq!(other.delete_account(account.id, None, NOW_MS), Ok(false), "once");
    assert_eq!(notices_of(other, &user_id).last(), Some(&NoticeKind::Gone));
    assert_eq!(other.find(account.id, NOW_S), Ok(None));
    assert_eq!(other.find_by_name("leaver", NOW_S), Ok(None));
    assert!(other.bans(NOW_S).unwrap().iter().all(|(banned, _)| *banned != user_id));
    for family in [&login, &another] {
        assert_eq!(spend(other, family, 0), Rotation::Unknown);
    }
    assert!(matches!(spend(other, &of_stayer, 0), Rotation::Rotated(_)));
    let heir = created(other, "leaver");
    assert!(heir.id > account.id, "a number is never given again");
    assert_eq!(heir.ban, None);
}

pub fn a_login_of_what_the_account_was_is_none(one: &mut Store, other: &mut Store) {
    let account = created(one, "late");
    let user_id = account.id.to_string();
    let [first, second, third] = ["late1", "late2", "late3"].map(|id| family(id, &user_id));
    start(one, &first);
    assert!(other.change_password(account.id, "hash of late", "newer", None, NOW_MS).unwrap());
    assert_eq!(one.start_family(&second, "hash of late"), Ok(false), "let in with the password before");
    assert_eq!(spend(other, &second, 0), Rotation::Unknown);
    assert_eq!(one.start_family(&third, "newer"), Ok(true));
    assert!(other.delete_account(account.id, None, NOW_MS).unwrap());
    assert_eq!(one.start_family(&second, "newer"), Ok(false), "let in before the end");
    assert_eq!(spend(other, &third, 0), Rotation::Unknown);
    assert_eq!(notices_of(other, &user_id), [ended(&first), NoticeKind::Gone]);
    let of_guest = family("of a guest", "guest:late");
    assert!(one.start_family(&of_guest, "").is_err(), "guests' logins are not written down so");
}

pub fn a_code_sets_another_password_once(one: &mut Store, other: &mut Store) {
    const SOON_S: u64 = NOW_S + 60;
    let account = created(one, "forgetful");
    let stranger = created(one, "stranger at the door");
    let id = account.id;
    let login = family("of forgetful", &id.to_string());
    start(one, &login);
    let reset = |store: &mut Store, id, code: &str, now_s: u64| {
        store.reset_password(id, code, "newer", now_s * 1000).unwrap()
    };
    assert!(!reset(one, id, "code", NOW_S), "there is none");
    assert_eq!(one.put_reset(id + 1_000_000, "code", SOON_S), Ok(false), "no such account");
    assert_eq!(one.put_reset(id, "early code", SOON_S), Ok(true));
    assert_eq!(one.put_reset(id, "code", SOON_S), Ok(true));
    assert!(!reset(other, id, "early code", NOW_S), "a new one takes its place");
    assert!(!reset(other, stranger.id, "code", NOW_S), "of another account");
    assert!(!reset(other, 0, "code", NOW_S));
    assert!(!reset(other, id, "", NOW_S));
    assert!(!reset(other, id, "code", SOON_S), "its time is up");
    assert_eq!(other.find(id, NOW_S).unwrap().unwrap(), account, "nothing has changed");
    assert_eq!(notices_of(other, &login.user_id), []);

    assert!(reset(other, id, "code", SOON_S - 1));
    assert_eq!(one.find(id, NOW_S).unwrap().unwrap().password_hash, "newer");
    assert_eq!(notices_of(one, &login.user_id), [ended(&login)]);
    assert_eq!(spend(one, &login, 0), Rotation::Unknown);
    assert!(!reset(one, id, "code", NOW_S), "once");

    assert_eq!(one.put_reset(id, "unused", SOON_S), Ok(true));
    assert!(other.change_password(id, "newer", "newest", None, NOW_MS).unwrap());
    assert!(!reset(one, id, "unused", NOW_S), "the owner has found another way");
    assert_eq!(one.put_reset(id, "unused", SOON_S), Ok(true));
    assert!(other.delete_account(id, None, NOW_MS).unwrap());
    assert!(!reset(one, id, "unused", NOW_S));
}
