//! What every store must do. Each case uses names of its own, so that all can run on one database.

use godra::account::records::{
    Account, AccountStore, Ban, CreatedLinked, Family, LinkedIdentity, Linking, MAX_IDENTITIES, NewAccount,
    Notice, NoticeKind, REFRESH_GRACE_MS, Rotation, StoreFault, Unlinking,
};
use godra::wire::ids::Role;

use crate::endings;

/// A connection to the database under test.
pub type Store = Box<dyn AccountStore>;

/// One thing that every store must do, on two connections to the same database.
type Case = fn(&mut Store, &mut Store);

/// The time at which every case plays.
pub const NOW_S: u64 = 1_800_000_000;
pub const NOW_MS: u64 = NOW_S * 1000 + 7;
pub const LATER_S: u64 = NOW_S + 3600;

/// Runs every case, on two connections to one database: what one writes, the other reads.
pub fn suite(connect: &mut dyn FnMut() -> Store) {
    let cases: [(&str, Case); 25] = [
        ("secret", the_secret_is_made_once),
        ("accounts", accounts_are_found_by_name_and_number),
        ("names", no_two_accounts_have_the_same_folded_name),
        ("look-alikes", no_two_accounts_look_alike),
        ("list", accounts_are_listed_in_pages),
        ("roles", a_role_is_changed_with_a_notice),
        ("rehash", a_hash_is_replaced_only_if_it_is_still_there),
        ("password", a_changed_password_ends_other_families),
        ("bans", a_ban_is_in_force_until_its_end),
        ("guest bans", guests_can_be_banned),
        ("renaming", endings::an_account_gets_another_name),
        ("deletion", endings::a_deleted_account_leaves_nothing_behind),
        ("resets", endings::a_code_sets_another_password_once),
        ("late logins", endings::a_login_of_what_the_account_was_is_none),
        ("gone guests", a_guest_that_is_gone_does_not_come_back),
        ("kicks", a_kick_is_a_notice),
        ("rotation", a_refresh_token_is_good_once),
        ("lost answers", the_token_spent_last_is_good_for_a_moment_more),
        ("guests", a_guests_family_is_kept_from_its_first_refresh),
        ("logout", an_ended_family_stays_ended),
        ("identities", an_identity_is_one_accounts),
        ("links", identities_are_linked_and_unlinked),
        ("last way", the_last_way_to_log_in_stays),
        ("text", any_text_is_kept),
        // The last, as it removes what others have written.
        ("purge", what_is_over_is_removed),
    ];
    let (mut one, mut other) = (connect(), connect());
    for (name, case) in cases {
        println!("case {name}");
        case(&mut one, &mut other);
    }
}

pub fn new_account(name: &str) -> NewAccount {
    NewAccount {
        username: name.to_uppercase(),
        folded_name: name.to_owned(),
        role: Role::Player,
        password_hash: format!("hash of {name}"),
        guest_id: None,
    }
}

pub fn created(store: &mut Store, name: &str) -> Account {
    store.create(&new_account(name), NOW_S).unwrap().expect("the name is free")
}

pub fn family(id: &str, user_id: &str) -> Family {
    let family = Family {
        id: format!("{id:_<22}"),
        user_id: user_id.to_owned(),
        generation: 0,
        expires_at_s: LATER_S,
    };
    assert_eq!(family.id.len(), 22, "ids are as long as real ones");
    family
}

/// Keeps a family of an account, as a login does.
pub fn start(store: &mut Store, family: &Family) {
    let id = family.user_id.parse().unwrap();
    let hash = store.find(id, NOW_S).unwrap().unwrap().password_hash;
    assert!(store.start_family(family, &hash).unwrap(), "{family:?}");
}

/// Spends a token of a family, for one that ends an hour after the first.
pub fn spend(store: &mut Store, family: &Family, generation: u64) -> Rotation {
    spend_after(0, store, family, generation)
}

