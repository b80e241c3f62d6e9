//! Which name somebody meant who wrote another.

use std::iter;

/// The one of the `known` names that differs from `word` in nothing but the way in which words are joined (`takeItem`,
/// `take-item`, `take_item`), or in one slip of the pen. The first in the order of the alphabet, if several do.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let meant = bare(word);
    let is_near = |name: &&str| {
        // Most names are too short or too long, and need no copy.
        let is_about_as_long = name.len().abs_diff(word.len()) <= MAX_JOINTS;
        is_about_as_long && is_near(&meant, &bare(name))
    };
    known.filter(is_near).min()
}

/// By how many bytes a name can be longer than what was meant by it: its underscores, and one letter.
const MAX_JOINTS: usize = 8;

fn is_near(word: &str, name: &str) -> bool {
    // In a word of two letters one slip makes anything of it.
    word == name || (word.len() > 2 && is_one_slip_away(word, name))
}

fn bare(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether one letter dropped, added or changed, or two neighbours swapped, turns `word` into `name`.
pub(super) fn is_one_slip_away(word: &str, name: &str) -> bool {
    let (word, name) = (word.as_bytes(), name.as_bytes());
    let same_start = iter::zip(word, name).take_while(|(a, b)| a == b).count();
    let (word, name) = (&word[same_start..], &name[same_start..]);
    let same_end = iter::zip(word.iter().rev(), name.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&word[..word.len() - same_end], &name[..name.len() - same_end]) {
        ([_], []) | ([], [_]) | ([_], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_near() {
        let check = |word: &str, expected: Option<&str>| {
            let known = ["move_player", "send_chat", "set", "go", "hit"];
            assert_eq!(nearest(word, known.into_iter()), expected, "{word}");
        };
        check("mvoe_player", Some("move_player"));
        check("move_playr", Some("move_player"));
        check("movePlayer", Some("move_player"));
        check("move-player", Some("move_player"));
        check("MovePlayers", Some("move_player"));
        check("sets", Some("set"));
        check("it", None);
        check("sit", Some("hit"));
        check("jump", None);
        check("", None);
        check("___", None);
        check("sett", Some("set"));
        check("set\u{e9}", None);
    }
}
