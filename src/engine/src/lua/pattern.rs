//! Lua 5.1's pattern matching, with a bound on its work and its depth. No Lua here: bytes in, positions out.
//!
//! Lua's own matcher backtracks inside one native call, where no hook can stop it, and recurses once per repetition
//! item of the pattern. This one takes the same steps in the same order, and pays for each.

/// Most captures of a pattern.
pub(super) const MAX_CAPTURES: usize = 32;
/// Deepest nesting of repetitions; the stack would end somewhere beyond.
const MAX_DEPTH: u32 = 200;
const ESCAPE: u8 = b'%';

/// What stopped a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The pattern is wrong; the text says how.
    Malformed(&'static str),
    /// The caller's meter ran out.
    Spent,
}

/// Counts the work of a match.
pub(super) trait Meter {
    /// Charges some steps; false stops the match with [`Stop::Spent`].
    fn spend(&self, steps: usize) -> bool;
}

/// One captured piece of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    /// From `start` up to, not including, `end`.
    Span { start: usize, end: usize },
    /// `()`: a position, counted from 0.
    Position(usize),
    /// Opened and never closed.
    Unfinished { start: usize },
}

/// Matches one pattern against one subject.
pub(super) struct Matcher<'a, M> {
    subject: &'a [u8],
    pattern: &'a [u8],
    meter: &'a M,
    captures: [Capture; MAX_CAPTURES],
    level: usize,
    depth: u32,
}

impl<'a, M: Meter> Matcher<'a, M> {
    /// A matcher; a `^` in front is the caller's to take off.
    pub(crate) fn new(subject: &'a [u8], pattern: &'a [u8], meter: &'a M) -> Self {
        let captures = [Capture::Position(0); MAX_CAPTURES];
        Self { subject, pattern, meter, captures, level: 0, depth: 0 }
    }

    /// Matches the pattern at exactly `start`; gives where the match ends.
    pub(super) fn match_at(&mut self, start: usize) -> Result<Option<usize>, Stop> {
        self.level = 0;
        self.depth = 0;
        self.run(start, 0)
    }

    /// Looks for the first match from `start` on, or only there; gives where it begins and ends.
    pub(super) fn search(&mut self, start: usize, is_anchored: bool) -> Result<Option<(usize, usize)>, Stop> {
        let first = self.first_single()?;
        for at in start..=self.subject.len() {
            let may_match = match first {
                Some((item, next)) => at < self.subject.len() && self.single(at, item, next),
                None => true,
            };
            if may_match && let Some(end) = self.match_at(at)? {
                return Ok(Some((at, end)));
            }
            if is_anchored {
                break;
            }
            self.pay(1)?;
        }
        Ok(None)
    }

    /// The single-character class that every match must begin with, and where the pattern goes on after it. Where there
    /// is none that is plain to see, all places must be tried.
    fn first_single(&self) -> Result<Option<(usize, usize)>, Stop> {
        const MANY_CAPTURES: usize = 4;
        let mut item = 0;
        while item < MANY_CAPTURES && self.pattern_at(item) == b'(' && self.pattern_at(item + 1) != b')' {
            item += 1;
        }
        let is_single = match (self.pattern_at(item), self.pattern_at(item + 1)) {
            (0 | b'(' | b')', _) | (b'$', 0) => false,
            (ESCAPE, kind) => kind != b'b' && kind != b'f' && !kind.is_ascii_digit(),
            _ => true,
        };
        if !is_single {
            return Ok(None);
        }
        let next = self.class_end(item)?;
        let is_needed = !matches!(self.pattern_at(next), b'*' | b'?' | b'-');
        Ok(is_needed.then_some((item, next)))
    }

    /// The captures of the last match, in the order of their opening brackets.
    pub(super) fn captures(&self) -> &[Capture] {
        &self.captures[..self.level]
    }

    /// The pattern ends at its end or, as C strings do, at a nul byte; both read as 0.
    #[inline]
    fn pattern_at(&self, index: usize) -> u8 {
        self.pattern.get(index).copied().unwrap_or(0)
    }

