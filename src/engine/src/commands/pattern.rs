//! Glob patterns of `KEYS`, `SCAN` and `MATCH`: `*`, `?`, `[a-z]`, `[^…]` and `\`.

use super::super::keyspace::WorkLeft;
use super::failure::Failure;

/// Nanoseconds for each byte of a pattern that is compared.
pub(super) const STEP_NS: f64 = 4.0;

/// Whether the whole text matches the pattern. What stands between two stars is tried at every place, so that at worst it takes the
/// product of both lengths: bytes of the pattern are what it counts.
pub(super) fn matches(pattern: &[u8], text: &[u8], work: &mut WorkLeft) -> Result<bool, Failure> {
    let (mut p, mut t) = (0, 0);
    // Where to go on when the part after the last star does not match: only the last star needs a second try.
    let mut retry: Option<(usize, usize)> = None;
    let mut compared = 0;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return Ok(true);
            }
            retry = Some((p, t));
            continue;
        }
        if t == text.len() && p == pattern.len() {
            return Ok(true);
        }
        if t < text.len() && p < pattern.len() {
            let (is_match, len) = match_one(&pattern[p..], text[t]);
            compared += len;
            if is_match {
                p += len;
                t += 1;
                continue;
            }
        }
        let Some((star, start)) = retry.filter(|(_, start)| *start < text.len()) else { return Ok(false) };
        work.spend(compared + 1)?;
        compared = 0;
        retry = Some((star, start + 1));
        (p, t) = (star, start + 1);
    }
}

/// Whether one byte matches the pattern's first element, and how long that element is.
fn match_one(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', class @ ..] => {
            let (is_match, len) = match_class(class, byte);
            (is_match, 1 + len)
        }
        [b'\\', escaped, ..] => (*escaped == byte, 2),
        [literal, ..] => (*literal == byte, 1),
        [] => (false, 0),
    }
}

/// Matches a byte with a class, and gives the class's length with its bracket; a missing bracket is at the end.
fn match_class(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut matched = false;
    loop {
        match &class[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                matched |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                matched |= (*first.min(last)..=*first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                matched |= *literal == byte;
                at += 1;
            }
        }
    }
    (matched != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let found = matches(pattern.as_bytes(), text.as_bytes(), &mut WorkLeft::of(1000));
            assert_eq!(found, Ok(expected), "{pattern:?} {text:?}");
        };
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("*", "abc", true);
        check("a*", "abc", true);
        check("a*c", "abc", true);
        check("a*d", "abc", false);
        check("a*b*c", "aXbXbXc", true);
        check("**c", "abc", true);
        check("h?llo", "hello", true);
        check("h?llo", "hllo", false);
        check("h[ae]llo", "hallo", true);
        check("h[ae]llo", "hillo", false);
        check("h[^e]llo", "hallo", true);
        check("h[^e]llo", "hello", false);
        check("h[a-b]llo", "hbllo", true);
        check("h[b-a]llo", "hallo", true);
        // A hyphen always makes a range, even one that ends at the bracket.
        check("[a-]", "-", false);
        check("[a-]", "^", true);
        check("[abc", "c", true);
        check("[", "a", false);
        check("[^", "a", true);
        check("[\\]]", "]", true);
        check("[]", "]", false);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("\\", "\\", true);
        check("game:*:players", "game:abc:players", true);
        check("game:*:players", "game:abc:state", false);
    }

    /// How many bytes of the pattern are compared: far fewer than this are allowed to many keys at once.
    fn steps(pattern: &str, text: &str) -> usize {
        const ENOUGH: usize = 1 << 30;
        let mut work = WorkLeft::of(ENOUGH);
        matches(pattern.as_bytes(), text.as_bytes(), &mut work).unwrap();
        (0..ENOUGH).rev().find(|steps| work.spend(*steps).is_ok()).map_or(0, |left| ENOUGH - left)
    }

    #[test]
    fn many_stars_are_no_trap() {
        let pattern = "a*".repeat(50) + "b";
        assert!(steps(&pattern, &"a".repeat(5_000)) < 20_000);
    }

    #[test]
    fn usual_patterns_take_as_many_steps_as_there_are_bytes() {
        let key = "game:".to_owned() + &"x".repeat(1000) + ":players";
        for pattern in ["*", "game:*", "game:*:players", "*:players", "game:*:state", "other:*", "*[0-9]*"] {
            assert!(steps(pattern, &key) <= 8 * key.len(), "{pattern}: {}", steps(pattern, &key));
        }
    }

    #[test]
    fn what_would_take_the_product_of_both_lengths_stops() {
        let check = |pattern: &str, text: &str| {
            let mut work = WorkLeft::of(1_000_000);
            assert!(matches(pattern.as_bytes(), text.as_bytes(), &mut work).is_err());
        };
        let text = "a".repeat(100_000);
        check(&format!("*{}b", "a".repeat(50_000)), &text);
        check(&format!("*{}b", "[ab]".repeat(1000)), &text);
        check(&format!("*[{}]b", "a".repeat(1000)), &text);
        check(&format!("*{}b", "?".repeat(1000)), &text);
    }
}
