//! Names that nobody can give to themselves: those of who runs the game.

use std::collections::HashSet;
use std::sync::Arc;

use super::look_alikes::skeletons;
use super::name::{Username, is_allowed};

/// What nobody is called who does not run the game.
const BUILT_IN: &str = "admin administrator moderator mod owner operator root superuser sysadmin system server \
    staff support helpdesk official security gamemaster gm developer godra guest everyone all here nobody \
    anonymous null undefined";

/// Reserved names. A name is one of them in any case, with `_`, `-` and `.` at any place, and if it looks like one.
#[derive(Clone, Debug)]
pub struct ReservedNames(Arc<HashSet<String>>);

impl Default for ReservedNames {
    fn default() -> Self {
        Self::of(BUILT_IN.split_whitespace().map(str::to_owned))
    }
}

impl ReservedNames {
    /// Parses a comma list of names, of `default` for those built in, and of files (`@PATH`) with a name a line, where `#` begins
    /// a comment; or `off` for none.
    ///
    /// # Errors
    /// When a name could be nobody's, or a file cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::of([]));
        }
        let mut names = Vec::new();
        for entry in text.split(',').map(str::trim) {
            match (entry, entry.strip_prefix('@')) {
                ("default", _) => names.extend(BUILT_IN.split_whitespace().map(str::to_owned)),
                (_, Some(path)) => read_file(path, &mut names)?,
                (name, None) => names.push(checked(name)?),
            }
        }
        Ok(Self::of(names))
    }

    fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(names.into_iter().flat_map(|name| skeletons(&bare(&name))).collect()))
    }

    /// Whether a name is reserved, or looks as if it were.
    pub fn contains(&self, name: &Username) -> bool {
        !self.0.is_empty() && skeletons(&bare(&name.shown)).iter().any(|skeleton| self.0.contains(skeleton))
    }
}

fn read_file(path: &str, names: &mut Vec<String>) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let text = text.trim_start_matches('\u{feff}');
    for (index, line) in text.lines().enumerate() {
        let name = line.split('#').next().unwrap_or_default().trim();
        if !name.is_empty() {
            names.push(checked(name).map_err(|reason| format!("{path}:{}: {reason}", index + 1))?);
        }
    }
    Ok(())
}

/// A shorter name than anybody may have is a good one: with a `_` in it somebody could.
fn checked(name: &str) -> Result<String, String> {
    // What looks like an address or a key may be one, with its password.
    let is_shown = name.len() <= 64 && !name.contains(['@', '/']) && !name.chars().any(char::is_control);
    let shown = if is_shown { format!("{name:?}") } else { format!("({} bytes)", name.len()) };
    let is_name = name.chars().all(is_allowed) && !bare(name).is_empty();
    is_name.then(|| name.to_owned()).ok_or_else(|| {
        format!(
            "{shown} cannot be a username, which has letters, digits, '_', '-' and '.' only; expected names with commas, \
             default, @FILE with a name a line, or off"
        )
    })
}

fn bare(name: &str) -> String {
    name.chars().filter(|character| !matches!(character, '_' | '-' | '.')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reserved: &ReservedNames, name: &str, expected: bool) {
        assert_eq!(reserved.contains(&Username::parse(name).unwrap()), expected, "{name:?}");
    }

    #[test]
    fn names_of_who_runs_the_game_are_reserved_in_any_guise() {
        let reserved = ReservedNames::default();
        for name in [
            "admin",
            "ADMIN",
            "Moderator",
            "\u{430}dmin",
            "adrnin",
            "AD.MIN",
            "_system_",
            "G-M",
            "r00t",
            "Guest",
        ] {
            check(&reserved, name, true);
        }
        for name in ["admiral", "admin2", "modest", "ann", "guestbook", "Guest-ABCD"] {
            check(&reserved, name, false);
        }
    }

    #[test]
    fn a_list_takes_the_place_of_the_names_built_in() {
        let reserved = ReservedNames::parse("studio, Ann").unwrap();
        check(&reserved, "STUDIO", true);
        check(&reserved, "ann", true);
        check(&reserved, "admin", false);
        let reserved = ReservedNames::parse("default,studio").unwrap();
        check(&reserved, "studio", true);
        check(&reserved, "admin", true);
        check(&ReservedNames::parse("off").unwrap(), "admin", false);
    }

    #[test]
    fn names_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        std::fs::write(&path, "\u{feff}# ours\nstudio\r\n\n  Ann # the founder\n").unwrap();
        let reserved = ReservedNames::parse(&format!("bob,@{}", path.display())).unwrap();
        for name in ["studio", "ann", "bob"] {
            check(&reserved, name, true);
        }
        std::fs::write(&path, "ann\nb b\n").unwrap();
        let refusal = ReservedNames::parse(&format!("@{}", path.display())).unwrap_err();
        assert!(refusal.contains("names:2: \"b b\" cannot be a username"), "{refusal}");
        let refusal = ReservedNames::parse("@/no/such/file").unwrap_err();
        assert!(refusal.starts_with("/no/such/file cannot be read"), "{refusal}");
    }

    #[test]
    fn what_nobody_can_be_called_is_refused() {
        for text in ["", "ann,", "a b", "ann@home", "...", "\u{200b}ann"] {
            assert!(ReservedNames::parse(text).is_err(), "{text:?}");
        }
    }
}
