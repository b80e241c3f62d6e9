//! Shared code: `lib/NAME.lua` beside the scripts, which take it in by `require("NAME")`.
//!
//! A script holds the libraries that it takes in, and those that these take in. So it is one thing with them: it has their
//! texts in its version, and a library that breaks leaves the last good version of all its scripts serving.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{MAX_NAME_LEN, Problem, Refused, check_text, is_script_path, read_limited};
use super::tokens::{Token, TokenKind, tokens};
use super::{Header, Script, ScriptSet, migration};
use godra_engine::lua::source::Compiler;

/// Where they are, in the folder of scripts.
pub(super) const FOLDER: &str = "lib";
/// So many may one script take in.
const MAX_LIBRARIES: usize = 32;
/// Their folders may lie so deep within each other.
const MAX_FOLDERS: usize = 4;

/// One of them: checked and compiled before it got here.
#[derive(Debug, PartialEq, Eq)]
pub struct Library {
    /// The file's path below `lib`, without `.lua`.
    pub name: Box<str>,
    /// Where it was read from.
    pub path: PathBuf,
    /// The file's text, unchanged.
    pub text: Box<str>,
}

/// Reads libraries for the scripts of a folder, each once.
pub(super) struct Libraries<'a> {
    folder: PathBuf,
    /// Where those are that it lacks: a game takes in what is shared.
    shared: Option<PathBuf>,
    /// Those that serve now.
    before: Vec<&'a Arc<Library>>,
    read: HashMap<Box<str>, Result<Arc<Library>, Refused>>,
    /// What was found of those that bring documents up.
    checked: HashMap<Box<str>, Result<(), Refused>>,
}

impl<'a> Libraries<'a> {
    pub(super) fn new(dir: &Path, before: &'a ScriptSet) -> Self {
        let before = before.scripts.values().flat_map(|script| &script.libraries).collect();
        let (read, checked) = (HashMap::new(), HashMap::new());
        Self { folder: dir.join(FOLDER), shared: None, before, read, checked }
    }

    /// What the folder lacks is taken from that of another folder of scripts.
    pub(super) fn or_of(self, dir: &Path) -> Self {
        Self { shared: Some(dir.join(FOLDER)), ..self }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        let folders = [Some(&self.folder), self.shared.as_ref()];
        let mut files = folders.into_iter().flatten().map(|folder| folder.join(format!("{name}.lua")));
        files.find(|file| file.exists())
    }

    /// What a script's text takes in, each behind those that it takes in itself; and what brings the documents up that its header
    /// names.
    pub(super) fn of_script(
        &mut self,
        path: &Path,
        text: &str,
        header: Option<&Header>,
        is_settled: &mut dyn FnMut(&Path, &[u8]) -> bool,
        compiler: &mut Compiler,
    ) -> Result<Vec<Arc<Library>>, Refused> {
        let mut found = Vec::new();
        self.collect(path, text, &mut Vec::new(), &mut found, is_settled, compiler)?;
        let migrations = header.map(migration::libraries_of).unwrap_or_default();
        for (name, needs) in &migrations {
            // What brings a game's documents up is its own: nobody else knows their forms.
            let is_there = self.folder.join(format!("{name}.lua")).exists();
            match needs {
                Some(message) if !is_there => {
                    let message = message.clone();
                    return Err(Refused::Problem(Problem { path: path.to_owned(), line: None, message }));
                }
                _ if !is_there => {}
                _ => {
                    let text = format!("require({name:?})");
                    self.collect(path, &text, &mut Vec::new(), &mut found, is_settled, compiler)?;
                }
            }
        }
        let is_one = |library: &Library| migrations.iter().any(|(name, _)| **name == *library.name);
        for at in (0..found.len()).filter(|at| is_one(&found[*at])) {
            self.check_migration(&found[..=at])?;
        }
        Ok(found)
    }

    /// Looks at the last of these as at one that brings documents up, unless it is what served before.
    fn check_migration(&mut self, found: &[Arc<Library>]) -> Result<(), Refused> {
        let [.., library] = found else { return Ok(()) };
        if found.len() == 1 && self.before.iter().any(|known| Arc::ptr_eq(known, library)) {
            return Ok(());
        }
        let checked = self.checked.entry(library.name.clone()).or_insert_with(|| {
            let all: Vec<&Library> = found.iter().map(Arc::as_ref).collect();
            migration::check(library, &all).map_err(|(line, message)| {
                Refused::Problem(Problem { path: library.path.clone(), line, message })
            })
        });
        checked.clone()
    }

