//! A guest's documents become an account's. Part of the contract.

use godra::account::records::{Account, AccountStore, Claiming, NewAccount, StoreFault};
use godra::wire::ids::Role;

use super::ledgers::{Case, chain, taken, versions};
use super::*;

pub(super) const CASES: [(&str, Case); 5] = [
    ("moved", what_a_guest_owns_moves_with_it),
    ("handed over", what_is_claimed_comes_to_the_claim_first),
    ("unclaimed", what_is_not_claimed_stops_the_upgrade),
    ("collision", what_the_account_has_stays),
    ("moved entries", an_account_of_a_ledger_moves_with_its_entries),
];

const NOW_S: u64 = 1_800_000_000;

pub(super) fn accounts(database: &Database) -> Box<dyn AccountStore> {
    database.stores().connect().unwrap()
}

pub(super) fn become_account(accounts: &mut dyn AccountStore, guest_id: &str) -> Result<Account, StoreFault> {
    let folded = guest_id.replace(':', ".").to_lowercase();
    let account = NewAccount {
        username: folded.clone(),
        folded_name: folded,
        role: Role::Player,
        password_hash: "hash".to_owned(),
        guest_id: Some(guest_id.to_owned()),
    };
    accounts.create(&account, NOW_S).map(|made| made.expect("the name is free"))
}

fn of(at: &str, base: u64, owner: &str, value: &str) -> Entry {
    let mut save = save(at, base, Some(value));
    save.document.owner = Some(owner.into());
    entry([save])
}

/// Version, owner and value, as the database has them.
fn rows(store: &mut Store, at: &[&str]) -> Vec<(u64, Option<String>, Option<String>)> {
    let addresses: Vec<Address> = at.iter().map(|text| address(text)).collect();
    let row = |document: Document| {
        (document.version, document.owner.map(String::from), document.value.map(String::from))
    };
    store.read(&addresses).unwrap().into_iter().map(row).collect()
}

fn row(version: u64, owner: &str, value: &str) -> (u64, Option<String>, Option<String>) {
    (version, Some(owner.to_owned()), Some(value.to_owned()))
}

fn what_a_guest_owns_moves_with_it(database: &Database, store: &mut Store, other: &mut Store) {
    let (home, guest, mut accounts) = (HomeId::random(), "guest:Moves_1", accounts(database));
    let names =
        ["mv_a/guest:Moves_1", "mv_a/eu:guest:Moves_1/x", "mv_a/thing", "mv_a/guest:Moves_12", "mv_a/late"];
    take(store, &home, &names);
    let mut saves: Vec<Entry> = names[..3].iter().map(|name| of(name, 0, guest, "1")).collect();
    saves.push(of(names[0], 1, guest, "2"));
    saves.push(of(names[3], 0, "guest:Moves_12", "3"));
    assert_eq!(store.write(&home, &saves), Ok(vec![]));
    let released = names.map(address);
    store.let_go(&home, &released[..4]).unwrap();
    assert_eq!(accounts.claim_documents(guest), Ok(Claiming::All));
    assert_eq!(other.fetch(&HomeId::random(), &released[..1]).unwrap()[0].1, None, "it is claimed");
    let id = become_account(&mut *accounts, guest).unwrap().id.to_string();
    accounts.release_documents().unwrap();

    let moved = [&format!("mv_a/{id}"), &format!("mv_a/eu:{id}/x"), "mv_a/thing", names[3]];
    let expected = [row(2, &id, "2"), row(1, &id, "1"), row(1, &id, "1"), row(1, "guest:Moves_12", "3")];
    assert_eq!(rows(store, &moved), expected);
    assert_eq!(rows(store, &names[..2]), [(3, None, None), (2, None, None)]);
    // What the guest still saves under a key of its own comes to nothing, and what names nobody is the account's.
    assert_eq!(read(store, &home, names[0]), (3, None));
    assert_eq!(store.write(&home, &[of(names[0], 3, guest, "9"), of(names[4], 0, guest, "4")]), Ok(vec![]));
    assert_eq!(rows(store, &[names[0], names[4]]), [(4, None, None), row(1, &id, "4")]);
    assert_eq!(rows(store, &moved), expected);
}

fn what_is_claimed_comes_to_the_claim_first(database: &Database, store: &mut Store, other: &mut Store) {
    let (us, them, mut accounts) = (HomeId::random(), HomeId::random(), accounts(database));
    let (guest, at, unsaved) = ("guest:Hot", "mv_b/guest:Hot", "mv_b/guest:Hot/new");
    take(store, &us, &[at, unsaved, "mv_b/guest:Hotter"]);
    assert_eq!(store.write(&us, &[of(at, 0, guest, "1")]), Ok(vec![]));
    assert_eq!(accounts.claim_documents(guest), Ok(Claiming::Waiting));
    let mut wanted = store.renew(&us).unwrap();
    wanted.sort();
    assert_eq!(wanted, [address(at), address(unsaved)]);
    assert_eq!(other.fetch(&them, &[address(at)]).unwrap()[0].1, None);
    // What waits to be saved is saved before it goes.
    assert_eq!(store.write(&us, &[of(at, 1, guest, "2"), of(unsaved, 0, guest, "5")]), Ok(vec![]));
    store.let_go(&us, &[address(at), address(unsaved)]).unwrap();
    for home in [&us, &them] {
        assert_eq!(other.fetch(home, &[address(at)]).unwrap()[0].1, None, "the claim is faster");
    }
    assert_eq!(store.write(&us, &[of(at, 2, guest, "3")]), Ok(vec![lost(at, 3)]));
    assert_eq!(accounts.claim_documents(guest), Ok(Claiming::All));
    let id = become_account(&mut *accounts, guest).unwrap().id.to_string();
    assert_eq!(
        rows(store, &[&format!("mv_b/{id}"), &format!("mv_b/{id}/new")]),
        [row(2, &id, "2"), row(1, &id, "5")]
    );
    assert_eq!(read(other, &them, at), (3, None), "it is free");

    // A claim that comes to nothing gives back what it has.
    let again = "mv_b/guest:Again";
    take(store, &us, &[again]);
    assert_eq!(store.write(&us, &[of(again, 0, "guest:Again", "1")]), Ok(vec![]));
    assert_eq!(accounts.claim_documents("guest:Again"), Ok(Claiming::Waiting));
    accounts.release_documents().unwrap();
    store.let_go(&us, &[address(again)]).unwrap();
    assert_eq!(read(other, &them, again), there(1, "1"));
}

