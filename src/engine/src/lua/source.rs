//! What there is to say about a script's text without running it: whether it compiles, and which globals it uses.

use mlua::chunk::ChunkMode;
use mlua::{Lua, LuaOptions, StdLib};

use super::chunk::visit_globals;

/// A Lua without libraries that compiles and never runs anything; made when first needed.
#[derive(Default)]
pub struct Compiler {
    lua: Option<Lua>,
}

/// Why a text does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where Lua noticed, counted from 1; none when it is not the text's fault.
    pub line: Option<usize>,
    /// Lua's own words, in one line, without the place.
    pub message: String,
}

impl Compiler {
    /// Compiles a text and throws the result away.
    ///
    /// # Errors
    /// The text is not Lua 5.1, or there is no memory to compile it.
    pub fn check(&mut self, text: &str) -> Result<(), SyntaxError> {
        self.compile(text).map(drop).map_err(|error| match error {
            mlua::Error::SyntaxError { message, .. } => split_line(&message),
            other => SyntaxError { line: None, message: one_line(&other.to_string()) },
        })
    }

    fn compile(&mut self, text: &str) -> mlua::Result<mlua::Function> {
        let lua = match &self.lua {
            Some(lua) => lua,
            None => self.lua.insert(Lua::new_with(StdLib::NONE, LuaOptions::default())?),
        };
        lua.load(text).set_name("=script").set_mode(ChunkMode::Text).into_function()
    }
}

/// Takes `script:12: message` apart.
fn split_line(message: &str) -> SyntaxError {
    let rest = message.split_once(':').map(|(_, rest)| rest);
    match rest.and_then(|rest| rest.split_once(": ")) {
        Some((line, reason)) if line.parse::<usize>().is_ok() => {
            SyntaxError { line: line.parse().ok(), message: one_line(reason) }
        }
        _ => SyntaxError { line: None, message: one_line(message) },
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// One place where a script uses a global variable.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GlobalUse {
    /// Counted from 1.
    pub line: usize,
    /// As the script writes it.
    pub name: String,
    /// Whether it is assigned to.
    pub is_write: bool,
}

/// The uses of globals in a script, by line; none if it does not compile. This is the compiler's own answer, read out of
/// the bytecode that it makes.
pub fn global_uses(text: &str) -> Vec<GlobalUse> {
    let mut compiler = Compiler::default();
    let Ok(function) = compiler.compile(text) else { return Vec::new() };
    let bytecode = function.dump(false);
    let mut uses = Vec::new();
    // The bytecode was made a moment ago by the same library, so it is read to its end.
    let is_whole = visit_globals(&bytecode, &mut |access| {
        let name = String::from_utf8_lossy(access.name).into_owned();
        uses.push(GlobalUse { line: access.line as usize, name, is_write: access.is_write });
    });
    debug_assert!(is_whole.is_some(), "bytecode of another kind than Lua 5.1's");
    uses.sort();
    uses.dedup();
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiling() {
        let mut compiler = Compiler::default();
        let mut check = |text: &str, expected: Result<(), (Option<usize>, &str)>| {
            let found = compiler.check(text).map_err(|error| (error.line, error.message));
            assert_eq!(found, expected.map_err(|(line, message)| (line, message.to_owned())), "{text:?}");
        };
        check("return 1", Ok(()));
        check("", Ok(()));
        check("local a\nlocal = 2", Err((Some(2), "'<name>' expected near '='")));
        check("\n\nif true then", Err((Some(3), "'end' expected near '<eof>'")));
        check("return ':3: '..", Err((Some(1), "unexpected symbol near '<eof>'")));
        check("return 'a\nb'", Err((Some(1), "unfinished string near ''a'")));
        check("return 1", Ok(()));
    }

    #[test]
    fn bytecode_is_not_source() {
        let error = Compiler::default().check("\x1bLua\x51\0\x01\x04").expect_err("bytecode");
        assert_eq!(error.line, None, "{error:?}");
    }

    /// `expected`: line and name of each use, with a `=` behind what is written.
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = global_uses(text)
            .iter()
            .map(|found| format!("{} {}{}", found.line, found.name, if found.is_write { "=" } else { "" }))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn reads_and_writes() {
        check("return 1", &[]);
        check("local a = 1 return a", &[]);
        check("x = 1\nreturn x", &["1 x=", "2 x"]);
        check("local t = { a = b } t.c = d.e", &["1 b", "1 d"]);
        check("redis.call('GET', KEYS[1])", &["1 KEYS", "1 redis"]);
        check(
            "local function f()\n  return function()\n    y = z\n  end\nend\nfunction g() end",
            &["3 y=", "3 z", "6 g="],
        );
        check("local x for i = 1, 2 do x = i .. 'text' .. tostring(nil) .. 1.5 end", &["1 tostring"]);
        check("(", &[]);
        check("", &[]);
    }

    #[test]
    fn names_beyond_the_first_thousands() {
        let many: String = (0..3000).map(|n| format!("local _ = 'text {n}' _ = g{n}\n")).collect();
        let blocks: String = many.lines().map(|line| format!("do {line} end\n")).collect();
        let uses = global_uses(&blocks);
        assert_eq!(uses.len(), 3000);
        assert!(uses.iter().any(|found| found.name == "g2999" && found.line == 3000));
    }
}