/// As [`spend`], so many milliseconds later; if it is good, the family ends as much later.
fn spend_after(ms: u64, store: &mut Store, family: &Family, generation: u64) -> Rotation {
    let expires_at_s = LATER_S + 3600 + ms / 1000;
    store.rotate(&family.id, &family.user_id, generation, expires_at_s, NOW_MS + ms).unwrap()
}

fn repeated(family: &Family, generation: u64) -> Rotation {
    Rotation::Repeated(Family { generation, expires_at_s: LATER_S + 3600, ..family.clone() })
}

fn rotated(family: &Family, generation: u64) -> Rotation {
    Rotation::Rotated(Family { generation, expires_at_s: LATER_S + 3600, ..family.clone() })
}

/// The notices that concern a user, after checking that numbers ascend.
pub fn notices_of(store: &mut Store, user_id: &str) -> Vec<NoticeKind> {
    let notices = store.notices(0, 100_000).unwrap();
    assert!(notices.is_sorted_by(|a: &Notice, b| a.id < b.id));
    notices.into_iter().filter(|notice| notice.user_id == user_id).map(|notice| notice.kind).collect()
}

pub fn ended(family: &Family) -> NoticeKind {
    NoticeKind::FamilyEnded(family.id.clone())
}

fn the_secret_is_made_once(one: &mut Store, other: &mut Store) {
    let secret = one.jwt_secret().unwrap();
    assert!(secret.len() >= 32);
    assert_eq!(one.jwt_secret().unwrap(), secret);
    assert_eq!(other.jwt_secret().unwrap(), secret);
}

fn accounts_are_found_by_name_and_number(one: &mut Store, other: &mut Store) {
    let made = created(one, "ada");
    let expected = Account {
        id: made.id,
        username: "ADA".to_owned(),
        role: Role::Player,
        password_hash: "hash of ada".to_owned(),
        created_at_s: NOW_S,
        guest_id: None,
        ban: None,
    };
    assert!(made.id >= 1);
    assert_eq!(made, expected);
    assert_eq!(other.find_by_name("ada", NOW_S), Ok(Some(expected.clone())));
    assert_eq!(other.find(made.id, NOW_S), Ok(Some(expected)));
    assert_eq!(other.find_by_name("ADA", NOW_S), Ok(None), "names come folded");
    assert_eq!(other.find_by_name("nobody", NOW_S), Ok(None));
    for id in [0, made.id + 1_000_000, u64::MAX] {
        assert_eq!(other.find(id, NOW_S), Ok(None), "{id}");
    }
    let upgraded = NewAccount { guest_id: Some("guest:lovelace".to_owned()), ..new_account("lovelace") };
    let upgraded = one.create(&upgraded, NOW_S).unwrap().unwrap();
    assert_eq!(upgraded.guest_id.as_deref(), Some("guest:lovelace"));
    assert_eq!(other.find(upgraded.id, NOW_S), Ok(Some(upgraded)));
    let manager = NewAccount { role: Role::Manager, ..new_account("grace") };
    let manager = one.create(&manager, NOW_S).unwrap().unwrap();
    assert!(manager.id > made.id);
    assert_eq!(other.find(manager.id, NOW_S).unwrap().unwrap().role, Role::Manager);
    // An account is never a guest.
    let guest = NewAccount { role: Role::Guest, ..new_account("no-guest") };
    assert!(matches!(one.create(&guest, NOW_S), Err(StoreFault::Broken(_))));
    assert_eq!(one.find_by_name("no-guest", NOW_S), Ok(None), "the connection works on");
}

fn no_two_accounts_have_the_same_folded_name(one: &mut Store, other: &mut Store) {
    let first = created(one, "twin");
    assert_eq!(other.create(&new_account("twin"), NOW_S), Ok(None));
    let again = NewAccount { password_hash: "another".to_owned(), ..new_account("twin") };
    assert_eq!(one.create(&again, NOW_S + 1), Ok(None));
    assert_eq!(one.find_by_name("twin", NOW_S), Ok(Some(first)));
}

