//! Folders below the scripts' own that have scripts in them which nobody reads: whoever put them there is told so, once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::catalog::is_script_path;
use super::games;
use super::library;

/// Scripts are looked for so deep: below that, a folder is hardly meant.
const MAX_FOLDERS: usize = 2;

/// Those that have been told of.
#[derive(Debug, Default)]
pub(super) struct PassedOver(BTreeSet<PathBuf>);

impl PassedOver {
    /// Warns in the log of those that have come since the last time.
    pub(super) fn tell(&mut self, dir: &Path) {
        for folder in self.find_new(dir) {
            log::warn!("script folder passed over folder={folder:?} reason={:?}", reason());
        }
    }

    /// A folder that has gone meanwhile is new when it comes again.
    fn find_new(&mut self, dir: &Path) -> Vec<PathBuf> {
        let found: BTreeSet<PathBuf> = passed_over(dir).into_iter().collect();
        let new = found.difference(&self.0).cloned().collect();
        self.0 = found;
        new
    }
}

/// The folders in `dir`, and in those of its games, that have scripts and are not read, in the order of their names. Hidden ones are
/// meant to be passed over.
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
    found.retain(|path| !is_hidden(path) && !is_read(path) && has_scripts(path, MAX_FOLDERS));
    found.sort();
    found
}

/// Why, and what would be right.
pub(super) fn reason() -> String {
    let (libraries, games) = (library::FOLDER, games::FOLDER);
    format!(
        "scripts are read from the folder itself alone: move them there, into {libraries}/ what they require, or into {games}/NAME/ those of a game of their own"
    )
}

fn has_scripts(folder: &Path, levels: usize) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().map(|entry| entry.path()).any(|path| {
        is_script_path(&path) && path.is_file()
            || levels > 1 && path.is_dir() && has_scripts(&path, levels - 1)
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
            "deep/er/est/g.lua",
        ]);
        assert_eq!(names(dir.path(), &passed_over(dir.path())), ["chess", "games/go/old"]);
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
