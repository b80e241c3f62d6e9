//! Arguments and subcommands: what the process was asked to do, and with which exit code it ends.
//!
//! Exit codes: 0 when it was done, 1 when it failed (for the server also when it did not end in order), 2 when what was asked
//! makes no sense.

mod data;
mod healthcheck;
mod password_prompt;
mod refusal;
mod users;

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};

use crate::config::{self, Config};
use crate::logging;
use crate::script::check;
use crate::state::embedded::for_scripts;
use crate::sys::given_path;

const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 2;

const SUBCOMMANDS: [&str; 5] = ["serve", "check", "healthcheck", "user", "data"];

const AFTER_HELP: &str = "\
Every flag may also be set by the environment variable named beside it, or by a line NAME=value in a file .env in the
working directory; flags win over the environment, the environment over .env. One dash is as good as two: -port 80.

A first start needs no flags: it serves http://localhost:8080/ with the scripts of ./scripts.";

/// Does what the process's arguments ask for; `serve` runs the server until it is told to stop.
pub fn main<E: Display>(serve: impl FnOnce(Config) -> Result<(), E>) -> ExitCode {
    match parse(std::env::args_os()) {
        Ok(Task::Serve(flags)) => match Config::load(&flags) {
            Ok(config) => run_server(config, serve),
            Err(error) => usage_error(&error),
        },
        Ok(Task::Check(directory)) => match directory.map_or_else(config::scripts_dir_without_flags, Ok) {
            Ok(directory) => check_scripts(&directory),
            Err(error) => usage_error(&error),
        },
        Ok(Task::Healthcheck(arguments)) => match healthcheck::run(&arguments) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(problem) => {
                eprintln!("godra: {problem}");
                ExitCode::from(EXIT_FAILURE)
            }
        },
        Ok(Task::User(arguments)) => match users::run(&arguments) {
            Ok(text) => {
                users::show(&text);
                ExitCode::SUCCESS
            }
            Err(problem) => {
                eprintln!("godra: {problem}");
                ExitCode::from(EXIT_FAILURE)
            }
        },
        Ok(Task::Data(arguments)) => match data::run(&arguments) {
            Ok(text) => {
                eprint!("{text}");
                ExitCode::SUCCESS
            }
            Err(problem) => {
                eprintln!("godra: {problem}");
                ExitCode::from(EXIT_FAILURE)
            }
        },
        Ok(Task::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => usage_error(&problem),
    }
}

fn run_server<E: Display>(config: Config, serve: impl FnOnce(Config) -> Result<(), E>) -> ExitCode {
    logging::start(config.log_format, &config.log_filter);
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report_failure(&error);
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn check_scripts(directory: &Path) -> ExitCode {
    let report = check::run(directory, for_scripts);
    println!("{report}");
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILURE) }
}

/// In the log, so that collectors get it in their form; but a silenced log must not hide why there is no server.
fn report_failure(error: &dyn Display) {
    if log::log_enabled!(log::Level::Error) {
        log::error!("{error}");
    } else {
        eprintln!("godra: {error}");
    }
}

fn usage_error(problem: &dyn Display) -> ExitCode {
    eprintln!("godra: {problem}");
    ExitCode::from(EXIT_USAGE)
}

/// What the process was asked to do.
#[derive(Debug)]
enum Task {
    /// Run the server with these flags.
    Serve(Box<ArgMatches>),
    /// Check the scripts of this directory, or of the one in the settings.
    Check(Option<PathBuf>),
    /// Ask a server whether it lives.
    Healthcheck(Box<ArgMatches>),
    /// Manage accounts.
    User(Box<ArgMatches>),
    /// Read or write documents.
    Data(Box<ArgMatches>),
    /// Print help or the version.
    Print(String),
}

/// Reads the arguments, the program's name first. The error is one line.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let arguments = config::normalize_dashes(arguments);
    let matches = match command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Task::Print(error.to_string()));
        }
        Err(error) => return Err(refusal::of(&error, &arguments)),
    };
    match matches.subcommand() {
        Some(("check", arguments)) => Ok(Task::Check(arguments.get_one("DIR").cloned())),
        Some(("healthcheck", arguments)) => Ok(Task::Healthcheck(Box::new(arguments.clone()))),
        Some(("user", arguments)) => Ok(Task::User(Box::new(arguments.clone()))),
        Some(("data", arguments)) => Ok(Task::Data(Box::new(arguments.clone()))),
        Some((_, flags)) => Ok(Task::Serve(Box::new(flags.clone()))),
        None => Ok(Task::Serve(Box::new(matches))),
    }
}