fn no_two_accounts_look_alike(one: &mut Store, other: &mut Store) {
    // `new_account` shows names in upper case, in which the I is an l.
    let first = created(one, "daisy1");
    for name in ["dalsyl", "da1sy1", "dai\u{455}y1", "daisyi"] {
        let (shown, folded) = (name.to_uppercase(), name);
        assert_eq!(other.is_look_alike(&shown), Ok(true), "{shown}");
        assert_eq!(other.create(&new_account(folded), NOW_S), Ok(None), "{shown}");
        assert_eq!(other.find_by_name(folded, NOW_S), Ok(None), "{shown}");
    }
    assert_eq!(other.is_look_alike("DAISY2"), Ok(false));
    let second = created(other, "daisy2");
    assert!(second.id > first.id);
    assert_eq!(one.find(first.id, NOW_S), Ok(Some(first)));
}

/// With the same rule off, on connections of its own.
pub fn names_may_look_alike(store: &mut Store) {
    let names = ["violet1", "violetl", "vio1et1"];
    for name in names {
        assert_eq!(store.is_look_alike(&name.to_uppercase()), Ok(false));
        created(store, name);
        assert_eq!(store.create(&new_account(name), NOW_S), Ok(None), "a name is one account's all the same");
    }
}

fn accounts_are_listed_in_pages(one: &mut Store, other: &mut Store) {
    let made: Vec<Account> = (0..5).map(|n| created(one, &format!("listed{n}"))).collect();
    let before = made[0].id - 1;
    assert_eq!(other.list(before, 100, NOW_S).unwrap(), made);
    assert_eq!(other.list(before, 2, NOW_S).unwrap(), made[..2]);
    assert_eq!(other.list(made[1].id, 2, NOW_S).unwrap(), made[2..4]);
    assert_eq!(other.list(made[4].id, 2, NOW_S).unwrap(), []);
    assert_eq!(other.list(u64::MAX, usize::MAX, NOW_S).unwrap(), []);
    let ban = Ban { until_s: None, reason: "listed".to_owned() };
    one.ban(&made[1].id.to_string(), &ban, NOW_MS).unwrap();
    let bans: Vec<_> = other.list(before, 3, NOW_S).unwrap().into_iter().map(|account| account.ban).collect();
    assert_eq!(bans, [None, Some(ban), None]);
}

fn a_role_is_changed_with_a_notice(one: &mut Store, other: &mut Store) {
    let id = created(one, "rising").id;
    assert_eq!(one.set_role(id, Role::Manager, NOW_MS), Ok(true));
    assert_eq!(other.find(id, NOW_S).unwrap().unwrap().role, Role::Manager);
    assert_eq!(notices_of(other, &id.to_string()), [NoticeKind::RoleChanged]);
    let last = other.notices(0, 100_000).unwrap().pop().unwrap();
    assert_eq!(last.at_ms, NOW_MS);
    assert_eq!(other.notices(last.id - 1, 10).unwrap().len(), 1);
    assert_eq!(other.notices(last.id, 10).unwrap(), []);
    assert_eq!(one.set_role(id + 1_000_000, Role::Manager, NOW_MS), Ok(false));
    assert!(matches!(one.set_role(id, Role::Guest, NOW_MS), Err(StoreFault::Broken(_))));
    assert_eq!(other.notices(last.id, 10).unwrap(), [], "what was not done is not told");
}

fn a_hash_is_replaced_only_if_it_is_still_there(one: &mut Store, other: &mut Store) {
    let id = created(one, "rehashed").id;
    one.rehash(id, "hash of rehashed", "newer").unwrap();
    assert_eq!(other.find(id, NOW_S).unwrap().unwrap().password_hash, "newer");
    one.rehash(id, "hash of rehashed", "newest").unwrap();
    assert_eq!(other.find(id, NOW_S).unwrap().unwrap().password_hash, "newer");
    assert_eq!(notices_of(other, &id.to_string()), []);
}

