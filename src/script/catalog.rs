//! Reads a folder of scripts into a [`ScriptSet`]: what does not compile is a [`Problem`], and its last good version
//! stays in the set.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use godra_engine::lua::source::Compiler;

use super::check;
use super::collections;
use super::games;
use super::library::Libraries;
use super::{Header, Script, ScriptSet};
use crate::wire::ids::Role;
use crate::wire::message::RESYNC;

/// Largest script file, in bytes.
pub const MAX_SCRIPT_BYTES: usize = 256 * 1024;
/// Longest script name, in bytes.
pub const MAX_NAME_LEN: usize = 64;

/// What a folder holds now.
#[derive(Debug)]
pub struct LoadReport {
    /// Everything that can serve. The very same `Arc` as before when no script changed.
    pub set: Arc<ScriptSet>,
    /// What differs from the set before, by name.
    pub changes: Vec<Change>,
    /// Files that cannot serve as they are, by path.
    pub problems: Vec<Problem>,
    /// Files whose new text does not count yet: they may be half written.
    pub held: Vec<PathBuf>,
    /// Whether one of the problems is that something could not be read. It may be readable the next moment, though nothing of it
    /// changes: the process may have had as many files open as it may.
    pub is_unread: bool,
}

/// A file (or the folder) that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the folder when that could not be read.
    pub path: PathBuf,
    /// Where in the file, counted from 1.
    pub line: Option<usize>,
    /// What is wrong, in one line.
    pub message: String,
}

/// How one script differs from the set before.
#[derive(Clone, Debug)]
pub enum Change {
    /// No script had its name before.
    Added(Arc<Script>),
    /// It has another text than before.
    Replaced {
        /// What served until now.
        before: Arc<Script>,
        /// What serves from now on.
        after: Arc<Script>,
    },
    /// Its file is gone.
    Removed(Arc<Script>),
}

/// Reads every `*.lua` file of a folder, of its subfolders those in `lib`, which scripts require, and the same of every game's folder
/// in `games`.
///
/// Hidden files and those of other endings are ignored, which covers what editors leave while they save. A script that
/// cannot serve (unreadable, malformed header, does not compile) keeps the version of `previous`, if that had one; a
/// folder that cannot be read keeps all of `previous`.
pub fn load(dir: &Path, previous: Option<&Arc<ScriptSet>>) -> LoadReport {
    load_settled(dir, previous, |_, _| true)
}

/// As [`load`]; a changed text of which `is_settled` is not certain that it is all of the file does not count yet.
pub(super) fn load_settled(
    dir: &Path,
    previous: Option<&Arc<ScriptSet>>,
    mut is_settled: impl FnMut(&Path, &[u8]) -> bool,
) -> LoadReport {
    let nothing = Arc::new(ScriptSet::default());
    let known = previous.unwrap_or(&nothing);
    let own = Folder { dir, game: None, shared: None };
    let mut report = load_folder(own, known, &mut is_settled);
    let found = games::find(dir, &known.games);
    let mut sets = BTreeMap::new();
    for (game, folder) in found.games {
        let before = known.games.get(&game).unwrap_or(&nothing);
        let of_game = Folder { dir: &folder, game: Some(&game), shared: Some(dir) };
        let of_game = load_folder(of_game, before, &mut is_settled);
        sets.insert(game, report.add(of_game));
    }
    // Their rooms go on.
    sets.extend(
        found.gone.into_iter().filter_map(|game| Some((game.clone(), known.games.get(&game)?.clone()))),
    );
    report.problems.extend(found.problems);
    report.problems.sort_by(|one, other| one.path.cmp(&other.path));
    let are_same = sets.len() == known.games.len()
        && sets.iter().zip(&known.games).all(|(one, other)| one.0 == other.0 && Arc::ptr_eq(one.1, other.1));
    if previous.is_none() || !are_same || !Arc::ptr_eq(&report.set, known) {
        let own = ScriptSet::clone(&report.set);
        report.set = Arc::new(ScriptSet { games: sets, generation: known.generation + 1, ..own });
    }
    report
}

/// A game's folder of scripts.
#[derive(Clone, Copy)]
struct Folder<'a> {
    dir: &'a Path,
    /// None for the default game.
    game: Option<&'a Arc<str>>,
    /// The folder of scripts whose libraries are for it, too.
    shared: Option<&'a Path>,
}

