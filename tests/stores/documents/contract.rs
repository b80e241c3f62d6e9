//! What both databases must do. Each case uses names of its own.

use godra::document::store::{LEASE_MS, ListQuery, Page};

use super::ledgers::{self, Case};
use super::moving;
use super::*;

#[test]
fn sqlite_keeps_the_contract() {
    suite(&Database::sqlite());
}

#[test]
fn postgres_keeps_the_contract() {
    suite(&Database::postgres());
}

fn suite(database: &Database) {
    let cases: [(&str, Case); 17] = [
        ("absent", what_never_was_has_version_0),
        ("saved", what_is_saved_is_read_as_it_was),
        ("deleted", a_deleted_document_keeps_its_version),
        ("last", a_transaction_keeps_the_last_version_of_each_document),
        ("again", what_is_written_is_passed_over),
        ("gap", what_builds_on_something_else_is_refused),
        ("whole", an_entry_is_refused_as_a_whole_and_so_is_what_builds_on_it),
        ("held", a_home_is_asked_to_let_go),
        ("taken over", documents_of_a_dead_home_are_taken_over),
        ("alive", a_home_that_renews_keeps_its_documents),
        ("many", many_documents_go_in_one_transaction),
        ("retired", a_home_that_retires_has_nothing_left),
        ("listed", a_collection_is_listed_in_pages),
        ("owned", a_users_documents_are_listed_in_pages),
        ("scanned", all_documents_are_scanned_in_order),
        ("erased", what_a_user_owns_is_erased_and_does_not_come_back),
        ("purge", what_was_deleted_long_ago_is_forgotten),
    ];
    let (mut ours, mut theirs) = (database.connect(), database.connect());
    for (name, case) in cases.into_iter().chain(ledgers::CASES).chain(moving::CASES) {
        println!("case {name}");
        case(database, &mut ours, &mut theirs);
    }
}

fn what_never_was_has_version_0(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    let found = take(store, &home, &["absent/1", "absent/it's \"here\" / ö"]);
    for (at, document) in found {
        assert_eq!(document, Document::absent(address(&at)));
    }
}

fn what_is_saved_is_read_as_it_was(_: &Database, store: &mut Store, other: &mut Store) {
    let home = HomeId::random();
    let value = r#"{"name":"O'Neil \"; DROP TABLE documents; --","gold":1e15,"\u0000":"\u0000ö𝄞"}"#;
    let mut saved = save("saved/guest:A-b_", 0, Some(value));
    saved.document.owner = None;
    saved.document.schema = u32::MAX;
    take(store, &home, &["saved/guest:A-b_"]);
    assert_eq!(store.write(&home, &[entry([saved.clone()])]), Ok(vec![]));
    let found = take(other, &home, &["saved/guest:A-b_"]).remove("saved/guest:A-b_").unwrap();
    assert_eq!(found, saved.document);
}

fn a_deleted_document_keeps_its_version(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    take(store, &home, &["deleted/1"]);
    assert_eq!(store.write(&home, &[one("deleted/1", 0, "1")]), Ok(vec![]));
    assert_eq!(store.write(&home, &[entry([save("deleted/1", 1, None)])]), Ok(vec![]));
    assert_eq!(read(store, &home, "deleted/1"), (2, None));
    assert_eq!(store.write(&home, &[one("deleted/1", 0, "1")]), Ok(vec![]), "it is written already");
    assert_eq!(read(store, &home, "deleted/1"), (2, None), "and does not come back");
    assert_eq!(store.write(&home, &[one("deleted/1", 2, "3")]), Ok(vec![]));
    assert_eq!(read(store, &home, "deleted/1"), there(3, "3"));
}