fn a_changed_password_ends_other_families(one: &mut Store, other: &mut Store) {
    let account = created(one, "careful");
    let user_id = account.id.to_string();
    let families = ["keep", "end1", "end2"].map(|id| family(id, &user_id));
    let strangers = family("strangers", &created(one, "stranger").id.to_string());
    for family in families.iter().chain([&strangers]) {
        start(one, family);
    }
    let [keep, end1, end2] = &families;
    let change = |store: &mut Store, old: &str, keep: Option<&str>| {
        store.change_password(account.id, old, "newer", keep, NOW_MS).unwrap()
    };
    assert!(!change(one, "not the hash", None));
    assert_eq!(notices_of(other, &user_id), []);
    assert!(change(one, "hash of careful", Some(&keep.id)));
    let mut told = notices_of(other, &user_id);
    told.sort_by_key(|kind| format!("{kind:?}"));
    assert_eq!(told, [ended(end1), ended(end2)]);
    assert_eq!(other.find(account.id, NOW_S).unwrap().unwrap().password_hash, "newer");
    assert_eq!(spend(other, end1, 0), Rotation::Unknown);
    assert_eq!(spend(other, end2, 0), Rotation::Unknown);
    assert_eq!(spend(other, keep, 0), rotated(keep, 1));
    assert_eq!(spend(other, &strangers, 0), rotated(&strangers, 1));
    assert!(change(one, "newer", None), "and without one to keep");
    assert_eq!(spend(other, keep, 1), Rotation::Unknown);
}

fn a_ban_is_in_force_until_its_end(one: &mut Store, other: &mut Store) {
    let id = created(one, "rude").id;
    let user_id = id.to_string();
    let login = family("banned", &user_id);
    start(one, &login);
    let ban = Ban { until_s: Some(NOW_S + 60), reason: "spam".to_owned() };
    one.ban(&user_id, &ban, NOW_MS).unwrap();
    let ban_at = |store: &mut Store, now_s| store.find(id, now_s).unwrap().unwrap().ban;
    assert_eq!(ban_at(other, NOW_S + 59), Some(ban.clone()));
    assert_eq!(ban_at(other, NOW_S + 60), None);
    assert_eq!(other.find_by_name("rude", NOW_S).unwrap().unwrap().ban, Some(ban.clone()));
    assert_eq!(spend(other, &login, 0), Rotation::Unknown, "its families have ended");
    let listed = |store: &mut Store, now_s| {
        store.bans(now_s).unwrap().into_iter().find(|(banned, _)| *banned == user_id).map(|(_, ban)| ban)
    };
    assert_eq!(listed(other, NOW_S), Some(ban.clone()));
    assert_eq!(listed(other, NOW_S + 60), None);

    let longer = Ban { until_s: None, reason: "again".to_owned() };
    one.ban(&user_id, &longer, NOW_MS).unwrap();
    assert_eq!(ban_at(other, NOW_S + 60), Some(longer.clone()), "the second takes the first one's place");
    assert_eq!(one.unban(&user_id, NOW_MS), Ok(true));
    assert_eq!(ban_at(other, NOW_S), None);
    assert_eq!(one.unban(&user_id, NOW_MS), Ok(false));
    let told = [NoticeKind::Banned(ban.clone()), NoticeKind::Banned(longer), NoticeKind::Unbanned];
    assert_eq!(notices_of(other, &user_id), told);
    one.ban(&user_id, &ban, NOW_MS).unwrap();
    assert_eq!(one.unban(&user_id, NOW_MS + 60_000), Ok(false), "one that has ended is none");
}

fn guests_can_be_banned(one: &mut Store, other: &mut Store) {
    let guest = family("rude guest", "guest:rude");
    assert_eq!(spend(one, &guest, 0), rotated(&guest, 1));
    let ban = Ban { until_s: None, reason: String::new() };
    one.ban(&guest.user_id, &ban, NOW_MS).unwrap();
    assert!(other.bans(NOW_S).unwrap().contains(&(guest.user_id.clone(), ban.clone())));
    assert_eq!(spend(other, &guest, 1), Rotation::Unknown);
    assert_eq!(spend(other, &guest, 0), Rotation::Unknown);
    assert_eq!(notices_of(other, &guest.user_id), [NoticeKind::Banned(ban)]);
    one.forget_guest(&guest.user_id, LATER_S, None, NOW_MS).unwrap();
    assert!(other.bans(NOW_S).unwrap().iter().all(|(user_id, _)| *user_id != guest.user_id));
}

