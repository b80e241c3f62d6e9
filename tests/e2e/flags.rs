//! What the binary does with its arguments.

use std::fs;

use crate::common::server::{Folder, Server, run_to_end};

/// Expects a start to be refused with exactly one line on standard error.
#[track_caller]
fn refused(arguments: &[&str], environment: &[(&str, &str)], expected: &str) {
    refused_in(&Folder::new(), arguments, environment, expected);
}

#[track_caller]
fn refused_in(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)], expected: &str) {
    let ended = run_to_end(folder, arguments, environment);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), format!("godra: {expected}\n").as_str()));
    assert_eq!(ended.stdout, "");
    assert!(!folder.path().join("game.db").exists(), "a refused start leaves nothing behind");
}

#[test]
fn a_wrong_value_is_one_line_and_exit_code_2() {
    refused(&["--port", "70000"], &[], "--port 70000: expected a whole number from 0 to 65535");
    refused(&["-port=70000"], &[], "--port 70000: expected a whole number from 0 to 65535");
    refused(
        &["serve", "-db-type", "postgres"],
        &[],
        "--db-dsn is missing, which --db-type postgres needs: host=… user=… password=… dbname=…, or postgres://user:password@host:port/dbname",
    );
    refused(&["serve", "-db-type", "mysql"], &[], "--db-type mysql: allowed are sqlite and postgres");
    refused(
        &[],
        &[("REDIS_ADDR", "localhost:70000")],
        "REDIS_ADDR=localhost:70000 in the environment (--redis-addr): expected HOST:PORT, redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], rediss://… for TLS, or unix:/PATH[?db=DATABASE], with commas between several",
    );
    refused(
        &["--prot", "1"],
        &[],
        "argument 1 is not known (a similar one exists: --port); see godra --help",
    );
    refused(
        &["user", "create", "ann", "--role", "king"],
        &[],
        "invalid value for '--role <ROLE>': expected player or manager; see godra --help",
    );
    refused(
        &[],
        &[("RUST_LOG", "godra=loud")],
        r#"RUST_LOG="godra=loud": "godra=loud" is neither a level (off, error, warn, info, debug, trace) nor MODULE=LEVEL"#,
    );
    refused(
        &[],
        &[("RUST_LOG", "godra::sevrer=debug")],
        r#"RUST_LOG="godra::sevrer=debug": godra::sevrer logs nothing; did you mean godra::server?"#,
    );
}

#[test]
fn a_secret_is_never_shown() {
    refused(
        &[],
        &[("JWT_SECRET", "hunter2")],
        "JWT_SECRET=(7 bytes) in the environment (--jwt-secret): expected at least 32 bytes, or database",
    );
}

#[test]
fn dot_env_is_read_and_named() {
    let folder = Folder::new();
    fs::write(folder.path().join(".env"), "SYNC_INTERVAL=1\n").unwrap();
    refused_in(
        &folder,
        &[],
        &[],
        "SYNC_INTERVAL=1 in .env (--sync-interval): expected milliseconds from 5 to 1000",
    );
    refused_in(
        &folder,
        &["--sync-interval", "50", "--port", "x"],
        &[],
        "--port x: expected a whole number from 0 to 65535",
    );
}

#[test]
fn missing_scripts_are_named() {
    refused_in(
        &Folder::empty(),
        &[],
        &[],
        "--scripts-dir scripts: expected a directory of game scripts; start in the directory that has one, or name it",
    );
}

#[test]
fn help_and_version_go_to_standard_output() {
    let check = |argument: &str, expected: &str| {
        let ended = run_to_end(&Folder::empty(), &[argument], &[]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.stdout.contains(expected), "{}", ended.stdout);
    };
    check("--version", concat!("godra ", env!("CARGO_PKG_VERSION")));
    check("--help", "--max-message-bytes <SIZE>");
    check("-help", "[env: JWT_SECRET]");
}

#[test]
fn check_tells_good_scripts_from_broken_ones() {
    let folder = Folder::new();
    let ended = run_to_end(&folder, &["check"], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.ends_with(" 0 with errors, 0 warnings\n"), "{}", ended.stdout);

    folder.write_script("broken", "return (\n");
    let ended = run_to_end(&folder, &["check", "scripts"], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("scripts/broken.lua:"), "{}", ended.stdout);
}

/// The flags of `godra serve --help` with their defaults.
fn flags_of_help() -> Vec<(String, String)> {
    let help = run_to_end(&Folder::empty(), &["serve", "--help"], &[]).stdout;
    let lines = help.lines().filter(|line| line.trim_start().starts_with("--"));
    let flags = lines.map(|line| {
        let name = line.trim_start().split([' ', '[']).next().unwrap();
        let default =
            line.split_once("[default: ").map_or("none", |(_, rest)| rest.split(']').next().unwrap());
        (name.to_owned(), default.to_owned())
    });
    flags.collect()
}

/// The rows of the table of flags in `src/OPERATING.md`: the flag, and its default.
fn flags_of_the_manual() -> Vec<(String, String)> {
    let manual = include_str!("../../src/OPERATING.md");
    let rows = manual.lines().filter(|line| line.starts_with("| `--"));
    let cell = |row: &str, index| row.split('|').nth(index).unwrap().trim().replace('`', "");
    rows.map(|row| (cell(row, 1), cell(row, 2))).collect()
}

#[test]
fn the_manual_has_all_flags_with_their_defaults() {
    let (mut help, mut manual) = (flags_of_help(), flags_of_the_manual());
    assert!(help.len() > 20, "{help:?}");
    help.sort();
    manual.sort();
    assert_eq!(manual, help, "src/OPERATING.md is on the left, godra serve --help on the right");
}

/// Neither stops the start, and each is what somebody wonders about.
#[test]
fn slips_that_are_passed_over_are_told() {
    let folder = Folder::new();
    fs::write(folder.path().join(".env"), "GODRA_SYNC_INTERVL=60\n").unwrap();
    fs::create_dir(folder.scripts().join("chess")).unwrap();
    fs::write(folder.scripts().join("chess/move.lua"), "return 1\n").unwrap();
    let server = Server::start_in(folder, &[]);
    server.output().wait_for_line(&["WARN", "GODRA_SYNC_INTERVL in .env is no setting; did you mean"]);
    server.output().wait_for_line(&["WARN", "script folder passed over", "chess"]);
}
