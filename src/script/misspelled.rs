//! Fields of `godra` that there are not, and options of its functions, with the one that was meant.

use super::portability::arguments;
use super::tokens::{Token, TokenKind, tokens};

/// Everything that a script finds in `godra`.
pub(super) const FIELDS: [&str; 25] = [
    "array",
    "cancel",
    "cell",
    "delete",
    "error",
    "home",
    "is_member",
    "join",
    "leave",
    "ledger",
    "load",
    "lobbies_per_owner",
    "log",
    "members",
    "now",
    "payload",
    "publish",
    "remove",
    "room",
    "room_ttl",
    "save",
    "send",
    "state",
    "tell",
    "user",
];

/// And in `godra.state`.
pub(super) const OF_STATE: [&str; 5] = ["all", "delete", "get", "incr", "set"];

/// What functions for documents take as options, and as which argument, from 0.
const OPTIONS: [(&str, usize, &[&str]); 3] = [
    ("delete", 1, &["new_owner", "owner", "version"]),
    ("ledger", 3, &["allow_negative", "key", "owner"]),
    ("save", 2, &["new_owner", "owner", "version"]),
];

/// With their lines.
pub(super) fn findings(text: &str) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let is_field = at > 0 && (tokens[at - 1].is_sign(".") || tokens[at - 1].is_sign(":"));
        if !tokens[at].is_word("godra") || is_field {
            continue;
        }
        let Some((line, name)) = field(&tokens[at + 1..]) else { continue };
        if !FIELDS.contains(&name) {
            found.push((line, said("godra", name, &FIELDS)));
        } else if name == "state"
            && let Some((line, name)) = field(&tokens[at + 3..])
            && !OF_STATE.contains(&name)
        {
            found.push((line, said("godra.state", name, &OF_STATE)));
        } else if let Some((_, place, known)) = OPTIONS.iter().find(|(function, ..)| *function == name) {
            found.extend(options(&tokens[at + 3..], name, *place, known));
        }
    }
    found
}

/// Of a call whose opening parenthesis is the first token: options that are spelled out there, and unknown.
fn options(tokens: &[Token<'_>], function: &str, place: usize, known: &[&str]) -> Vec<(usize, String)> {
    let arguments = arguments(tokens).unwrap_or_default();
    let Some(table) = arguments.get(place).filter(|table| table[0].is_sign("{")) else { return Vec::new() };
    let mut found = Vec::new();
    let mut depth = 0;
    for (at, token) in table.iter().enumerate() {
        let opens = ["{", "(", "["].iter().any(|sign| token.is_sign(sign)) || token.is_word("function");
        let closes = ["}", ")", "]"].iter().any(|sign| token.is_sign(sign)) || token.is_word("end");
        depth += i32::from(opens) - i32::from(closes);
        let is_named = table.get(at + 1).is_some_and(|next| next.is_sign("="));
        let TokenKind::Word(name) = token.kind else { continue };
        if depth == 1 && is_named && !known.contains(&name) {
            let known = known.join(", ");
            found.push((token.line, format!("godra.{function} has no option {name}: there are {known}")));
        }
    }
    found
}

/// The name behind a point.
fn field<'a>(tokens: &[Token<'a>]) -> Option<(usize, &'a str)> {
    match tokens {
        [point, Token { line, kind: TokenKind::Word(name) }, ..] if point.is_sign(".") => Some((*line, name)),
        _ => None,
    }
}

fn said(table: &str, name: &str, known: &[&str]) -> String {
    let nearest = known.iter().min_by_key(|known| distance(name, known)).expect("there are some");
    match distance(name, nearest) * 2 <= name.len() {
        true => format!("there is no {table}.{name}: do you mean {table}.{nearest}?"),
        false => format!("there is no {table}.{name}: there are {}", known.join(", ")),
    }
}

/// How many letters must be put in, left out, changed or swapped with their neighbour to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let cost = usize::from(one[i - 1] != other[j - 1]);
                let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
                if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = findings(text);
        let found: Vec<(usize, &str)> = found.iter().map(|(line, message)| (*line, &**message)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_nearest_is_named() {
        check("godra.publish('x') godra.user.nmae = 1 x.godra.y()", &[]);
        check("\ngodra.publsh('x')", &[(2, "there is no godra.publsh: do you mean godra.publish?")]);
        check(
            "return godra . is_memebr()",
            &[(1, "there is no godra.is_memebr: do you mean godra.is_member?")],
        );
        check("godra.state.gett('x')", &[(1, "there is no godra.state.gett: do you mean godra.state.get?")]);
        check("godra.state.get('x') local g = godra['x'] -- godra.nothing", &[]);
        let [(1, message)] = &findings("godra.teleport(1)")[..] else { panic!("one finding") };
        assert!(message.starts_with("there is no godra.teleport: there are array, cancel, "), "{message}");
    }

    #[test]
    fn options_that_there_are_not() {
        check(
            "godra.ledger(a, { key = 1 }, 'x', { key = 'k', owner = f({ keys = 1 }), allow_negative = true })",
            &[],
        );
        check(
            "godra.ledger(a, {gold = 1}, 'x', {\n  Key = 'k' })",
            &[(2, "godra.ledger has no option Key: there are allow_negative, key, owner")],
        );
        check(
            "godra.save(a, { versoin = 1 }, { versoin = 1 }) godra.delete(a, { owner = 1 }) godra.ledger(a, b, c, d)",
            &[(1, "godra.save has no option versoin: there are new_owner, owner, version")],
        );
    }

    #[test]
    fn the_stores_have_these_fields() {
        let prelude = include_str!("../state/redis/prelude.lua");
        let embedded = include_str!("../state/embedded/library.rs");
        let both = include_str!("../state/library.lua");
        let mail = include_str!("../state/redis/mail.lua");
        for name in FIELDS {
            let is_text = |text: &str, front: &str| text.contains(&format!("{front}\"{name}\""));
            let is_in_both = both.contains(&format!("library.{name}"));
            let is_in_redis = is_text(prelude, "") || prelude.contains(&format!("godra.{name}"));
            let is_assigned = prelude.contains(&format!(" {name} = "));
            assert!(is_in_redis || is_assigned, "{name}");
            // Messages are in a module of their own in each store.
            let is_mail = mail.contains(&format!("function mail.{name}("));
            assert!(is_in_both || is_mail || is_text(embedded, "c") || is_text(embedded, "b"), "{name}");
        }
        for name in OF_STATE {
            assert!(both.contains(&format!("function state.{name}(")), "{name}");
        }
    }
}