/// What one game's folder holds now; the other games' are not looked at.
fn load_folder(
    folder: Folder<'_>,
    known: &Arc<ScriptSet>,
    is_settled: &mut dyn FnMut(&Path, &[u8]) -> bool,
) -> LoadReport {
    let dir = folder.dir;
    let files = match script_files(dir) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("cannot read the scripts folder: {error}");
            let problem = Problem { path: dir.to_owned(), line: None, message };
            return LoadReport {
                set: known.clone(),
                changes: Vec::new(),
                problems: vec![problem],
                held: Vec::new(),
                is_unread: true,
            };
        }
    };
    let mut compiler = Compiler::default();
    let mut libraries = Libraries::new(dir, known);
    if let Some(shared) = folder.shared {
        libraries = libraries.or_of(shared);
    }
    let mut scripts = HashMap::with_capacity(files.len());
    let (mut problems, mut held, mut is_unread) = (Vec::new(), Vec::new(), false);
    let (mut broken, mut kept) = (BTreeSet::new(), BTreeSet::new());
    let mut note = |refused: Refused| match refused {
        Refused::Problem(problem) if problems.contains(&problem) => {}
        Refused::Problem(problem) => problems.push(problem),
        Refused::Unread(problem) => {
            is_unread = true;
            problems.push(problem);
        }
        Refused::Unsettled(path) => held.push(path),
    };
    for path in files {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let before = known.get(stem);
        let closed = before.or_else(|| known.gone.get(stem)).map(|script| &script.header);
        let file = ScriptFile { path: &path, name: stem, game: folder.game, closed };
        let read = read_script(file, before, is_settled, &mut libraries, &mut compiler);
        let serving = match read {
            Ok(script) => Some(script),
            Err(refused) => {
                if before.is_none() && !matches!(refused, Refused::Unsettled(_)) {
                    broken.insert(stem.into());
                }
                note(refused);
                kept.insert(stem.into());
                before.cloned()
            }
        };
        if let Some(script) = serving {
            scripts.insert(script.name.clone(), script);
        }
    }
    libraries.of_nobody(is_settled, &mut compiler).into_iter().for_each(note);
    problems.extend(drop_contradictions(&mut scripts, known, &mut broken, &mut kept));
    collections::tell_forms(&mut scripts, &kept);
    problems.extend(actions_named_twice(&scripts));
    problems.sort_by(|one, other| one.path.cmp(&other.path));
    let changes = changes(known, &scripts);
    let is_same = changes.is_empty() && broken == known.broken && known.generation > 0;
    let set = match is_same {
        true => known.clone(),
        false => {
            let gone = closed_and_gone(known, &scripts);
            Arc::new(ScriptSet { broken, gone, ..ScriptSet::new(scripts, known.generation + 1) })
        }
    };
    LoadReport { set, changes, problems, held, is_unread }
}

impl LoadReport {
    /// Takes in what is to be told of another game, and gives its set.
    fn add(&mut self, other: Self) -> Arc<ScriptSet> {
        self.changes.extend(other.changes);
        // What is wrong with a shared library is told once.
        let new = other.problems.into_iter().filter(|problem| !self.problems.contains(problem));
        let new: Vec<Problem> = new.collect();
        self.problems.extend(new);
        self.held.extend(other.held);
        self.is_unread |= other.is_unread;
        other.set
    }