fn a_guest_that_is_gone_does_not_come_back(one: &mut Store, other: &mut Store) {
    let refused = one.forget_guest("1", LATER_S, None, NOW_MS);
    assert!(matches!(refused, Err(StoreFault::Broken(_))), "accounts are not forgotten");
    let [written, logged_out, unwritten] =
        ["written", "logged out", "unwritten"].map(|id| family(id, &format!("guest:{id}")));
    assert_eq!(spend(one, &written, 0), rotated(&written, 1));
    one.end_family(&logged_out.id, &logged_out.user_id, LATER_S, NOW_MS).unwrap();
    for (guest, kind) in
        [(&written, NoticeKind::Gone), (&logged_out, NoticeKind::Expired), (&unwritten, NoticeKind::Expired)]
    {
        let told = notices_of(other, &guest.user_id);
        one.forget_guest(&guest.user_id, LATER_S - 1, None, NOW_MS).unwrap();
        assert_eq!(notices_of(other, &guest.user_id), told, "no token is left to be told of");
        one.forget_guest(&guest.user_id, LATER_S, Some(kind.clone()), NOW_MS).unwrap();
        assert_eq!(notices_of(other, &guest.user_id), [told, vec![kind]].concat());
        for generation in [0, 1] {
            assert_eq!(spend(other, guest, generation), Rotation::Unknown, "{}", guest.user_id);
        }
    }
    one.purge(0, LATER_S - 1).unwrap();
    assert_eq!(spend(other, &unwritten, 0), Rotation::Unknown, "not forgotten before its time is up");
    let another = family("another", "guest:another");
    assert_eq!(spend(other, &another, 0), rotated(&another, 1));
}

fn a_kick_is_a_notice(one: &mut Store, other: &mut Store) {
    one.kick("guest:kicked", "Enough", NOW_MS).unwrap();
    assert_eq!(notices_of(other, "guest:kicked"), [NoticeKind::Kicked("Enough".to_owned())]);
}

fn a_refresh_token_is_good_once(one: &mut Store, other: &mut Store) {
    let [user_id, stranger] = ["rotator", "other rotator"].map(|name| created(one, name).id.to_string());
    let login = family("rotated", &user_id);
    assert_eq!(spend(one, &login, 0), Rotation::Unknown, "an account's login is written down");
    start(one, &login);
    let again = other.start_family(&login, "hash of rotator");
    assert!(matches!(again, Err(StoreFault::Broken(_))), "ids are never given twice");
    assert_eq!(spend(other, &Family { user_id: stranger, ..login.clone() }, 0), Rotation::Unknown);
    assert_eq!(spend(other, &login, 5), Rotation::Unknown, "no such token was given out");
    assert_eq!(spend(other, &login, 0), rotated(&login, 1));
    assert_eq!(spend(one, &login, 1), rotated(&login, 2));
    assert_eq!(notices_of(one, &user_id), []);
    assert_eq!(spend(one, &login, 0), Rotation::Reused);
    assert_eq!(spend(other, &login, 2), Rotation::Unknown, "the good one has ended with it");
    assert_eq!(spend(other, &login, 1), Rotation::Unknown);
    assert_eq!(notices_of(other, &user_id), [ended(&login)], "told once");

    let short = Family { expires_at_s: NOW_S, ..family("short", &user_id) };
    start(one, &short);
    assert_eq!(spend(other, &short, 0), Rotation::Unknown, "its time is up");
}

