//! Glob patterns of `KEYS`, `SCAN` and `MATCH`: `*`, `?`, `[a-z]`, `[^…]` and `\`.

/// Whether the whole text matches the pattern. Takes time proportional to the product of their lengths at worst.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when the part after the last star does not match: only the last star needs a second try.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        if t == text.len() && p == pattern.len() {
            return true;
        }
        if t < text.len()
            && p < pattern.len()
            && let Some(next) = match_one(&pattern[p..], text[t])
        {
            p += next;
            t += 1;
            continue;
        }
        let Some((star, start)) = retry.filter(|(_, start)| *start < text.len()) else { return false };
        retry = Some((star, start + 1));
        (p, t) = (star, start + 1);
    }
}

/// Matches one byte with the pattern's first element, and gives that element's length.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (matched, len) = match_class(class, byte);
            matched.then_some(1 + len)
        }
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
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
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} {text:?}");
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

    #[test]
    fn many_stars_are_no_trap() {
        let pattern = "a*".repeat(50) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(5_000).as_bytes()));
    }
}
