//! Documents of older and newer forms than scripts know.

use super::*;
use crate::script::Library;

/// From 1 to 2 gold gets into a purse, from 2 to 3 the purse gets an owner.
const MIGRATE: &str = "return function(old, from, name)
    if from < 2 then old = { purse = { gold = old.gold } } end
    old.purse.of = name
    return old
end";

/// A script that knows form 3 of profiles, with what brings older ones up.
fn script(library: &str, text: &str) -> Arc<Script> {
    let text = format!("-- DATA: profile/{{user}} v3\n{text}");
    let header = Header::parse("test", &text).expect("valid");
    let library =
        Library { name: "migrate_profile".into(), path: "migrate_profile.lua".into(), text: library.into() };
    Arc::new(Script::with_libraries("test", "test.lua", &text, header, vec![library.into()]))
}

fn run(world: &World, library: &str, text: &str) -> Result<String, CallError> {
    let call = Call::rpc(script(library, text), identity("7"), Vec::new(), Vec::new());
    world.submit(None, vec![call]);
    shown(world.done()).remove(0)
}

fn stored(world: &World) -> (u64, u32, Option<String>) {
    let document = world.database.state().documents[&address("profile/7")].clone();
    (document.version, document.schema, document.value.map(String::from))
}

fn put(world: &World, schema: u32, value: &str) {
    world.database.put("profile/7", 4, Some("7"), value);
    world.database.state().documents.get_mut(&address("profile/7")).expect("put").schema = schema;
}

const LOAD: &str =
    "local value, version = godra.load('profile/7') return {value.purse.gold, value.purse.of, version}";

#[test]
fn an_older_value_is_brought_up_over_all_forms_between() {
    for (form, value) in [(1, r#"{"gold":5}"#), (2, r#"{"purse":{"gold":5}}"#)] {
        let world = World::new();
        put(&world, form, value);
        assert_eq!(run(&world, MIGRATE, LOAD).as_deref(), Ok(r#"[5,"profile/7",4]"#));
        // Loading alone has changed nothing.
        assert_eq!(stored(&world), (4, form, Some(value.to_owned())));
        let save = "local p = godra.load('profile/7') p.purse.gold = p.purse.gold + 1 return godra.save('profile/7', p)";
        assert_eq!(run(&world, MIGRATE, save).as_deref(), Ok("5"));
        assert_eq!(
            run(
                &world,
                "return function() error('not again') end",
                "return godra.load('profile/7').purse.gold"
            )
            .as_deref(),
            Ok("6")
        );
        let ends = Instant::now() + LONG;
        while stored(&world).0 < 5 {
            assert!(Instant::now() < ends, "it is saved");
            std::thread::yield_now();
        }
        assert_eq!(stored(&world).1, 3);
    }
}

#[test]
fn a_migration_that_breaks_fails_the_call_and_the_document_stays() {
    let world = World::new();
    put(&world, 1, r#"{"gold":5}"#);
    let save = "local p = godra.load('profile/7') godra.save('profile/7', p) return 1";
    for (library, part) in [
        (
            "return function(old) return old.a.b end",
            "is of form 1, and lib/migrate_profile.lua does not bring it up to 3: lib/migrate_profile.lua:1: attempt to index field 'a'",
        ),
        ("return function(old) error({}) end", "script_error"),
        ("return function(old) end", "it gives nil"),
        ("return { up = 1 }", "it gives a table and not a function"),
        ("return function() return {} end local", "lib/migrate_profile.lua:1:"),
    ] {
        let error = run(&world, library, save).expect_err(library);
        let told = format!("{} {}", error.code.as_str(), error.message);
        assert!(told.contains(part), "{library}: {told}");
    }
    let slow = run(&world, "return function() while true do end end", save).unwrap_err();
    assert_eq!(slow.code, ErrorCode::ScriptTimeout, "{slow:?}");
    let own = run(&world, "return function() godra.error('too_old', 'begin anew') end", save).unwrap_err();
    assert_eq!((own.code.as_str(), &*own.message), ("too_old", "begin anew"));
    let caught = "return {pcall(godra.load, 'profile/7')}";
    assert!(
        run(&world, "return function() error('no') end", caught).unwrap().contains("does not bring it up")
    );
    assert_eq!(stored(&world), (4, 1, Some(r#"{"gold":5}"#.to_owned())));
    let without = world.run_as("7", "-- DATA: profile/{user} v3", save, &[]).unwrap_err();
    assert!(without.message.contains("there is no library \"migrate_profile\""), "{without:?}");
}

#[test]
fn what_is_newer_is_neither_read_nor_destroyed() {
    let world = World::new();
    put(&world, 4, "{}");
    let told = "profile/7 is of form 4, and this script knows form 3: it is left as it is";
    for text in ["godra.load('profile/7')", "godra.save('profile/7', 1)", "godra.delete('profile/7')"] {
        let error = run(&world, MIGRATE, text).expect_err(text);
        assert!(error.message.contains(told), "{text}: {error:?}");
    }
    assert_eq!(stored(&world), (4, 4, Some("{}".to_owned())));
    // One that is gone has no form.
    let other = World::new();
    put(&other, 4, "{}");
    other.database.state().documents.get_mut(&address("profile/7")).expect("put").value = None;
    assert_eq!(run(&other, MIGRATE, "return godra.save('profile/7', {})").as_deref(), Ok("5"));
}

#[test]
fn whole_values_may_be_saved_over_older_ones() {
    let world = World::new();
    put(&world, 1, r#"{"gold":5}"#);
    let save = "return godra.save('profile/7', {purse = {}})";
    assert_eq!(run(&world, "return function() error('unused') end", save).as_deref(), Ok("5"));
    world.await_value("profile/7", Some(r#"{"purse":{}}"#));
    assert_eq!(stored(&world).1, 3);
}