fn the_token_spent_last_is_good_for_a_moment_more(one: &mut Store, other: &mut Store) {
    let [user_id, stranger] = ["loser", "other loser"].map(|name| created(one, name).id.to_string());
    let account = family("lost", &user_id);
    start(one, &account);
    for login in [account, family("lost by a guest", "guest:lost")] {
        assert_eq!(spend(one, &login, 0), rotated(&login, 1));
        assert_eq!(spend_after(1, other, &login, 0), repeated(&login, 1));
        assert_eq!(
            spend_after(REFRESH_GRACE_MS - 1, one, &login, 0),
            repeated(&login, 1),
            "as often as it comes"
        );
        assert_eq!(
            spend_after(1, other, &Family { user_id: stranger.clone(), ..login.clone() }, 0),
            Rotation::Unknown
        );
        // That moment begins anew with the next token, and is over for the one before.
        let rotated_later = Rotation::Rotated(Family {
            generation: 2,
            expires_at_s: LATER_S + 3600 + REFRESH_GRACE_MS / 1000,
            ..login.clone()
        });
        assert_eq!(spend_after(REFRESH_GRACE_MS, other, &login, 1), rotated_later);
        assert!(matches!(spend_after(REFRESH_GRACE_MS + 1, one, &login, 1), Rotation::Repeated(_)));
        assert_eq!(notices_of(one, &login.user_id), []);
        assert_eq!(spend_after(REFRESH_GRACE_MS + 1, other, &login, 0), Rotation::Reused);
        assert_eq!(
            spend_after(REFRESH_GRACE_MS + 2, one, &login, 1),
            Rotation::Unknown,
            "all have ended with it"
        );
        assert_eq!(notices_of(other, &login.user_id), [ended(&login)]);
    }
    let late = family("too late", &user_id);
    start(one, &late);
    assert_eq!(spend(one, &late, 0), rotated(&late, 1));
    assert_eq!(spend_after(REFRESH_GRACE_MS, other, &late, 0), Rotation::Reused);
}

fn a_guests_family_is_kept_from_its_first_refresh(one: &mut Store, other: &mut Store) {
    let guest = family("guest", "guest:new");
    assert_eq!(spend(one, &guest, 1), Rotation::Unknown, "only the first token can be unknown and good");
    assert_eq!(spend(one, &guest, 0), rotated(&guest, 1));
    assert_eq!(spend(other, &guest, 1), rotated(&guest, 2));
    assert_eq!(spend(one, &guest, 0), Rotation::Reused);
    assert_eq!(spend(one, &guest, 0), Rotation::Unknown);
    assert_eq!(spend(one, &guest, 2), Rotation::Unknown);
    assert_eq!(notices_of(one, &guest.user_id), [ended(&guest)]);
}

fn an_ended_family_stays_ended(one: &mut Store, other: &mut Store) {
    let known = family("known", "guest:known");
    assert_eq!(spend(one, &known, 0), rotated(&known, 1));
    let unknown = family("unknown", "guest:unknown");
    for family in [&known, &unknown] {
        one.end_family(&family.id, &family.user_id, LATER_S, NOW_MS).unwrap();
        assert_eq!(notices_of(other, &family.user_id), [ended(family)]);
        assert_eq!(spend(other, family, 0), Rotation::Unknown);
        assert_eq!(spend(other, family, 1), Rotation::Unknown);
    }
    one.purge(0, LATER_S - 1).unwrap();
    assert_eq!(spend(other, &unknown, 0), Rotation::Unknown, "not forgotten before its time is up");
}

pub fn external(subject: &str) -> LinkedIdentity {
    let issuer = "https://id.example".to_owned();
    LinkedIdentity { issuer, subject: subject.to_owned(), proof: None, linked_at_s: NOW_S }
}

fn device(id: &str, proof: &str) -> LinkedIdentity {
    LinkedIdentity { issuer: "device".into(), proof: Some(proof.into()), ..external(id) }
}

/// An account that only identities log in to.
pub fn without_password(name: &str) -> NewAccount {
    NewAccount { password_hash: String::new(), ..new_account(name) }
}

fn created_linked(store: &mut Store, name: &str, identity: &LinkedIdentity) -> Account {
    match store.create_linked(&without_password(name), identity, NOW_S).unwrap() {
        CreatedLinked::Created(account) => account,
        other => panic!("{name} was not made: {other:?}"),
    }
}

