//! Documents of older forms: `lib/migrate_COLLECTION.lua` gives the function that brings their values up, and scripts that work on the
//! collection take it in without asking for it. Here is what must hold of such a library.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use godra_engine::keyspace::Filler;
use godra_engine::lua::{Answer, Call, Extension, Function, Interpreter, Invocation, Keys, Raised};

use super::tokens::{Token, TokenKind, tokens};
use super::{Header, Library};
use crate::wire::ids::GAME_SIGN;

/// What the names of these libraries begin with.
const PREFIX: &str = "migrate_";

/// The library of a collection. A library's name has no `-`, and not the game's, whose it is.
pub fn library_of(collection: &str) -> String {
    let own = collection.split_once(GAME_SIGN).map_or(collection, |(_, own)| own);
    format!("{PREFIX}{}", own.replace('-', "_"))
}

/// The libraries of what a header names, each with the form that the header says, if that is above the first: then there must
/// be one.
pub(super) fn libraries_of(header: &Header) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for document in &header.documents {
        let name = library_of(document.collection());
        let needs = document.schema().filter(|schema| schema.get() > 1).map(|schema| {
            format!(
                "DATA says v{schema} of {document}: it needs lib/{name}.lua, which returns function(old, from) that brings the values of older forms up"
            )
        });
        match found.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = known.take().or(needs),
            None => found.push((name, needs)),
        }
    }
    found
}

/// What is wrong with a library as one of these, and where: it works on values and on nothing else, and gives a function. `all`
/// are the libraries that it takes in, and behind them itself.
///
/// # Errors
/// The line, if there is one, and why.
pub(super) fn check(library: &Library, all: &[&Library]) -> Result<(), (Option<usize>, String)> {
    if let Some((line, word)) = reach(&library.text) {
        let message =
            format!("a migration works on the value that it gets, and on nothing else: {word} is not for it");
        return Err((Some(line), message));
    }
    match outcome(library, all) {
        Ok(kind) if kind == "function" => Ok(()),
        Ok(kind) => {
            Err((None, format!("a migration returns function(old, from) and its file gives a {kind}")))
        }
        Err(message) => Err((None, message)),
    }
}

/// The first use of what is outside of values.
fn reach(text: &str) -> Option<(usize, &str)> {
    const OUTSIDE: [&str; 6] = ["redis", "KEYS", "ARGV", "_G", "getfenv", "setfenv"];
    let tokens = tokens(text);
    let is_field = |at: usize| at > 0 && (tokens[at - 1].is_sign(".") || tokens[at - 1].is_sign(":"));
    let is_named = |at: usize| tokens.get(at + 1).is_some_and(|next| next.is_sign("="));
    let is_array = |at: usize| matches!(&tokens[at + 1..], [dot, field, ..] if dot.is_sign(".") && field.is_word("array"));
    (0..tokens.len()).filter(|at| !is_field(*at) && !is_named(*at)).find_map(|at| {
        let Token { line, kind: TokenKind::Word(word) } = tokens[at] else { return None };
        let is_outside = OUTSIDE.contains(&word) || word == "godra" && !is_array(at);
        is_outside.then_some((line, word))
    })
}

/// Stands in for `godra` while a library's outermost lines run.
struct Values;

impl Values {
    fn array(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        call.array(1)
    }
}

impl Extension for Values {
    fn library(&self) -> Option<godra_engine::lua::Library> {
        let functions = vec![Function::new(c"array", Self::array)];
        Some(godra_engine::lua::Library { name: c"godra", functions, kept_fields: Vec::new(), text: None })
    }
}

/// Of which type is what a library gives.
fn outcome(library: &Library, all: &[&Library]) -> Result<String, String> {
    const TIME: Duration = Duration::from_millis(500);
    const BYTES: usize = 16 << 20;
    thread_local! {
        static INTERPRETER: OnceCell<Interpreter> = const { OnceCell::new() };
    }
    INTERPRETER.with(|interpreter| {
        let interpreter = interpreter.get_or_init(|| Interpreter::new(0, TIME, BYTES, Rc::new(Values)));
        let text = format!("return type(require({:?}))", &*library.name);
        let libraries: Vec<(&str, &str)> =
            all.iter().map(|library| (&*library.name, &*library.text)).collect();
        let script = interpreter.compile_with("check", &text, &libraries).map_err(String::from)?;
        let result = interpreter.run(Invocation {
            script: &script,
            keys: Keys::Own(&[]),
            arguments: &[],
            wants_result: true,
            now_ms: 0,
            now: Instant::now(),
            seed: 0,
            is_atomic: true,
            filler: Filler::Game,
        });
        interpreter.forget(script);
        let kind = result.map_err(|error| error.message().to_owned())?;
        Ok(String::from_utf8_lossy(&kind).trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, line: Option<usize>, part: &str) {
        let library = Library { name: "migrate_p".into(), path: "migrate_p.lua".into(), text: text.into() };
        let (found, message) = check(&library, &[&library]).expect_err(text);
        assert!(found == line && message.contains(part), "{found:?} {message}");
    }

    #[test]
    fn a_migration_is_a_function_of_values() {
        let fits = |text: &str| {
            let library =
                Library { name: "migrate_p".into(), path: "migrate_p.lua".into(), text: text.into() };
            assert_eq!(check(&library, &[&library]), Ok(()), "{text}");
        };
        fits("return function(old, from) return old end");
        fits(
            "local list = godra.array\nreturn function(old) old.redis = list(old.KEYS) return { ARGV = old } end",
        );
        refused("return { up = 1 }", None, "gives a table");
        refused("local a = 1", None, "gives a boolean");
        refused("return function(\n)\nredis.call('SET', 'a', 1) end", Some(3), "redis is not for it");
        refused("return function() return godra.load('p/1') end", Some(1), "godra is not for it");
        refused("local user = ARGV[1] return function() end", Some(1), "ARGV");
        refused("error('no') return function() end", None, "lib/migrate_p.lua:1: no");
        refused("while true do end", None, "ran longer");
    }

    #[test]
    fn forms_above_the_first_need_one() {
        let header = |text: &str| Header::parse("a", text).expect("valid");
        let names = |text: &str| -> Vec<(String, bool)> {
            libraries_of(&header(text)).into_iter().map(|(name, needs)| (name, needs.is_some())).collect()
        };
        assert_eq!(names("-- DATA: p/{user}, p/x v2\nreturn 1"), [("migrate_p".to_owned(), true)]);
        assert_eq!(names("-- DATA: my-p/{user} v1\nreturn 1"), [("migrate_my_p".to_owned(), false)]);
        assert!(names("return 1").is_empty());
    }
}
