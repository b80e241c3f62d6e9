//! Scripts that nobody reads, in folders below the scripts' own or under another ending: whoever put them there is told so, once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::catalog::is_script_path;
use super::games;
use super::library;

/// Scripts are looked for so deep, and among so many files: what has more is no folder of scripts.
const MAX_FOLDERS: usize = 16;
const MAX_FILES: usize = 10_000;

/// Those that have been told of.
#[derive(Debug, Default)]
pub(super) struct PassedOver(BTreeSet<PathBuf>);

impl PassedOver {
    /// Warns in the log of those that have come since the last time.
    pub(super) fn tell(&mut self, dir: &Path) {
        for path in self.find_new(dir) {
            let what = if is_misnamed(&path) { "script" } else { "script folder" };
            log::warn!("{what} passed over path={path:?} reason={:?}", reason(&path));
        }
    }

    /// What has gone meanwhile is new when it comes again.
    fn find_new(&mut self, dir: &Path) -> Vec<PathBuf> {
        let found: BTreeSet<PathBuf> = passed_over(dir).into_iter().collect();
        let new = found.difference(&self.0).cloned().collect();
        self.0 = found;
        new
    }
}

/// The folders in `dir`, and in those of its games, that have scripts and are not read, and the files that are none by their ending
/// alone, in the order of their names. Hidden ones are meant to be passed over.
pub(super) fn passed_over(dir: &Path) -> Vec<PathBuf> {
    // The first is the one that the games are in, of which the games' own say what there is to say.
    let of_games = games::folders(dir);
    let mut found = passed_over_in(dir, of_games.first());
    found.extend(of_games.iter().skip(1).flat_map(|game| passed_over_in(game, None)));
    found
}

fn passed_over_in(dir: &Path, games: Option<&PathBuf>) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_hidden = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().starts_with('.');
    let is_read = |path: &Path| {
        Some(path) == library::folder(dir).as_deref() || Some(path) == games.map(PathBuf::as_path)
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        !is_hidden(path)
            && !is_read(path)
            && (is_misnamed(path) || has_scripts(path, MAX_FOLDERS, &mut { MAX_FILES }))
    });
    let libraries =
        library::folder(dir).and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    found.extend(libraries.map(|entry| entry.path()).filter(|path| !is_hidden(path) && is_misnamed(path)));
    found.sort();
    found
}

/// Whether it is a file of Lua that no script is, as its ending has capitals.
fn is_misnamed(path: &Path) -> bool {
    let is_of_lua = |ending: &std::ffi::OsStr| ending != "lua" && ending.eq_ignore_ascii_case("lua");
    path.extension().is_some_and(is_of_lua) && path.is_file()
}

/// Why, and what would be right.
pub(super) fn reason(path: &Path) -> String {
    if is_misnamed(path) {
        return "a script's name ends in .lua, in small letters: rename it".to_owned();
    }
    let (libraries, games) = (library::FOLDER, games::FOLDER);
    format!(
        "scripts are read from the folder itself alone: move them there, into {libraries}/ what they require, or into {games}/NAME/ those of a game of their own"
    )
}

/// Looks through `files_left` at most. Links are not followed: they may lead round in a circle.
fn has_scripts(folder: &Path, levels: usize, files_left: &mut usize) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        *files_left = files_left.saturating_sub(1);
        *files_left > 0
            && ((is_script_path(&path) || is_misnamed(&path)) && path.is_file()
                || levels > 1 && is_folder && has_scripts(&path, levels - 1, files_left))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "return 1\n").unwrap();
        }
        dir
    }

    fn names(dir: &Path, folders: &[PathBuf]) -> Vec<String> {
        folders.iter().map(|path| path.strip_prefix(dir).unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn folders_with_scripts_are_told_of_but_for_the_libraries() {
        let dir = folder_with(&[
            "a.lua",
            "lib/b.lua",
            "chess/c.lua",
            "games/go/d.lua",
            "games/go/lib/h.lua",
            "games/go/old/i.lua",
            "docs/readme.md",
            ".git/e.lua",
            "backup/.f.lua",
            "deep/er/est/of/all/g.lua",
            "deep/er/h.lua",
            "x.LUA",
            "lib/y.Lua",
            "games/go/z.luA",
            "lua",
            "old/x.LUA",
        ]);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("docs/round")).unwrap();
        let expected = ["chess", "deep", "lib/y.Lua", "old", "x.LUA", "games/go/old", "games/go/z.luA"];
        assert_eq!(names(dir.path(), &passed_over(dir.path())), expected);
        assert!(reason(&dir.path().join("x.LUA")).contains("in small letters"));
        assert!(reason(&dir.path().join("chess")).contains("from the folder itself alone"));
        assert_eq!(passed_over(&dir.path().join("nothing")), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn each_is_told_of_once_until_it_comes_again() {
        let dir = folder_with(&["chess/c.lua"]);
        let mut told = PassedOver::default();
        assert_eq!(names(dir.path(), &told.find_new(dir.path())), ["chess"]);
        fs::create_dir(dir.path().join("go")).unwrap();
        assert_eq!(names(dir.path(), &told.find_new(dir.path())), [""; 0]);
        fs::write(dir.path().join("go/g.lua"), "return 1\n").unwrap();
        assert_eq!(names(dir.path(), &told.find_new(dir.path())), ["go"]);
        fs::remove_dir_all(dir.path().join("chess")).unwrap();
        assert_eq!(names(dir.path(), &told.find_new(dir.path())), [""; 0]);
        fs::create_dir(dir.path().join("chess")).unwrap();
        fs::write(dir.path().join("chess/c.lua"), "return 1\n").unwrap();
        assert_eq!(names(dir.path(), &told.find_new(dir.path())), ["chess"]);
    }
}
