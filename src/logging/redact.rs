//! Keeps tokens out of the log.

use std::borrow::Cow;

/// How every JSON Web Token starts: base64url of `{"`.
const TOKEN_START: &str = "eyJ";
const BLANK: &str = "[token]";

/// The text with everything that looks like a JSON Web Token blanked.
pub(super) fn without_tokens(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed("");
    let mut rest = text;
    while let Some(start) = rest.find(TOKEN_START) {
        let (before, from_token) = rest.split_at(start);
        let end = from_token.find(|c: char| !is_token_character(c)).unwrap_or(from_token.len());
        let (candidate, after) = from_token.split_at(end);
        out += before;
        out += if candidate.contains('.') { BLANK } else { candidate };
        rest = after;
    }
    if out.is_empty() { Cow::Borrowed(rest) } else { out + rest }
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=')
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
    }
}