    /// Problems of libraries that no script takes in.
    pub(super) fn of_nobody(
        &mut self,
        is_settled: &mut dyn FnMut(&Path, &[u8]) -> bool,
        compiler: &mut Compiler,
    ) -> Vec<Refused> {
        let mut refused = Vec::new();
        for path in files_below(&self.folder, MAX_FOLDERS) {
            let name = path.strip_prefix(&self.folder).unwrap_or(&path).with_extension("");
            let name = name.to_string_lossy().into_owned();
            if self.read.contains_key(&*name) {
                continue;
            }
            let read = self.get(&path, &name, is_settled, compiler).cloned();
            let outcome = read
                .and_then(|library| self.of_script(&library.path, &library.text, None, is_settled, compiler));
            refused.extend(outcome.err());
        }
        refused
    }

    fn collect(
        &mut self,
        path: &Path,
        text: &str,
        trail: &mut Vec<Box<str>>,
        found: &mut Vec<Arc<Library>>,
        is_settled: &mut dyn FnMut(&Path, &[u8]) -> bool,
        compiler: &mut Compiler,
    ) -> Result<(), Refused> {
        let problem =
            |line, message| Refused::Problem(Problem { path: path.to_owned(), line: Some(line), message });
        for (line, name) in required(text).map_err(|(line, message)| problem(line, message))? {
            if found.iter().any(|library| *library.name == *name) {
                continue;
            }
            check_name(name).map_err(|message| problem(line, message))?;
            if let Some(at) = trail.iter().position(|outer| **outer == *name) {
                let way: Vec<&str> = trail[at..].iter().map(|name| &**name).chain([name]).collect();
                return Err(problem(line, format!("libraries require each other: {}", way.join(" -> "))));
            }
            let Some(file) = self.file(name) else {
                let shared =
                    if self.shared.is_some() { ", neither the game's own nor a shared one" } else { "" };
                return Err(problem(line, format!("there is no {FOLDER}/{name}.lua{shared}")));
            };
            let library = self.get(&file, name, is_settled, compiler)?.clone();
            trail.push(name.into());
            self.collect(&library.path, &library.text, trail, found, is_settled, compiler)?;
            trail.pop();
            found.push(library);
            if found.len() > MAX_LIBRARIES {
                return Err(problem(line, format!("a script takes in at most {MAX_LIBRARIES} libraries")));
            }
        }
        Ok(())
    }

    fn get(
        &mut self,
        path: &Path,
        name: &str,
        is_settled: &mut dyn FnMut(&Path, &[u8]) -> bool,
        compiler: &mut Compiler,
    ) -> Result<&Arc<Library>, Refused> {
        if !self.read.contains_key(name) {
            let read = self.read_one(path, name, is_settled, compiler);
            self.read.insert(name.into(), read);
        }
        self.read[name].as_ref().map_err(Clone::clone)
    }

    fn read_one(
        &self,
        path: &Path,
        name: &str,
        is_settled: &mut dyn FnMut(&Path, &[u8]) -> bool,
        compiler: &mut Compiler,
    ) -> Result<Arc<Library>, Refused> {
        let problem_of = |line, message| Problem { path: path.to_owned(), line, message };
        let problem = |line, message| Refused::Problem(problem_of(line, message));
        check_name(name).map_err(|message| problem(None, message))?;
        let bytes = read_limited(path).map_err(|message| Refused::Unread(problem_of(None, message)))?;
        let is_same = |library: &&&Arc<Library>| *library.name == *name && *library.text.as_bytes() == *bytes;
        if let Some(before) = self.before.iter().find(is_same) {
            return Ok(Arc::clone(before));
        }
        if !is_settled(path, &bytes) {
            return Err(Refused::Unsettled(path.to_owned()));
        }
        let text = check_text(bytes).map_err(|(line, message)| problem(line, message))?;
        compiler.check(&text).map_err(|error| problem(error.line, error.message))?;
        Ok(Arc::new(Library { name: name.into(), path: path.to_owned(), text: text.into() }))
    }
}

/// The files of libraries in a folder of scripts.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    files_below(&dir.join(FOLDER), MAX_FOLDERS)
}

/// Their folder, if it is there.
pub(super) fn folder(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(FOLDER)).filter(|folder| folder.is_dir())
}

fn files_below(folder: &Path, levels: usize) -> Vec<PathBuf> {
    // No folder, no libraries.
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if is_script_path(&path) {
            found.push(path);
        } else if levels > 1 && path.is_dir() {
            found.extend(files_below(&path, levels - 1));
        }
    }
    found.sort();
    found
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    let is_shallow = name.matches('/').count() < MAX_FOLDERS;
    if name.len() <= MAX_NAME_LEN && is_shallow && name.split('/').all(is_part) {
        return Ok(());
    }
    Err(format!(
        "a library's name is 1 to {MAX_NAME_LEN} of a-z, 0-9 and _, in up to {} folders: a/b",
        MAX_FOLDERS - 1
    ))
}

