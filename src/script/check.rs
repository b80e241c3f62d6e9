//! `godra check`: what a folder of scripts would be like to serve, without serving it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::catalog::{self, Problem};
use super::{KeyPattern, Script};

/// What is to be said about a folder of scripts; `Display` prints it, a line each.
#[derive(Debug)]
pub struct CheckReport {
    /// Scripts that can serve, by name.
    pub scripts: Vec<Arc<Script>>,
    /// Files that cannot.
    pub problems: Vec<Problem>,
    /// Things in scripts that can serve which will hardly be meant.
    pub warnings: Vec<Problem>,
}

/// Checks a folder: headers, compilation, and the lints of this module.
pub fn run(dir: &Path) -> CheckReport {
    let report = catalog::load(dir, None);
    let mut scripts: Vec<Arc<Script>> = report.set.scripts.values().cloned().collect();
    scripts.sort_by(|a, b| a.name.cmp(&b.name));
    let warnings = scripts.iter().flat_map(|script| lint(script)).collect();
    let mut problems = report.problems;
    if scripts.is_empty() && problems.is_empty() {
        problems.push(Problem { path: dir.to_owned(), line: None, message: "has no scripts (*.lua)".into() });
    }
    CheckReport { scripts, problems, warnings }
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
            let (path, version) = (script.path.display(), script.version());
            writeln!(f, "ok      {path} role={caller} keys={}{room} version={version}", keys.join(","))?;
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

/// A lint looks at one line of code (without its comment) of a script and says what is hardly meant.
type Lint = fn(&Script, &str) -> Option<String>;

const LINTS: [Lint; 1] = [undeclared_key];

fn lint(script: &Script) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for (line, content) in (1..).zip(script.text.lines()) {
        let code = content.split("--").next().unwrap_or_default();
        let said = LINTS.iter().filter_map(|lint| lint(script, code));
        warnings.extend(said.map(|message| Problem { path: script.path.clone(), line: Some(line), message }));
    }
    warnings
}

/// `KEYS[3]` of a script that declares two keys is nil.
fn undeclared_key(script: &Script, code: &str) -> Option<String> {
    let declared = script.header.keys.len();
    let numbers =
        code.split("KEYS[").skip(1).filter_map(|rest| rest.split(']').next()?.trim().parse::<usize>().ok());
    let number = numbers.into_iter().find(|number| !(1..=declared).contains(number))?;
    Some(format!("KEYS[{number}] is nil: KEYS: declares {declared}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn check(files: &[(&str, &str)], is_ok: bool, expected: &[&str]) {
        let dir = tempfile::tempdir().expect("temp folder");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("write");
        }
        let report = run(dir.path());
        let printed = report.to_string().replace(&format!("{}/", dir.path().display()), "");
        assert_eq!(report.is_ok(), is_ok, "{printed}");
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{printed}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(line.starts_with(start), "{line:?} is not {start:?}");
        }
    }

    #[test]
    fn reports() {
        check(
            &[
                ("b.lua", "return ("),
                ("a.lua", "-- ROLE: guest\n-- KEYS: game:{room}, lobbies\n-- ROOM: 2\nreturn KEYS[2]"),
                ("on_snapshot.lua", "return KEYS[1]"),
                ("c.lua", "-- KEYS[3] is a comment\nreturn KEYS[1]"),
            ],
            false,
            &[
                "ok      a.lua role=guest keys=game:{room},lobbies room=args[2] version=",
                "ok      c.lua role=player keys= version=",
                "ok      on_snapshot.lua role=server keys=game:{room} version=",
                "warning c.lua:2: KEYS[1] is nil: KEYS: declares 0",
                "error   b.lua:1: unexpected symbol near '<eof>'",
                "3 in order, 1 with errors, 1 warnings",
            ],
        );
        check(&[("a.lua", "return 1")], true, &["ok      a.lua", "1 in order, 0 with errors, 0 warnings"]);
    }

    #[test]
    fn nothing_to_check() {
        let dir = tempfile::tempdir().expect("temp folder");
        assert!(run(dir.path()).to_string().contains("has no scripts"));
        let missing = run(&dir.path().join("missing"));
        assert!(
            !missing.is_ok() && missing.to_string().contains("cannot read the scripts folder"),
            "{missing}"
        );
    }
}