fn owner(store: &mut Store, identity: &LinkedIdentity) -> Option<u64> {
    let found = store.find_by_identity(&identity.issuer, &identity.subject, NOW_S).unwrap();
    found.map(|(account, linked)| {
        assert_eq!(linked, *identity);
        account.id
    })
}

fn an_identity_is_one_accounts(one: &mut Store, other: &mut Store) {
    let identity = external("linked|1");
    assert_eq!(owner(one, &identity), None);
    let account = created_linked(one, "linked1", &identity);
    assert!(!account.has_password());
    assert_eq!(owner(other, &identity), Some(account.id));
    let again = other.create_linked(&without_password("linked1b"), &identity, NOW_S).unwrap();
    assert_eq!(again, CreatedLinked::Linked);
    assert_eq!(one.find_by_name("linked1b", NOW_S).unwrap(), None, "nothing was made");
    // Another issuer's user of the same name is another, and so is one whose name differs in case.
    let elsewhere = LinkedIdentity { issuer: "https://id.example/".into(), ..identity.clone() };
    assert_eq!(owner(one, &elsewhere), None);
    assert_eq!(owner(one, &external("LINKED|1")), None);

    let free = external("linked|2");
    let taken = one.create_linked(&without_password("linked1"), &free, NOW_S).unwrap();
    assert_eq!(taken, CreatedLinked::Taken);
    assert_eq!(owner(other, &free), None, "it is as free as before");
    let account = created_linked(one, "linked2", &free);
    assert_eq!(owner(other, &free), Some(account.id));

    let guest = NewAccount { guest_id: Some("guest:linked".into()), ..without_password("linked3") };
    let made = one.create_linked(&guest, &external("linked|3"), NOW_S).unwrap();
    let CreatedLinked::Created(made) = made else { panic!("{made:?}") };
    assert_eq!(made.guest_id.as_deref(), Some("guest:linked"));
    let twice = NewAccount { username: "LINKED4".into(), folded_name: "linked4".into(), ..guest };
    assert_eq!(one.create_linked(&twice, &external("linked|4"), NOW_S).unwrap(), CreatedLinked::Taken);
}

fn identities_are_linked_and_unlinked(one: &mut Store, other: &mut Store) {
    let (ann, ben) = (created(one, "linking-ann"), created(one, "linking-ben"));
    let (user, phone) = (external("ann"), device("phone", "p1"));
    assert_eq!(one.link(ann.id, &user).unwrap(), Linking::Linked);
    assert_eq!(one.link(ann.id, &user).unwrap(), Linking::Linked, "again is no fault");
    assert_eq!(one.link(ann.id, &phone).unwrap(), Linking::Linked);
    let other_secret = device("phone", "p2");
    assert_eq!(one.link(ann.id, &other_secret).unwrap(), Linking::Taken, "a secret is not replaced");
    for identity in [&user, &phone] {
        assert_eq!(other.link(ben.id, identity).unwrap(), Linking::Taken);
        assert_eq!(owner(other, identity), Some(ann.id));
    }
    assert_eq!(other.identities(ann.id).unwrap(), [phone.clone(), user.clone()]);
    assert_eq!(other.identities(ben.id).unwrap(), []);
    assert_eq!(one.link(u64::from(u32::MAX), &external("nobody")).unwrap(), Linking::NoAccount);

    let unlink = |store: &mut Store, id: u64, identity: &LinkedIdentity, keep: Option<&str>| {
        store.unlink(id, &identity.issuer, &identity.subject, keep, NOW_MS).unwrap()
    };
    assert_eq!(unlink(one, ben.id, &user, None), Unlinking::Unknown, "another's");
    let (kept, over) =
        (family("linking-kept", &ann.id.to_string()), family("linking-over", &ann.id.to_string()));
    start(one, &kept);
    start(one, &over);
    assert_eq!(unlink(one, ann.id, &user, Some(&kept.id)), Unlinking::Unlinked);
    assert_eq!(unlink(one, ann.id, &user, None), Unlinking::Unknown);
    assert_eq!(owner(other, &user), None);
    let notices = notices_of(other, &ann.id.to_string());
    assert_eq!(notices, [ended(&over)], "sessions that it may have begun are over");
    assert_eq!(other.link(ben.id, &user).unwrap(), Linking::Linked, "it is free again");

    for number in 1..MAX_IDENTITIES {
        assert_eq!(one.link(ann.id, &external(&format!("ann{number}"))).unwrap(), Linking::Linked);
    }
    assert_eq!(one.link(ann.id, &external("one more")).unwrap(), Linking::TooMany);
    assert_eq!(one.link(ann.id, &phone).unwrap(), Linking::Linked, "one that is there is none more");
}