    fn subject_at(&self, index: usize) -> u8 {
        self.subject.get(index).copied().unwrap_or(0)
    }

    #[inline]
    fn pay(&self, steps: usize) -> Result<(), Stop> {
        if self.meter.spend(steps) { Ok(()) } else { Err(Stop::Spent) }
    }

    /// Matches the rest of the pattern, recursing where it must come back to try something else.
    fn descend(&mut self, at: usize, item: usize) -> Result<Option<usize>, Stop> {
        if self.depth == MAX_DEPTH {
            return Err(Stop::Malformed("pattern too complex"));
        }
        self.depth += 1;
        let result = self.run(at, item);
        self.depth -= 1;
        result
    }

    fn run(&mut self, mut at: usize, mut item: usize) -> Result<Option<usize>, Stop> {
        loop {
            self.pay(1)?;
            match self.pattern_at(item) {
                b'(' if self.pattern_at(item + 1) == b')' => {
                    return self.open_capture(at, item + 2, Capture::Position(at));
                }
                b'(' => return self.open_capture(at, item + 1, Capture::Unfinished { start: at }),
                b')' => return self.close_capture(at, item + 1),
                0 => return Ok(Some(at)),
                b'$' if self.pattern_at(item + 1) == 0 => {
                    return Ok((at == self.subject.len()).then_some(at));
                }
                ESCAPE if self.pattern_at(item + 1) == b'b' => match self.balanced(at, item + 2)? {
                    Some(end) => (at, item) = (end, item + 4),
                    None => return Ok(None),
                },
                ESCAPE if self.pattern_at(item + 1) == b'f' => match self.frontier(at, item + 2)? {
                    Some(next) => item = next,
                    None => return Ok(None),
                },
                ESCAPE if self.pattern_at(item + 1).is_ascii_digit() => {
                    match self.back_reference(at, self.pattern_at(item + 1))? {
                        Some(end) => (at, item) = (end, item + 2),
                        None => return Ok(None),
                    }
                }
                _ => {
                    let next = self.class_end(item)?;
                    let matches = at < self.subject.len() && self.single(at, item, next);
                    match self.pattern_at(next) {
                        b'?' => {
                            if matches && let Some(end) = self.descend(at + 1, next + 1)? {
                                return Ok(Some(end));
                            }
                            item = next + 1;
                        }
                        b'*' => return self.expand_most(at, item, next),
                        b'+' if matches => return self.expand_most(at + 1, item, next),
                        b'+' => return Ok(None),
                        b'-' => return self.expand_least(at, item, next),
                        _ if matches => (at, item) = (at + 1, next),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn expand_most(&mut self, at: usize, item: usize, next: usize) -> Result<Option<usize>, Stop> {
        let mut count = 0;
        while at + count < self.subject.len() && self.single(at + count, item, next) {
            count += 1;
            if count % 64 == 0 {
                self.pay(64)?;
            }
        }
        let needed = self.needed_byte(next + 1);
        loop {
            if self.may_follow(needed, at + count)
                && let Some(end) = self.descend(at + count, next + 1)?
            {
                return Ok(Some(end));
            }
            self.pay(1)?;
            match count.checked_sub(1) {
                Some(fewer) => count = fewer,
                None => return Ok(None),
            }
        }
    }

    fn expand_least(&mut self, mut at: usize, item: usize, next: usize) -> Result<Option<usize>, Stop> {
        let needed = self.needed_byte(next + 1);
        loop {
            if self.may_follow(needed, at)
                && let Some(end) = self.descend(at, next + 1)?
            {
                return Ok(Some(end));
            }
            self.pay(1)?;
            if at >= self.subject.len() || !self.single(at, item, next) {
                return Ok(None);
            }
            at += 1;
        }
    }

    /// The byte that the subject must go on with for the rest of the pattern to match, if that is plain to see: a
    /// repetition then need not try the rest at every place. Never where trying would find a mistake in the pattern.
    fn needed_byte(&self, mut item: usize) -> Option<u8> {
        let is_open = |capture: &&Capture| matches!(capture, Capture::Unfinished { .. });
        let mut open = self.captures().iter().filter(is_open).count();
        while self.pattern_at(item) == b')' && open > 0 {
            item += 1;
            open -= 1;
        }
        let byte = self.pattern_at(item);
        let is_literal = byte != 0 && !b"()%.[$".contains(&byte);
        let is_repeated = matches!(self.pattern_at(item + 1), b'*' | b'?' | b'-');
        (is_literal && !is_repeated).then_some(byte)
    }

    #[inline]
    fn may_follow(&self, needed: Option<u8>, at: usize) -> bool {
        needed.is_none_or(|byte| self.subject.get(at) == Some(&byte))
    }

    fn open_capture(&mut self, at: usize, item: usize, capture: Capture) -> Result<Option<usize>, Stop> {
        if self.level == MAX_CAPTURES {
            return Err(Stop::Malformed("too many captures"));
        }
        self.captures[self.level] = capture;
        self.level += 1;
        let result = self.descend(at, item)?;
        if result.is_none() {
            self.level -= 1;
        }
        Ok(result)
    }

    fn close_capture(&mut self, at: usize, item: usize) -> Result<Option<usize>, Stop> {
        let open = |capture: &Capture| matches!(capture, Capture::Unfinished { .. });
        let Some(index) = self.captures().iter().rposition(open) else {
            return Err(Stop::Malformed("invalid pattern capture"));
        };
        let before = self.captures[index];
        if let Capture::Unfinished { start } = before {
            self.captures[index] = Capture::Span { start, end: at };
        }
        let result = self.descend(at, item)?;
        if result.is_none() {
            self.captures[index] = before;
        }
        Ok(result)
    }

    fn back_reference(&self, at: usize, digit: u8) -> Result<Option<usize>, Stop> {
        let index = usize::from(digit).wrapping_sub(usize::from(b'1'));
        let captured = match self.captures().get(index) {
            Some(&Capture::Span { start, end }) => &self.subject[start..end],
            // Lua takes a position's length for a huge one, which no subject has.
            Some(Capture::Position(_)) => return Ok(None),
            _ => return Err(Stop::Malformed("invalid capture index")),
        };
        self.pay(captured.len() / 16)?;
        Ok(self.subject[at..].starts_with(captured).then_some(at + captured.len()))
    }

    fn balanced(&self, at: usize, item: usize) -> Result<Option<usize>, Stop> {
        let (open, close) = (self.pattern_at(item), self.pattern_at(item + 1));
        if open == 0 || close == 0 {
            return Err(Stop::Malformed("unbalanced pattern"));
        }
        if self.subject_at(at) != open {
            return Ok(None);
        }
        let mut depth = 1;
        for index in at + 1..self.subject.len() {
            if index % 64 == 0 {
                self.pay(64)?;
            }
            let byte = self.subject[index];
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(index + 1));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// Gives where the pattern goes on after `%f[set]`.
    fn frontier(&self, at: usize, item: usize) -> Result<Option<usize>, Stop> {
        if self.pattern_at(item) != b'[' {
            return Err(Stop::Malformed("missing '[' after '%f' in pattern"));
        }
        let next = self.class_end(item)?;
        let previous = if at == 0 { 0 } else { self.subject[at - 1] };
        let is_frontier =
            !self.in_set(previous, item, next - 1) && self.in_set(self.subject_at(at), item, next - 1);
        Ok(is_frontier.then_some(next))
    }

    /// Where the single-character class at `item` ends.
    fn class_end(&self, item: usize) -> Result<usize, Stop> {
        let mut index = item + 1;
        match self.pattern_at(item) {
            ESCAPE if self.pattern_at(index) == 0 => {
                Err(Stop::Malformed("malformed pattern (ends with '%')"))
            }
            ESCAPE => Ok(index + 1),
            b'[' => {
                if self.pattern_at(index) == b'^' {
                    index += 1;
                }
                loop {
                    let byte = self.pattern_at(index);
                    if byte == 0 {
                        return Err(Stop::Malformed("malformed pattern (missing ']')"));
                    }
                    index += 1;
                    if byte == ESCAPE && self.pattern_at(index) != 0 {
                        index += 1;
                    }
                    if self.pattern_at(index) == b']' {
                        self.pay((index - item) / 8)?;
                        return Ok(index + 1);
                    }
                }
            }
            _ => Ok(index),
        }
    }

    #[inline]
    fn single(&self, at: usize, item: usize, next: usize) -> bool {
        let byte = self.subject[at];
        match self.pattern_at(item) {
            b'.' => true,
            ESCAPE => in_class(byte, self.pattern_at(item + 1)),
            b'[' => self.in_set(byte, item, next - 1),
            literal => literal == byte,
        }
    }

    /// Whether a byte is in the set that opens at `open` and closes at `close`.
    fn in_set(&self, byte: u8, open: usize, close: usize) -> bool {
        let is_negated = self.pattern_at(open + 1) == b'^';
        let mut index = open + 1 + usize::from(is_negated);
        while index < close {
            let member = self.pattern_at(index);
            if member == ESCAPE {
                index += 1;
                if in_class(byte, self.pattern_at(index)) {
                    return !is_negated;
                }
            } else if self.pattern_at(index + 1) == b'-' && index + 2 < close {
                index += 2;
                if member <= byte && byte <= self.pattern_at(index) {
                    return !is_negated;
                }
            } else if member == byte {
                return !is_negated;
            }
            index += 1;
        }
        is_negated
    }
}

fn in_class(byte: u8, class: u8) -> bool {
    let result = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        // C's isspace also knows the vertical tab.
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    result == class.is_ascii_lowercase()
}

/// Finds `needle` in `subject` from `start` on. `None` inside if it is not there.
pub(super) fn find_plain<M: Meter>(
    subject: &[u8],
    needle: &[u8],
    start: usize,
    meter: &M,
) -> Result<Option<usize>, Stop> {
    let Some((&first, rest)) = needle.split_first() else { return Ok(Some(start)) };
    let mut at = start;
    while at + needle.len() <= subject.len() {
        let last_start = subject.len() - needle.len() + 1;
        // In pieces, so that a long search pays on its way.
        let end = last_start.min(at + 4096);
        let Some(skip) = subject[at..end].iter().position(|&byte| byte == first) else {
            if !meter.spend((end - at) / 16 + 1) {
                return Err(Stop::Spent);
            }
            at = end;
            continue;
        };
        let found = at + skip;
        let common = rest.iter().zip(&subject[found + 1..]).take_while(|(a, b)| a == b).count();
        if common == rest.len() {
            return Ok(Some(found));
        }
        if !meter.spend((skip + common) / 4 + 1) {
            return Err(Stop::Spent);
        }
        at = found + 1;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;

    struct Free;

    impl Meter for Free {
        fn spend(&self, _: usize) -> bool {
            true
        }
    }

    struct Limited(std::cell::Cell<usize>);

    impl Meter for Limited {
        fn spend(&self, steps: usize) -> bool {
            self.0.set(self.0.get().saturating_sub(steps));
            self.0.get() > 0
        }
    }

    /// What `string.find` answers: the match from the first place where there is one, and its captures.
    fn find(subject: &[u8], pattern: &[u8]) -> String {
        let (pattern, is_anchored) = match pattern.strip_prefix(b"^") {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        let mut matcher = Matcher::new(subject, pattern, &Free);
        let (start, end) = match matcher.search(0, is_anchored) {
            Err(Stop::Malformed(text)) => return text.into(),
            Err(Stop::Spent) => panic!("the meter is free"),
            Ok(None) => return "nil".into(),
            Ok(Some(found)) => found,
        };
        let mut shown = format!("{} {end}", start + 1);
        for capture in matcher.captures() {
            shown += &match *capture {
                Capture::Span { start, end } => format!(" {:?}", &subject[start..end]),
                Capture::Position(at) => format!(" {}", at + 1),
                Capture::Unfinished { .. } => return "unfinished capture".into(),
            };
        }
        shown
    }

    /// The same from Lua's own library, which takes even plain patterns for patterns here.
    fn find_by_lua(lua: &mlua::Lua, subject: &[u8], pattern: &[u8]) -> String {
        let original: mlua::Function =
            lua.globals().get::<mlua::Table>("string").unwrap().get("find").unwrap();
        let arguments = (lua.create_string(subject).unwrap(), lua.create_string(pattern).unwrap());
        let results: mlua::MultiValue = match original.call(arguments) {
            Ok(results) => results,
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                return first.trim_start_matches("runtime error: ").to_owned();
            }
        };
        let mut shown = Vec::new();
        for value in results {
            shown.push(match value {
                mlua::Value::String(text) => format!("{:?}", &*text.as_bytes()),
                mlua::Value::Nil => "nil".into(),
                mlua::Value::Integer(number) => number.to_string(),
                mlua::Value::Number(number) => number.to_string(),
                other => panic!("{other:?}"),
            });
        }
        shown.join(" ")
    }

    #[test]
    fn agrees_with_lua_on_random_patterns() {
        const ITEMS: [&str; 44] = [
            "a", "b", "ab", "1", ".", "%a", "%d", "%s", "%w", "%A", "%D", "%p", "%x", "%u", "%l", "%c", "%z",
            "[ab]", "[^a]", "[a-c]", "[%d_]", "[]]", "[^]]", "[a-]", "[%a-z]", "(", ")", "()", "%1", "%2",
            "%b()", "%f[%a]", "%f[^%w]", "%.", "%%", "(a)", "(.)", "[", "%", "%b", "%f", "-", "\0", "x",
        ];
        let lua = mlua::Lua::new();
        let mut matches = 0;
        for seed in 0..30_000 {
            let mut random = SplitMix(seed);
            let mut below = |limit: usize| (random.next_u64() % limit as u64) as usize;
            let subject: Vec<u8> = (0..below(12)).map(|_| b"aab1 ().%\0X_"[below(12)]).collect();
            let mut pattern = String::from(if below(5) == 0 { "^" } else { "" });
            for _ in 0..below(6) {
                pattern += ITEMS[below(ITEMS.len())];
                pattern += ["", "", "", "*", "+", "-", "?"][below(7)];
            }
            pattern += ["", "", "", "$"][below(4)];
            // Lua searches for patterns without special characters as they are, nul bytes and all.
            if !pattern.bytes().take_while(|&byte| byte != 0).any(|byte| b"^$*+?.([%-".contains(&byte)) {
                continue;
            }
            let expected = find_by_lua(&lua, &subject, pattern.as_bytes());
            matches += usize::from(expected.starts_with(|first: char| first.is_ascii_digit()));
            assert_eq!(find(&subject, pattern.as_bytes()), expected, "seed {seed}: {subject:?} {pattern:?}");
        }
        assert!(matches > 5_000, "only {matches} patterns matched");
    }

    #[test]
    fn a_spent_meter_stops_the_match() {
        let subject = vec![b'a'; 1000];
        let meter = Limited(std::cell::Cell::new(10_000));
        let mut matcher = Matcher::new(&subject, b"a*a*a*a*b", &meter);
        assert_eq!(matcher.match_at(0), Err(Stop::Spent));
        let meter = Limited(std::cell::Cell::new(100));
        assert_eq!(find_plain(&[b'a'; 100_000], b"aaaab", 0, &meter), Err(Stop::Spent));
    }

    #[test]
    fn plain_search() {
        let check = |subject: &str, needle: &str, start: usize, expected: Option<usize>| {
            assert_eq!(
                find_plain(subject.as_bytes(), needle.as_bytes(), start, &Free),
                Ok(expected),
                "{needle}"
            );
        };
        check("hello", "l", 0, Some(2));
        check("hello", "lo", 0, Some(3));
        check("hello", "l", 3, Some(3));
        check("hello", "l", 4, None);
        check("hello", "", 5, Some(5));
        check("hello", "hello!", 0, None);
        check("aaab", "aab", 0, Some(1));
        check(&("a".repeat(10_000) + "b"), "ab", 0, Some(9_999));
    }
}