    /// Logs every change, every problem that is not among the `known` ones, and those of them that ended.
    pub fn log(&self, known: &[Problem]) {
        let generation = self.set.generation;
        for change in &self.changes {
            log::info!("{change} generation={generation}");
            if let Change::Added(script) | Change::Replaced { after: script, .. } = change {
                for (line, message) in check::unknown_names(&script.text) {
                    log::warn!("script warning file={:?} line={line} reason={message:?}", script.path);
                }
            }
        }
        for problem in known.iter().filter(|problem| !self.problems.contains(problem)) {
            log::info!("script problem ended file={:?} reason={:?}", problem.path, problem.message);
        }
        for problem in self.problems.iter().filter(|problem| !known.contains(problem)) {
            let line = problem.line.map(|line| format!(" line={line}")).unwrap_or_default();
            let serving = match self.set.all().find(|script| script.path == problem.path) {
                Some(script) => script.version(),
                None => "none",
            };
            log::warn!(
                "script refused file={:?}{line} reason={:?} still_serving={serving}",
                problem.path,
                problem.message
            );
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl Change {
    fn name(&self) -> &str {
        match self {
            Self::Added(script) | Self::Removed(script) | Self::Replaced { after: script, .. } => {
                &script.full_name
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Added(script) => write!(f, "script added name={name} version={}", script.version()),
            Self::Replaced { before, after } => {
                write!(
                    f,
                    "script replaced name={name} version={} before={}",
                    after.version(),
                    before.version()
                )
            }
            Self::Removed(script) => write!(f, "script removed name={name} before={}", script.version()),
        }
    }
}

/// The folder's script files in the order of their names.
pub(super) fn script_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if is_script_path(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a path names a script, rather than a hidden file, an editor's backup or something else.
pub(super) fn is_script_path(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".lua") && !name.starts_with(['.', '#'])
}

/// Why a file does not serve.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    Problem(Problem),
    /// It cannot be read now.
    Unread(Problem),
    /// The file may be half written.
    Unsettled(PathBuf),
}

/// A script's file.
#[derive(Clone, Copy)]
struct ScriptFile<'a> {
    path: &'a Path,
    name: &'a str,
    game: Option<&'a Arc<str>>,
    /// Who might call its last version, if it has had one.
    closed: Option<&'a Header>,
}

/// Reads, checks and compiles one file; gives the version `before` when its text is unchanged, and those of its libraries.
fn read_script(
    file: ScriptFile<'_>,
    before: Option<&Arc<Script>>,
    is_settled: &mut dyn FnMut(&Path, &[u8]) -> bool,
    libraries: &mut Libraries<'_>,
    compiler: &mut Compiler,
) -> Result<Arc<Script>, Refused> {
    let ScriptFile { path, name, game, closed } = file;
    let problem_of = |line, message| Problem { path: path.to_owned(), line, message };
    let problem = |line, message| Refused::Problem(problem_of(line, message));
    check_name(name).map_err(|message| problem(None, message))?;
    let bytes = read_limited(path).map_err(|message| Refused::Unread(problem_of(None, message)))?;
    let unchanged = before.filter(|before| *before.text.as_bytes() == *bytes);
    if unchanged.is_none() && !is_settled(path, &bytes) {
        return Err(Refused::Unsettled(path.to_owned()));
    }
    let text = check_text(bytes).map_err(|(line, message)| problem(line, message))?;
    let header = Header::parse(name, &text).map_err(|error| problem(Some(error.line), error.message))?;
    let libraries = libraries.of_script(path, &text, Some(&header), is_settled, compiler)?;
    if let Some(before) = unchanged.filter(|before| before.libraries == libraries) {
        return Ok(before.clone());
    }
    compiler.check(&text).map_err(|error| problem(error.line, error.message))?;
    if let Some(closed) = closed {
        check_role(closed, &header).map_err(|message| problem(None, message))?;
    }
    let script = Script::with_libraries(name, path, &text, header, libraries);
    Ok(Arc::new(match game {
        Some(game) => script.in_game(game),
        None => script,
    }))
}

/// Takes out the scripts that contradict others about a collection of documents; of each the version before serves on, if that one
/// agrees.
fn drop_contradictions(
    scripts: &mut HashMap<Box<str>, Arc<Script>>,
    known: &ScriptSet,
    broken: &mut BTreeSet<Box<str>>,
    kept: &mut BTreeSet<Box<str>>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    // What served before may itself contradict what has come since.
    for may_go_back in [true, false] {
        for found in collections::contradictions(scripts, known) {
            let before = known.get(&found.script).filter(|_| may_go_back).cloned();
            match before {
                Some(before) => {
                    kept.insert(found.script.clone());
                    scripts.insert(found.script, before);
                }
                None => {
                    scripts.remove(&found.script);
                    broken.insert(found.script);
                }
            }
            let problem = Problem { path: found.path, line: None, message: found.message };
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
}

/// The last versions of scripts that were not for every player and have no file any more.
fn closed_and_gone(
    known: &ScriptSet,
    scripts: &HashMap<Box<str>, Arc<Script>>,
) -> BTreeMap<Box<str>, Arc<Script>> {
    let is_closed = |script: &Script| script.is_internal() || script.header.role > Role::Player;
    let last = known.scripts.iter().filter(|(_, script)| is_closed(script)).chain(&known.gone);
    let gone = last.filter(|(name, _)| !scripts.contains_key(*name));
    gone.map(|(name, script)| (name.clone(), script.clone())).collect()
}

/// A line that an edit has lost opens no script of managers or of the server to all players.
fn check_role(before: &Header, now: &Header) -> Result<(), String> {
    let is_closed = now.names_role || now.tick_ms.is_some();
    let was_internal = before.is_for_server || before.tick_ms.is_some();
    if is_closed || now.role >= before.role && !was_internal {
        return Ok(());
    }
    let lost = match before.tick_ms {
        Some(tick_ms) => format!("TICK: {tick_ms}"),
        None if before.is_for_server => "ROLE: server".to_owned(),
        None => format!("ROLE: {}", before.role.as_str()),
    };
    Err(format!(
        "the line `-- {lost}` is gone, and without one every {role} may call it: if that is meant, write `-- ROLE: {role}`",
        role = now.role
    ))
}

fn check_name(name: &str) -> Result<(), String> {
    if name == RESYNC {
        let reason = "the server itself answers the action resync; give the script another name";
        return Err(reason.to_owned());
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!("a script's name is 1 to {MAX_NAME_LEN} of a-z, 0-9 and _"))
}

pub(super) fn read_limited(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("cannot be read: {error}");
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("is not a regular file".into());
    }
    let mut bytes = Vec::new();
    let limit = MAX_SCRIPT_BYTES as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() > MAX_SCRIPT_BYTES {
        return Err(format!("is larger than {} KiB", MAX_SCRIPT_BYTES / 1024));
    }
    Ok(bytes)
}

pub(super) fn check_text(bytes: Vec<u8>) -> Result<String, (Option<usize>, String)> {
    // Also what an editor leaves for a moment when it empties a file before it writes it anew.
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err((None, "is empty".into()));
    }
    if bytes.starts_with(b"\x1b") {
        return Err((None, "is compiled bytecode: only source text is run".into()));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err((Some(1), "begins with a byte order mark: save it as UTF-8 without one".into()));
    }
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        return Err((Some(line_of(&bytes, at)), "has a NUL byte".into()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (Some(line_of(error.as_bytes(), at)), "is not UTF-8".into())
    })
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at].iter().filter(|b| **b == b'\n').count()
}

/// Actions that several scripts name: the first of these gets them.
fn actions_named_twice(scripts: &HashMap<Box<str>, Arc<Script>>) -> Vec<Problem> {
    let mut takers: HashMap<&str, &str> = HashMap::new();
    let mut problems = Vec::new();
    for (script, action) in super::named_actions(scripts) {
        if let Some(taker) = takers.insert(action, &script.name) {
            takers.insert(action, taker);
            let message = format!("ACTIONS names {action}, which goes to {taker}.lua, where it stands, too");
            problems.push(Problem { path: script.path.clone(), line: None, message });
        }
    }
    problems
}

fn changes(before: &ScriptSet, after: &HashMap<Box<str>, Arc<Script>>) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for script in after.values() {
        match before.get(&script.name) {
            None => changes.push(Change::Added(script.clone())),
            Some(old) if !Arc::ptr_eq(old, script) => {
                changes.push(Change::Replaced { before: old.clone(), after: script.clone() });
            }
            Some(_) => {}
        }
    }
    let gone = before.scripts.values().filter(|script| !after.contains_key(&script.name));
    changes.extend(gone.cloned().map(Change::Removed));
    changes.sort_by(|a, b| a.name().cmp(b.name()));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temp folder");
        for (name, content) in files {
            fs::write(dir.path().join(name), content).expect("write");
        }
        dir
    }

    fn names(set: &ScriptSet) -> Vec<&str> {
        let mut names: Vec<&str> = set.scripts.keys().map(|name| &**name).collect();
        names.sort();
        names
    }

    /// One file alone: `None` when it serves, else the line and a part of the message.
    fn check(name: &str, content: &[u8], expected: Option<(Option<usize>, &str)>) {
        let dir = folder(&[(name, content)]);
        let report = load(dir.path(), None);
        let found = report.problems.first();
        match expected {
            None => assert!(found.is_none() && report.set.scripts.len() == 1, "{name}: {found:?}"),
            Some((line, part)) => {
                let found = found.unwrap_or_else(|| panic!("{name}: no problem"));
                assert!(found.line == line && found.message.contains(part), "{name}: {found:?}");
                assert_eq!(found.path, dir.path().join(name));
                assert!(report.set.scripts.is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn files_that_serve() {
        check("a.lua", b"return 1", None);
        check("a_1.lua", b"-- ROLE: guest\r\nlocal a = KEYS[1]\r\nreturn a\r\n", None);
        check("a.lua", "return 'grüße'".as_bytes(), None);
        check(&format!("{}.lua", "x".repeat(64)), b"return 1", None);
        let mut large = b"return 1 --".to_vec();
        large.resize(MAX_SCRIPT_BYTES, b'x');
        check("large.lua", &large, None);
    }

    #[test]
    fn each_game_is_loaded_by_itself() {
        let dir = folder(&[("a.lua", b"return 1")]);
        let write = |name: &str, text: &str| {
            let path = dir.path().join("games").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            fs::write(path, text).expect("write");
        };
        write("chess/a.lua", "-- KEYS: lobbies\n-- DATA: p/{user} everyone\nreturn 2");
        write("go/a.lua", "-- DATA: p/{user} nobody\nreturn 3");
        let first = load(dir.path(), None);
        assert!(first.problems.is_empty(), "{:?}", first.problems);
        let told: Vec<&str> = first.changes.iter().map(Change::name).collect();
        assert_eq!(told, ["a", "chess~a", "go~a"]);
        let script = first.set.of(Some("chess")).get("a").expect("it serves");
        assert_eq!((&*script.name, &*script.full_name, &*script.file()), ("a", "chess~a", "games/chess/a"));
        assert_eq!(script.game_prefix(), "chess~");
        let readers = |name: &str| first.set.collection(name).map(|found| found.readers.name());
        let readers = ["p", "chess~p", "go~p"].map(readers);
        assert_eq!(
            readers,
            [None, Some("everyone"), Some("nobody")],
            "a collection is none of another game's"
        );
        assert!(
            first.set.get_for_messages("chess~a").is_none() && first.set.of(Some("ludo")).scripts.is_empty()
        );
        assert!(Arc::ptr_eq(&load(dir.path(), Some(&first.set)).set, &first.set), "nothing has changed");

        write("chess/a.lua", "return (");
        write("go/a.lua", "-- DATA: p/{user} nobody\nreturn 4");
        let second = load(dir.path(), Some(&first.set));
        assert_eq!(second.problems.len(), 1, "{:?}", second.problems);
        assert!(second.set.serves(script) && second.set.generation == 2);
        assert!(Arc::ptr_eq(&second.set.games["chess"], &first.set.games["chess"]));
        assert!(!Arc::ptr_eq(&second.set.games["go"], &first.set.games["go"]));

        fs::remove_dir_all(dir.path().join("games/chess")).expect("it is there");
        let third = load(dir.path(), Some(&second.set));
        assert!(third.set.serves(script) && Arc::ptr_eq(&third.set, &second.set), "its rooms go on");
        assert!(third.problems[0].message.starts_with("is gone"), "{:?}", third.problems);
        assert!(
            load(dir.path(), None).set.find_game(Some("chess")).is_none(),
            "after a restart it is not there"
        );
    }

    #[test]
    fn one_collection_has_one_meaning() {
        let dir = folder(&[
            ("a.lua", b"-- DATA: p/{user} v2\nreturn 1"),
            ("b.lua", b"-- DATA: p/{user} everyone\nreturn 1"),
        ]);
        write(&dir, "lib/migrate_p.lua", MIGRATE);
        let first = load(dir.path(), None);
        let meaning = first.set.collection("p").expect("two scripts work on it");
        assert_eq!((meaning.schema, meaning.readers.name()), (2, "everyone"));
        assert_eq!((first.set.collection("q"), first.set.has_documents()), (None, true));
        // Whoever contradicts what is there goes on as it was.
        fs::write(dir.path().join("a.lua"), "-- DATA: p/{user} v3 nobody\nreturn 2").expect("write");
        fs::write(dir.path().join("new.lua"), "-- DATA: p/{user} v4\nreturn 2").expect("write");
        let second = load(dir.path(), Some(&first.set));
        assert_eq!(names(&second.set), ["a", "b"]);
        assert_eq!(
            &*second.set.get("a").expect("it serves").sha,
            &*first.set.get("a").expect("it serves").sha
        );
        let [a, new] = &second.problems[..] else { panic!("{:?}", second.problems) };
        assert!(a.message.contains("v3 nobody") && new.message.contains("v4"), "{a} {new}");
        assert!(second.set.broken.contains("new"));
    }

    fn write(dir: &tempfile::TempDir, name: &str, text: &str) {
        fs::create_dir_all(dir.path().join("lib")).expect("a folder");
        fs::write(dir.path().join(name), text).expect("write");
    }

    const MIGRATE: &str = "return function(old, from) return old end";

    #[test]
    fn forms_come_with_what_brings_documents_up() {
        let dir = folder(&[
            ("a.lua", b"-- DATA: p/{user} v2\nreturn 1"),
            ("b.lua", b"-- DATA: p/{user}, q/x\nreturn 1"),
        ]);
        let first = load(dir.path(), None);
        assert_eq!(names(&first.set), ["b"]);
        assert!(first.problems[0].message.contains("v2 of p/{user}: it needs lib/migrate_p.lua"));
        let b = |set: &ScriptSet| set.get("b").expect("it serves").clone();
        assert_eq!(b(&first.set).form("p"), 1);
        write(&dir, "lib/migrate_p.lua", MIGRATE);
        let second = load(dir.path(), Some(&first.set));
        assert_eq!(names(&second.set), ["a", "b"]);
        assert!(second.problems.is_empty(), "{:?}", second.problems);
        for script in second.set.scripts.values() {
            assert_eq!((script.form("p"), script.form("q"), script.libraries.len()), (2, 1, 1));
        }
        assert_eq!(load(dir.path(), Some(&second.set)).changes.len(), 0);
        // Another form makes other versions of all that work on the collection.
        write(&dir, "a.lua", "-- DATA: p/{user} v3\nreturn 1");
        let third = load(dir.path(), Some(&second.set));
        assert_eq!((third.changes.len(), b(&third.set).form("p")), (2, 3));
        assert_ne!(b(&third.set).sha, b(&second.set).sha);
        // One that serves on in an earlier version knows what it knew.
        write(&dir, "b.lua", "-- DATA: p/{user}\nreturn (");
        write(&dir, "a.lua", "-- DATA: p/{user} v4\nreturn 1");
        let fourth = load(dir.path(), Some(&third.set));
        assert_eq!(fourth.set.get("a").expect("it serves").form("p"), 4);
        assert_eq!(b(&fourth.set).form("p"), 3);
    }

    #[test]
    fn what_brings_documents_up_is_looked_at() {
        let dir = folder(&[("a.lua", b"-- DATA: p/{user} v2\nreturn 1")]);
        write(&dir, "lib/migrate_p.lua", MIGRATE);
        let good = load(dir.path(), None).set;
        let check = |text: &str, part: &str| {
            write(&dir, "lib/migrate_p.lua", text);
            let report = load(dir.path(), Some(&good));
            let [problem] = &report.problems[..] else { panic!("{:?}", report.problems) };
            assert!(problem.path.ends_with("lib/migrate_p.lua"), "{problem}");
            assert!(problem.message.contains(part), "{problem}");
            assert_eq!(report.set.get("a").expect("it serves").sha, good.get("a").expect("it serves").sha);
        };
        check("return { up = 1 }", "returns function(old, from)");
        check("return function(old) redis.call('DEL', 'a') return old end", "redis is not for it");
        check("return function(old) return old", "expected");
        fs::remove_file(dir.path().join("lib/migrate_p.lua")).expect("removed");
        let report = load(dir.path(), Some(&good));
        assert!(report.problems[0].message.contains("it needs lib/migrate_p.lua"));
        assert_eq!(names(&report.set), ["a"]);
    }

    #[test]
    fn bad_forms_are_refused() {
        for (said, part) in [
            ("v0", "\"v0\" is no version of a form: v1 to v2147483647"),
            ("v01", "no version of a form"),
            ("v2147483648", "no version of a form"),
            ("v2x", "no version of a form"),
            ("v-1", "has a \"v-1\" behind it: first its form (v2 or ledger)"),
            ("vx", "has a \"vx\" behind it: first its form (v2 or ledger)"),
            ("everyone v2", "has a \"v2\" behind it"),
        ] {
            let dir = folder(&[("a.lua", format!("-- DATA: p/{{user}} {said}\nreturn 1").as_bytes())]);
            let report = load(dir.path(), None);
            assert!(report.problems[0].message.contains(part), "{said}: {:?}", report.problems);
            assert_eq!(report.problems[0].line, Some(1));
        }
    }

    #[test]
    fn an_action_goes_to_the_script_of_its_name_else_to_the_first_that_names_it() {
        let files: [(&str, &[u8]); 5] = [
            ("b.lua", b"-- ACTIONS: wave, point\nreturn 1\n"),
            ("c.lua", b"-- ACTIONS: set, wave, bow\nreturn 1\n"),
            ("set.lua", b"return 1\n"),
            ("point.lua", b"return ("),
            ("d.lua", b"return 1\n"),
        ];
        let dir = folder(&files);
        let first = load(dir.path(), None);
        let check = |set: &ScriptSet, action: &str, taker: Option<&str>| {
            assert_eq!(set.get_for_action(action).map(|script| &*script.name), taker, "{action}");
        };
        check(&first.set, "set", Some("set"));
        check(&first.set, "wave", Some("b"));
        check(&first.set, "bow", Some("c"));
        check(&first.set, "d", Some("d"));
        // Its own file is there, so nobody else gets what it was meant for.
        check(&first.set, "point", None);
        check(&first.set, "Wave", None);
        let told: Vec<_> = first.problems.iter().map(Problem::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].ends_with("c.lua: ACTIONS names wave, which goes to b.lua, where it stands, too"),
            "{told:?}"
        );
        // That a broken file is there, or is not any more, makes another set.
        let again = load(dir.path(), Some(&first.set));
        assert!(Arc::ptr_eq(&again.set, &first.set));
        fs::remove_file(dir.path().join("point.lua")).expect("remove");
        let without = load(dir.path(), Some(&first.set));
        check(&without.set, "point", Some("b"));
        assert!(without.changes.is_empty() && without.set.generation == 2);
    }

    #[test]
    fn files_that_do_not() {
        check("resync.lua", b"return 1", Some((None, "answers the action resync")));
        check("a.lua", b"", Some((None, "empty")));
        check("a.lua", b" \r\n", Some((None, "empty")));
        check("a.lua", b"local a\nlocal = 2", Some((Some(2), "'<name>' expected near '='")));
        check("a.lua", b"\n\nif true then", Some((Some(3), "'end' expected")));
        check("a.lua", b"-- ROLE: guest\n-- KEY: a", Some((Some(2), "do you mean KEYS")));
        check("a.lua", b"-- TICK: 5\nreturn 1", Some((Some(1), "10 to 60000")));
        check("on_start.lua", b"return 1", Some((Some(1), "there is no hook on_start")));
        check("a.lua", b"\x1bLua\x51\0\x01\x04", Some((None, "bytecode")));
        check("a.lua", b"\xef\xbb\xbfreturn 1", Some((Some(1), "byte order mark")));
        check("a.lua", b"return 1\n\0", Some((Some(2), "NUL")));
        check("a.lua", b"\n\nreturn '\xff'", Some((Some(3), "not UTF-8")));
        check("a.lua", b"return 1\n}", Some((Some(2), "'<eof>' expected near '}'")));
        check("a.lua", b"#!lua name=x\nreturn 1", Some((Some(1), "unexpected symbol near '#'")));
        check("Big.lua", b"return 1", Some((None, "name is 1 to 64 of a-z")));
        check("a-b.lua", b"return 1", Some((None, "name is")));
        check("a.b.lua", b"return 1", Some((None, "name is")));
        check("ä.lua", b"return 1", Some((None, "name is")));
        check(&format!("{}.lua", "x".repeat(65)), b"return 1", Some((None, "name is")));
        check("a.lua", &vec![b' '; MAX_SCRIPT_BYTES + 1], Some((None, "larger than 256 KiB")));
        let deep = format!("return {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        check("a.lua", deep.as_bytes(), Some((Some(1), "")));
        let long_name = format!("{}.lua", "x".repeat(64));
        check(&long_name, b"\nreturn )", Some((Some(2), "unexpected symbol near ')'")));
    }

    #[test]
    fn other_files_are_ignored() {
        let ignored = [
            "README.md",
            ".a.lua",
            ".#a.lua",
            "#a.lua#",
            "#a.lua",
            "a.lua~",
            "a.lua.tmp",
            "4913",
            ".a.lua.swp",
        ];
        let files: Vec<(&str, &[u8])> = ignored.iter().map(|name| (*name, &b"("[..])).collect();
        let dir = folder(&files);
        fs::create_dir(dir.path().join("sub")).expect("folder");
        fs::write(dir.path().join("sub/b.lua"), "(").expect("write");
        let report = load(dir.path(), None);
        assert!(report.problems.is_empty() && report.set.scripts.is_empty(), "{report:?}");
        assert_eq!(report.set.generation, 1);
    }

    #[test]
    fn folders_and_links() {
        let elsewhere = folder(&[("target", b"return 1")]);
        let dir = folder(&[]);
        fs::create_dir(dir.path().join("folder.lua")).expect("folder");
        symlink(elsewhere.path().join("target"), dir.path().join("link.lua")).expect("link");
        symlink(elsewhere.path().join("missing"), dir.path().join("dangling.lua")).expect("link");
        let report = load(dir.path(), None);
        assert_eq!(names(&report.set), ["link"]);
        let messages: Vec<&str> = report.problems.iter().map(|problem| &*problem.message).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].starts_with("cannot be read"), "{messages:?}");
        assert_eq!(messages[1], "is not a regular file");
    }

    #[test]
    fn a_missing_folder_keeps_everything() {
        let dir = folder(&[("a.lua", b"return 1")]);
        let first = load(dir.path(), None).set;
        let second = load(&dir.path().join("missing"), Some(&first));
        assert!(Arc::ptr_eq(&first, &second.set));
        assert!(second.problems[0].message.contains("cannot read the scripts folder"), "{second:?}");
        let none = load(&dir.path().join("missing"), None);
        assert!(none.set.scripts.is_empty() && none.problems.len() == 1);
    }

    #[test]
    fn reloading() {
        let dir = folder(&[("a.lua", b"return 1"), ("b.lua", b"return 2"), ("c.lua", b"return 3")]);
        let first = load(dir.path(), None);
        assert_eq!((names(&first.set), first.set.generation), (vec!["a", "b", "c"], 1));
        assert_eq!(first.changes.len(), 3);

        let same = load(dir.path(), Some(&first.set));
        assert!(Arc::ptr_eq(&same.set, &first.set) && same.changes.is_empty());

        fs::write(dir.path().join("a.lua"), "return 10").expect("write");
        fs::write(dir.path().join("b.lua"), "return (").expect("write");
        fs::remove_file(dir.path().join("c.lua")).expect("remove");
        fs::write(dir.path().join("d.lua"), "return 4").expect("write");
        let second = load(dir.path(), Some(&first.set));
        assert_eq!((names(&second.set), second.set.generation), (vec!["a", "b", "d"], 2));
        let changes: Vec<String> = second.changes.iter().map(|change| change.name().to_owned()).collect();
        assert_eq!(changes, ["a", "c", "d"]);
        assert_eq!(&*second.set.get("a").expect("a").text, "return 10");
        assert!(Arc::ptr_eq(second.set.get("b").expect("b"), first.set.get("b").expect("b")));
        assert_eq!(second.problems.len(), 1);
        assert!(
            second.problems[0].to_string().contains("b.lua:1: unexpected symbol"),
            "{}",
            second.problems[0]
        );

        fs::write(dir.path().join("b.lua"), "return 20").expect("write");
        let third = load(dir.path(), Some(&second.set));
        assert!(third.problems.is_empty());
        assert_eq!(&*third.set.get("b").expect("b").text, "return 20");
    }

    /// What is said when a script with the first header gets the second.
    #[test]
    fn no_lost_line_opens_a_script() {
        let check = |before: &str, now: &str, expected: Option<&str>| {
            let [before, now] = [before, now].map(|text| Header::parse("a", text).unwrap());
            let found = check_role(&before, &now).err().unwrap_or_default();
            assert_eq!(found.is_empty(), expected.is_none(), "{found}");
            assert!(found.contains(expected.unwrap_or_default()), "{found}");
        };
        check("-- ROLE: manager", "", Some("`-- ROLE: manager` is gone"));
        check(
            "-- ROLE: server",
            "",
            Some("`-- ROLE: server` is gone, and without one every player may call it"),
        );
        check("-- ROLE: server", "-- ROLE: guest", None);
        check("-- ROLE: server", "-- TICK: 50", None);
        check("-- ROLE: manager", "-- ROLE: server", None);
        check("-- ROLE: guest", "", None);
        check("", "-- ROLE: server", None);
    }

    #[test]
    fn versions_are_what_redis_calls_them() {
        let dir = folder(&[("a.lua", b"return 1")]);
        let set = load(dir.path(), None).set;
        let script = set.get("a").expect("a");
        assert_eq!(&*script.sha, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(script.version(), "e0e1f9fa");
    }
}
