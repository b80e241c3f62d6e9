//! Random snippets of Lua: each calls library functions on random values and shows what comes out.

/// Makes one snippet from a seed.
pub struct Generator {
    state: u64,
}

/// Shows any value as text that does not depend on addresses.
const SHOW: &str = r##"
local function show(v, depth)
  if type(v) ~= "table" then
    if type(v) == "number" then return string.format("%.17g", v) end
    if type(v) == "string" then return string.format("%q", v) end
    return type(v) == "userdata" and "null" or tostring(v)
  end
  local keys, parts = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return type(a) < type(b) end
    if type(a) == "boolean" then return a and not b end
    return a < b
  end)
  for _, k in ipairs(keys) do parts[#parts + 1] = show(k) .. "=" .. show(v[k]) end
  return "{" .. table.concat(parts, ",") .. "}"
end
local function all(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = show((select(i, ...))) end
  return table.concat(parts, " ")
end
"##;

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    pub fn snippet(&mut self) -> String {
        let expression = match self.below(16) {
            0..=3 => self.pattern_call(),
            4 => format!("cjson.encode({})", self.value(3)),
            5 => format!("cjson.decode({})", self.json_literal()),
            6 => format!("cjson.encode(cjson.decode({}))", self.json_literal()),
            7 => format!("cmsgpack.unpack(cmsgpack.pack({}, {}))", self.value(2), self.value(2)),
            8 => format!("cmsgpack.unpack({})", self.bytes_literal(12)),
            9 => self.struct_call(),
            10 => self.bit_call(),
            11 => self.format_call(),
            12 => self.number_call(),
            13 => self.sort_call(),
            14 => self.table_call(),
            _ => self.string_call(),
        };
        format!("{SHOW} return all(pcall(function() return {expression} end))")
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn join(&mut self, count: usize, mut part: impl FnMut(&mut Self) -> String) -> String {
        (0..count).map(|_| part(self)).collect::<Vec<_>>().join(", ")
    }

    fn pattern_call(&mut self) -> String {
        let (subject, pattern) = (self.subject(), self.pattern());
        match self.below(6) {
            0 => format!("string.find({subject}, {pattern}, {})", self.small()),
            1 => format!("string.match({subject}, {pattern}, {})", self.small()),
            2 => format!("string.gsub({subject}, {pattern}, {})", self.replacement()),
            3 => format!("string.gsub({subject}, {pattern}, {}, {})", self.replacement(), self.small()),
            4 => format!("string.find({subject}, {pattern}, 1, true)"),
            _ => format!(
                "(function() local r = {{}} for a, b in string.gmatch({subject}, {pattern}) do r[#r + 1] = \
                 tostring(a) .. '|' .. tostring(b) end return r end)()"
            ),
        }
    }

    fn subject(&mut self) -> String {
        let len = self.below(14);
        let text: String = (0..len)
            .map(|_| self.pick(&["a", "b", "ab", "1", " ", "(", ")", ".", "%%", "]", "-", "\\0", "X", "_"]))
            .collect();
        format!("\"{}\"", text.replace("%%", "%"))
    }

    fn pattern(&mut self) -> String {
        let items = self.below(6);
        let mut text = String::from(if self.below(5) == 0 { "^" } else { "" });
        for _ in 0..items {
            text += self.pick(&[
                "a", "b", "1", ".", "%a", "%d", "%s", "%w", "%A", "%D", "%p", "%x", "%u", "%l", "%c", "%z",
                "[ab]", "[^a]", "[a-c]", "[%d_]", "[]]", "[^]]", "[a-]", "[%a-z]", "(", ")", "()", "%1",
                "%2", "%b()", "%f[%a]", "%f[^%w]", "%.", "%%", "(a)", "(.)", "[", "%", "%b", "%f", "-",
                "\\0", "[a-%d]",
            ]);
            text += self.pick(&["", "", "", "*", "+", "-", "?"]);
        }
        text += self.pick(&["", "", "", "$"]);
        format!("\"{text}\"")
    }

    fn replacement(&mut self) -> String {
        self.pick(&[
            "\"<%0>\"",
            "\"%1\"",
            "\"%2\"",
            "\"x\"",
            "\"%%\"",
            "\"%\"",
            "\"%x\"",
            "{a = 'A', b = false, ab = 5}",
            "function(a, b) return b or a end",
            "function() return nil end",
            "function() return {} end",
            "7",
            "nil",
            "function(a) return #tostring(a) end",
            "{}",
            "true",
            "setmetatable({}, {__index = function(_, k) return k .. k end})",
        ])
        .to_owned()
    }

    fn small(&mut self) -> String {
        self.pick(&["0", "1", "2", "3", "5", "-1", "-2", "-7", "100", "-100", "1.9", "'2'", "nil"]).to_owned()
    }

    fn number(&mut self) -> String {
        match self.below(8) {
            0 => self
                .pick(&[
                    "0", "-0", "1/0", "-1/0", "2^31", "2^32", "2^53", "2^63", "-2^63", "2^64", "1e15",
                    "1e100", "1e-7", "0.1", "1/3", "-1",
                ])
                .to_owned(),
            1 => format!("{}", self.below(300) as i64 - 150),
            2 => format!("{}", self.next() as i64 >> self.below(60)),
            3 => format!("{:.3}", self.below(2_000_000) as f64 / 1000.0 - 1000.0),
            4 => format!("{:e}", f64::from_bits(self.next() & !(1 << 62))),
            5 => format!("{}", (self.next() >> 40) as f64 / 64.0),
            6 => format!("{}", (self.next() >> 11) as f64 / 1e9),
            _ => format!("{}", self.below(70000)),
        }
    }

    fn string(&mut self) -> String {
        self.bytes_literal(6)
    }

    fn bytes_literal(&mut self, most: usize) -> String {
        let len = self.below(most + 1);
        let bytes: String = (0..len)
            .map(|_| match self.below(3) {
                0 => format!("\\{:03}", self.below(256)),
                1 => format!(
                    "\\{:03}",
                    [0, 1, 127, 128, 0x81, 0x91, 0xa1, 0xc0, 0xcc, 0xd0, 0xd9, 0xda, 0xdc, 0xff]
                        [self.below(14)]
                ),
                _ => self.pick(&["a", "b", "/", "\\\"", "\\\\", "\\n", "1", "é"]).to_owned(),
            })
            .collect();
        format!("\"{bytes}\"")
    }

    fn value(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => self.number(),
            1 => self.string(),
            2 => self.pick(&["true", "false", "cjson.null"]).to_owned(),
            3 => self.number(),
            4 => self.pick(&["'abc'", "''", "{}", "nil", "tostring"]).to_owned(),
            5 | 6 => {
                let len = self.below(5);
                format!("{{{}}}", self.join(len, |g| g.value(depth - 1)))
            }
            _ => {
                let len = self.below(4);
                let fields = self.join(len, |g| {
                    let key = match g.below(5) {
                        0 => format!("[{}]", g.below(20)),
                        1 => "[1.5]".into(),
                        2 => format!("[{}]", g.pick(&["'x'", "'1'", "''", "true"])),
                        _ => g.pick(&["a", "b", "name", "position"]).to_owned(),
                    };
                    format!("{key} = {}", g.value(depth - 1))
                });
                format!("{{{fields}}}")
            }
        }
    }

    fn json_literal(&mut self) -> String {
        let mut text = self.json(3);
        // Half of them get a mistake.
        if self.below(2) == 0 && !text.is_empty() {
            let at = self.below(text.len() + 1);
            if text.is_char_boundary(at) {
                match self.below(3) {
                    0 => text.insert_str(
                        at,
                        self.pick(&[
                            "{", "}", "[", "]", ",", ":", "\"", "\\", "x", "1", "-", "null", " ", "e", "\t",
                            "\0", "0x1", "nan", "+",
                        ]),
                    ),
                    1 => text.truncate(at),
                    _ if at < text.len() => {
                        text.remove(at);
                    }
                    _ => {}
                }
            }
        }
        let escaped: String = text
            .bytes()
            .map(|byte| match byte {
                b'"' => "\\\"".into(),
                b'\\' => "\\\\".into(),
                b'\n' => "\\n".into(),
                0x20..=0x7e => char::from(byte).to_string(),
                _ => format!("\\{byte:03}"),
            })
            .collect();
        format!("\"{escaped}\"")
    }

    fn json(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => self
                .pick(&[
                    "0",
                    "1",
                    "-1",
                    "1.5",
                    "1e3",
                    "1E-2",
                    "-0.0",
                    "123456789012345678",
                    "0.1",
                    "1e999",
                    "3.0000",
                    "0.30000000000000004",
                    "100000000000000000000000",
                ])
                .to_owned(),
            1 => self.pick(&["true", "false", "null"]).to_owned(),
            2 | 3 => self.json_string(),
            4 => self.pick(&["[]", "{}", " [ ] ", "{ }"]).to_owned(),
            5 | 6 => {
                let len = self.below(4);
                format!("[{}]", self.join(len, |g| g.json(depth - 1)))
            }
            _ => {
                let len = self.below(4);
                format!("{{{}}}", self.join(len, |g| format!("{}:{}", g.json_string(), g.json(depth - 1))))
            }
        }
    }

    fn json_string(&mut self) -> String {
        let len = self.below(4);
        let text: String = (0..len)
            .map(|_| {
                self.pick(&[
                    "a",
                    "key",
                    "é",
                    "\\n",
                    "\\\"",
                    "\\\\",
                    "\\/",
                    "\\u0041",
                    "\\u00e9",
                    "\\ud83d\\ude00",
                    "\\u20ac",
                    "\\ud800",
                    "\\udc00",
                    "\\u12",
                    "\\q",
                    "\u{7f}",
                    " ",
                ])
            })
            .collect();
        format!("\"{text}\"")
    }

    fn struct_call(&mut self) -> String {
        let len = 1 + self.below(4);
        let options: String = (0..len)
            .map(|_| {
                self.pick(&[
                    "b", "B", "h", "H", "i", "I", "l", "L", "T", "f", "d", "x", "s", "c0", "c2", "i3", "I16",
                    ">", "<", "!", "!4", " ", "i8", "c", "y", "I33", "!3",
                ])
            })
            .collect();
        match self.below(3) {
            0 => format!("struct.size(\"{options}\")"),
            1 => format!(
                "struct.unpack(\"{options}\", {}, {})",
                self.bytes_literal(20),
                self.pick(&["1", "2", "3", "0", "30", "nil"])
            ),
            _ => {
                let arguments = self.join(3, |g| if g.below(3) == 0 { g.string() } else { g.number() });
                format!("struct.pack(\"{options}\", {arguments})")
            }
        }
    }

    fn bit_call(&mut self) -> String {
        let name = self.pick(&[
            "tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap",
            "tohex",
        ]);
        let count = 1 + self.below(3);
        let arguments = self.join(count, |g| {
            if g.below(8) == 0 { g.pick(&["nil", "'x'", "'12'", "{}"]).to_owned() } else { g.number() }
        });
        format!("bit.{name}({arguments})")
    }

    fn format_call(&mut self) -> String {
        let flag = self.pick(&["", "", "-", "+", " ", "#", "0"]);
        let width = self.pick(&["", "", "5", "12", "99", "123"]);
        let precision = self.pick(&["", "", ".0", ".3", ".14", ".99", "."]);
        let kind = self.pick(&["d", "i", "u", "x", "X", "o", "c", "e", "E", "f", "g", "G", "s", "q", "y"]);
        let argument = if self.below(3) == 0 { self.string() } else { self.number() };
        // An integer format of a number that is none such is undefined in C.
        let argument = if "diuxXoc".contains(kind) { format!("{}", self.below(100_000)) } else { argument };
        format!("string.format(\"[%{flag}{width}{precision}{kind}]\", {argument})")
    }

    fn number_call(&mut self) -> String {
        let number = self.number();
        match self.below(8) {
            0 => format!("tostring({number})"),
            1 => format!("({number}) .. ''"),
            2 => format!("tonumber(tostring({number}))"),
            3 => format!(
                "tonumber({}, {})",
                self.pick(&["'10'", "'ff'", "'zz'", "' 7 '", "'-5'", "''", "'1e2'"]),
                2 + self.below(36)
            ),
            4 => format!(
                "tonumber({})",
                self.pick(&[
                    "'0x1F'", "' 12 '", "'1e'", "'1e5'", "'.5'", "'5.'", "'inf'", "'nan'", "'1_0'", "''",
                    "' '", "'0x'", "true", "{}"
                ])
            ),
            5 => format!(
                "math.{}({number})",
                self.pick(&["floor", "ceil", "abs", "sqrt", "exp", "log", "modf", "frexp"])
            ),
            6 => format!("redis.call('SET', 'n', {number}) and redis.call('GET', 'n')"),
            _ => format!("math.{}({number}, {})", self.pick(&["max", "min", "fmod", "pow"]), self.number()),
        }
    }

    fn sort_call(&mut self) -> String {
        let len = self.below(12);
        let elements = self.join(len, |g| format!("{}", g.below(9)));
        let order = self.pick(&[
            "",
            "",
            ", function(a, b) return a > b end",
            ", function(a, b) return a % 3 < b % 3 end",
            ", function(a, b) return true end",
            ", function(a, b) return a <= b end",
        ]);
        let odd = self.pick(&["", "", "", ", 'x'", ", {}"]);
        format!("(function() local t = {{{elements}{odd}}} table.sort(t{order}) return t end)()")
            .replace("{,", "{")
    }

    fn table_call(&mut self) -> String {
        let len = self.below(6);
        let elements = self.join(len, |g| g.pick(&["1", "'a'", "2.5", "'b'", "true"]).to_owned());
        let at = self.small();
        match self.below(7) {
            0 => format!("(function() local t = {{{elements}}} table.insert(t, {at}, 'new') return t end)()"),
            1 => format!(
                "(function() local t = {{{elements}}} local r = table.remove(t, {at}) return r, t end)()"
            ),
            2 => format!("table.concat({{{elements}}}, ', ', {at})"),
            3 => format!("unpack({{{elements}}}, {at}, {})", self.small()),
            4 => format!("table.maxn({{{elements}, [7] = 1, [2.5] = 2}})").replace("{,", "{"),
            5 => format!("select({at}, {elements})").replace(", )", ")"),
            _ => format!("#{{{elements}}}, table.getn({{{elements}}})"),
        }
    }

    fn string_call(&mut self) -> String {
        let text = self.string();
        match self.below(8) {
            0 => format!("string.rep({text}, {})", self.small()),
            1 => format!("string.sub({text}, {}, {})", self.small(), self.small()),
            2 => format!("string.byte({text}, {}, {})", self.small(), self.small()),
            3 => format!("string.reverse({text}), string.upper({text}), string.lower({text})"),
            4 => format!("string.char({}, {})", self.below(300), self.below(256)),
            5 => format!("redis.sha1hex({text})"),
            6 => format!("{text} < {}, {text} == {}", self.string(), self.string()),
            _ => format!("#{text}, string.len({text})"),
        }
    }
}
