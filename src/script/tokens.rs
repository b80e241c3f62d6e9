//! Lua source as tokens with their lines, for lints: comments are left out, and texts come with what they spell.
//! Knows no grammar; the source is taken to compile.

/// A piece of Lua source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Where it begins, counted from 1.
    pub line: usize,
    pub kind: TokenKind<'a>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// A text, without its quotes. None where it has escapes that could spell anything.
    Text(Option<&'a str>),
    /// A number as it is written.
    Number(&'a str),
    /// Operators and punctuation, the longest that fits: `..`, `==`, `(`.
    Sign(&'a str),
}

impl Token<'_> {
    /// Whether it is this name or keyword.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word(word)
    }

    /// Whether it is this operator or punctuation.
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == TokenKind::Sign(sign)
    }
}

/// The tokens of a source text.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut scanner = Scanner { source, at: 0, line: 1 };
    std::iter::from_fn(|| scanner.next()).collect()
}

/// Whether a script may call one of these commands: it spells it, or calls commands whose names it does not spell where it
/// calls them.
pub fn may_call(source: &str, commands: &[&str]) -> bool {
    let tokens = tokens(source);
    let spells_it = |token: &Token<'_>| match token.kind {
        TokenKind::Text(Some(text)) => commands.iter().any(|name| text.eq_ignore_ascii_case(name)),
        _ => false,
    };
    let is_library = |token: &Token<'_>| token.is_word("redis") || token.is_word("server");
    let mut calls = (0..tokens.len()).filter(|at| is_library(&tokens[*at]));
    let is_plain = |at: usize| {
        let is_call = tokens.get(at + 2).is_some_and(|token| token.is_word("call") || token.is_word("pcall"));
        let names_it = matches!(tokens.get(at + 4).map(|token| &token.kind), Some(TokenKind::Text(Some(_))))
            && tokens.get(at + 5).is_some_and(|token| token.is_sign(",") || token.is_sign(")"));
        let is_other = tokens.get(at + 1).is_some_and(|token| token.is_sign("."))
            && tokens.get(at + 2).is_some_and(|token| matches!(token.kind, TokenKind::Word(_)));
        if is_call {
            tokens[at + 1].is_sign(".")
                && tokens.get(at + 3).is_some_and(|token| token.is_sign("("))
                && names_it
        } else {
            is_other
        }
    };
    tokens.iter().any(spells_it) || calls.any(|at| !is_plain(at))
}

/// Whether a script may look at who calls, or at the arguments of the call. Names that lead to those in other ways count
/// as a look.
pub fn may_read_call(source: &str) -> bool {
    const LEADS_THERE: [&str; 6] = ["ARGV", "_G", "getfenv", "debug", "load", "loadstring"];
    let leads_there = |token: &Token<'_>| match token.kind {
        TokenKind::Word(word) => LEADS_THERE.contains(&word),
        TokenKind::Sign(sign) => sign == "...",
        TokenKind::Text(_) | TokenKind::Number(_) => false,
    };
    tokens(source).iter().any(leads_there) || may_read(source, "user") || may_read(source, "is_member")
}

/// Whether a script may look at that field of `godra`: every use of `godra` that names another is known not to.
pub(super) fn may_read(source: &str, field: &str) -> bool {
    let tokens = tokens(source);
    let names_another = |at: usize| {
        tokens.get(at + 1).is_some_and(|token| token.is_sign("."))
            && tokens
                .get(at + 2)
                .is_some_and(|token| matches!(token.kind, TokenKind::Word(_)) && !token.is_word(field))
    };
    (0..tokens.len()).any(|at| tokens[at].is_word("_G") || tokens[at].is_word("godra") && !names_another(at))
}

/// Whether a script may use a global: itself, or one of these fields of it. Without fields, any use counts.
pub fn may_use(source: &str, global: &str, fields: &[&str]) -> bool {
    let tokens = tokens(source);
    let is_field = |at: usize| at > 0 && (tokens[at - 1].is_sign(".") || tokens[at - 1].is_sign(":"));
    let names_another = |at: usize| match &tokens[at + 1..] {
        [dot, Token { kind: TokenKind::Word(field), .. }, ..] if dot.is_sign(".") => {
            !fields.is_empty() && !fields.contains(field)
        }
        _ => false,
    };
    (0..tokens.len()).any(|at| tokens[at].is_word(global) && !is_field(at) && !names_another(at))
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    line: usize,
}

