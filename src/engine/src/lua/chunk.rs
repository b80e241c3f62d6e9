//! Reads compiled chunks, as Lua 5.1 dumps them on this machine.

/// The instruction that writes a global.
const SET_GLOBAL: u32 = 7;
/// Signature, version, format, endianness, and the sizes of five types.
const HEADER_LEN: usize = 12;

/// Whether any function of the chunk writes a global. Says so, too, of a chunk that it cannot read.
pub(super) fn sets_globals(chunk: &[u8]) -> bool {
    let mut reader = Reader { rest: chunk.get(HEADER_LEN..).unwrap_or_default() };
    reader.function().unwrap_or(true)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Reads a function and those inside it.
    fn function(&mut self) -> Option<bool> {
        self.skip_string()?;
        // First and last line; numbers of upvalues and parameters, flags, stack size.
        self.skip(4 + 4 + 4)?;
        let mut sets_globals = false;
        for _ in 0..self.int()? {
            sets_globals |= self.int()? & 0x3f == SET_GLOBAL;
        }
        for _ in 0..self.int()? {
            self.skip_constant()?;
        }
        for _ in 0..self.int()? {
            sets_globals |= self.function()?;
        }
        let lines = self.int()? as usize;
        self.skip(lines.checked_mul(4)?)?;
        for _ in 0..self.int()? {
            self.skip_string()?;
            self.skip(8)?;
        }
        for _ in 0..self.int()? {
            self.skip_string()?;
        }
        Some(sets_globals)
    }

    fn skip_constant(&mut self) -> Option<()> {
        const NIL: u8 = 0;
        const BOOLEAN: u8 = 1;
        const NUMBER: u8 = 3;
        const STRING: u8 = 4;
        match self.take(1)? {
            [NIL] => Some(()),
            [BOOLEAN] => self.skip(1),
            [NUMBER] => self.skip(8),
            [STRING] => self.skip_string(),
            _ => None,
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        let len = usize::from_ne_bytes(self.take(size_of::<usize>())?.try_into().ok()?);
        self.skip(len)
    }

    fn int(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.take(len).map(|_| ())
    }

    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
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