/// The names that a text requires, with their lines.
fn required(text: &str) -> Result<Vec<(usize, &str)>, (usize, String)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let is_field = |at: usize| at > 0 && (tokens[at - 1].is_sign(".") || tokens[at - 1].is_sign(":"));
    // `{ require = 1 }` names a field, too.
    let is_named = |at: usize| tokens.get(at + 1).is_some_and(|next| next.is_sign("="));
    for at in
        (0..tokens.len()).filter(|at| tokens[*at].is_word("require") && !is_field(*at) && !is_named(*at))
    {
        let name = match &tokens[at + 1..] {
            [open, Token { kind: TokenKind::Text(Some(name)), .. }, close, ..]
                if open.is_sign("(") && close.is_sign(")") =>
            {
                name
            }
            [Token { kind: TokenKind::Text(Some(name)), .. }, ..] => name,
            _ => {
                let message = "require takes a name in quotes, so that it is known before the script runs: require(\"name\")";
                return Err((tokens[at].line, message.to_owned()));
            }
        };
        found.push((tokens[at].line, *name));
    }
    Ok(found)
}

impl Script {
    /// Its own text, and those of its libraries.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.text).chain(self.libraries.iter().map(|library| &*library.text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::load;
    use super::*;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Self {
            let fixture = Self(tempfile::tempdir().expect("temp folder"));
            for (name, text) in files {
                fixture.write(name, text);
            }
            fixture
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            fs::write(path, text).expect("write");
        }

        fn load(&self, previous: Option<&Arc<ScriptSet>>) -> (Arc<ScriptSet>, Vec<String>) {
            let report = load(self.0.path(), previous);
            let own = format!("{}/", self.0.path().display());
            (
                report.set,
                report.problems.iter().map(|problem| problem.to_string().replace(&own, "")).collect(),
            )
        }
    }

    fn libraries(set: &ScriptSet, name: &str) -> Vec<String> {
        set.get(name).expect(name).libraries.iter().map(|library| library.name.to_string()).collect()
    }

    #[test]
    fn scripts_hold_what_they_require() {
        let fixture = Fixture::new(&[
            ("a.lua", "local b, c = require('b'), require \"deep/c\" return b + c"),
            ("plain.lua", "local t = { require = 1 } return t.require -- require(x)"),
            ("lib/b.lua", "return require('deep/c') + require('d')"),
            ("lib/deep/c.lua", "return 1"),
            ("lib/d.lua", "return 2"),
        ]);
        let (first, problems) = fixture.load(None);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(libraries(&first, "a"), ["deep/c", "d", "b"]);
        assert!(libraries(&first, "plain").is_empty());
        assert_eq!(first.get("plain").expect("plain").sha.len(), 40);

        let (same, _) = fixture.load(Some(&first));
        assert!(Arc::ptr_eq(&same, &first));
        fixture.write("lib/d.lua", "return 3");
        let (second, _) = fixture.load(Some(&first));
        assert_ne!(second.get("a").expect("a").sha, first.get("a").expect("a").sha);
        assert!(Arc::ptr_eq(second.get("plain").expect("plain"), first.get("plain").expect("plain")));

        for (broken, said) in [
            ("return (", "lib/d.lua:1: unexpected symbol near '<eof>'"),
            ("return require('b')", "lib/d.lua:1: libraries require each other: b -> d -> b"),
            ("return require('d')", "lib/d.lua:1: libraries require each other: d -> d"),
            ("\nreturn require(KEYS[1])", "lib/d.lua:2: require takes a name in quotes"),
            ("return require('nothing')", "lib/d.lua:1: there is no lib/nothing.lua"),
            ("return require('../d')", "lib/d.lua:1: a library's name is 1 to 64 of a-z"),
            ("return require('/etc/passwd')", "lib/d.lua:1: a library's name is"),
            ("return require('a//b')", "lib/d.lua:1: a library's name is"),
            ("return require('D')", "lib/d.lua:1: a library's name is"),
            ("", "lib/d.lua: is empty"),
        ] {
            fixture.write("lib/d.lua", broken);
            let (after, problems) = fixture.load(Some(&second));
            assert!(Arc::ptr_eq(&after, &second), "{broken}: the last good version serves");
            assert!(problems.len() == 1 && problems[0].starts_with(said), "{broken}: {problems:?}");
        }
        fixture.write("lib/d.lua", "return 2");
        let (third, problems) = fixture.load(Some(&second));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(third.get("a").expect("a").sha, first.get("a").expect("a").sha);
    }

    #[test]
    fn a_library_that_nobody_requires_is_looked_at_too() {
        let fixture =
            Fixture::new(&[("a.lua", "return 1"), ("lib/b.lua", "return ("), ("lib/Bad.lua", "return 1")]);
        let (set, problems) = fixture.load(None);
        assert_eq!(set.scripts.len(), 1);
        let [bad, broken] = &problems[..] else { panic!("{problems:?}") };
        assert!(bad.starts_with("lib/Bad.lua: a library's name is"), "{bad}");
        assert!(broken.starts_with("lib/b.lua:1: unexpected symbol"), "{broken}");
    }
}