fn a_transaction_keeps_the_last_version_of_each_document(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    take(store, &home, &["last/1", "last/2"]);
    let entries =
        [one("last/1", 0, "1"), one("last/2", 0, "10"), one("last/1", 1, "2"), one("last/1", 2, "3")];
    assert_eq!(store.write(&home, &entries), Ok(vec![]));
    assert_eq!(read(store, &home, "last/1"), there(3, "3"));
    assert_eq!(read(store, &home, "last/2"), there(1, "10"));
    // A call that saves a document twice tells of the last.
    let mut twice = save("last/1", 4, Some("5"));
    twice.base = 3;
    assert_eq!(store.write(&home, &[entry([twice])]), Ok(vec![]));
    assert_eq!(read(store, &home, "last/1"), there(5, "5"));
}

fn what_is_written_is_passed_over(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    take(store, &home, &["again/1", "again/2"]);
    let first = [one("again/1", 0, "1"), one("again/2", 0, "1"), one("again/1", 1, "2")];
    let more = [&first[..], &[one("again/1", 2, "3"), one("again/2", 1, "2")]].concat();
    for entries in [&first[..], &first, &more, &first, &more] {
        assert_eq!(store.write(&home, entries), Ok(vec![]));
    }
    assert_eq!(read(store, &home, "again/1"), there(3, "3"));
    assert_eq!(read(store, &home, "again/2"), there(2, "2"));
}

fn what_builds_on_something_else_is_refused(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    take(store, &home, &["gap/1"]);
    assert_eq!(store.write(&home, &[one("gap/1", 1, "2")]), Ok(vec![lost("gap/1", 2)]));
    assert_eq!(read(store, &home, "gap/1"), (0, None));
    let entries = [one("gap/1", 0, "1"), one("gap/1", 2, "3"), one("gap/1", 1, "2")];
    assert_eq!(store.write(&home, &entries), Ok(vec![lost("gap/1", 3)]));
    assert_eq!(read(store, &home, "gap/1"), there(2, "2"));
}

fn an_entry_is_refused_as_a_whole_and_so_is_what_builds_on_it(
    _: &Database,
    store: &mut Store,
    other: &mut Store,
) {
    let (home, stranger) = (HomeId::random(), HomeId::random());
    take(store, &home, &["whole/1", "whole/3"]);
    take(other, &stranger, &["whole/2"]);
    let trade = entry([save("whole/1", 1, Some("gone")), save("whole/2", 0, Some("got"))]);
    let entries =
        [one("whole/1", 0, "before"), trade, one("whole/1", 2, "after"), one("whole/3", 0, "other")];
    let expected = vec![lost("whole/1", 2), lost("whole/2", 1), lost("whole/1", 3)];
    assert_eq!(store.write(&home, &entries), Ok(expected));
    assert_eq!(read(store, &home, "whole/1"), there(1, "before"));
    assert_eq!(read(store, &home, "whole/3"), there(1, "other"));
    assert_eq!(read(other, &stranger, "whole/2"), (0, None));
}

fn a_home_is_asked_to_let_go(_: &Database, ours: &mut Store, theirs: &mut Store) {
    let (us, them) = (HomeId::random(), HomeId::random());
    take(ours, &us, &["held/1", "held/2"]);
    assert_eq!(ours.renew(&us), Ok(vec![]));
    let asked = [address("held/1"), address("held/3")];
    let found = theirs.fetch(&them, &asked).unwrap();
    assert_eq!(found[0], (asked[0].clone(), None));
    assert_eq!(found[1].1, Some(Document::absent(asked[1].clone())), "the others come");
    assert_eq!(ours.renew(&us), Ok(vec![asked[0].clone()]));
    assert_eq!(ours.write(&us, &[one("held/1", 0, "last words")]), Ok(vec![]), "it is ours until we let go");
    ours.let_go(&us, &asked[..1]).unwrap();
    assert_eq!(ours.renew(&us), Ok(vec![]));
    assert_eq!(read(theirs, &them, "held/1"), there(1, "last words"));
    assert_eq!(ours.write(&us, &[one("held/1", 1, "too late")]), Ok(vec![lost("held/1", 2)]));
    assert_eq!(theirs.renew(&them), Ok(vec![]), "who writes what is not his has not asked for it");
    // What is not ours is not let go by us.
    ours.let_go(&us, &asked).unwrap();
    assert_eq!(theirs.write(&them, &[one("held/1", 1, "ours")]), Ok(vec![]));
}

