//! `godra check`: what a folder of scripts would be like to serve, without serving it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use godra_engine::lua::source::{GlobalUse, global_uses};

use super::catalog::{self, Problem};
use super::folders;
use super::misspelled;
use super::portability;
pub use super::portability::{Command, Commands};
use super::receivers::{self, Receiver};
use super::{DocumentPattern, KeyPattern, Library, Script, ScriptSet};

/// What is to be said about a folder of scripts; `Display` prints it, a line each.
#[derive(Debug)]
pub struct CheckReport {
    /// Scripts that can serve, by name.
    pub scripts: Vec<Arc<Script>>,
    /// Files that cannot serve, by path.
    pub problems: Vec<Problem>,
    /// Things in scripts that can serve which will hardly be meant.
    pub warnings: Vec<Problem>,
}

/// Checks a folder: headers, compilation, what is hardly meant, and what another store would do otherwise. `commands` are
/// those that scripts may call.
pub fn run(dir: &Path, commands: Commands) -> CheckReport {
    let report = catalog::load(dir, None);
    let (mut scripts, mut warnings) = (Vec::new(), Vec::new());
    for (_, set) in report.set.by_game() {
        let mut of_game: Vec<Arc<Script>> = set.scripts.values().cloned().collect();
        of_game.sort_by(|a, b| a.name.cmp(&b.name));
        warnings.extend(warnings_of_game(set, &of_game, commands));
        scripts.extend(of_game);
    }
    let passed_over = folders::passed_over(dir).into_iter();
    warnings.extend(passed_over.map(|path| {
        let message = folders::reason(&path);
        Problem { path, line: None, message }
    }));
    let mut problems = report.problems;
    if scripts.is_empty() && problems.is_empty() {
        problems.push(Problem { path: dir.to_owned(), line: None, message: "has no scripts (*.lua)".into() });
    }
    CheckReport { scripts, problems, warnings }
}

/// What is hardly meant in the scripts of one game.
fn warnings_of_game(set: &ScriptSet, scripts: &[Arc<Script>], commands: Commands) -> Vec<Problem> {
    let receiver = |name: &str| match set.get(name) {
        Some(script) if script.header.is_for_server => Receiver::TakesMessages,
        Some(_) => Receiver::IsForOthers,
        None => Receiver::Missing,
    };
    let mut warnings: Vec<Problem> =
        scripts.iter().flat_map(|script| lint(script, commands, receiver)).collect();
    warnings.extend(rooms_like_users(scripts));
    let mut seen: Vec<&Arc<Library>> = Vec::new();
    for library in scripts.iter().flat_map(|script| &script.libraries) {
        if !seen.contains(&library) {
            seen.push(library);
            warnings.extend(lint_library(library, commands, receiver));
        }
    }
    warnings
}

impl CheckReport {
    /// Whether every file can serve; warnings do not count.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for script in &self.scripts {
            let keys: Vec<String> = script.header.keys.iter().map(KeyPattern::to_string).collect();
            let caller = if script.is_internal() { "server" } else { script.header.role.as_str() };
            let room =
                script.header.room_argument.map(|number| format!(" room=args[{number}]")).unwrap_or_default();
            let atomic = if script.header.is_atomic { "" } else { " atomic=off" };
            let libraries: Vec<&str> = script.libraries.iter().map(|library| &*library.name).collect();
            let libraries = match libraries[..] {
                [] => String::new(),
                _ => format!(" requires={}", libraries.join(",")),
            };
            let actions = match &script.header.actions[..] {
                [] => String::new(),
                actions => format!(" actions={}", actions.join(",")),
            };
            let documents: Vec<String> =
                script.header.documents.iter().map(DocumentPattern::to_string).collect();
            let durable = if script.header.is_durable { " durable=on" } else { "" };
            let data = match documents[..] {
                [] => String::new(),
                _ => format!(" data={}{durable}", documents.join(",")),
            };
            let (path, version) = (script.path.display(), script.version());
            writeln!(
                f,
                "ok      {path} role={caller} keys={}{room}{data}{actions}{atomic}{libraries} version={version}",
                keys.join(",")
            )?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning {warning}")?;
        }
        for problem in &self.problems {
            writeln!(f, "error   {problem}")?;
        }
        let (ok, wrong) = (self.scripts.len(), self.problems.len());
        write!(f, "{ok} in order, {wrong} with errors, {} warnings", self.warnings.len())
    }
}