fn command() -> Command {
    let directory = Arg::new("DIR")
        .help("Directory of scripts [default: that of --scripts-dir]")
        .value_parser(given_path::parse);
    let root = Command::new("godra")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A self-hosted multiplayer game backend: WebSocket rooms, game logic in Lua, state in the process")
        .after_help(AFTER_HELP)
        .override_usage("godra [OPTIONS]\n       godra serve [OPTIONS]\n       godra check [DIR]\n       godra healthcheck [--url URL]\n       godra user COMMAND\n       godra data COMMAND")
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(
            config::with_flags(Command::new("serve"))
                .about("Run the server; the same as godra without a subcommand")
                .after_help(AFTER_HELP),
        )
        .subcommand(Command::new("check").about("Compile and check game scripts").arg(directory))
        .subcommand(healthcheck::command())
        .subcommand(users::command())
        .subcommand(data::command());
    config::with_flags(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[track_caller]
    fn check_port(line: &str, expected: &str) {
        let Ok(Task::Serve(flags)) = parse_line(line) else { panic!("{line} does not serve") };
        assert_eq!(flags.get_one::<String>("port").map_or("none", String::as_str), expected, "{line}");
    }

    #[test]
    fn serving_is_what_it_does_by_itself() {
        check_port("godra", "none");
        check_port("godra --port 1", "1");
        check_port("godra -port 1", "1");
        check_port("godra serve", "none");
        check_port("godra serve --port=1", "1");
        check_port("godra serve -port=1 -port 2", "2");
    }

    #[test]
    fn checking_takes_a_directory() {
        let check = |line: &str, expected: Option<&str>| match parse_line(line) {
            Ok(Task::Check(directory)) => assert_eq!(directory.as_deref(), expected.map(Path::new)),
            other => panic!("{line}: {other:?}"),
        };
        check("godra check", None);
        check("godra check my/scripts", Some("my/scripts"));
    }

    #[test]
    fn users_are_managed() {
        let check = |line: &str, expected: &str| match parse_line(line) {
            Ok(Task::User(arguments)) => assert_eq!(arguments.subcommand_name(), Some(expected), "{line}"),
            other => panic!("{line}: {other:?}"),
        };
        check("godra user create ann --role manager", "create");
        check("godra user role ann player -db-dsn other.db", "role");
        check("godra user list", "list");
        check("godra user ban ann --for 7d --reason cheating", "ban");
        check("godra user unban #7", "unban");
        check("godra user password ann", "password");
    }

    #[test]
    fn documents_are_read_and_written() {
        let check = |line: &str, expected: &str| match parse_line(line) {
            Ok(Task::Data(arguments)) => assert_eq!(arguments.subcommand_name(), Some(expected), "{line}"),
            other => panic!("{line}: {other:?}"),
        };
        check("godra data get profile/7", "get");
        check("godra data list profile --prefix guest: --owner 7", "list");
        check("godra data export --db-dsn other.db", "export");
        check("godra data export profile", "export");
        check("godra data import backup.jsonl", "import");
        check("godra data put profile/7 --owner 7 --version 3", "put");
    }

    #[test]
    fn nonsense_is_answered_in_one_line() {
        let check = |line: &str, expected: &str| assert_eq!(parse_line(line).unwrap_err(), expected);
        check("godra --prot 1", "argument 1 is not known (a similar one exists: --port); see godra --help");
        check("godra -prot 1", "argument 1 is not known (a similar one exists: --port); see godra --help");
        check(
            "godra --port",
            "a value is required for '--port <PORT>' but none was supplied; see godra --help",
        );
        check(
            "godra user create ann --role king",
            "invalid value for '--role <ROLE>': expected player or manager; see godra --help",
        );
        check("godra chekc", "argument 1 is not known (a similar one exists: check); see godra --help");
        check("godra check a b", "argument 3 is not known; see godra --help");
        check("godra serve extra", "argument 2 is not known; see godra --help");
        check("godra --port 1 check", "the flags of check come behind it; see godra --help");
        check("godra --port 1 chekc", "argument 3 is not known; see godra --help");
        check("godra user", "'godra user' requires a subcommand but one was not provided; see godra --help");
        check(
            "godra user role ann",
            "the following required arguments were not provided: <ROLE>; see godra --help",
        );
    }

    #[test]
    fn all_subcommands_are_listed() {
        let names: Vec<String> = command().get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        assert_eq!(names, SUBCOMMANDS);
    }

    #[test]
    fn a_stray_word_is_never_shown() {
        for line in [
            "godra user create ann hunter2",
            "godra user create ann --password hunter2",
            "godra user create ann --password=hunter2",
            "godra user role ann hunter2",
            "godra user ban ann --for hunter2 hunter2",
            "godra --jwt-secret aaa hunter2",
            "godra --jwt-secret-hunter2",
            "godra --jwt-secrethunter2",
            "godra --db-dsn host=a password=hunter2",
            "godra serve --db-dsn host=a user=b password=hunter2",
            "godra user list --db-dsn host=a password=hunter2",
            "godra --demo on hunter2",
            "godra --demo=on,hunter2 hunter2",
            "godra user delete ann --yes=hunter2",
            "godra data put profile/7 --version hunter2",
            "godra data put profile/7 --version -hunter2",
            "godra hunter2",
            "godra hunter2 check",
            "godra user hunter2",
            "godra -- hunter2",
            "godra check a hunter2",
            "godra check redis://:hunter2@h",
            "godra check password=hunter2",
            "godra -hunter2",
        ] {
            let refusal = parse_line(line).map(|_| line).unwrap_err();
            assert!(
                !refusal.contains("hunter2") && refusal.ends_with("; see godra --help"),
                "{line}: {refusal}"
            );
            assert_eq!(refusal.lines().count(), 1, "{refusal}");
        }
    }

    #[test]
    fn help_and_version() {
        let check = |line: &str, expected: &[&str]| match parse_line(line) {
            Ok(Task::Print(text)) => {
                for part in expected {
                    assert!(text.contains(part), "no {part:?} in:\n{text}");
                }
            }
            other => panic!("{line}: {other:?}"),
        };
        check("godra --version", &[concat!("godra ", env!("CARGO_PKG_VERSION"))]);
        check("godra -V", &[env!("CARGO_PKG_VERSION")]);
        check(
            "godra --help",
            &["--max-message-bytes <SIZE>", "[default: 65536]", "[env: MAX_MESSAGE_BYTES]", "check"],
        );
        check("godra -help", &["--db-dsn"]);
        check("godra serve -h", &["--debug-echo"]);
    }
}
