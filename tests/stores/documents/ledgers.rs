//! What both databases must do for ledgers. Each case uses names of its own.

use godra::document::ledger::{Account, Amounts, Applied, Change, LedgerEntry, MayBeNegative};

use super::*;

pub(super) type Case = fn(&Database, &mut Store, &mut Store);

pub(super) const CASES: [(&str, Case); 5] = [
    ("entries", entries_are_written_with_their_saves_and_once),
    ("repeated", a_key_that_there_is_refuses_its_save_and_comes_back_to_hand),
    ("pages", entries_are_read_in_pages),
    ("erased entries", entries_go_with_their_owner),
    ("imported", entries_are_taken_in_for_accounts_that_are_there),
];

const NOW_MS: u64 = 1_800_000_000_000;

/// A change of gold on top of a document as it is.
fn spend(document: &Document, gold: i64, key: Option<&str>) -> Save {
    let changes: Amounts = [("gold".into(), gold)].into();
    let change = Change::new(changes, "it's a \"test\" ö", key, MayBeNegative::Nothing).unwrap();
    let Document { version, value, recent_keys, .. } = document;
    let account = Account { version: *version, value: value.as_deref(), recent_keys: recent_keys.as_deref() };
    let applied = change.apply(&document.address, account, NOW_MS).unwrap();
    let Applied::Made { value, recent_keys, entry } = applied else { panic!("{applied:?}") };
    let after = Document {
        version: entry.version,
        owner: document.owner.clone().or(Some("70".into())),
        value: Some(value),
        recent_keys: Some(recent_keys),
        updated_at_ms: NOW_MS,
        ..document.clone()
    };
    Save { document: after, base: *version, entries: vec![entry] }
}

/// As many changes as there are keys, each an entry of the outbox, each on top of the last.
pub(super) fn chain(mut document: Document, changes: &[(i64, Option<&str>)]) -> (Vec<Entry>, Document) {
    let mut all = Vec::new();
    for (gold, key) in changes {
        let save = spend(&document, *gold, *key);
        document = save.document.clone();
        all.push(entry([save]));
    }
    (all, document)
}

pub(super) fn taken(store: &mut Store, home: &HomeId, at: &str) -> Document {
    take(store, home, &[at]).remove(at).unwrap()
}

pub(super) fn versions(store: &mut Store, at: &str) -> Vec<u64> {
    store.entries(&address(at), u64::MAX, 100).unwrap().iter().map(|entry| entry.version).collect()
}

