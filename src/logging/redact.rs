//! Keeps tokens and codes out of the log.

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
const BLANK_CODE: &str = "[code]";

/// The text with everything blanked that looks like a token, also where its dots are percent-encoded, or like a code for another
/// password in the form in which [`crate::account::reset_code`] shows it. A device's secret looks like nothing.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    match without_tokens(text) {
        Cow::Borrowed(text) => without_codes(text),
        Cow::Owned(text) => Cow::Owned(without_codes(&text).into_owned()),
    }
}

/// Four groups of four of the code's letters and digits, with nothing of the kind around them.
fn without_codes(text: &str) -> Cow<'_, str> {
    const LENGTH: usize = 19;
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let fits = |(at, byte): (usize, &u8)| if at % 5 == 4 { *byte == b'-' } else { is_letter(*byte) };
    let is_around =
        |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
    let bytes = text.as_bytes();
    let is_code = |start: usize| {
        bytes.get(start..start + LENGTH).is_some_and(|code| code.iter().enumerate().all(fits))
            && is_around(start.checked_sub(1).and_then(|before| bytes.get(before)))
            && is_around(bytes.get(start + LENGTH))
    };
    let mut out = Cow::Borrowed("");
    let mut kept = 0;
    // Each has a hyphen behind its first group.
    for (hyphen, _) in text.match_indices('-') {
        let Some(start) = hyphen.checked_sub(4).filter(|start| *start >= kept && is_code(*start)) else {
            continue;
        };
        out += &text[kept..start];
        out += BLANK_CODE;
        kept = start + LENGTH;
    }
    if kept == 0 { Cow::Borrowed(text) } else { out + &text[kept..] }
}

fn without_tokens(text: &str) -> Cow<'_, str> {
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
    fn codes_are_blanked_in_the_form_in_which_they_are_shown() {
        let check = |text: &str, expected: &str| assert_eq!(without_secrets(text), expected);
        check("NJC7-KH5C-ABCD-2345", "[code]");
        check("a NJC7-KH5C-ABCD-2345, äNJC7-KH5C-ABCD-2345\"", "a [code], ä[code]\"");
        check("NJC7-KH5C-ABCD-2345 eyJ0.eyJ1.s NJC7-KH5C-ABCD-2345", "[code] [token] [code]");
        let code = crate::account::reset_code::ResetCode::new().reveal();
        check(&format!("broke over {code}!"), "broke over [code]!");
        for word in [
            "NJC7-KH5C-ABCD",
            "NJC7-KH5C-ABCD-234",
            "NJC7-KH5C-ABCD-23456",
            "-NJC7-KH5C-ABCD-2345",
            "NJC7-KH5C-ABCD-2345-NJC7",
            "7D1F0F0E-3F7B-4C3E-9A55-1E1D1C1B1A19",
            "njc7-kh5c-abcd-2345",
            "ä-ä-ä-----",
        ] {
            check(word, word);
        }
    }

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