fn documents_of_a_dead_home_are_taken_over(database: &Database, ours: &mut Store, theirs: &mut Store) {
    let (us, them) = (HomeId::random(), HomeId::random());
    take(ours, &us, &["orphan/1", "orphan/2"]);
    assert_eq!(ours.write(&us, &[one("orphan/1", 0, "1")]), Ok(vec![]));
    assert_eq!(theirs.fetch(&them, &[address("orphan/1")]).unwrap()[0].1, None);
    database.kill_home(&us);
    assert_eq!(read(theirs, &them, "orphan/1"), there(1, "1"));
    let entries = [one("orphan/1", 1, "from the grave"), one("orphan/2", 0, "still ours")];
    assert_eq!(ours.write(&us, &entries), Ok(vec![lost("orphan/1", 2)]));
    assert_eq!(theirs.write(&them, &[one("orphan/1", 1, "2")]), Ok(vec![]));
    for _ in 0..2 {
        assert_eq!(ours.renew(&us), Ok(vec![address("orphan/1")]), "a home is told until it has heard");
    }
    ours.let_go(&us, &[address("orphan/1")]).unwrap();
    assert_eq!(ours.renew(&us), Ok(vec![]));
    assert_eq!(read(theirs, &them, "orphan/1"), there(2, "2"));
    assert_eq!(ours.fetch(&us, &[address("orphan/1")]).unwrap()[0].1, None);
}

fn a_home_that_renews_keeps_its_documents(database: &Database, ours: &mut Store, theirs: &mut Store) {
    let (us, them) = (HomeId::random(), HomeId::random());
    take(ours, &us, &["alive/1"]);
    let lease = format!("SELECT alive_until_ms - now_ms FROM homes, database_clock WHERE home = '{us}'");
    let left: u64 = database.sql(&lease).parse().unwrap();
    assert!((1..=LEASE_MS).contains(&left), "who takes a document lives: {left}");
    database.kill_home(&us);
    ours.renew(&us).unwrap();
    let left: u64 = database.sql(&lease).parse().unwrap();
    assert!((LEASE_MS / 2..=LEASE_MS).contains(&left), "{left}");
    assert_eq!(theirs.fetch(&them, &[address("alive/1")]).unwrap()[0].1, None);
}

fn many_documents_go_in_one_transaction(_: &Database, store: &mut Store, other: &mut Store) {
    let home = HomeId::random();
    let names: Vec<String> = (0..1200).map(|n| format!("many/{n}")).collect();
    let addresses: Vec<Address> = names.iter().map(|name| address(name)).collect();
    assert_eq!(store.fetch(&home, &addresses).unwrap().len(), 1200);
    let entries: Vec<Entry> = names.iter().map(|name| one(name, 0, &format!("\"{name}\""))).collect();
    assert_eq!(store.write(&home, &entries), Ok(vec![]));
    for (address, document) in other.fetch(&home, &addresses).unwrap() {
        assert_eq!(document.unwrap().value.as_deref(), Some(&*format!("\"{address}\"")));
    }
    store.let_go(&home, &addresses).unwrap();
    assert!(other.fetch(&HomeId::random(), &addresses).unwrap().iter().all(|(_, found)| found.is_some()));
}

fn a_home_that_retires_has_nothing_left(database: &Database, ours: &mut Store, theirs: &mut Store) {
    let (us, them) = (HomeId::random(), HomeId::random());
    take(ours, &us, &["retired/1"]);
    ours.retire(&us).unwrap();
    take(theirs, &them, &["retired/1"]);
    assert_eq!(ours.write(&us, &[one("retired/1", 0, "1")]), Ok(vec![lost("retired/1", 1)]));
    assert_eq!(database.sql(&format!("SELECT count(*) FROM homes WHERE home = '{us}'")), "0");
}

