//! Several games on one server: each has a folder of scripts of its own, `games/NAME/` in the folder of scripts.
//!
//! Here is which folders are games; what is in one is the catalogue's. A game whose folder goes away while the server runs is
//! kept, so that its rooms go on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{Problem, is_script_path};
use super::{KeyPattern, ScriptSet};
use crate::wire::ids::{GAME_SIGN, MAX_GAME_LEN, is_game_name};

/// Where they are, in the folder of scripts.
pub(super) const FOLDER: &str = "games";
/// So many games may a server have besides the default one.
pub(super) const MAX_GAMES: usize = 64;
/// Names of folders that are told one by one.
const MAX_TOLD: usize = 8;

/// What is in the folder of games.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Those that are there, with their folders, in the order of their names.
    pub games: Vec<(Arc<str>, PathBuf)>,
    /// Those that have been there before.
    pub gone: Vec<Arc<str>>,
    pub problems: Vec<Problem>,
}

/// Looks for games in a folder of scripts; those that are known go first if there are too many.
pub(super) fn find(dir: &Path, known: &BTreeMap<Arc<str>, Arc<ScriptSet>>) -> Found {
    let folder = dir.join(FOLDER);
    let mut found = Found::default();
    let problem = |path: &Path, message: String| Problem { path: path.to_owned(), line: None, message };
    let paths = match entries(&folder) {
        Ok(paths) => paths,
        Err(error) => {
            let message = match error.kind() {
                io::ErrorKind::NotADirectory => "is a file: games are folders in it".to_owned(),
                _ => format!("cannot read the games' folder: {error}"),
            };
            found.problems.push(problem(&folder, message));
            Vec::new()
        }
    };
    let mut misnamed = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !path.is_dir() {
            if is_script_path(&path) {
                let message =
                    format!("is of no game: a game's scripts are in a folder, {FOLDER}/NAME/{name}");
                found.problems.push(problem(&path, message));
            }
        } else if is_game_name(&name) {
            found.games.push((known_name(known, &name), path));
        } else {
            misnamed.push(path);
        }
    }
    let rule = format!("a game's name is 1 to {MAX_GAME_LEN} of a-z, 0-9, _ and -, a letter first");
    for path in misnamed.iter().take(MAX_TOLD) {
        found.problems.push(problem(path, format!("is no game: {rule}")));
    }
    if let Some(more) = misnamed.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
        found.problems.push(problem(&folder, format!("{more} more folders are no games: {rule}")));
    }
    found.problems.extend(leave_out(&mut found.games, known).map(|message| problem(&folder, message)));
    let is_there = |name: &&Arc<str>| found.games.iter().any(|(game, _)| game == *name);
    found.gone = known.keys().filter(|name| !is_there(name)).cloned().collect();
    for game in &found.gone {
        let message = "is gone: this game's rooms go on by its last version until the server starts again";
        found.problems.push(problem(&folder.join(&**game), message.to_owned()));
    }
    found
}

/// The game that a key is of by its name; none for the default one. A key has a game's name where its room's id begins, or in front.
fn game_of_key(key: &[u8]) -> Option<&str> {
    let (front, _) = key.split_at(key.iter().position(|byte| char::from(*byte) == GAME_SIGN)?);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let name = &front[front.iter().rposition(|byte| !allowed(byte)).map_or(0, |at| at + 1)..];
    std::str::from_utf8(name).ok().filter(|name| is_game_name(name))
}

/// Why a script of a game (none: the default one) may not work on a key that it names; none if it may. `is_game` tells which other
/// games there are.
pub fn refuse_key(game: Option<&str>, key: &[u8], is_game: impl Fn(&str) -> bool) -> Option<String> {
    /// How much is shown of a key that may be anything.
    const SHOWN: usize = 100;
    let is_own = match (game, game_of_key(key)) {
        (Some(game), named) => named == Some(game) || key == KeyPattern::GUESTS.as_bytes(),
        (None, Some(named)) => !is_game(named),
        (None, None) => true,
    };
    let shown = || String::from_utf8_lossy(key).chars().take(SHOWN).collect::<String>();
    let of = || game.map_or_else(|| "the default game".to_owned(), |game| format!("the game {game:?}"));
    (!is_own).then(|| format!("the key {:?} is none of {}: work on KEYS", shown(), of()))
}

/// Every folder that is a game's, as far as they are looked at, behind the one that they are in.
pub(super) fn folders(dir: &Path) -> Vec<PathBuf> {
    let folder = dir.join(FOLDER);
    let Ok(paths) = entries(&folder) else { return Vec::new() };
    let is_game = |path: &PathBuf| path.file_name().is_some_and(|name| is_game_name(&name.to_string_lossy()));
    let games = paths.into_iter().filter(is_game).filter(|path| path.is_dir()).take(MAX_GAMES);
    if folder.is_dir() { std::iter::once(folder).chain(games).collect() } else { Vec::new() }
}