/// A lint looks at a script and says, with the line, what is hardly meant.
type Lint = fn(&Script) -> Vec<(usize, String)>;

const LINTS: [Lint; 2] = [undeclared_keys, |script| unknown_names(&script.text)];

pub(super) fn lint(script: &Script, commands: Commands, receiver: impl Fn(&str) -> Receiver) -> Vec<Problem> {
    let mut found: Vec<(usize, String)> = LINTS.iter().flat_map(|lint| lint(script)).collect();
    found.extend(portability::findings(&script.text, commands));
    found.extend(receivers::findings(&script.text, receiver));
    found.sort();
    let problem = |(line, message)| {
        let message = format!("{message} [version {}]", script.version());
        Problem { path: script.path.clone(), line: Some(line), message }
    };
    found.into_iter().map(problem).collect()
}

/// Which keys there are is for the scripts to say that require it.
fn lint_library(library: &Library, commands: Commands, receiver: impl Fn(&str) -> Receiver) -> Vec<Problem> {
    let mut found = unknown_names(&library.text);
    found.extend(portability::findings(&library.text, commands));
    found.extend(receivers::findings(&library.text, receiver));
    found.sort();
    let problem = |(line, message)| Problem { path: library.path.clone(), line: Some(line), message };
    found.into_iter().map(problem).collect()
}

/// `KEYS[3]` of a script that declares two keys is nil.
fn undeclared_keys(script: &Script) -> Vec<(usize, String)> {
    let declared = script.header.keys.len();
    let mut found = Vec::new();
    for (line, content) in (1..).zip(script.text.lines()) {
        let code = content.split("--").next().unwrap_or_default();
        let numbers =
            code.split("KEYS[").skip(1).filter_map(|rest| rest.split(']').next()?.trim().parse().ok());
        for number in numbers.filter(|number: &usize| !(1..=declared).contains(number)) {
            found.push((line, format!("KEYS[{number}] is nil: the header declares {declared} keys")));
        }
    }
    found
}

/// Who names a room like a user would get at that user's key of another script.
fn rooms_like_users(scripts: &[Arc<Script>]) -> Vec<Problem> {
    let mut found = Vec::new();
    for (number, script) in scripts.iter().enumerate() {
        for (key, other) in scripts[..number].iter().flat_map(|other| pairs_of_keys(script, other)) {
            let message =
                format!("where a room is called like a user, {key} is the {other} of another script");
            found.push(Problem { path: script.path.clone(), line: None, message });
        }
    }
    found
}

/// Those that a room and a user share.
fn pairs_of_keys<'a>(
    script: &'a Script,
    other: &'a Script,
) -> impl Iterator<Item = (&'a KeyPattern, &'a KeyPattern)> {
    let pairs =
        script.header.keys.iter().flat_map(|key| other.header.keys.iter().map(move |other| (key, other)));
    pairs.filter(|(key, other)| key.may_be_of_a_user_of(other))
}

/// What a script may name without having declared it `local`.
const GLOBALS: [&str; 35] = [
    "ARGV",
    "KEYS",
    "_G",
    "_VERSION",
    "assert",
    "bit",
    "cjson",
    "cmsgpack",
    "coroutine",
    "error",
    "getmetatable",
    "godra",
    "ipairs",
    "math",
    "next",
    "os",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawset",
    "redis",
    "require",
    "select",
    "server",
    "setmetatable",
    "string",
    "struct",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
];