/// Operators of more than one character, longest first.
const LONG_SIGNS: [&str; 12] = ["...", "..", "==", "~=", "<=", ">=", "//", "<<", ">>", "::", "!=", "->"];

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        let line = self.line;
        let first = self.rest().chars().next()?;
        let kind = match first {
            '"' | '\'' => TokenKind::Text(self.quoted(first)),
            '[' if self.long_bracket(0).is_some() => TokenKind::Text(self.long_text(0)),
            _ if first.is_ascii_alphabetic() || first == '_' => TokenKind::Word(self.word()),
            _ if self.starts_number() => TokenKind::Number(self.number()),
            _ => TokenKind::Sign(self.sign(first)),
        };
        Some(Token { line, kind })
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    /// Goes on by so many bytes.
    fn take(&mut self, len: usize) -> &'a str {
        let taken = &self.source[self.at..][..len];
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.at += len;
        taken
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        self.take(self.rest().bytes().take_while(|byte| fits(*byte)).count())
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
            if !self.rest().starts_with("--") {
                return;
            }
            if self.long_bracket(2).is_some() {
                self.long_text(2);
            } else {
                self.take_while(|byte| byte != b'\n');
            }
        }
    }

    /// The closing bracket that belongs to a long bracket `[[`, `[=[`, … at an offset from here.
    fn long_bracket(&self, offset: usize) -> Option<String> {
        let inner = self.rest().get(offset..)?.strip_prefix('[')?;
        let level = inner.bytes().take_while(|byte| *byte == b'=').count();
        inner[level..].starts_with('[').then(|| format!("]{}]", "=".repeat(level)))
    }

    fn long_text(&mut self, offset: usize) -> Option<&'a str> {
        let close = self.long_bracket(offset)?;
        self.take(offset + close.len());
        // A line break right behind the bracket is not part of the text.
        for first in ["\r\n", "\n"] {
            if self.rest().starts_with(first) {
                self.take(first.len());
                break;
            }
        }
        let len = self.rest().find(&close).unwrap_or(self.rest().len());
        let text = self.take(len);
        self.take(close.len().min(self.rest().len()));
        Some(text)
    }

    fn quoted(&mut self, quote: char) -> Option<&'a str> {
        self.take(1);
        let start = self.at;
        let mut is_plain = true;
        while let Some(byte) = self.rest().bytes().next().filter(|byte| *byte != quote as u8) {
            if byte == b'\\' {
                is_plain = false;
                self.take(1);
            }
            let next = self.rest().chars().next().map_or(0, char::len_utf8);
            self.take(next);
        }
        let text = &self.source[start..self.at];
        self.take(self.rest().len().min(1));
        is_plain.then_some(text)
    }

    fn word(&mut self) -> &'a str {
        self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    fn starts_number(&self) -> bool {
        let mut bytes = self.rest().bytes();
        match bytes.next() {
            Some(b'.') => bytes.next().is_some_and(|byte| byte.is_ascii_digit()),
            Some(byte) => byte.is_ascii_digit(),
            None => false,
        }
    }

    /// Digits, letters and points, and a sign right behind an exponent.
    fn number(&mut self) -> &'a str {
        let start = self.at;
        loop {
            self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            let written = &self.source[start..self.at];
            let is_hexadecimal = written.starts_with("0x") || written.starts_with("0X");
            let wants_sign = !is_hexadecimal && written.ends_with(['e', 'E']);
            if !(wants_sign && self.rest().starts_with(['+', '-'])) {
                return written;
            }
            self.take(1);
        }
    }

    fn sign(&mut self, first: char) -> &'a str {
        let long = LONG_SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
        self.take(long.map_or(first.len_utf8(), |sign| sign.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: each token as `line:kind text`, with kinds w, t, n and s; `t?` is a text with escapes.
    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let found: Vec<String> = tokens(source)
            .iter()
            .map(|token| match &token.kind {
                TokenKind::Word(text) => format!("{}:w {text}", token.line),
                TokenKind::Text(Some(text)) => format!("{}:t {text}", token.line),
                TokenKind::Text(None) => format!("{}:t?", token.line),
                TokenKind::Number(text) => format!("{}:n {text}", token.line),
                TokenKind::Sign(text) => format!("{}:s {text}", token.line),
            })
            .collect();
        assert_eq!(found, expected, "{source:?}");
    }

    #[test]
    fn words_numbers_and_signs() {
        check(
            "local a_1 = 0x1F + .5e-3",
            &["1:w local", "1:w a_1", "1:s =", "1:n 0x1F", "1:s +", "1:n .5e-3"],
        );
        check("a..b...", &["1:w a", "1:s ..", "1:w b", "1:s ..."]);
        check("a~=1e5-x", &["1:w a", "1:s ~=", "1:n 1e5", "1:s -", "1:w x"]);
        check("t[i]", &["1:w t", "1:s [", "1:w i", "1:s ]"]);
        check("x //2", &["1:w x", "1:s //", "1:n 2"]);
        check("", &[]);
        check("ä", &["1:s ä"]);
    }

    #[test]
    fn comments_are_left_out() {
        check("a -- b 'c\nd", &["1:w a", "2:w d"]);
        check("--[[ x\n y ]] z", &["2:w z"]);
        check("--[==[ ]] \n]==]z --", &["2:w z"]);
        check("-- [[ no\nz", &["2:w z"]);
    }

    #[test]
    fn texts() {
        check(r#"'it' "is" 'a\'b' 'ü'"#, &["1:t it", "1:t is", "1:t?", "1:t ü"]);
        check("[[\na\nb]] c", &["1:t a\nb", "3:w c"]);
        check("[=[ ]] ]=]c", &["1:t  ]] ", "1:w c"]);
        check("'a\\\nb' c", &["1:t?", "2:w c"]);
        check("'--' b", &["1:t --", "1:w b"]);
    }

    #[test]
    fn scripts_that_may_publish() {
        let may_publish = |source: &str| may_call(source, &["spop", "publish"]);
        let check = |source: &str, expected: bool| assert_eq!(may_publish(source), expected, "{source}");
        check("return 1", false);
        check("redis.call('GET', KEYS[1])\nredis.pcall('TIME')", false);
        check("godra.publish('PUBLISHED', 1)", false);
        check("redis.call('PUBLISH', 'a', 'b')", true);
        check("redis.call('pUBLISH', 'a', 'b')", true);
        check("local p = 'publish' redis.call(p, 'a', 'b')", true);
        check("redis.call('PUB' .. 'LISH', 'a', 'b')", true);
        check("local call = redis.call call('GET', 'x')", true);
        check("local r = redis return r", true);
        check("redis['call']('GET', 'x')", true);
        check("redis.sha1hex('x') redis.log(redis.LOG_NOTICE, 'x')", false);
        check("redis.call", true);
        check("redis.call('SPOP', 'x')", true);
    }

    #[test]
    fn scripts_that_may_use_a_global() {
        let check = |source: &str, expected: bool| {
            assert_eq!(may_use(source, "math", &["random", "randomseed"]), expected, "{source}");
        };
        check("return math.floor(1)", false);
        check("-- math.random\nreturn 'math' .. lib.math.x", false);
        check("return math . random(6)", true);
        check("local m = math return m.random()", true);
        check("return math['ran' .. 'dom']()", true);
        check("math", true);
        assert!(may_use("return tostring(1)", "tostring", &[]));
        assert!(may_use("return os.clock()", "os", &[]));
        assert!(!may_use("return x.os", "os", &[]));
    }

    #[test]
    fn scripts_that_may_ask_for_the_user() {
        let check = |source: &str, expected: bool| assert_eq!(may_read(source, "user"), expected, "{source}");
        check("local user = ARGV[1] return user", false);
        check("godra.publish('user', { user = godra.now }) return godra.room", false);
        check("return godra.user.name", true);
        check("return godra . user", true);
        check("return godra['us' .. 'er']", true);
        check("local g = godra return g.user", true);
        check("return _G['god' .. 'ra'].user", true);
        check("-- godra.user\nreturn 'godra.user'", false);
    }

    #[test]
    fn who_looks_at_the_call() {
        let check = |source: &str, expected: bool| assert_eq!(may_read_call(source), expected, "{source}");
        check("return redis.call('HGETALL', KEYS[1])", false);
        check("-- ARGV: user_id\nreturn 'ARGV' .. godra.room", false);
        check("return ARGV[1]", true);
        check("return godra.user.id", true);
        check("return godra.is_member()", true);
        check("return godra.members()", false);
        check("return _G['AR' .. 'GV']", true);
        check("return getfenv().ARGV", true);
        check("return loadstring('return ARGV[1]')()", true);
        check("return ({...})[1]", true);
    }

    #[test]
    fn what_does_not_end_ends_with_the_source() {
        check("'a", &["1:t a"]);
        check("[[a", &["1:t a"]);
        check("'a\\", &["1:t?"]);
        check("--[[a", &[]);
    }
}