/// What is not hidden in the folder of games, in the order of the names; nothing if there is no such folder.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| !path.file_name().unwrap_or_default().to_string_lossy().starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn known_name(known: &BTreeMap<Arc<str>, Arc<ScriptSet>>, name: &str) -> Arc<str> {
    known.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone())
}

/// Keeps as many games as there may be, and says which are left out.
fn leave_out(
    games: &mut Vec<(Arc<str>, PathBuf)>,
    known: &BTreeMap<Arc<str>, Arc<ScriptSet>>,
) -> Option<String> {
    // Those that have gone meanwhile go on, too.
    let is_there = |name: &&Arc<str>| games.iter().any(|(game, _)| game == *name);
    let gone = known.keys().filter(|name| !is_there(name)).count();
    let most = MAX_GAMES.saturating_sub(gone);
    let count = games.len();
    if count <= most {
        return None;
    }
    games.sort_by_key(|(name, _)| (!known.contains_key(name), name.clone()));
    let left_out = games.split_off(most);
    games.sort();
    let told: Vec<&str> = left_out.iter().take(MAX_TOLD).map(|(name, _)| &**name).collect();
    let more = if left_out.len() > MAX_TOLD { ", …" } else { "" };
    Some(format!(
        "{count} games are too many: at most {MAX_GAMES} are served, and left out are {}{more}",
        told.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_their_game() {
        let check = |key: &str, expected| assert_eq!(game_of_key(key.as_bytes()), expected, "{key}");
        check("game:hall", None);
        check("lobbies", None);
        check("", None);
        check("game:chess~hall", Some("chess"));
        check("game:chess~hall:players", Some("chess"));
        check("chess~lobbies", Some("chess"));
        check("chess~user:guest:a-b:gold", Some("chess"));
        check("of:7:in:go-2~hall:x", Some("go-2"));
        check("game:chess~go~x", Some("chess"));
        check("game:~hall", None);
        check("~lobbies", None);
        check("game:Chess~hall", None);
        check("game:9lives~hall", None);
        assert_eq!(game_of_key(b"\xffchess~x"), Some("chess"));
    }

    #[test]
    fn scripts_work_on_keys_of_their_game_alone() {
        let is_game = |name: &str| ["chess", "go"].contains(&name);
        let check = |game, key: &str, may: bool| {
            let refused = refuse_key(game, key.as_bytes(), is_game);
            assert_eq!(refused.is_none(), may, "{game:?} {key}: {refused:?}");
        };
        check(None, "game:hall", true);
        check(None, "game:chess~hall", false);
        check(None, "chess~lobbies", false);
        check(None, "best~of~three", true);
        check(Some("chess"), "game:chess~hall:x", true);
        check(Some("chess"), "chess~lobbies", true);
        check(Some("chess"), "active_sessions:guests", true);
        check(Some("chess"), "lobbies", false);
        check(Some("chess"), "game:hall", false);
        check(Some("chess"), "game:go~hall", false);
        check(Some("chess"), "go~chess~x", false);
        let long = refuse_key(None, format!("chess~{}", "x".repeat(9999)).as_bytes(), is_game);
        assert!(long.is_some_and(|text| text.len() < 200));
    }

    #[test]
    fn what_is_there_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let none = BTreeMap::new();
        assert!(find(dir.path(), &none).games.is_empty() && find(dir.path(), &none).problems.is_empty());
        fs::write(dir.path().join(FOLDER), "a file").unwrap();
        assert!(find(dir.path(), &none).problems[0].message.starts_with("is a file"));
        fs::remove_file(dir.path().join(FOLDER)).unwrap();
        for name in ["chess", ".git", "Chess", "a b"] {
            fs::create_dir_all(dir.path().join(FOLDER).join(name)).unwrap();
        }
        let found = find(dir.path(), &none);
        assert_eq!(found.games.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["chess"]);
        assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
    }

    #[test]
    fn games_and_what_is_told_of_them_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..1000 {
            fs::create_dir_all(dir.path().join(format!("{FOLDER}/g{number}"))).unwrap();
            fs::create_dir_all(dir.path().join(format!("{FOLDER}/G{number}"))).unwrap();
        }
        let known = [("g999", 1), ("gone", 2)].map(|(name, _)| (Arc::from(name), Arc::default()));
        let found = find(dir.path(), &BTreeMap::from(known));
        assert_eq!(found.games.len(), MAX_GAMES - 1);
        assert!(found.games.iter().any(|(name, _)| &**name == "g999"), "those that serve go on");
        assert_eq!(found.gone, [Arc::from("gone")]);
        assert_eq!(found.problems.len(), MAX_TOLD + 3, "{:?}", found.problems);
    }
}
