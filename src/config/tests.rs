use std::ffi::OsString;

use clap::Command;

use super::*;
use crate::account::secret::Secret;
use crate::pages::DEFAULT_POLICY;
use crate::wire::ws::deflate::CompressionLevel;

const MACHINE: Machine = Machine { cores: 4, max_open_files: Some(100_000), memory_bytes: Some(8 << 30) };

/// Resolves a command line such as `--port 1`.
fn resolve(flags: &str) -> Result<Config, String> {
    resolve_all(flags, &[], "", MACHINE)
}

fn resolve_all(
    flags: &str,
    environment: &[(&str, &str)],
    dot_env: &str,
    machine: Machine,
) -> Result<Config, String> {
    let arguments =
        normalize_dashes(["godra"].into_iter().chain(flags.split_whitespace()).map(OsString::from));
    let matches =
        with_flags(Command::new("godra")).try_get_matches_from(arguments).map_err(|e| e.to_string())?;
    let lookup = |name: &str| {
        let found = environment.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let resolve = || {
        let values = Values::collect(&matches, lookup, &DotEnv::parse(dot_env)?)?;
        Config::resolve(&values, machine)
    };
    resolve().map_err(|error| error.to_string())
}

#[track_caller]
fn refused(flags: &str, expected: &str) {
    assert_eq!(resolve(flags).map(|config| format!("{config:?}")), Err(expected.to_owned()), "{flags}");
}

#[test]
fn defaults() {
    let config = resolve("").unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.threads, 4);
    assert_eq!(config.scripts_dir, Path::new("scripts"));
    assert_eq!(config.sync_interval, Duration::from_millis(50));
    assert_eq!(config.token_keys, [TokenKey::InDatabase]);
    assert_eq!(config.token_ttl, Duration::from_secs(24 * 3600));
    assert_eq!(config.database.to_string(), "sqlite game.db");
    assert_eq!(config.max_connections, 20_000);
    let by_default = |most| Limit { most, holds_for_local: false };
    assert_eq!(config.max_connections_per_ip, by_default(256));
    assert_eq!(config.max_message_bytes, 65_536);
    let rates = [config.input_rate, config.rpc_rate, config.login_rate];
    assert_eq!(rates, [60, 30, 60].map(by_default));
    assert_eq!(config.compress, CompressionLevel::new(2));
    assert_eq!(config.allow_origins, AllowedOrigins::Any);
    assert_eq!((config.buffer_memory, config.lobbies_per_owner), (256 << 20, 16));
    assert_eq!(config.log_format, LogFormat::Text);
    assert!(config.demo && !config.debug_echo);
    assert_eq!(config.script_time_budget, Duration::from_millis(50));
    assert_eq!(config.script_memory_budget, 32 << 20);
    assert_eq!(config.store_memory, 4 << 30);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn names_that_nobody_can_be_given_are_refused() {
    let config = resolve("--reserved-names default,studio --confusable-names allow").unwrap();
    assert_eq!(config.confusable_names, ConfusableNames::Allow);
    assert_eq!(resolve("").unwrap().confusable_names, ConfusableNames::Refuse);
    refused("--confusable-names maybe", "--confusable-names maybe: expected refuse or allow");
    refused(
        "--reserved-names ann,b:b",
        "--reserved-names ann,b:b: \"b:b\" cannot be a username, which has letters, digits, '_', '-' and '.' only; expected \
         names with commas, default, @FILE with a name a line, or off",
    );
    let refusal = resolve("--reserved-names @/no/names").unwrap_err();
    assert!(refusal.starts_with("--reserved-names @/no/names: /no/names cannot be read: "), "{refusal}");
}

#[test]
fn headers_of_proxies_are_believed_of_named_ones_alone() {
    let config = resolve("--proxy-protocol --trusted-proxy 10.0.0.0/8").unwrap();
    assert!(config.proxy_protocol && config.trusted_proxies.len() == 1);
    assert!(!resolve("--trusted-proxy 10.0.0.0/8").unwrap().proxy_protocol);
    assert!(!resolve("--proxy-protocol off").unwrap().proxy_protocol);
    let expected = "expected --trusted-proxy with it, which says whose headers are believed";
    refused("--proxy-protocol", &format!("--proxy-protocol on: {expected}"));
    refused("--proxy-protocol maybe", "--proxy-protocol maybe: expected on or off");
}

#[test]
fn a_public_folder_is_named_or_found_beside_the_scripts() {
    let game = tempfile::tempdir().unwrap();
    let (scripts, public) = (game.path().join("scripts"), game.path().join("public"));
    let public_of =
        |flags: &str| resolve(&format!("--scripts-dir {} {flags}", scripts.display())).unwrap().public;
    assert_eq!(public_of(""), None);
    std::fs::create_dir(&public).unwrap();
    let found = public_of("").unwrap();
    assert_eq!(
        (&found.dir, found.policy.as_deref(), found.is_isolated),
        (&public, Some(DEFAULT_POLICY), true)
    );
    assert_eq!(public_of("--public-dir off"), None);
    let named = public_of("--public-dir / --public-csp off --public-isolation off").unwrap();
    assert_eq!(named, PublicFolder { dir: "/".into(), policy: None, is_isolated: false });
    assert_eq!(public_of("--public-csp sandbox").unwrap().policy.as_deref(), Some("sandbox"));
    let expected = "expected a directory whose files are for everybody, or off";
    refused("--public-dir no/such", &format!("--public-dir no/such: {expected}"));
    let expected = "expected a Content-Security-Policy on one line, such as default-src 'self', or off";
    refused("--public-csp ü", &format!("--public-csp \"ü\": {expected}"));
}

#[test]
fn metrics_may_have_a_port_of_their_own() {
    let check = |text: &str, expected: &str| {
        let address = resolve(&format!("--metrics-addr {text}")).unwrap().metrics_address;
        assert_eq!(address.unwrap().to_string(), expected);
    };
    check("127.0.0.1:9100", "127.0.0.1:9100");
    check("localhost:0", "127.0.0.1:0");
    check("[::1]:9100", "[::1]:9100");
    check("0.0.0.0:65535", "0.0.0.0:65535");
    assert_eq!(resolve("").unwrap().metrics_address, None);
    for text in [
        "9100",
        ":9100",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:+1",
        "127.0.0.1:65536",
        "::1:9100",
        "x:y:1",
        "no.such.host.invalid:1",
    ] {
        let expected = "expected HOST:PORT, such as 127.0.0.1:9100 or [::1]:9100";
        refused(&format!("--metrics-addr {text}"), &format!("--metrics-addr {text}: {expected}"));
    }
}

#[test]
fn a_slip_in_a_name_of_dot_env_is_told() {
    let warnings = |text: &str| DotEnv::parse(text).unwrap().warnings();
    assert_eq!(
        warnings("GODRA_SYNC_INTERVL=60\nGODRA_JWT_SECERT=x\n"),
        [
            "GODRA_JWT_SECERT in .env is no setting; did you mean GODRA_JWT_SECRET?",
            "GODRA_SYNC_INTERVL in .env is no setting; did you mean GODRA_SYNC_INTERVAL?",
        ]
    );
    let known = "GODRA_RUST_LOG=debug\nGODRA_PORT=1\nGODRA_TEST_FAULT=x\nOTHER_NAME=x\nGODRA_EMPTY=\n";
    assert_eq!(warnings(known), [""; 0]);
}

#[test]
fn values_that_are_allowed() {
    let listen = |flags: &str, expected: &str| {
        assert_eq!(resolve(flags).unwrap().listen.to_string(), expected, "{flags}");
    };
    listen("--port 0", "0.0.0.0:0");
    listen("--port 65535 --host ::1", "[::1]:65535");
    listen("--host [::]", "[::]:8080");
    listen("--host localhost", "127.0.0.1:8080");
    listen("--port 1 --port 2", "0.0.0.0:2");

    let sync_ms = |flags: &str, expected: u128| {
        assert_eq!(resolve(flags).unwrap().sync_interval.as_millis(), expected, "{flags}");
    };
    sync_ms("--sync-interval 5", 5);
    sync_ms("--sync-interval=1000", 1000);
    sync_ms("--sync-interval 1s", 1000);
    sync_ms("--sync-interval 20ms", 20);

    let ttl_s = |flags: &str, expected: u64| {
        assert_eq!(resolve(flags).unwrap().token_ttl.as_secs(), expected, "{flags}");
    };
    ttl_s("--token-ttl 90s", 90);
    ttl_s("--token-ttl 15m", 900);
    ttl_s("--token-ttl 7d", 7 * 86_400);

    let message_bytes = |flags: &str, expected: usize| {
        assert_eq!(resolve(flags).unwrap().max_message_bytes, expected, "{flags}");
    };
    message_bytes("--max-message-bytes 125", 125);
    message_bytes("--max-message-bytes 1m", 1 << 20);
    message_bytes("--max-message-bytes 16MiB", 16 << 20);

    let echo =
        |flags: &str, expected: bool| assert_eq!(resolve(flags).unwrap().debug_echo, expected, "{flags}");
    echo("--debug-echo", true);
    echo("--debug-echo=off", false);
    echo("--debug-echo off --port 1", false);
    echo("--debug-echo --port 1", true);

    assert_eq!(resolve("--threads 256").unwrap().threads, 256);
    assert_eq!(resolve("--input-rate 30").unwrap().input_rate, Limit::set(30));
    // Also one that is the default says that it is wanted.
    assert_eq!(resolve("--rpc-rate 30").unwrap().rpc_rate, Limit::set(30));
    assert_eq!(resolve("--login-rate 0").unwrap().login_rate, Limit::set(0));
    refused("--rpc-rate fast", "--rpc-rate fast: expected a whole number from 0 to 1000000");
    assert_eq!(resolve("--compress off").unwrap().compress, None);
    assert_eq!(resolve("--compress 0").unwrap().compress, None);
    assert_eq!(resolve("--compress 9").unwrap().compress, CompressionLevel::new(9));
    assert_eq!(resolve("--log-format json").unwrap().log_format, LogFormat::Json);
    assert_eq!(resolve("--db-type sqlite --state-file off").map(|_| ()), Ok(()));
    let state_file = |flags: &str, expected: Option<&str>| {
        assert_eq!(resolve(flags).unwrap().state_file.as_deref(), expected.map(Path::new), "{flags}");
    };
    state_file("", Some("state.db"));
    state_file("--state-file off", None);
    state_file("--state-file data/rooms.db", Some("data/rooms.db"));
    state_file("--redis-addr localhost", None);
    state_file("--redis-addr localhost --state-file off", None);
    assert_eq!(resolve("--store-memory 256m").unwrap().store_memory, 256 << 20);
    let database = |flags: &str| resolve(flags).unwrap().database.to_string();
    assert_eq!(database("--db-dsn data/my.db"), "sqlite data/my.db");
    assert_eq!(
        database("-db-type postgres --db-dsn postgres://ada:secret@db/game"),
        "postgres ada@db:5432/game"
    );
}

#[test]
fn a_port_redirects_to_https() {
    let redirect = |flags: &str| {
        let flags = format!("--tls-cert c.pem --tls-key k.pem {flags}");
        let redirect = resolve(&flags).unwrap().https_redirect?.of_port(8080);
        Some((redirect.to_port, redirect.hsts.to_string()))
    };
    let seconds = |seconds: u64| format!("max-age={seconds}");
    assert_eq!(redirect(""), None);
    assert_eq!(redirect("--https-redirect 80"), Some((8080, seconds(365 * 86_400))));
    assert_eq!(redirect("--https-redirect 80:443 --hsts 0s"), Some((443, seconds(0))));
    assert_eq!(redirect("--port 0 --https-redirect 0 --hsts 1h"), Some((8080, seconds(3600))));
}

#[test]
fn values_that_are_refused() {
    refused("--port 65536", "--port 65536: expected a whole number from 0 to 65535");
    refused("--port -1", "--port -1: expected a whole number from 0 to 65535");
    refused("--port +1", "--port +1: expected a whole number from 0 to 65535");
    refused("--port=", r#"--port "": expected a whole number from 0 to 65535"#);
    refused("--port 80a", "--port 80a: expected a whole number from 0 to 65535");
    refused(
        "--host nowhere.invalid",
        "--host nowhere.invalid: expected an IPv4 or IPv6 address, such as 127.0.0.1 or ::, or a name that leads to one",
    );
    refused("--threads 0", "--threads 0: expected a whole number from 1 to 256");
    refused("--threads 257", "--threads 257: expected a whole number from 1 to 256");
    refused("--sync-interval 4", "--sync-interval 4: expected milliseconds from 5 to 1000");
    refused("--sync-interval 2s", "--sync-interval 2s: expected milliseconds from 5 to 1000");
    refused("--sync-interval 50x", "--sync-interval 50x: expected milliseconds from 5 to 1000");
    refused(
        "--jwt-secret 0123456789abcdef0123456789abcdef,short",
        "--jwt-secret (38 bytes): expected at least 32 bytes for each secret, or database",
    );
    refused("--jwt-secret short", "--jwt-secret (5 bytes): expected at least 32 bytes, or database");
    refused(
        "--token-ttl 24",
        "--token-ttl 24: expected a time from 1s to 3650d with its unit (ms, s, m, h, d)",
    );
    refused(
        "--token-ttl 99999999999999999999d",
        "--token-ttl 99999999999999999999d: expected a time from 1s to 3650d with its unit (ms, s, m, h, d)",
    );
    refused("--db-type mysql", "--db-type mysql: allowed are sqlite and postgres");
    refused(
        "--db-dsn postgres://u@h/d",
        "--db-dsn (16 bytes): expected a path, not a URL; for PostgreSQL say --db-type postgres",
    );
    refused(
        "--db-type postgres",
        "--db-dsn is missing, which --db-type postgres needs: host=… user=… password=… dbname=…, or postgres://user:password@host:port/dbname",
    );
    refused(
        "--db-type postgres --db-dsn game.db",
        "--db-dsn game.db: expected host=… user=… password=… dbname=…, or postgres://user:password@host:port/dbname",
    );
    refused(
        "--db-type postgres --db-dsn postgres://u:pw@h/d?colour=red",
        "--db-dsn (30 bytes): an option is not known; in key=value a password with spaces needs single quotes, in a URL %XX stands for what is not a letter or digit; expected host=… user=… password=… dbname=…, or postgres://user:password@host:port/dbname",
    );
    refused("--db-dsn :memory:", "--db-dsn :memory:: expected the path of an SQLite file");
    refused("--redis-ca ca.pem", "--redis-ca ca.pem: expected an address with rediss:// in --redis-addr");
    refused(
        "--redis-addr rediss://localhost --redis-ca /nowhere.pem",
        "--redis-ca /nowhere.pem: /nowhere.pem: No such file or directory (os error 2)",
    );
    refused(
        "--redis-addr rediss://localhost --redis-cert a.pem",
        "--redis-cert a.pem: expected --redis-key with it",
    );
    refused(
        "--redis-addr rediss://localhost --redis-key a.pem",
        "--redis-key a.pem: expected --redis-cert with it",
    );
    refused(
        "--https-redirect 80",
        "--https-redirect 80: expected --tls-cert with it: without TLS there is no HTTPS to send to",
    );
    let with_tls = |flags: &str| format!("--tls-cert c.pem --tls-key k.pem {flags}");
    refused(
        &with_tls("--port 443 --https-redirect 443"),
        "--https-redirect 443: expected another port than --port 443, which speaks HTTPS",
    );
    refused(
        &with_tls("--https-redirect 80:0"),
        "--https-redirect 80:0: expected a whole number from 1 to 65535",
    );
    refused(
        &with_tls("--https-redirect http"),
        "--https-redirect http: expected a whole number from 0 to 65535",
    );
    refused(&with_tls("--hsts 30d"), "--hsts 30d: expected --https-redirect with it");
    refused(
        "--redis-prefix a:b",
        "--redis-prefix a:b: expected 1 to 32 letters, digits, _, - or .; a : follows it in names",
    );
    refused(
        "--state-file state.db --redis-addr localhost",
        "--state-file state.db: with --redis-addr there is no embedded store to be kept; allowed is off",
    );
    refused("--state-file :memory:", "--state-file :memory:: expected the path of an SQLite file, or off");
    refused(
        "--max-message-bytes 124",
        "--max-message-bytes 124: expected a size from 125 to 16m (bytes, or with k, m or g)",
    );
    refused(
        "--max-message-bytes 17m",
        "--max-message-bytes 17m: expected a size from 125 to 16m (bytes, or with k, m or g)",
    );
    let levels = "expected off, or a level from 1 (fastest) to 9 (smallest)";
    for level in ["10", "-1", "on", "gzip"] {
        refused(&format!("--compress {level}"), &format!("--compress {level}: {levels}"));
    }
    refused("--input-rate many", "--input-rate many: expected a whole number from 0 to 1000000");
    refused("--log-format xml", "--log-format xml: expected text or json");
    refused("--debug-echo=maybe", "--debug-echo maybe: expected on or off");
    refused(
        "--script-time-budget 11s",
        "--script-time-budget 11s: expected a time from 1ms to 10s with its unit (ms, s, m, h, d)",
    );
    refused(
        "--store-memory 1k",
        "--store-memory 1k: expected a size from 1m to 1024g (bytes, or with k, m or g)",
    );
    refused(
        "--redis-addr localhost --store-memory 1g",
        "--store-memory 1g: with --redis-addr there is no embedded store; Redis has its own maxmemory",
    );
    refused(
        "--script-memory-budget 1k",
        "--script-memory-budget 1k: expected a size from 1m to 4g (bytes, or with k, m or g)",
    );
    let origins = "expected *, or origins such as https://game.example:8443, https://*.game.example or null, with commas between them";
    refused("--allow-origin game.example", &format!("--allow-origin game.example: {origins}"));
    refused("--allow-origin https://a/path", &format!("--allow-origin https://a/path: {origins}"));
    for slip in [
        "*,https://a",
        "https://",
        "https://*",
        "https://*.",
        "https://*a.example",
        "https://a.*.example",
        "9s://a",
        "https://a,",
        "Null",
    ] {
        refused(&format!("--allow-origin {slip}"), &format!("--allow-origin {slip}: {origins}"));
    }
    refused("--allow-origin https://a@b", &format!("--allow-origin (11 bytes): {origins}"));
}

#[test]
fn single_dashes_are_as_good_as_two() {
    let check = |arguments: &str, expected: &str| {
        let normalized = normalize_dashes(arguments.split(' ').map(OsString::from));
        let texts: Vec<&str> = normalized.iter().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(texts.join(" "), expected);
    };
    check("godra -db-type postgres", "godra --db-type postgres");
    check("godra -db-type=postgres", "godra --db-type=postgres");
    check("godra --db-type postgres", "godra --db-type postgres");
    check("godra -h", "godra -h");
    check("godra -V", "godra -V");
    check("godra --port -5", "godra --port -5");
    check("godra - -- -port", "godra - -- -port");
    check("godra -prot 1", "godra --prot 1");
    check("godra -help", "godra --help");
    assert_eq!(resolve("-port=1 -host ::").unwrap().listen.to_string(), "[::]:1");
}

#[test]
fn flags_over_environment_over_dot_env_over_defaults() {
    let check = |flags: &str, environment: &[(&str, &str)], dot_env: &str, expected_port: u16| {
        let config = resolve_all(flags, environment, dot_env, MACHINE).unwrap();
        assert_eq!(config.listen.port(), expected_port);
    };
    check("--port 1", &[("PORT", "2")], "PORT=3", 1);
    check("", &[("PORT", "2")], "PORT=3", 2);
    check("", &[], "PORT=3", 3);
    check("", &[], "# nothing\nHOST=::1\n", 8080);
    check("", &[("PORT", "")], "PORT=3", 3);
    check("", &[("PORT", "")], "PORT=", 8080);
}

#[test]
fn a_refused_variable_is_named() {
    let check = |environment: &[(&str, &str)], dot_env: &str, expected: &str| {
        assert_eq!(resolve_all("", environment, dot_env, MACHINE).unwrap_err(), expected);
    };
    check(
        &[("SYNC_INTERVAL", "0")],
        "",
        "SYNC_INTERVAL=0 in the environment (--sync-interval): expected milliseconds from 5 to 1000",
    );
    check(&[], "THREADS=x", "THREADS=x in .env (--threads): expected a whole number from 1 to 256");
    check(
        &[("JWT_SECRET", "abc")],
        "",
        "JWT_SECRET=(3 bytes) in the environment (--jwt-secret): expected at least 32 bytes, or database",
    );
    let no_line =
        ".env: line 2 is not NAME=value; a value with spaces, quotes, $ or \\ needs single quotes around it";
    check(&[], "PORT=1\nJWT_SECRET secret", no_line);
    check(&[], "PORT=1\nJWT_SECRET=hunter2 battery staple", no_line);
    let changed = ".env: line 1 would be read as another JWT_SECRET than stands there; put the whole value in single quotes, and if it has one itself or more lines, set it in the environment";
    check(&[], "JWT_SECRET=hun$ter2-0123456789abcdef0123456789abcdef", changed);
    check(&[], "export JWT_SECRET=\"hun${ter}2-0123456789abcdef0123456789\"", changed);
}

#[test]
fn a_refusal_never_shows_a_password() {
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----";
    const ENCODED: &str = "MC4CAQAwBQYDK2VwBCIEIOdJhunter2hunter2/Qb+hunter2hunter2hunter2A";
    let check = |environment: &[(&str, &str)]| {
        let refusal = resolve_all("", environment, "", MACHINE).map(|_| environment).unwrap_err();
        assert!(!refusal.contains("hunter2"), "{environment:?}: {refusal}");
        let (name, value) = environment[environment.len() - 1];
        assert!(refusal.contains(&format!("{name}=({} bytes)", value.len())), "{environment:?}: {refusal}");
    };
    for dsn in [
        "Server=db;User Id=a;Pwd=hunter2",
        "host=db user=a pass=hunter2",
        "host=db user=a password=my hunter2=x",
        "host=db user=a password='hunter2",
        "host=db user=ada dbname=game;password=hunter2",
        "user=ada;password=hunter2 host=db",
        "sslmode=require;password=hunter2 host=db user=a",
        "postgres://a:hunter2@db:x/game",
        "postgres://ada@db/game;password=hunter2",
        "postgres://ada:p@hunter2@db/game",
        "postgres://ada@db/game?password=a&hunter2=x",
    ] {
        check(&[("DB_TYPE", "postgres"), ("DB_DSN", dsn)]);
    }
    for place in [
        KEY,
        ENCODED,
        r#"{"keys":[{"kty":"oct","k":"hunter2"}]}"#,
        "https://u:hunter2@h/k",
        "a:hunter2@h:1",
        "k=hunter2",
    ] {
        for name in [
            "TLS_CERT",
            "TLS_KEY",
            "AUTH_JWKS",
            "STATE_FILE",
            "ERASURE_LOG",
            "SCRIPTS_DIR",
            "PUBLIC_DIR",
            "DB_DSN",
        ] {
            check(&[(name, place)]);
        }
        for name in ["PORT", "HOST", "METRICS_ADDR", "TRUSTED_PROXY", "LOG_FORMAT", "TOKEN_TTL"] {
            check(&[(name, place)]);
        }
        let of_redis = [("REDIS_ADDR", "rediss://db"), ("REDIS_CERT", "cert.pem")];
        check(&[of_redis[0], ("REDIS_CA", place)]);
        check(&[of_redis[0], of_redis[1], ("REDIS_KEY", place)]);
    }
    for value in [KEY, "https://u:hunter2@h", "a:hunter2@h:1"] {
        for name in ["ALLOW_ORIGIN", "RESERVED_NAMES"] {
            check(&[(name, value)]);
        }
    }
    for (name, value) in [
        ("REDIS_ADDR", "rediss://default:hunter2@redis.example:6380x"),
        ("REDIS_ADDR", "redis://:hunter2,x@127.0.0.1:6379"),
        ("REDIS_ADDR", "redis://:hunter2/x@127.0.0.1:6379"),
        ("REDIS_ADDR", "redis://:hunter2@127.0.0.1:63790x"),
        ("REDIS_ADDR", "default:hunter2@127.0.0.1:6379"),
        ("REDIS_ADDR", "default:hunter2:127.0.0.1:6379"),
        ("REDIS_ADDR", "redis.example:6379,default:hunter2"),
        ("REDIS_ADDR", ":hunter2"),
        ("REDIS_ADDR", "default:hunter2/x"),
        ("DB_DSN", "Server=db;User Id=a;Pwd=hunter2"),
        ("DB_DSN", "user=a password=hunter2 hostaddr=::1"),
        ("JWT_SECRET", "hunter2"),
        ("AUTH_SECRET", "hunter2"),
    ] {
        check(&[(name, value)]);
    }
    // What has no place for one is shown.
    let shown = |name: &str, value: &str| {
        let refusal = resolve_all("", &[(name, value)], "", MACHINE).unwrap_err();
        assert!(refusal.starts_with(&format!("{name}={value} in the environment")), "{refusal}");
    };
    shown("REDIS_ADDR", "redis.example:70000");
    shown("REDIS_ADDR", "[::1]:70000,redis");
    shown("METRICS_ADDR", "localhost");
    shown("PUBLIC_DIR", "/srv/my-game/nowhere");
    shown("ALLOW_ORIGIN", "https://my.example/page");
    shown("RESERVED_NAMES", "ann,@nowhere.txt");
}

#[test]
fn a_secret_may_begin_with_a_dash() {
    let secret = "-abcdefghij_klmnopqrstuvwxyz-0123456789ABCDE";
    for flags in [
        format!("--jwt-secret {secret} --port 1"),
        format!("-jwt-secret {secret} -port 1"),
        format!("--jwt-secret={secret} -port=1"),
    ] {
        let config = resolve(&flags).unwrap();
        let [TokenKey::Given(given)] = config.token_keys.as_slice() else { panic!("one key") };
        assert_eq!((given.expose(), config.listen.port()), (secret.as_bytes(), 1), "{flags}");
    }
}

#[test]
fn a_secret_from_a_file_may_end_with_a_line() {
    let secret = "0123456789abcdef0123456789abcdef";
    let mounted = format!("\u{feff}{secret}\r\n");
    let config = resolve_all("", &[("JWT_SECRET", &mounted)], "", MACHINE).unwrap();
    let [TokenKey::Given(given)] = config.token_keys.as_slice() else { panic!("one key") };
    assert_eq!(given.expose(), secret.as_bytes());
    let quoted = resolve_all("", &[], "JWT_SECRET='hun$ter2-0123456789abcdef0123456789'", MACHINE).unwrap();
    let [TokenKey::Given(given)] = quoted.token_keys.as_slice() else { panic!("one key") };
    assert_eq!(given.expose(), b"hun$ter2-0123456789abcdef0123456789");
}

#[test]
fn errors_are_one_line_whatever_the_value() {
    let error = resolve_all("", &[("PORT", &format!("1\n{}", "x".repeat(500)))], "", MACHINE).unwrap_err();
    assert_eq!(error.lines().count(), 1);
    assert!(error.chars().count() < 200, "{error}");
}

#[test]
fn connections_are_bounded_by_open_files() {
    let check = |flags: &str, max_open_files: u64, expected: Result<usize, &str>| {
        let machine = Machine { cores: 4, max_open_files: Some(max_open_files), memory_bytes: None };
        let resolved = resolve_all(flags, &[], "", machine).map(|config| config.max_connections);
        assert_eq!(resolved, expected.map_err(str::to_owned));
    };
    check("", 1_000_000, Ok(20_000));
    check("", 1024, Ok(924));
    check("--threads 1", 1024, Ok(939));
    check("--max-connections 50000", 1_000_000, Ok(50_000));
    check("--max-connections 924", 1024, Ok(924));
    check(
        "--max-connections 925",
        1024,
        Err(
            "--max-connections 925: expected a whole number from 1 to 924; the limit of open files is 1024, see `ulimit -Hn`",
        ),
    );
    check("", 10, Ok(1));
}

#[test]
fn warnings() {
    let check = |flags: &str, expected: &str| {
        let warnings = resolve(flags).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{warnings:?}");
    };
    check("--debug-echo", "/echo");
    check("--jwt-secret 0123456789abcdef0123456789abcdef", "JWT_SECRET in the environment");
    check("--jwt-secret aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "easy to guess");
    let from_environment =
        resolve_all("", &[("JWT_SECRET", "0123456789abcdef0123456789abcdef")], "", MACHINE);
    assert_eq!(from_environment.unwrap().warnings, Vec::<String>::new());
    let low = resolve_all("", &[], "", Machine { cores: 1, max_open_files: Some(1024), ..MACHINE }).unwrap();
    assert_eq!(
        low.warnings,
        ["--max-connections is 939, not 20000: the limit of open files is 1024, see `ulimit -Hn`"]
    );
}

#[test]
fn token_keys() {
    let given = |text: &str| TokenKey::Given(Secret::new(text.as_bytes().to_vec()).unwrap());
    let [new, old] = ["new-new-new-new-new-new-new-new-", "old-old-old-old-old-old-old-old-"];
    let keys_of = |list: &str| resolve(&format!("--jwt-secret {list}")).unwrap().token_keys;
    assert_eq!(keys_of(&format!("{new},{old}")), [given(new), given(old)]);
    assert_eq!(keys_of(&format!("{new},database")), [given(new), TokenKey::InDatabase]);
    assert_eq!(keys_of(&format!("database,{old}")), [TokenKey::InDatabase, given(old)]);
}

#[test]
fn secrets_are_not_shown() {
    let config = resolve("--jwt-secret 0123456789abcdef0123456789abcdef").unwrap();
    let [TokenKey::Given(secret)] = config.token_keys.as_slice() else {
        panic!("{:?}", config.token_keys);
    };
    assert_eq!(secret.expose(), b"0123456789abcdef0123456789abcdef");
    assert!(!format!("{config:?}").contains("abcdef"));
}

#[test]
fn a_variable_with_the_prefix_wins_over_one_without() {
    let port = |environment: &[(&str, &str)], dot_env: &str| {
        resolve_all("", environment, dot_env, MACHINE).map(|config| config.listen.port())
    };
    assert_eq!(port(&[("PORT", "1"), ("GODRA_PORT", "2")], ""), Ok(2));
    assert_eq!(port(&[("PORT", "1")], "GODRA_PORT=2"), Ok(1));
    assert_eq!(port(&[], "PORT=1\nGODRA_PORT=2"), Ok(2));
    assert_eq!(port(&[("GODRA_PORT", "")], "PORT=3"), Ok(3));
    let refused = port(&[("GODRA_PORT", "x")], "").unwrap_err();
    assert!(refused.starts_with("GODRA_PORT=x in the environment (--port): expected"), "{refused}");
    let secret = port(&[], "GODRA_JWT_SECRET=a$b").unwrap_err();
    assert!(secret.contains("another GODRA_JWT_SECRET"), "{secret}");
}

#[test]
fn keep_alive() {
    let check = |flags: &str, expected_s: u64| {
        let config = resolve(flags).unwrap();
        assert_eq!(config.limits.http.keep_alive_timeout, Duration::from_secs(expected_s));
    };
    check("", 75);
    check("--keep-alive 620s", 620);
    refused(
        "--keep-alive 2h",
        "--keep-alive 2h: expected a time from 1s to 1h with its unit (ms, s, m, h, d)",
    );
}

#[test]
fn message_timeout() {
    let check = |flags: &str, expected_s: u64| {
        let config = resolve(flags).unwrap();
        assert_eq!(config.limits.http.body_timeout, Duration::from_secs(expected_s));
    };
    check("", 30);
    check("--message-timeout 2s", 2);
    refused(
        "--message-timeout 500ms",
        "--message-timeout 500ms: expected a time from 1s to 10m with its unit (ms, s, m, h, d)",
    );
}

#[test]
fn origins() {
    let check = |setting: &str, origin: &str, expected: Option<&str>| {
        let allowed = AllowedOrigins::parse(setting).unwrap();
        assert_eq!(allowed.grant(Some(origin)), expected, "{setting} {origin}");
    };
    let granted = |setting: &str, origin: &str| check(setting, origin, Some(origin));
    let not = |setting: &str, origin: &str| check(setting, origin, None);
    check("*", "https://a.example", Some("*"));
    granted("https://a.example, http://localhost:3000", "http://localhost:3000");
    granted("HTTPS://A.Example:443", "https://a.example");
    granted("http://a:80,https://b:80", "https://b:80");
    granted("capacitor://localhost", "capacitor://localhost");
    not("https://a.example", "https://b.example");
    not("https://a.example", "https://a.example.evil");
    granted("https://*.a.example", "https://b.a.example");
    granted("https://*.a.example", "https://c.b.a.example");
    granted("https://*.a.example:8443", "https://b.a.example:8443");
    for stranger in [
        "https://a.example",
        "https://.a.example",
        "https://b..a.example",
        "https://evil-a.example",
        "https://b.a.example.evil",
        "https://b.a.example:8443",
        "http://b.a.example",
        "https://evil.example/.a.example",
        "https://evil.example@b.a.example",
        "https://evil.example:1.a.example",
    ] {
        not("https://*.a.example", stranger);
    }
    granted("https://a.example,null", "null");
    granted("null", "file://");
    not("https://a.example", "null");
    not("null", "https://null");
}

#[test]
fn other_ways_to_log_in() {
    use crate::account::device::DeviceLogins;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let none = resolve("").unwrap().identities;
    assert_eq!((none.external, none.devices), (None, DeviceLogins::On));
    assert_eq!(resolve("--device-login linked").unwrap().identities.devices, DeviceLogins::Linked);
    refused(
        "--device-login known",
        "--device-login known: expected on, linked (only devices that an account has linked) or off",
    );

    let names = "--auth-issuer https://id.example --auth-audience my-game,my-game-web";
    let config = resolve(&format!("--auth-jwks keys.json --auth-secret {SECRET},{SECRET}! {names}")).unwrap();
    let external = config.identities.external.unwrap();
    assert_eq!((external.issuer.as_str(), external.audiences.len()), ("https://id.example", 2));
    assert_eq!((external.secrets.len(), external.key_file.as_deref()), (2, Some(Path::new("keys.json"))));
    assert_eq!(config.warnings.iter().filter(|warning| warning.contains("AUTH_SECRET")).count(), 1);

    refused(
        "--auth-jwks keys.json --auth-audience a",
        "--auth-jwks or --auth-secret without --auth-issuer: name the iss of the tokens that are to be taken, too",
    );
    refused(
        "--auth-jwks keys.json --auth-issuer a",
        "--auth-jwks or --auth-secret without --auth-audience: name the aud that stands for this server in them, too",
    );
    let keyless = "--auth-issuer and --auth-audience without --auth-jwks or --auth-secret: tokens need keys to be checked with";
    refused(names, keyless);
    refused("--auth-audience a", keyless);
    refused("--auth-secret short", "--auth-secret (5 bytes): expected at least 32 bytes");
    refused(
        &format!("--auth-secret {SECRET} --jwt-secret {SECRET} {names}"),
        "--auth-secret (32 bytes): expected another secret than --jwt-secret, which signs this server's own tokens",
    );
    refused(
        "--auth-jwks k --auth-issuer device --auth-audience a",
        "--auth-issuer device: expected another name: device stands for devices",
    );
    refused(
        "--auth-jwks k --auth-issuer a --auth-audience a,,b",
        "--auth-audience a,,b: expected 1 to 255 bytes without control characters, exactly as the tokens have it",
    );
}
