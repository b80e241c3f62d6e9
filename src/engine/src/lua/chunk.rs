//! Reads compiled chunks, as `luaU_dump` of Lua 5.1 writes them on this machine: which globals their functions use.

/// One place where a function reads or writes a global.
pub(super) struct Access<'a> {
    /// Counted from 1.
    pub line: u32,
    pub name: &'a [u8],
    pub is_write: bool,
}

/// Whether any function of the chunk writes a global. Says so, too, of a chunk that it cannot read.
pub(super) fn sets_globals(chunk: &[u8]) -> bool {
    let mut sets = false;
    let is_whole = visit_globals(chunk, &mut |access| sets |= access.is_write).is_some();
    sets || !is_whole
}

/// Visits every access to a global, function by function. None when the chunk is something else or stripped of its lines.
pub(super) fn visit_globals<'a>(chunk: &'a [u8], visit: &mut dyn FnMut(Access<'a>)) -> Option<()> {
    Reader { rest: chunk }.chunk(visit)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn chunk(&mut self, visit: &mut dyn FnMut(Access<'a>)) -> Option<()> {
        let header = self.bytes(12)?;
        let sizes = [size_of::<i32>(), size_of::<usize>(), size_of::<u32>(), size_of::<f64>()];
        let is_known =
            header.starts_with(b"\x1bLua\x51\0") && header[7..11].iter().map(|b| *b as usize).eq(sizes);
        if !is_known {
            return None;
        }
        self.function(visit)
    }

    fn function(&mut self, visit: &mut dyn FnMut(Access<'a>)) -> Option<()> {
        const COUNTS: usize = 4;
        self.string()?;
        self.bytes(2 * size_of::<i32>() + COUNTS)?;
        let code = self.list(|reader| reader.number())?;
        let constants = self.list(Self::constant)?;
        self.list(|reader| reader.function(visit))?;
        let lines = self.list(|reader| reader.number())?;
        if lines.len() != code.len() {
            return None;
        }
        self.list(|reader| {
            reader.string()?;
            reader.bytes(2 * size_of::<i32>())
        })?;
        self.list(Self::string)?;
        for (instruction, line) in code.into_iter().zip(lines) {
            let Some((is_write, constant)) = global_access(instruction) else { continue };
            let name = (*constants.get(constant)?)?;
            visit(Access { line, name, is_write });
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

    #[test]
    fn finds_global_writes_at_any_depth() {
        let lua = mlua::Lua::new();
        let check = |text: &str, expected: bool| {
            let chunk = lua.load(text).into_function().unwrap().dump(false);
            assert_eq!(sets_globals(&chunk), expected, "{text}");
        };
        check("", false);
        check("return x", false);
        check("local x = 1 x = 2 return y", false);
        check("local t = {1.5, 'text', true, nil} t.x = 1 return function() return t end", false);
        check("x = 1", true);
        check("function f() end", true);
        check("local function f() end", false);
        check("return function() return function() x = 1 end end", true);
        check("local a = function() end local b = function() local c = function() print(a) end end", false);
        check("for i = 1, 10 do if i > 5 then x = i end end", true);
        assert!(sets_globals(b""));
        assert!(sets_globals(b"\x1bLuaQ\0\x01\x04\x08\x04\x08\0\xff\xff\xff\xff\xff\xff\xff\xff"));
    }
}
