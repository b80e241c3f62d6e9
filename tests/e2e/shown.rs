//! No password is shown to whoever sees the log or the terminal, wherever people put it by mistake.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::common::accounts::User;
use crate::common::server::{Folder, Server, command, run_to_end};

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
const ENCODED: &str = "MC4CAQAwBQYDK2VwBCIEIOdJhunter2hunter2/Qb+hunter2hunter2hunter2A";

/// Runs the binary, which refuses the start, or finds that nobody answers where it is to go.
#[track_caller]
fn tells_nothing(arguments: &[&str], environment: &[(&str, &str)]) {
    let folder = Folder::new();
    let ended = run_to_end(&folder, arguments, &[environment, &[("RUST_LOG", "trace")]].concat());
    assert!(ended.code.is_some_and(|code| code != 0), "{arguments:?} {environment:?}: {ended:?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!said.is_empty() && !said.contains("hunter2"), "{arguments:?} {environment:?}: {said}");
    assert!(said.lines().all(|line| line.len() < 1000), "{said}");
    let made =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(made.into_iter().all(|name| !name.contains("hunter2")), "a file has it in its name");
}

#[test]
fn paths() {
    for place in
        [KEY, ENCODED, r#"{"keys":[{"kty":"oct","k":"hunter2"}]}"#, "redis://:hunter2@h", "a:hunter2@h:1"]
    {
        tells_nothing(&[], &[("TLS_CERT", "cert.pem"), ("TLS_KEY", place)]);
        tells_nothing(
            &[],
            &[("REDIS_ADDR", "rediss://127.0.0.1:1"), ("REDIS_CERT", "c.pem"), ("REDIS_KEY", place)],
        );
        let external = [("AUTH_ISSUER", "a"), ("AUTH_AUDIENCE", "b")];
        tells_nothing(&[], &[external[0], external[1], ("AUTH_JWKS", place)]);
        for name in
            ["STATE_FILE", "ERASURE_LOG", "SCRIPTS_DIR", "PUBLIC_DIR", "METRICS_ADDR", "HOST", "DB_DSN"]
        {
            tells_nothing(&[], &[(name, place)]);
        }
        tells_nothing(&["check"], &[("SCRIPTS_DIR", place)]);
        tells_nothing(&["user", "list"], &[("DB_DSN", place)]);
        tells_nothing(&["healthcheck"], &[("HOST", place)]);
    }
}

#[test]
fn addresses_of_databases() {
    for dsn in [
        "Server=db;User Id=a;Pwd=hunter2",
        "user=a password=hunter2 hostaddr=127.0.0.1 port=1",
        "user=ada;password=hunter2 host=127.0.0.1 port=1",
        "host=127.0.0.1;password=hunter2 user=ada port=1",
        "host=127.0.0.1 port=1 user=ada dbname=game;password=hunter2",
        "host=127.0.0.1 port=1 user=ada dbname=game password=hunter2",
        "host=127.0.0.1 port=1 user=ada password=my hunter2",
        "host=127.0.0.1 port=1 user=ada sslmode=require;password=hunter2",
        "postgres://ada@127.0.0.1:1/game;password=hunter2",
        "postgres://ada:p@hunter2@127.0.0.1:1/game",
        "postgres://ada:hunter2@127.0.0.1:1/game",
        "postgres://ada@127.0.0.1:1/game?password=a&hunter2=x",
    ] {
        tells_nothing(&[], &[("DB_DSN", dsn)]);
        tells_nothing(&[], &[("DB_DSN", dsn), ("DB_TYPE", "postgres")]);
        tells_nothing(&["--db-type", "postgres", "--db-dsn", dsn], &[]);
        tells_nothing(&["data", "list", "profile"], &[("DB_DSN", dsn), ("DB_TYPE", "postgres")]);
    }
    for address in [
        "default:hunter2:127.0.0.1:1",
        ":hunter2",
        "default:hunter2/x",
        "127.0.0.1:1,default:hunter2",
        "redis://:hunter2/x@127.0.0.1:1",
    ] {
        tells_nothing(&[], &[("REDIS_ADDR", address)]);
    }
}

#[test]
fn the_command_line() {
    for line in [
        "--jwt-secret -hunter2",
        "--jwt-secret aaa hunter2",
        "-jwt-secret -hunter2 hunter2",
        "--jwt-secrethunter2",
        "--db-dsn host=a password=hunter2",
        "serve --redis-addr localhost hunter2",
        "user create ada hunter2",
        "user create ada --password hunter2",
        "user role ada hunter2",
        "healthcheck --url http://u:hunter2@127.0.0.1:1/",
        "healthcheck --url hunter2",
        "healthcheck --url http://127.0.0.1:1/?token=hunter2",
    ] {
        tells_nothing(&line.split(' ').collect::<Vec<_>>(), &[]);
    }
}

#[test]
fn a_secret_in_dot_env_is_what_stands_there() {
    let folder = Folder::new();
    let secret = "hunter2-hunter2-hunter2-hunter2-";
    for line in [
        format!(r"JWT_SECRET={secret}\\$HOME"),
        format!("JWT_SECRET='{secret}'$HOME"),
        format!("export\tJWT_SECRET={secret}$HOME"),
        format!("JWT_SECRET={secret}\"cd\"ef"),
    ] {
        fs::write(folder.path().join(".env"), format!("# ours\n{line}\n")).unwrap();
        let ended = run_to_end(&folder, &[], &[]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains("line 2") && ended.stderr.contains("in single quotes"),
            "{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

/// Shells of Windows put a mark in front of what they pipe.
#[test]
fn a_byte_order_mark_is_no_part_of_a_password() {
    let folder = Folder::new();
    let mut process = command(&folder)
        .args(["user", "create", "ada"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(b"\xef\xbb\xbfa good password\r\n").unwrap();
    assert!(process.wait().unwrap().success());
    let server = Server::start_in(folder, &[]);
    User::login(&server, "ada", "a good password");
}