fn entries_are_written_with_their_saves_and_once(_: &Database, store: &mut Store, other: &mut Store) {
    let (home, at) = (HomeId::random(), "ledger_a/1");
    let (all, last) = chain(taken(store, &home, at), &[(9, Some("k1")), (-2, None), (-3, Some("k2"))]);
    assert_eq!(store.write(&home, &all[..2]), Ok(vec![]));
    for _ in 0..2 {
        assert_eq!(store.write(&home, &all), Ok(vec![]), "what is written is passed over");
    }
    assert_eq!(taken(other, &home, at), last);
    let made: Vec<LedgerEntry> = all.iter().rev().map(|entry| entry.saves[0].entries[0].clone()).collect();
    assert_eq!(other.entries(&address(at), u64::MAX, 100), Ok(made));
    // Nothing else takes its place.
    let plain = [one(at, 3, r#"{"gold":99}"#), entry([save(at, 3, None)])];
    assert_eq!(store.write(&home, &plain), Ok(vec![lost(at, 4), lost(at, 4)]));
    // What builds on something else leaves no entry.
    let lost_one = spend(&Document { version: 7, ..last.clone() }, 1, Some("k3"));
    assert_eq!(store.write(&home, &[entry([lost_one])]), Ok(vec![lost(at, 8)]));
    assert_eq!(versions(store, at), [3, 2, 1]);
}

fn a_key_that_there_is_refuses_its_save_and_comes_back_to_hand(
    _: &Database,
    store: &mut Store,
    _: &mut Store,
) {
    let (home, at, partner) = (HomeId::random(), "ledger_b/1", "ledger_b/2");
    let (first, made) = chain(taken(store, &home, at), &[(9, Some("old")), (1, Some("young"))]);
    let other = taken(store, &home, partner);
    assert_eq!(store.write(&home, &first), Ok(vec![]));
    // Nobody has it at hand any more.
    let forgotten = Document { recent_keys: Some("[]".into()), ..made.clone() };
    let repeated = spend(&forgotten, 9, Some("old"));
    let behind = spend(&repeated.document, 1, Some("behind"));
    let refused = [
        entry([repeated.clone(), spend(&other, 5, None)]),
        entry([behind]),
        // Of another account the same key is another.
        entry([spend(&other, 2, Some("old"))]),
    ];
    let expected = vec![lost(at, 3), lost(partner, 1), lost(at, 4)];
    assert_eq!(store.write(&home, &refused), Ok(expected));
    assert_eq!((versions(store, at), versions(store, partner)), (vec![2, 1], vec![1]));
    assert_eq!(read(store, &home, at), there(2, r#"{"gold":10}"#));
    assert_eq!(read(store, &home, partner), there(1, r#"{"gold":2}"#));
    // Whoever asks again is told of the first.
    let found = taken(store, &home, at);
    let keys = found.recent_keys.as_deref().unwrap();
    assert!(keys.contains(r#""k":"old","v":1"#) && keys.contains("young"), "{keys}");
    // Twice in one transaction, where the account has forgotten the key meanwhile.
    let once = spend(&found, 1, Some("twice"));
    let forgotten = Document { recent_keys: Some("[]".into()), ..once.document.clone() };
    let again = spend(&forgotten, 1, Some("twice"));
    assert_eq!(store.write(&home, &[entry([once]), entry([again])]), Ok(vec![lost(at, 4)]));
    assert_eq!(versions(store, at), [3, 2, 1]);
    assert!(taken(store, &home, at).recent_keys.unwrap().contains("twice"));
}

fn entries_are_read_in_pages(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    let names = ["ledger_c/1", "ledger_c/2"];
    for at in names {
        let mut document = taken(store, &home, at);
        document.owner = Some("71".into());
        let (all, _) = chain(document, &[(9, None), (1, None), (1, None)]);
        assert_eq!(store.write(&home, &all), Ok(vec![]));
    }
    let page = store.entries(&address(names[0]), 3, 1).unwrap();
    assert_eq!(page.iter().map(|entry| entry.version).collect::<Vec<_>>(), [2]);
    let mut seen = Vec::new();
    let mut after: Option<(Address, u64)> = None;
    loop {
        let position = after.as_ref().map(|(address, version)| (address, *version));
        let page = store.owned_entries("71", position, 2).unwrap();
        assert!(page.len() <= 2);
        let Some((address, last)) = page.last() else { break };
        after = Some((address.clone(), last.version));
        seen.extend(page.iter().map(|(address, entry)| (address.to_string(), entry.version)));
    }
    let expected = names.iter().flat_map(|at| (1..=3).map(|version| ((*at).to_owned(), version)));
    assert_eq!(seen, expected.collect::<Vec<_>>());
    let scanned = store.scan_entries(Some((&address(names[0]), 1)), 3).unwrap();
    let scanned: Vec<_> = scanned.iter().map(|(address, entry)| (address.key(), entry.version)).collect();
    assert_eq!(scanned, [("1", 2), ("1", 3), ("2", 1)]);
}

fn entries_go_with_their_owner(_: &Database, store: &mut Store, other: &mut Store) {
    let home = HomeId::random();
    let of = |store: &mut Store, at: &str, owner: &str| {
        let document = Document { owner: Some(owner.into()), ..taken(store, &home, at) };
        chain(document, &[(9, Some("k")), (-1, None)])
    };
    let (gone, on_its_way) = (of(store, "ledger_d/1", "668"), of(store, "ledger_d/new", "668"));
    let stays = of(store, "ledger_d/2", "669");
    assert_eq!(store.write(&home, &[gone.0, stays.0].concat()), Ok(vec![]));
    let trade = entry([spend(&gone.1, -1, None), spend(&stays.1, 1, None)]);
    assert_eq!(other.erase_owner("668", NOW_MS), Ok(1));
    // What was under way does not bring anything back.
    assert_eq!(store.write(&home, &[trade]), Ok(vec![lost("ledger_d/1", 3), lost("ledger_d/2", 3)]));
    assert_eq!(store.write(&home, &on_its_way.0), Ok(vec![]));
    for at in ["ledger_d/1", "ledger_d/new"] {
        assert_eq!(versions(store, at), Vec::<u64>::new(), "{at}");
    }
    assert_eq!(versions(store, "ledger_d/2"), [2, 1]);
    let found = store.read(&["ledger_d/1", "ledger_d/new"].map(address)).unwrap();
    assert!(found.iter().all(|found| found.value.is_none() && found.recent_keys.is_none()), "{found:?}");
}

fn entries_are_taken_in_for_accounts_that_are_there(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    let (all, last) = chain(taken(store, &home, "ledger_e/1"), &[(9, Some("k")), (-1, None), (2, None)]);
    let kept: Vec<(Address, LedgerEntry)> = all
        .iter()
        .map(|entry| (address("ledger_e/1"), entry.saves[0].entries[0].clone()))
        .chain([(address("ledger_e/none"), all[0].saves[0].entries[0].clone())])
        .collect();
    assert_eq!(store.take_in_entries(&kept), Ok(0), "no account is there");
    // As an import writes it: without entries.
    let restored = Save::of(Document { version: 2, ..last }, 0);
    assert_eq!(store.write(&home, &[entry([restored])]), Ok(vec![]));
    assert_eq!(store.take_in_entries(&kept), Ok(2), "the third is of no version that there is");
    assert_eq!(store.take_in_entries(&kept), Ok(0));
    assert_eq!(versions(store, "ledger_e/1"), [2, 1]);
}
