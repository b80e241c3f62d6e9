//! Which globals a script reads and writes: the compiler's own answer, read out of the bytecode that it makes.

use mlua::chunk::ChunkMode;
use mlua::{Lua, LuaOptions, StdLib};

/// One place where a script uses a global variable.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GlobalUse {
    /// Counted from 1.
    pub line: usize,
    /// The variable.
    pub name: String,
    /// Whether it is assigned to.
    pub is_write: bool,
}

/// The uses of globals in a script, by line; none if it does not compile.
pub(super) fn used_in(text: &str) -> Vec<GlobalUse> {
    let Ok(lua) = Lua::new_with(StdLib::NONE, LuaOptions::default()) else { return Vec::new() };
    let Ok(function) = lua.load(text).set_mode(ChunkMode::Text).into_function() else { return Vec::new() };
    let bytecode = function.dump(false);
    let mut uses = Vec::new();
    // The bytecode was made a moment ago by the same library, so it is read to its end.
    let is_whole = Reader { rest: &bytecode }.chunk(&mut uses).is_some();
    debug_assert!(is_whole, "bytecode of another kind than Lua 5.1's");
    uses.sort();
    uses.dedup();
    uses
}

/// Reads what `luaU_dump` of Lua 5.1 writes on this machine. None when it is something else.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn chunk(&mut self, uses: &mut Vec<GlobalUse>) -> Option<()> {
        let header = self.bytes(12)?;
        let sizes = [size_of::<i32>(), size_of::<usize>(), size_of::<u32>(), size_of::<f64>()];
        let is_known =
            header.starts_with(b"\x1bLua\x51\0") && header[7..11].iter().map(|b| *b as usize).eq(sizes);
        if !is_known {
            return None;
        }
        self.function(uses)
    }

    fn function(&mut self, uses: &mut Vec<GlobalUse>) -> Option<()> {
        const COUNTS: usize = 4;
        self.string()?;
        self.bytes(2 * size_of::<i32>() + COUNTS)?;
        let code = self.list(|reader| reader.number())?;
        let constants = self.list(Self::constant)?;
        self.list(|reader| reader.function(uses))?;
        let lines = self.list(|reader| reader.number())?;
        self.list(|reader| {
            reader.string()?;
            reader.bytes(2 * size_of::<i32>())
        })?;
        self.list(Self::string)?;
        for (instruction, line) in code.into_iter().zip(lines) {
            let Some((is_write, constant)) = global_access(instruction) else { continue };
            let name = (*constants.get(constant)?)?;
            let name = String::from_utf8_lossy(name).into_owned();
            uses.push(GlobalUse { line: line as usize, name, is_write });
        }
        Some(())
    }

    /// A constant's text, if it is one.
    fn constant(&mut self) -> Option<Option<&'a [u8]>> {
        match self.bytes(1)?[0] {
            0 => Some(None),
            1 => self.bytes(1).map(|_| None),
            3 => self.bytes(size_of::<f64>()).map(|_| None),
            4 => self.string().map(Some),
            _ => None,
        }
    }

    /// A text without the NUL at its end; an absent one is empty.
    fn string(&mut self) -> Option<&'a [u8]> {
        let size = usize::from_ne_bytes(self.bytes(size_of::<usize>())?.try_into().ok()?);
        let text = self.bytes(size)?;
        Some(text.split_last().map_or(text, |(_, text)| text))
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.number()?;
        (0..len).map(|_| read(self)).collect()
    }

    fn number(&mut self) -> Option<u32> {
        self.bytes(size_of::<u32>())?.try_into().ok().map(u32::from_ne_bytes)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

/// Whether an instruction accesses a global, if it writes it, and which constant is its name.
fn global_access(instruction: u32) -> Option<(bool, usize)> {
    const GETGLOBAL: u32 = 5;
    const SETGLOBAL: u32 = 7;
    let constant = (instruction >> 14) as usize;
    match instruction & 0x3f {
        GETGLOBAL => Some((false, constant)),
        SETGLOBAL => Some((true, constant)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: line and name of each use, with a `=` behind what is written.
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = used_in(text)
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
        let uses = used_in(&blocks);
        assert_eq!(uses.len(), 3000);
        assert!(uses.iter().any(|found| found.name == "g2999" && found.line == 3000));
    }
}
