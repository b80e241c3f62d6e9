//! Keeps tokens out of the log.

use std::borrow::Cow;

/// How a token begins, and how to know one from a word that begins so, too.
struct Kind {
    start: &'static str,
    /// Dots in it, at least.
    dots: usize,
    /// Whether there may be a colon in it.
    has_colons: bool,
}

/// JSON Web Tokens begin with base64url of `{"`; a refresh token is as [`crate::account::refresh`] writes it.
const KINDS: [Kind; 2] =
    [Kind { start: "eyJ", dots: 1, has_colons: false }, Kind { start: "r1", dots: 6, has_colons: true }];
const BLANK: &str = "[token]";

/// The text with everything that looks like a token blanked, also where its dots are percent-encoded.
pub(super) fn without_tokens(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed("");
    let mut rest = text;
    while let Some((start, kind)) = find_start(rest) {
        let (before, from_token) = rest.split_at(start);
        let end = from_token.find(|c| !kind.may_have(c)).unwrap_or(from_token.len());
        out += before;
        if kind.is_token(&from_token[..end]) {
            out += BLANK;
            rest = &from_token[end..];
        } else {
            out += kind.start;
            rest = &from_token[kind.start.len()..];
        }
    }
    if out.is_empty() { Cow::Borrowed(rest) } else { out + rest }
}

fn find_start(text: &str) -> Option<(usize, &'static Kind)> {
    KINDS.iter().filter_map(|kind| Some((text.find(kind.start)?, kind))).min_by_key(|(start, _)| *start)
}

impl Kind {
    fn may_have(&self, c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '%') || (self.has_colons && c == ':')
    }

    fn is_token(&self, text: &str) -> bool {
        let dots = |dot: &str| text.matches(dot).count();
        dots(".") + dots("%2E") + dots("%2e") >= self.dots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_blanked_wherever_they_stand() {
        let check = |text: &str, expected: &str| assert_eq!(without_tokens(text), expected);
        check("", "");
        check("nothing here", "nothing here");
        check("eyJ0.eyJ1.sig", "[token]");
        check("GET /ws?token=eyJ0.eyJ1.s-_g&game_id=a", "GET /ws?token=[token]&game_id=a");
        check("a eyJ0.eyJ1.s b eyJ2.eyJ3. c", "a [token] b [token] c");
        check("ä\"eyJ0.e\"ö", "ä\"[token]\"ö");
        check("eyJust a word", "eyJust a word");
        check("a eyJust", "a eyJust");
        check("eyJ0%2EeyJ1%2es&a", "[token]&a");
    }

    /// A refresh token is good for a month of tokens.
    #[test]
    fn regression_refresh_tokens_are_blanked() {
        let check = |text: &str, expected: &str| assert_eq!(without_tokens(text), expected);
        check("broke over r1.Fam-_.0.1798567622.guest:BO79.Guest-QZGH.FvX-_4!", "broke over [token]!");
        check("r1.Fam.7.1798567622.42..sig", "[token]");
        check("r1%2EFam%2E0%2E17%2Eguest%3Aa%2EGuest%2Esig", "[token]");
        check("r1.Fam.7.1798567622.42..sig eyJ0.e", "[token] [token]");
        check("room r1 and er1.lua in v1.r1.2.3", "room r1 and er1.lua in v1.r1.2.3");
        check("r1r1.a.b.c.d.e.f", "[token]");
        check("r1", "r1");
    }
}
