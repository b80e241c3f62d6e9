//! Names that look alike: what of a name is compared, after Unicode Technical Standard 39, section 4. Pure functions.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_security::{UNICODE_VERSION, skeleton};

/// Raised when the skeletons of names change by what is written here.
const VERSION: u32 = 1;

/// Whether a name may be given that looks like another one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfusableNames {
    /// It is refused as one that is taken.
    #[default]
    Refuse,
    /// It is given. The first of those that look alike keeps the skeletons.
    Allow,
}

impl ConfusableNames {
    /// Parses `refuse` or `allow`.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "allow" => Ok(Self::Allow),
            _ => Err("expected refuse or allow".to_owned()),
        }
    }
}

/// The skeletons of a name, one or two, in ascending order: two names look alike if they have one in common.
///
/// Players see names as they were typed, in which a capital I is the l of another; but names that differ in case alone are the
/// same, so the name with its case folded is looked at, too.
pub fn skeletons(shown: &str) -> Vec<String> {
    let mut found = [of(shown), of(&super::name::fold(shown))].to_vec();
    found.sort();
    found.dedup();
    found
}

fn of(name: &str) -> String {
    // The table of what looks alike has capitals in it, as the O for a zero.
    skeleton(name).default_case_fold().nfd().collect()
}

/// What skeletons are made by. Those of another version are worth nothing.
pub fn version() -> String {
    let (major, minor, update) = UNICODE_VERSION;
    format!("{VERSION}-{major}.{minor}.{update}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, look_alike: bool) {
        let (ours, theirs) = (skeletons(one), skeletons(other));
        let in_common = ours.iter().any(|skeleton| theirs.contains(skeleton));
        assert_eq!(in_common, look_alike, "{one:?} {ours:?}, {other:?} {theirs:?}");
    }

    #[test]
    fn names_that_look_alike() {
        check("Alice", "AIice", true);
        check("alice", "AIice", true);
        check("Alice", "\u{410}lice", true);
        check("alice", "\u{410}LICE", true);
        check("ALICE", "\u{410}LICE", true);
        check("player1", "playerl", true);
        check("PLAYER1", "playerl", true);
        check("b0b", "Bob", true);
        check("adrnin", "admin", true);
        check("カーカー", "力一力ー", true);
    }

    #[test]
    fn names_that_do_not() {
        check("Alice", "Alicia", false);
        check("player1", "player2", false);
        check("jose", "jos\u{e9}", false);
        check("a_b", "a-b", false);
        check("кот", "kot", false);
        check("日本人", "日本大", false);
    }

    #[test]
    fn a_name_has_one_or_two_skeletons_in_order() {
        assert_eq!(skeletons("ann"), ["ann"]);
        assert_eq!(skeletons("ALICE"), ["alice", "allce"]);
    }
}
