//! Usernames: which are allowed, and which count as the same. Pure functions: no store here.

use std::fmt;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// Fewest and most characters of a name, counted after normalization.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=32;
/// Text longer than any name is refused before it is normalized: a character has at most 4 bytes, and NFKC turns at most
/// a handful of them into one.
const MAX_TYPED_BYTES: usize = 1024;

/// A name that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    /// As it was typed, in Unicode's normal form NFKC.
    pub shown: String,
    /// With its case folded. Two names are the same if these are.
    pub folded: String,
}

impl Username {
    /// Checks a name: 3 to 32 letters and digits of any script, `_`, `-` and `.`.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn parse(typed: &str) -> Result<Self, NameError> {
        if typed.len() > MAX_TYPED_BYTES {
            return Err(NameError::Length);
        }
        let shown: String = typed.nfkc().collect();
        if let Some(character) = shown.chars().find(|character| !is_allowed(*character)) {
            return Err(NameError::Character(character));
        }
        if !LENGTHS.contains(&shown.chars().count()) {
            return Err(NameError::Length);
        }
        if !shown.chars().any(char::is_alphanumeric) {
            return Err(NameError::NoLetter);
        }
        Ok(Self { folded: fold(&shown), shown })
    }

    /// What a name that was typed at login is looked up by; it need not be allowed, as then nobody has it.
    pub fn lookup(typed: &str) -> Option<String> {
        Self::parse(typed).ok().map(|name| name.folded)
    }
}

/// Which rule a name breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Too short or too long.
    Length,
    /// This character is not allowed.
    Character(char),
    /// Nothing but `_`, `-` and `.`.
    NoLetter,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => {
                write!(f, "a username has {} to {} characters", LENGTHS.start(), LENGTHS.end())
            }
            Self::Character(character) => {
                write!(f, "a username has letters, digits, '_', '-' and '.' only, not {character:?}")
            }
            Self::NoLetter => f.write_str("a username has at least one letter or digit"),
        }
    }
}

impl std::error::Error for NameError {}

/// Letters and digits are Unicode's alphabetic and numeric characters, vowel signs and the like included.
fn is_allowed(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

/// Unicode's compatibility caseless form (The Unicode Standard, D146): folding may undo the normal form, hence again.
fn fold(name: &str) -> String {
    name.nfd().default_case_fold().nfkd().default_case_fold().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, shown: &str, folded: &str) {
        let name = Username::parse(typed).unwrap();
        assert_eq!((name.shown.as_str(), name.folded.as_str()), (shown, folded), "{typed:?}");
    }

    #[track_caller]
    fn check_refused(typed: &str, expected: NameError) {
        assert_eq!(Username::parse(typed), Err(expected), "{typed:?}");
    }

    #[test]
    fn names_that_are_allowed() {
        check("Ann", "Ann", "ann");
        check("x_-.9", "x_-.9", "x_-.9");
        check("Ångström", "Ångström", "ångström");
        check("A\u{30a}ke", "Åke", "åke");
        check("Ａｄａ", "Ada", "ada");
        check("ﬁsh", "fish", "fish");
        check("Straße", "Straße", "strasse");
        check("ΣΊΣΥΦΟΣ", "ΣΊΣΥΦΟΣ", "σίσυφοσ");
        check("σίσυφος", "σίσυφος", "σίσυφοσ");
        check("हिंदी", "हिंदी", "हिंदी");
        check("プレイヤー１", "プレイヤー1", "プレイヤー1");
        check(&"x".repeat(32), &"x".repeat(32), &"x".repeat(32));
        check(&"文".repeat(32), &"文".repeat(32), &"文".repeat(32));
    }

    #[test]
    fn names_that_are_not() {
        check_refused("", NameError::Length);
        check_refused("ab", NameError::Length);
        check_refused(&"x".repeat(33), NameError::Length);
        check_refused(&"x".repeat(2000), NameError::Length);
        // One character of four bytes that becomes 18 in the normal form: counted after it.
        check_refused("\u{fdfa}\u{fdfa}", NameError::Character(' '));
        check_refused("a b", NameError::Character(' '));
        check_refused(" ann", NameError::Character(' '));
        check_refused("ann\n", NameError::Character('\n'));
        check_refused("an\0n", NameError::Character('\0'));
        check_refused("ann@home", NameError::Character('@'));
        check_refused("a\u{202e}nn", NameError::Character('\u{202e}'));
        check_refused("ann\u{200b}", NameError::Character('\u{200b}'));
        check_refused("guest:1", NameError::Character(':'));
        check_refused("😀😀😀", NameError::Character('😀'));
        check_refused("...", NameError::NoLetter);
        check_refused("_-_", NameError::NoLetter);
    }

    #[test]
    fn the_rule_is_told() {
        assert_eq!(NameError::Length.to_string(), "a username has 3 to 32 characters");
        assert!(NameError::Character('@').to_string().contains("'@'"));
    }

    #[test]
    fn a_folded_name_folds_to_itself() {
        for typed in ["Straße", "ǅungla", "İstanbul", "ﬀﬃx", "ΐΐΐ", "ŉabc", "ᾳᾳᾳ"] {
            let folded = Username::parse(typed).unwrap().folded;
            assert_eq!(fold(&folded), folded, "{typed}");
        }
    }
}