/// Names that are hardly meant as they are written.
pub(super) fn unknown_names(text: &str) -> Vec<(usize, String)> {
    let mut found = unknown_globals(text);
    found.extend(misspelled::findings(text));
    found
}

/// Stores refuse both the reading of an unknown global and the writing of any.
fn unknown_globals(text: &str) -> Vec<(usize, String)> {
    let say = |found: GlobalUse| match (found.is_write, GLOBALS.contains(&&*found.name)) {
        (true, _) => Some((found.line, format!("{} is assigned to, but not declared local", found.name))),
        (false, false) => Some((found.line, format!("{} is neither a local nor known here", found.name))),
        (false, true) => None,
    };
    global_uses(text).into_iter().filter_map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn any_command(_: &str, _: usize) -> Command {
        Command::Known(Vec::new())
    }

    fn check(files: &[(&str, &str)], is_ok: bool, expected: &[&str]) {
        let dir = tempfile::tempdir().expect("temp folder");
        fs::create_dir(dir.path().join("lib")).expect("a folder");
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            fs::write(path, text).expect("write");
        }
        let report = run(dir.path(), any_command);
        let printed = report.to_string().replace(&format!("{}/", dir.path().display()), "");
        assert_eq!(report.is_ok(), is_ok, "{printed}");
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{printed}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(line.starts_with(start), "{line:?} is not {start:?}");
        }
    }

    #[test]
    fn all_games_are_checked() {
        check(
            &[
                ("a.lua", "-- ROLE: server\nreturn 1"),
                ("games/chess/b.lua", "-- KEYS: lobbies\ngodra.tell(nil, 'a', 1)"),
                ("games/chess/c.lua", "return ("),
                ("games/go/a.lua", "-- ROLE: server\nreturn 1"),
                ("games/go/b.lua", "godra.tell(nil, 'a', 1)"),
                ("games/Go/a.lua", "return 1"),
            ],
            false,
            &[
                "ok      a.lua role=server keys= version=",
                "ok      games/chess/b.lua role=player keys=lobbies version=",
                "ok      games/go/a.lua role=server keys= version=",
                "ok      games/go/b.lua role=player keys= version=",
                "warning games/chess/b.lua:2: there is no script a to take that message",
                "error   games/Go: is no game: a game's name is 1 to 32",
                "error   games/chess/c.lua:1: unexpected symbol",
                "4 in order, 2 with errors, 1 warnings",
            ],
        );
    }

    #[test]
    fn reports() {
        check(
            &[
                ("b.lua", "return ("),
                ("a.lua", "-- ROLE: guest\n-- KEYS: game:{room}, lobbies\n-- ROOM: 2\nreturn KEYS[2]"),
                ("on_snapshot.lua", "return KEYS[1]"),
                ("c.lua", "-- KEYS[3] is a comment\nreturn KEYS[1]"),
                ("counter.lua", "-- ATOMIC: off\nreturn 1"),
                ("d.lua", "count = 1\npritn(count)"),
            ],
            false,
            &[
                "ok      a.lua role=guest keys=game:{room},lobbies room=args[2] version=",
                "ok      c.lua role=player keys= version=",
                "ok      counter.lua role=player keys= atomic=off version=",
                "ok      d.lua role=player keys= version=",
                "ok      on_snapshot.lua role=server keys=game:{room} version=",
                "warning c.lua:2: KEYS[1] is nil: the header declares 0 keys",
                "warning d.lua:1: count is assigned to, but not declared local",
                "warning d.lua:2: count is neither a local nor known here",
                "warning d.lua:2: pritn is neither a local nor known here",
                "error   b.lua:1: unexpected symbol near '<eof>'",
                "5 in order, 1 with errors, 4 warnings",
            ],
        );
        let dir = tempfile::tempdir().expect("temp folder");
        fs::create_dir(dir.path().join("lib")).expect("folder");
        fs::write(dir.path().join("a.lua"), "return require('b')(godra.publsh)").expect("write");
        fs::write(dir.path().join("lib/b.lua"), "\nreturn pritn").expect("write");
        let report = run(dir.path(), any_command).to_string();
        for part in [
            "a.lua role=player keys= requires=b version=",
            "a.lua:1: there is no godra.publsh: do you mean godra.publish?",
            "lib/b.lua:2: pritn is neither a local nor known here",
            "1 in order, 0 with errors, 2 warnings",
        ] {
            assert!(report.contains(part), "{report}");
        }
        check(
            &[
                ("a.lua", "godra.tell(nil, 'b')\ngodra.tell(nil, 'c')\ngodra.tell(nil, 'a')"),
                ("b.lua", "-- ROLE: server\nreturn 1"),
            ],
            true,
            &[
                "ok      a.lua",
                "ok      b.lua",
                "warning a.lua:2: there is no script c to take that message [version ",
                "warning a.lua:3: a is not for messages: its header needs the line -- ROLE: server [version ",
                "2 in order, 0 with errors, 2 warnings",
            ],
        );
        check(
            &[
                ("a.lua", "-- KEYS: stats:{user}, user:{user}, game:{room}:hand:{user}\nreturn KEYS[3]"),
                ("b.lua", "-- KEYS: game:{room}, user:{user}, stats:{room}\nreturn KEYS[3]"),
                ("c.lua", "-- KEYS: user:{users}"),
                ("d.lua", "-- TICK: 50\n-- KEYS: user:{user}"),
            ],
            false,
            &[
                "ok      a.lua role=player keys=stats:{user},user:{user},game:{room}:hand:{user} version=",
                "ok      b.lua role=player keys=game:{room},user:{user},stats:{room} version=",
                "warning b.lua: where a room is called like a user, stats:{room} is the stats:{user} of another",
                "error   c.lua:1: key user:{users} has an unknown {users}: only {room}, {new} and {user} are known",
                "error   d.lua:2: nobody calls a script with TICK: there is no user for {user} in KEYS",
                "2 in order, 2 with errors, 1 warnings",
            ],
        );
        check(
            &[
                ("a.lua", "-- DATA: profile/{user} v1 everyone, world/config\n-- DURABLE: on\nreturn 1"),
                ("b.lua", "-- DATA: profile/{arg:1} nobody\nreturn 1"),
                ("c.lua", "-- DATA: profile/{user} v3\nreturn 1"),
                ("lib/migrate_profile.lua", "return function(old, from) return old end"),
                ("d.lua", "-- DATA: item/{user} v2\nreturn 1"),
            ],
            false,
            &[
                "ok      a.lua role=player keys= data=profile/{user},world/config durable=on requires=migrate_profile version=",
                "error   b.lua: DATA says nobody of profile/{arg:1}, and a.lua v1 everyone of profile/{user}: one collection",
                "error   c.lua: DATA says v3 of profile/{user}, and a.lua v1 everyone of profile/{user}: one collection",
                "error   d.lua: DATA says v2 of item/{user}: it needs lib/migrate_item.lua, which returns function(old, from)",
                "1 in order, 3 with errors, 0 warnings",
            ],
        );
        check(&[("a.lua", "return 1")], true, &["ok      a.lua", "1 in order, 0 with errors, 0 warnings"]);
    }

    #[test]
    fn the_stock_scripts_are_in_order() {
        let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let report = run(&stock, crate::state::embedded::for_scripts);
        assert!(report.is_ok() && report.warnings.is_empty(), "{report}");
        let paths =
            fs::read_dir(stock).expect("the stock scripts").map(|entry| entry.expect("an entry").path());
        let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "lua")).count();
        assert_eq!(report.scripts.len(), files);
    }

    #[test]
    fn nothing_to_check() {
        let dir = tempfile::tempdir().expect("temp folder");
        assert!(run(dir.path(), any_command).to_string().contains("has no scripts"));
        let missing = run(&dir.path().join("missing"), any_command);
        assert!(
            !missing.is_ok() && missing.to_string().contains("cannot read the scripts folder"),
            "{missing}"
        );
    }
}