fn the_last_way_to_log_in_stays(one: &mut Store, other: &mut Store) {
    let (first, second) = (external("last|1"), external("last|2"));
    let account = created_linked(one, "last-way", &first);
    let unlink = |store: &mut Store, identity: &LinkedIdentity| {
        store.unlink(account.id, &identity.issuer, &identity.subject, None, NOW_MS).unwrap()
    };
    assert_eq!(unlink(one, &first), Unlinking::LastWay);
    assert_eq!(unlink(one, &second), Unlinking::Unknown);
    assert_eq!(other.link(account.id, &second).unwrap(), Linking::Linked);
    assert_eq!(unlink(one, &first), Unlinking::Unlinked);
    assert_eq!(unlink(other, &second), Unlinking::LastWay);
    assert!(one.change_password(account.id, "", "hash", None, NOW_MS).unwrap());
    assert_eq!(unlink(other, &second), Unlinking::Unlinked, "the password is a way, too");
}

fn any_text_is_kept(one: &mut Store, other: &mut Store) {
    let name = "ß😀'\"\\;--$1?%_\u{202e}";
    let account = created(one, name);
    assert_eq!(other.find_by_name(name, NOW_S).unwrap(), Some(account));
    assert_eq!(other.find_by_name("a\0b", NOW_S), Ok(None));
    let reason = "x".repeat(100_000) + "\n\t\u{1}";
    one.kick("guest:long", &reason, NOW_MS).unwrap();
    one.kick("guest:zero", "a\0b", NOW_MS).unwrap();
    assert_eq!(notices_of(other, "guest:long"), [NoticeKind::Kicked(reason)]);
    assert_eq!(notices_of(other, "guest:zero"), [NoticeKind::Kicked("a\u{FFFD}b".to_owned())]);
}

fn what_is_over_is_removed(one: &mut Store, other: &mut Store) {
    let gone = family("gone long ago", "guest:gone");
    one.forget_guest(&gone.user_id, LATER_S, None, NOW_MS).unwrap();
    let long_ago = family("ended long ago", "guest:ended");
    one.end_family(&long_ago.id, &long_ago.user_id, LATER_S, NOW_MS).unwrap();
    // After whatever the other cases have written.
    let fresh_ms = NOW_MS + 1_000_000;
    one.kick("guest:old", "", fresh_ms - 10).unwrap();
    one.kick("guest:fresh", "", fresh_ms).unwrap();
    let last = other.notices(0, 100_000).unwrap().pop().unwrap().id;
    one.purge(fresh_ms, LATER_S).unwrap();
    let left = other.notices(0, 100_000).unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].id, left[0].user_id.as_str()), (last, "guest:fresh"));
    for family in [&long_ago, &gone] {
        assert_eq!(spend(other, family, 0), rotated(family, 1), "forgotten, and so as a login never seen");
    }
    // Numbers go on, also when nothing is left to count from.
    one.purge(u64::MAX, LATER_S).unwrap();
    assert_eq!(other.notices(0, 10).unwrap(), []);
    one.kick("guest:next", "", NOW_MS).unwrap();
    assert_eq!(other.notices(last, 10).unwrap()[0].id, last + 1);
}
