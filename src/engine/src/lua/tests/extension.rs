//! What a program adds to scripts by an extension.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::{Answer, Call, Extension, Function, Library, Raised, ScriptError};
use super::World;
use crate::reply::Value;

/// Notes what scripts do with it.
#[derive(Default)]
pub(super) struct Notebook {
    notes: RefCell<Vec<String>>,
}

impl Notebook {
    fn note(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let text = call.bytes(1)?;
        let value = call.json(2)?;
        let note = format!("{} {}", String::from_utf8_lossy(text), String::from_utf8_lossy(&value));
        if note.len() > 20 {
            return Err(call.error(format_args!("too long")));
        }
        self.notes.borrow_mut().push(note);
        Ok(Answer::NOTHING)
    }

    fn count(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        Ok(call.number(self.notes.borrow().len() as f64))
    }

    fn fail(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        call.coded_error(1, 2, 3)
    }

    fn think_twice(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        for number in 0..500 {
            drop((call.number(f64::from(number)), call.bytes(9), call.json(1)));
        }
        Ok(call.text(b"done"))
    }

    fn choose(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let [colours, sizes] = call.options(1, ["colour", "size"], 3)?;
        let all: Vec<_> = colours.into_iter().chain(sizes).flatten().collect();
        Ok(call.list(all.iter().map(|text| &**text)))
    }

    fn join(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let texts = call.texts_of(1, 3)?;
        Ok(call.text(&texts.concat()))
    }

    fn half(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        Ok(call.number(call.finite(1)? / 2.0))
    }

    fn increase(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let reply = call.command(&[b"INCR", call.bytes(1)?])?;
        match reply.values().next() {
            Some(Value::Integer(value)) => Ok(call.number(value as f64)),
            _ => Err(call.error(format_args!("not a number"))),
        }
    }

    fn break_down(&self, _: &Call<'_>) -> Result<Answer, Raised> {
        panic!("a mistake in an extension")
    }
}

impl Extension for Notebook {
    fn library(&self) -> Option<Library> {
        let functions = vec![
            Function::new(c"note", Self::note),
            Function::new(c"count", Self::count),
            Function::new(c"fail", Self::fail),
            Function::new(c"think_twice", Self::think_twice),
            Function::new(c"break_down", Self::break_down),
            Function::new(c"choose", Self::choose),
            Function::new(c"join", Self::join),
            Function::new(c"half", Self::half),
            Function::new(c"increase", Self::increase),
        ];
        Some(Library { name: c"book", functions, kept_fields: vec![c"owner"], text: None })
    }

    fn field(&self, name: &[u8], call: &Call<'_>) -> Result<Answer, Raised> {
        Ok(match name {
            b"now" => call.number(call.now_ms() as f64),
            b"owner" => call.texts(&[(c"name", b"Ann"), (c"id", b"42")]),
            _ => call.nil(),
        })
    }

    fn publish(&self, channel: &[u8], message: &[u8]) -> Result<i64, String> {
        let (channel, message) = (String::from_utf8_lossy(channel), String::from_utf8_lossy(message));
        if message.is_empty() {
            return Err("an empty message".into());
        }
        self.notes.borrow_mut().push(format!("{channel}: {message}"));
        Ok(3)
    }

    fn flushed(&self) {
        self.notes.borrow_mut().push("flushed".into());
    }
}

/// With a notebook, which scripts know as `book`.
pub(super) fn world() -> (World, Rc<Notebook>) {
    let book = Rc::new(Notebook::default());
    (World::with_extension(book.clone()), book)
}