fn what_was_deleted_long_ago_is_forgotten(database: &Database, store: &mut Store, _: &mut Store) {
    const BEFORE_MS: u64 = 1_800_000_000_000;
    let (home, dead) = (HomeId::random(), HomeId::random());
    take(store, &home, &["purge/old", "purge/held", "purge/new", "purge/there"]);
    let deleted = |at: &str, at_ms: u64| {
        let mut deleted = save(at, 0, None);
        deleted.document.updated_at_ms = at_ms;
        entry([deleted])
    };
    let old = [deleted("purge/old", BEFORE_MS - 1), deleted("purge/held", BEFORE_MS - 1)];
    let young = [deleted("purge/new", BEFORE_MS), one("purge/there", 0, "1")];
    assert_eq!(store.write(&home, &[old, young].concat()), Ok(vec![]));
    store.let_go(&home, &[address("purge/old"), address("purge/new"), address("purge/there")]).unwrap();
    take(store, &dead, &["purge/dead"]);
    database.kill_home(&dead);
    store.purge(BEFORE_MS).unwrap();
    let versions = ["purge/old", "purge/held", "purge/new", "purge/there"].map(|at| read(store, &home, at).0);
    assert_eq!(versions, [0, 1, 1, 1]);
    assert_eq!(database.sql(&format!("SELECT count(*) FROM document_homes WHERE home = '{dead}'")), "0");
}

fn keys(page: &Page) -> Vec<&str> {
    page.documents.iter().map(|document| document.address.key()).collect()
}

fn a_collection_is_listed_in_pages(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    let names = ["b/1", "b/2", "b0", "a", "ö", "b", "b/3"];
    let names = names.map(|name| format!("listed/{name}"));
    take(store, &home, &names.each_ref().map(String::as_str));
    take(store, &home, &["listed_too/b/1"]);
    let mut entries: Vec<Entry> = names.iter().map(|name| one(name, 0, "1")).collect();
    entries.push(one("listed_too/b/1", 0, "1"));
    entries.push(entry([save("listed/b/3", 1, None)]));
    let mut others = save("listed/b0", 1, Some("2"));
    others.document.owner = Some("8".into());
    others.document.updated_at_ms += 1000;
    entries.push(entry([others]));
    assert_eq!(store.write(&home, &entries), Ok(vec![]));
    let all = ListQuery { collection: "listed".into(), limit: 100, ..ListQuery::default() };
    let page = store.list(&all).unwrap();
    assert_eq!((keys(&page), &page.next), (vec!["a", "b", "b/1", "b/2", "b0", "ö"], &None));
    assert_eq!(page.documents[0].value.as_deref(), Some("1"));
    // Two at a time, and behind each other.
    let (mut query, mut found) = (ListQuery { limit: 2, ..all.clone() }, Vec::new());
    loop {
        let page = store.list(&query).unwrap();
        found.extend(keys(&page).into_iter().map(str::to_owned));
        match page.next {
            Some(next) => query.after = next,
            None => break,
        }
    }
    assert_eq!(found, ["a", "b", "b/1", "b/2", "b0", "ö"]);
    let mut check = |query: ListQuery, expected: &[&str]| {
        assert_eq!(keys(&store.list(&query).unwrap()), expected, "{query:?}");
    };
    check(ListQuery { prefix: "b/".into(), ..all.clone() }, &["b/1", "b/2"]);
    check(ListQuery { prefix: "b/".into(), after: "b/1".into(), ..all.clone() }, &["b/2"]);
    check(ListQuery { prefix: "x".into(), ..all.clone() }, &[]);
    check(ListQuery { prefix: "%".into(), ..all.clone() }, &[]);
    check(ListQuery { owner: Some("8".into()), ..all.clone() }, &["b0"]);
    check(ListQuery { updated_since_ms: 1_800_000_000_900, ..all.clone() }, &["b0"]);
    check(ListQuery { collection: "nothing".into(), ..all }, &[]);
}

