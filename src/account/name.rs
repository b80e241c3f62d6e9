//! Usernames: which are allowed, and which count as the same. Pure functions: no store here.

use std::fmt;

use caseless::Caseless;
use unicode_ident::is_xid_continue;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Fewest and most characters of a name, counted after normalization.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=32;
/// Text longer than any name is refused before it is normalized: a character has at most 4 bytes, and NFKC turns at most
/// a handful of them into one.
const MAX_TYPED_BYTES: usize = 1024;
/// So many marks may stand on one letter. Those of living languages need no more (Unicode Technical Standard 39, section 5.4).
const MAX_MARKS: usize = 4;

/// A name that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    /// As it was typed, in Unicode's normal form NFKC.
    pub shown: String,
    /// With its case folded. Two names are the same if these are.
    pub folded: String,
}

impl Username {
    /// Checks a name: 3 to 32 letters and digits of any script, with the marks that belong to them, `_`, `-` and `.`.
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
        if !has_marks_on_letters(&shown) {
            return Err(NameError::Marks);
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
    /// Marks that stand on no letter, or too many on one.
    Marks,
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
            Self::Marks => {
                write!(
                    f,
                    "in a username an accent or vowel sign follows a letter, and no more than {MAX_MARKS} follow one"
                )
            }
            Self::NoLetter => f.write_str("a username has at least one letter or digit"),
        }
    }
}

impl std::error::Error for NameError {}

/// Letters and digits are Unicode's alphabetic and numeric characters. Marks are those of identifiers (Unicode Standard Annex 31):
/// a virama or a tone mark is as much part of a word as a letter.
pub(super) fn is_allowed(character: char) -> bool {
    let is_of_words =
        character.is_alphanumeric() || is_combining_mark(character) && is_xid_continue(character);
    is_of_words && !is_invisible(character) || matches!(character, '_' | '-' | '.')
}

/// Letters and marks that show nothing, so that two names with and without them would look alike (the default ignorable ones).
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

fn has_marks_on_letters(name: &str) -> bool {
    // In front of the first letter there is room for none.
    let mut marks = MAX_MARKS;
    name.chars().all(|character| {
        marks = match character {
            '_' | '-' | '.' => MAX_MARKS,
            // Vowel signs that are letters to Unicode, too, stand on others all the same.
            _ if is_combining_mark(character) => marks + 1,
            _ => 0,
        };
        marks <= MAX_MARKS
    })
}

/// Unicode's compatibility caseless form (The Unicode Standard, D146): folding may undo the normal form, hence again.
pub(super) fn fold(name: &str) -> String {
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
        for name in ["हिन्दी", "अर्जुन", "தமிழ்", "বাংলা", "ผู้เล่น", "ភាសាខ្មែរ", "မြန်မာ", "ಕನ್ನಡ", "שָׁלוֹם", "قُرْآن"]
        {
            assert_eq!(Username::parse(name).map(|name| name.shown), Ok(name.nfkc().collect()));
        }
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
        for mark in ['\u{fe0f}', '\u{34f}', '\u{200d}', '\u{20dd}', '\u{3164}', '\u{e0101}', '‿'] {
            // The normal form turns one of the fillers into another.
            let refused = Username::parse(&format!("ann{mark}"));
            assert!(matches!(refused, Err(NameError::Character(_))), "{mark:?}: {refused:?}");
        }
        check_refused("\u{5b0}ann", NameError::Marks);
        check_refused("a.\u{94d}nn", NameError::Marks);
        check_refused(&format!("ann{}", "\u{316}".repeat(5)), NameError::Marks);
        check(
            &format!("ann{}", "\u{316}".repeat(4)),
            "ann\u{316}\u{316}\u{316}\u{316}",
            "ann\u{316}\u{316}\u{316}\u{316}",
        );
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