#[test]
fn functions() {
    let (mut world, book) = world();
    assert_eq!(world.ok("book.note('a', {x = 1}) book.note(2) return book.count()"), "2");
    assert_eq!(*book.notes.borrow(), [r#"a {"x":1}"#, "2 null"]);
    assert_eq!(world.ok("return select('#', book.note('a'))"), "0");
    assert_eq!(
        world.fails("\nbook.note()"),
        "test.lua:2: bad argument #1 to 'note' (string expected, got no value)"
    );
    assert_eq!(world.fails("book.note(('x'):rep(20))"), "test.lua:1: too long");
    let refused = "test.lua:1: Cannot serialise function: type not supported";
    assert_eq!(world.fails("book.note('a', error)"), refused);
    assert_eq!(world.ok("return book.think_twice('x')"), r#""done""#);
}

#[test]
fn fields() {
    let (mut world, _) = world();
    assert_eq!(world.ok("return tostring(book.now)"), r#""1700000000123""#);
    assert_eq!(world.ok("return {book.owner.name, book.owner.id}"), r#"["Ann","42"]"#);
    assert_eq!(world.ok("return book.owner == book.owner"), "1");
    assert_eq!(world.ok("book.owner.id = 'x' return book.owner.id"), r#""x""#);
    assert_eq!(world.ok("return book.owner.id"), r#""42""#, "kept no longer than the call");
    assert_eq!(world.ok("return book.nothing == nil and book[1] == nil and book[{}] == nil"), "1");
    assert_eq!(world.fails("book.now = 1"), "test.lua:1: Attempt to modify a readonly table");
}

#[test]
fn coded_errors() {
    let (mut world, _) = world();
    let coded = |details: Option<&str>| {
        let details = details.map(Into::into);
        Err(ScriptError::Coded { code: "too_fast".into(), message: "Slow down".into(), details })
    };
    assert_eq!(world.run("book.fail('too_fast', 'Slow down')"), coded(None));
    assert_eq!(world.run("book.fail('too_fast', 'Slow down', {x = 1})"), coded(Some(r#"{"x":1}"#)));
    let caught = "local ok, e = pcall(book.fail, 'c', 'm', 5) return {ok, e.code, e.message, e.details}";
    assert_eq!(world.ok(caught), r#"[null,"c","m",5]"#);
    assert!(world.fails("book.fail('c', {})").contains("bad argument #2 to 'fail'"));
    assert!(world.fails("book.fail('c', 'm', error)").contains("Cannot serialise function"));
}

#[test]
fn lists_and_options() {
    let (mut world, _) = world();
    assert_eq!(
        world.ok("return book.join('a') .. book.join(7) .. book.join({'b', 8, 'c'}) .. book.join({})"),
        r#""a7b8c""#
    );
    let fails = |world: &mut World, text: &str, expected: &str| {
        assert_eq!(world.fails(text), format!("test.lua:1: {expected}"), "{text}");
    };
    fails(&mut world, "book.join()", "bad argument #1: a string or a list of strings, got no value");
    fails(&mut world, "book.join({1, {}})", "bad argument #1: a list of strings, got a table in it");
    fails(&mut world, "book.join({1, 2, 3, 4})", "bad argument #1: at most 3 in a list, got 4");
    let large = "local s = ('x'):rep(6e5) book.join({s, s})";
    fails(&mut world, large, "bad argument #1: more than 1048576 bytes in a list");
    assert_eq!(world.ok("return book.choose({size = {1, 2}, colour = 'red'})"), r#"["red","1","2"]"#);
    assert_eq!(world.ok("return book.choose({})"), "[]");
    fails(&mut world, "book.choose({shape = 1})", "no option \"shape\": there are colour, size");
    fails(&mut world, "book.choose({'red'})", "no option \"\": there are colour, size");
    fails(
        &mut world,
        "book.choose({size = true})",
        "bad option size: a string or a list of strings, got boolean",
    );
    fails(&mut world, "book.choose('red')", "bad argument #1: a table of options, got string");
    assert_eq!(world.ok("return tostring(book.half(5))"), r#""2.5""#);
    fails(&mut world, "book.half(1/0)", "bad argument #1: a finite number, got inf");
    assert!(world.fails("book.half('x')").contains("number expected"));
}

#[test]
fn commands_of_an_extension_are_the_calls_own() {
    let (mut world, _) = world();
    assert_eq!(world.ok("return {book.increase('k'), book.increase('k')}"), "[1,2]");
    world.ok("for i = 1, 1e4 do book.increase('n') end");
    let endless = world.fails("while true do book.increase('n') end");
    assert!(endless.contains("longer than") || endless.contains("more than"), "{endless}");
    world.fails("book.increase('k') error('no')");
    assert_eq!(world.ok("return redis.call('GET', 'k')"), r#""2""#, "undone with the call");
    assert_eq!(world.fails("redis.call('HSET', 'h', 1, 1) book.increase('h')"), "test.lua:1: not a number");
}

#[test]
fn messages_and_flushes() {
    let (mut world, book) = world();
    assert_eq!(world.ok("return redis.call('Publish', 'c', 'x')"), "3");
    assert_eq!(world.fails("redis.call('PUBLISH', 'c', '')"), "test.lua:1: ERR an empty message");
    assert!(world.fails("redis.call('PUBLISH', 'c')").contains("ERR"));
    world.ok("redis.call('FLUSHALL') redis.call('FLUSHDB')");
    assert_eq!(*book.notes.borrow(), ["c: x", "flushed", "flushed"]);
}

#[test]
fn a_panic_in_an_extension_is_over_with_the_rebuild() {
    let (mut world, _) = world();
    world.ok("redis.call('SET', 'k', 'v')");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.run("return {book.owner, pcall(book.break_down)}")
    }));
    assert!(panicked.is_err(), "no pcall catches it");
    world.interpreter.rebuild();
    assert_eq!(world.ok("book.note('a') return {redis.call('GET', 'k'), book.count()}"), r#"["v",1]"#);
}