fn what_is_not_claimed_stops_the_upgrade(database: &Database, store: &mut Store, _: &mut Store) {
    let (home, guest, mut accounts) = (HomeId::random(), "guest:Unclaimed", accounts(database));
    take(store, &home, &["mv_c/guest:Unclaimed"]);
    assert_eq!(store.write(&home, &[of("mv_c/guest:Unclaimed", 0, guest, "1")]), Ok(vec![]));
    let refused = become_account(&mut *accounts, guest);
    assert_eq!(refused, Err(StoreFault::Held("mv_c/guest:Unclaimed".to_owned())));
    assert_eq!(accounts.find_by_name("guest.unclaimed", NOW_S), Ok(None), "there is no account either");
    assert_eq!(rows(store, &["mv_c/guest:Unclaimed"]), [row(1, guest, "1")]);
    store.retire(&home).unwrap();
    assert_eq!(accounts.claim_documents(guest), Ok(Claiming::All));
    let id = become_account(&mut *accounts, guest).unwrap().id;
    assert_eq!(rows(store, &[&format!("mv_c/{id}")]), [row(1, &id.to_string(), "1")]);
}

fn what_the_account_has_stays(database: &Database, store: &mut Store, other: &mut Store) {
    let (us, them, mut accounts) = (HomeId::random(), HomeId::random(), accounts(database));
    let before = become_account(&mut *accounts, "guest:Before").unwrap().id;
    let (id, guest) = (before + 1, "guest:Collides");
    let [own, absent, hot] = ["mv_d", "mv_e", "mv_f"].map(|collection| format!("{collection}/{id}"));
    let of_guest = ["mv_d", "mv_e", "mv_f"].map(|collection| format!("{collection}/{guest}"));
    take(store, &us, &of_guest.each_ref().map(String::as_str));
    take(other, &them, &[&own, &absent, &hot]);
    let saves: Vec<Entry> = of_guest.iter().map(|at| of(at, 0, guest, "1")).collect();
    assert_eq!(store.write(&us, &saves), Ok(vec![]));
    let deleted = [of(&absent, 0, "1", "7"), entry([save(&absent, 1, None)])];
    assert_eq!(other.write(&them, &[&[of(&own, 0, "7", "70")][..], &deleted].concat()), Ok(vec![]));
    store.retire(&us).unwrap();
    assert_eq!(accounts.claim_documents(guest), Ok(Claiming::All));
    assert_eq!(become_account(&mut *accounts, guest).unwrap().id, id);
    let owner = id.to_string();
    let beside = format!("{own}/from-{guest}");
    assert_eq!(
        rows(store, &[&own, &beside, &absent, &hot]),
        [row(1, "7", "70"), row(1, &owner, "1"), row(3, &owner, "1"), row(1, &owner, "1")]
    );
    // Whoever believes that there is none hears of it, and does not write over it.
    let mut told = other.renew(&them).unwrap();
    told.sort();
    assert_eq!(told, [address(&absent), address(&hot)]);
    assert_eq!(other.write(&them, &[of(&hot, 0, &owner, "8")]), Ok(vec![lost(&hot, 1)]));
}

fn an_account_of_a_ledger_moves_with_its_entries(database: &Database, store: &mut Store, _: &mut Store) {
    let (home, guest, mut accounts) = (HomeId::random(), "guest:Ledger", accounts(database));
    let at = "mv_g/guest:Ledger";
    let document = Document { owner: Some(guest.into()), ..taken(store, &home, at) };
    let (entries, _) = chain(document, &[(9, Some("k")), (-1, None)]);
    assert_eq!(store.write(&home, &entries), Ok(vec![]));
    store.retire(&home).unwrap();
    assert_eq!(accounts.claim_documents(guest), Ok(Claiming::All));
    let id = become_account(&mut *accounts, guest).unwrap().id;
    let moved = format!("mv_g/{id}");
    assert_eq!((versions(store, &moved), versions(store, at)), (vec![2, 1], vec![]));
    let mut document = taken(store, &home, &moved);
    assert_eq!((document.version, document.value.as_deref()), (2, Some(r#"{"gold":8}"#)));
    assert!(document.recent_keys.as_deref().unwrap().contains("\"k\""));
    document.owner = Some(id.to_string().into());
    assert_eq!(store.write(&home, &chain(document, &[(1, None)]).0), Ok(vec![]));
    assert_eq!(versions(store, &moved), [3, 2, 1]);
}