fn a_users_documents_are_listed_in_pages(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    let names = ["owned-b/1", "owned-a/2", "owned-a/1", "owned-a/3"];
    take(store, &home, &names);
    let of = |name: &str, owner: &str| {
        let mut save = save(name, 0, Some("1"));
        save.document.owner = Some(owner.into());
        entry([save])
    };
    let entries = names.map(|name| of(name, if name.ends_with('3') { "guest:B" } else { "guest:A" }));
    assert_eq!(store.write(&home, &entries), Ok(vec![]));
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = store.owned("guest:A", after.as_ref(), 2).unwrap();
        pages.push(page.documents.iter().map(|found| found.address.to_string()).collect::<Vec<_>>());
        match page.next {
            Some(next) => after = Some(address(&next)),
            None => break,
        }
    }
    assert_eq!(pages, [vec!["owned-a/1", "owned-a/2"], vec!["owned-b/1"]]);
    assert_eq!(store.owned("guest:C", None, 9).unwrap(), Page::default());
}

fn all_documents_are_scanned_in_order(_: &Database, store: &mut Store, _: &mut Store) {
    let home = HomeId::random();
    let names = ["zz/1", "zz/2", "zz-a/1", "zzz/1"];
    take(store, &home, &names);
    assert_eq!(store.write(&home, &names.map(|name| one(name, 0, "1"))), Ok(vec![]));
    let (mut found, mut after) = (Vec::new(), Some(address("zy/x")));
    while let Some(last) = store.scan(after.as_ref(), 2).unwrap().last().map(|last| last.address.clone()) {
        found.extend(store.scan(after.as_ref(), 2).unwrap().iter().map(|found| found.address.to_string()));
        after = Some(last);
    }
    assert_eq!(found, ["zz/1", "zz/2", "zz-a/1", "zzz/1"]);
}

fn what_a_user_owns_is_erased_and_does_not_come_back(_: &Database, ours: &mut Store, theirs: &mut Store) {
    let (us, them) = (HomeId::random(), HomeId::random());
    take(ours, &us, &["erased/1", "erased/new", "erased/others"]);
    take(theirs, &them, &["erased/2"]);
    let of = |name: &str, base: u64, owner: &str| {
        let mut save = save(name, base, Some("\"secret\""));
        save.document.owner = Some(owner.into());
        entry([save])
    };
    assert_eq!(ours.write(&us, &[of("erased/1", 0, "666"), of("erased/others", 0, "667")]), Ok(vec![]));
    assert_eq!(theirs.write(&them, &[of("erased/2", 0, "666")]), Ok(vec![]));
    assert_eq!(ours.erased(&["666", "667"]).unwrap(), Vec::<String>::new());
    assert_eq!(theirs.erase_owner("666", 1_800_000_000_000), Ok(2));
    assert_eq!(theirs.erase_owner("666", 1_800_000_000_000), Ok(0));
    assert_eq!(ours.erased(&["666", "667"]).unwrap(), ["666"]);
    // Their homes hear of it, and what is on its way is lost.
    assert_eq!(ours.renew(&us), Ok(vec![address("erased/1")]));
    assert_eq!(theirs.renew(&them), Ok(vec![address("erased/2")]));
    assert_eq!(ours.write(&us, &[of("erased/1", 1, "666")]), Ok(vec![lost("erased/1", 2)]));
    // What nobody had written yet is buried.
    assert_eq!(ours.write(&us, &[of("erased/new", 0, "666")]), Ok(vec![]));
    let found = ours.read(&["erased/1", "erased/2", "erased/new"].map(address)).unwrap();
    let found: Vec<_> = found.iter().map(|found| (found.version, &found.value, &found.owner)).collect();
    assert_eq!(found, [(2, &None, &None), (2, &None, &None), (1, &None, &None)]);
    assert_eq!(read(ours, &us, "erased/others"), there(1, "\"secret\""));
}
