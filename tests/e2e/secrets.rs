//! Nothing that opens a door gets into the log or the metrics, however much is logged and whatever players do.

use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};

use godra::account::service::unix_ms;
use serde_json::{Value, json};

use crate::common::accounts::try_command;
use crate::common::http::Response;
use crate::common::issuer::{AUDIENCE, ISSUER, Signer, claims};
use crate::common::player::Player;
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::tls::{client, connect, make_certificate};
use crate::common::wait_until;
use crate::ledgers::{BUY, result};

const SIGNING_KEY: &str = "signing-key-0123456789-0123456789";
const FIRST_PASSWORD: &str = "first-password-of-ann";
const SECOND_PASSWORD: &str = "second-password-of-ann";
const THIRD_PASSWORD: &str = "third-password-of-ann";
const WRONG_PASSWORD: &str = "a-password-that-is-wrong";
const STORE_PASSWORD: &str = "password-of-the-store";
const DATABASE_PASSWORD: &str = "password-of-the-database";
const ISSUER_SECRET: &str = "secret-of-the-issuer-0123456789-abc";
const DEVICE_SECRET: &str = "Q6Vd8hQ0mJ3v1xT5rYc7uN2kP9sLwZbE4gFa0oIiXjA";
const WRONG_DEVICE_SECRET: &str = "W6Vd8hQ0mJ3v1xT5rYc7uN2kP9sLwZbE4gFa0oIiXjB";

/// Says in all ways that a script has what it was called with.
const LEAK: &str = "-- ROLE: guest
redis.log(redis.LOG_WARNING, 'redis.log ' .. ARGV[2])
error('broke over ' .. ARGV[2])
";

/// What must not be seen, as a name and a text.
type Secrets = Vec<(String, String)>;

/// A server that logs all that it can, and what it must not say.
struct Watched {
    server: Server,
    secrets: Secrets,
    calls: Cell<usize>,
    /// The flags by which commands find the accounts.
    database: Vec<String>,
    /// What commands said that have nothing to tell but whether they have done it.
    commands_said: String,
}

impl Watched {
    fn start(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        folder.write_script("leak", LEAK);
        folder.write_script("buy", BUY);
        let own = [
            ("RUST_LOG", "trace"),
            ("AUTH_SECRET", ISSUER_SECRET),
            ("AUTH_ISSUER", ISSUER),
            ("AUTH_AUDIENCE", AUDIENCE),
            ("ERASURE_LOG", "erased.log"),
            ("TRUSTED_PROXY", "127.0.0.1"),
        ];
        let server = Server::start_with(folder, flags, &[environment, &own].concat());
        let database = environment.iter().filter_map(|(name, value)| match *name {
            "DB_TYPE" => Some(["--db-type".to_owned(), (*value).to_owned()]),
            "DB_DSN" => Some(["--db-dsn".to_owned(), (*value).to_owned()]),
            _ => None,
        });
        let database = database.flatten().collect();
        let fixed = [
            THIRD_PASSWORD,
            ISSUER_SECRET,
            DEVICE_SECRET,
            WRONG_DEVICE_SECRET,
            SIGNING_KEY,
            FIRST_PASSWORD,
            SECOND_PASSWORD,
            WRONG_PASSWORD,
            STORE_PASSWORD,
            DATABASE_PASSWORD,
            "$argon2",
        ];
        let secrets = fixed.map(|text| (text.to_owned(), text.to_owned())).into();
        Self { server, secrets, calls: Cell::new(0), database, commands_said: String::new() }
    }

    /// A call that gives a login, of which each part is a secret.
    fn login(&mut self, path: &str, token: Option<&str>, body: &Value) -> (String, String) {
        let answer = self.call(path, token, body);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let answer = answer.json();
        let [token, refresh_token] = ["token", "refresh_token"].map(|name| {
            let text = answer[name].as_str().unwrap().to_owned();
            // Whoever reads the signature needs nothing else: the rest says who it is for.
            let signature = text.rsplit_once('.').unwrap().1.to_owned();
            self.secrets
                .extend([(format!("{name} of {path}"), text.clone()), (format!("its {name}"), signature)]);
            text
        });
        (token, refresh_token)
    }

    fn call(&self, path: &str, token: Option<&str>, body: &Value) -> Response {
        self.request("POST", path, token, body)
    }

    fn request(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Response {
        let authorization = token.map(|token| format!("Bearer {token}"));
        // From an address of its own, as one that has failed often has to wait.
        self.calls.set(self.calls.get() + 1);
        let address = format!("198.51.100.{}", self.calls.get() % 250);
        let mut headers = vec![("X-Forwarded-For", address.as_str())];
        headers.extend(authorization.iter().map(|value| ("Authorization", value.as_str())));
        self.server.request(method, path, &headers, body.to_string().as_bytes())
    }

    /// `godra user …` with this on standard input; what it says on standard output.
    fn user_command(&self, arguments: &[&str], input: &str) -> String {
        let database = self.database.iter().map(String::as_str).collect::<Vec<_>>();
        let (code, said, errors) =
            try_command(self.server.folder(), &[&["user"], arguments, &database].concat(), input);
        assert_eq!(code, Some(0), "{arguments:?}: {errors}");
        said
    }

    /// A token of the other issuer's, for one call.
    fn issued(&mut self, subject: &str) -> Value {
        let token = Signer::secret(ISSUER_SECRET.as_bytes()).token(&claims(subject, unix_ms() / 1000));
        self.secrets.push(("the issuer's token".to_owned(), token.clone()));
        json!({ "token": token })
    }

    /// Logins without a password, linked to each other, and what they are good for.
    fn play_with_identities(&mut self) {
        let device = |secret: &str| json!({"device_id": "device-of-somebody-1", "secret": secret});
        let proven = |mut body: Value, proof: &Value| {
            body["proof"] = proof.clone();
            body
        };
        let (phone, wrong) = (device(DEVICE_SECRET), device(WRONG_DEVICE_SECRET));
        let (token, refresh_token) = self.login("/device-login", None, &phone);
        assert_eq!(self.call("/device-login", None, &wrong).status, 401);
        self.misuse(&token, &refresh_token);
        let path = "/account/identities";
        let (first, second) = (self.issued("somebody|1"), self.issued("somebody|1"));
        assert_eq!(self.call(path, Some(&token), &proven(first.clone(), &wrong)).status, 403);
        let linked = self.call(path, Some(&token), &proven(first, &phone));
        assert_eq!(linked.status, 200, "{linked:?}");
        assert_eq!(self.request("GET", path, Some(&token), &Value::Null).status, 200);
        self.login("/external-login", None, &second);
        assert_eq!(self.call("/external-login", None, &phone).status, 400);
        let spent = second["token"].as_str().unwrap().to_owned();
        self.misuse(&token, &spent);
        let renamed = |proof: &Value| proven(json!({"username": "Zoe"}), proof);
        assert_eq!(self.request("PATCH", "/account", Some(&token), &renamed(&wrong)).status, 403);
        assert_eq!(self.request("PATCH", "/account", Some(&token), &renamed(&phone)).status, 200);
        let elsewhere = self.issued("somebody|1");
        let gone = self.request(
            "DELETE",
            &format!("{path}/device/device-of-somebody-1"),
            Some(&token),
            &proven(json!({}), &elsewhere),
        );
        assert_eq!(gone.status, 204, "{gone:?}");
        let proof = self.issued("somebody|1");
        let deleted = self.request("DELETE", "/account", Some(&token), &proven(json!({}), &proof));
        assert_eq!(deleted.status, 204, "{deleted:?}");
        let erased = fs::read_to_string(self.server.folder().path().join("erased.log")).unwrap();
        assert!(!erased.is_empty());
        self.commands_said += &erased;
    }

    /// A manager's calls, and codes for another password of ann's, by a command and by a call.
    fn play_with_codes(&mut self) {
        self.commands_said += &self.user_command(&["create", "max", "--role", "manager"], FIRST_PASSWORD);
        let (manager, _) =
            self.login("/login", None, &json!({"username": "max", "password": FIRST_PASSWORD}));
        let by_command = self.user_command(&["reset", "ann"], "").lines().next().unwrap().to_owned();
        let ann = json!({"username": "ann", "password": SECOND_PASSWORD});
        let id = self.call("/login", None, &ann).json()["user_id"].as_str().unwrap().to_owned();
        let use_up = |watched: &mut Self, code: String| {
            let plain = code.replace('-', "");
            for form in [code.clone(), code.to_lowercase(), plain.clone(), plain.to_lowercase()] {
                watched.secrets.push(("a code".to_owned(), form));
            }
            // What a script says has a code in the form in which it is shown.
            watched.call("/api/rpc", Some(&manager), &json!({"script": "leak", "args": [code]}));
            let reset = |code: &str, password| json!({"username": "ann", "code": code, "password": password});
            let wrong = format!("{}9", &code[..code.len() - 1]);
            watched.call("/account/reset", None, &reset(&wrong, THIRD_PASSWORD));
            assert_eq!(watched.call("/account/reset", None, &reset(&code, "short")).status, 400);
            assert_eq!(watched.call("/account/reset", None, &reset(&code, THIRD_PASSWORD)).status, 204);
        };
        use_up(self, by_command);
        let made = self.call(&format!("/api/users/{id}/reset"), Some(&manager), &json!({}));
        use_up(self, made.json()["code"].as_str().unwrap().to_owned());

        let document = json!({ "token": manager });
        for (method, path) in [
            ("PUT", "/api/data/profile/7"),
            ("GET", "/api/data/profile/7"),
            ("GET", "/api/data/profile"),
            ("DELETE", "/api/data/profile/7"),
        ] {
            let answer = self.request(method, path, Some(&manager), &document);
            assert!(answer.status < 300, "{method} {path}: {answer:?}");
        }
        self.request("GET", &format!("/api/data/profile/{manager}"), Some(&manager), &Value::Null);
        // The key of an entry, which a client makes up.
        let buy = json!({"script": "buy", "args": ["the-first"]});
        result(|| self.call("/api/rpc", Some(&manager), &buy));
        self.call("/api/rpc", Some(&manager), &json!({"script": "buy", "args": [manager]}));
    }

    /// All that players do with secrets, and what they do wrong with them.
    fn play(&mut self) {
        let ann = |password: &str| json!({"username": "ann", "password": password});
        let (guest, guest_refresh) = self.login("/guest-login", None, &json!({}));
        let (guest, _) = {
            let renewed = self.login("/refresh", None, &json!({"refresh_token": guest_refresh}));
            self.misuse(&guest, &guest_refresh);
            renewed
        };
        assert_eq!(self.call("/register", None, &ann(FIRST_PASSWORD)).status, 201);
        assert_eq!(self.call("/register", None, &ann(WRONG_PASSWORD)).status, 409);
        assert_eq!(self.call("/login", None, &ann(WRONG_PASSWORD)).status, 401);
        self.call("/login", None, &json!({"username": guest, "password": guest}));
        let (token, refresh_token) = self.login("/login", None, &ann(FIRST_PASSWORD));
        self.play_in_a_room(&token, &guest);
        self.misuse(&token, &refresh_token);
        let change = |old: &str, new: &str| json!({"old": old, "new": new});
        let path = "/account/password";
        assert_eq!(self.call(path, Some(&token), &change(WRONG_PASSWORD, SECOND_PASSWORD)).status, 403);
        assert_eq!(self.call(path, Some(&token), &change(FIRST_PASSWORD, SECOND_PASSWORD)).status, 204);
        let (_, spent) = self.login("/login", None, &ann(SECOND_PASSWORD));
        let (token, _) = self.login("/refresh", None, &json!({"refresh_token": spent}));
        assert_eq!(self.call("/logout", Some(&token), &json!({})).status, 204);
        // A session that somebody may have stolen, of which the log tells.
        let (_, spent) = self.login("/login", None, &ann(SECOND_PASSWORD));
        let (_, next) = self.login("/refresh", None, &json!({"refresh_token": spent}));
        self.login("/refresh", None, &json!({"refresh_token": next}));
        let again = self.call("/refresh", None, &json!({"refresh_token": spent}));
        assert_eq!(again.status, 401, "{again:?}");
        let (guest, _) = self.login("/guest-login", None, &json!({}));
        self.login(
            "/account/upgrade",
            Some(&guest),
            &json!({"username": "ben", "password": SECOND_PASSWORD}),
        );
        self.play_with_identities();
        self.play_with_codes();
        let ben = json!({"username": "ben", "password": SECOND_PASSWORD});
        let (token, _) = self.login("/login", None, &ben);
        let by_password = |password: &str| json!({"password": password});
        let refused = self.request("DELETE", "/account", Some(&token), &by_password(WRONG_PASSWORD));
        assert_eq!(refused.status, 403, "{refused:?}");
        let deleted = self.request("DELETE", "/account", Some(&token), &by_password(SECOND_PASSWORD));
        assert_eq!(deleted.status, 204, "{deleted:?}");
    }

    fn play_in_a_room(&self, token: &str, guest: &str) {
        let made = self.call("/api/rpc", Some(token), &json!({"script": "create_lobby", "args": [4]}));
        let room = made.json()["result"].as_str().unwrap().trim_start_matches("game:").to_owned();
        let address = self.server.address();
        let mut player = Player::connect(address, &format!("/ws?game_id={room}&token={token}")).unwrap();
        for text in [token, guest] {
            player.call("leak", json!(text), 1);
            player.send_text(text);
            player.send_text(&format!("{{\"action\":\"{text}\",\"payload\":"));
        }
        let protocols = format!("godra, bearer.{guest}");
        let header = [("Sec-WebSocket-Protocol", protocols.as_str())];
        let path = format!("/ws?game_id={room}&refuse=close");
        assert!(Player::connect_without_welcome(address, &path, &header).is_ok());
        for path in [format!("/ws?game_id=none&token={token}"), format!("/ws?game_id=a%20b&token={token}")] {
            assert!(Player::connect(address, &path).is_err());
        }
    }

    /// Everything that takes a token in the wrong place, or gets it broken.
    fn misuse(&self, token: &str, refresh_token: &str) {
        for text in [token, refresh_token] {
            let encoded = text.replace('.', "%2E");
            for text in [text, &encoded] {
                self.call("/api/rpc", Some(token), &json!({"script": "leak", "args": [text]}));
                self.call("/api/rpc", Some(token), &json!({"script": text, "args": [text], "keys": [text]}));
                self.call("/api/rpc", Some(text), &json!({"script": "list_lobbies"}));
                self.call("/refresh", None, &json!({"refresh_token": format!("{text}x")}));
                self.call("/register", None, &json!({"username": text, "password": text}));
                self.call("/nowhere", Some(text), &json!(text));
                for line in [
                    format!("GET /ws?token={text}&game_id=%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
                    format!("GET /ws?token={text} HTTP/3.0\r\nHost: a\r\n\r\n"),
                    format!("GET /{text} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
                    format!("{text} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
                    format!("GET / HTTP/1.1\r\nHost: {text}, b\r\n\r\n"),
                    format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{text}\r\n\r\n"),
                    format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {text}\u{1}\r\n\r\n"),
                    format!("GET /ws?token={text}{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000)),
                ] {
                    self.server.raw(line);
                }
            }
        }
    }

    /// Neither the log nor the metrics have said any of it.
    #[track_caller]
    fn check(&mut self) {
        // What the script says shall be there, so that the test sees that it looks where things are said.
        self.server.output().wait_for_line(&["broke over [token]"]);
        let metrics = self.server.get("/metrics").text();
        self.server.terminate();
        self.server.wait();
        let said = format!("{}{metrics}{}", self.server.output(), self.commands_said);
        for (name, text) in &self.secrets {
            for line in said.lines() {
                assert!(!line.contains(text.as_str()), "{name} is in {line}");
            }
        }
    }
}

#[test]
fn nothing_is_said_with_everything_in_the_process() {
    let mut watched = Watched::start(&[], &[("JWT_SECRET", SIGNING_KEY)]);
    watched.play();
    watched.check();
}

#[test]
fn nothing_is_said_as_json() {
    let mut watched = Watched::start(&["--log-format", "json"], &[("JWT_SECRET", SIGNING_KEY)]);
    watched.play();
    watched.check();
}

#[test]
fn nothing_is_said_over_tls() {
    let folder = Folder::new();
    let (certificate, key) = make_certificate(folder.path());
    let key_text = fs::read_to_string(&key).unwrap();
    let flags = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut server = Server::start_with(folder, &flags, &[("RUST_LOG", "trace")]);
    let post = |path: &str, body: &Value| {
        let client = client(&certificate, rustls::DEFAULT_VERSIONS);
        let mut stream = connect(&client, server.address());
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}",
            body.len()
        );
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    let ann = json!({"username": "ann", "password": FIRST_PASSWORD});
    assert!(post("/register", &ann).starts_with("HTTP/1.1 201"));
    let login = post("/login", &ann);
    let body: Value = serde_json::from_str(login.split_once("\r\n\r\n").unwrap().1).unwrap();
    server.terminate();
    server.wait();
    let said = server.output().to_string();
    let of_login = ["token", "refresh_token"].map(|name| body[name].as_str().unwrap());
    let of_key = key_text.lines().filter(|line| !line.starts_with("-----"));
    for secret in [FIRST_PASSWORD].into_iter().chain(of_login).chain(of_key) {
        assert!(secret.len() > 10 && !said.contains(secret), "{secret} is in {said}");
    }
}

#[test]
fn nothing_is_said_with_everything_elsewhere_and_in_trouble() {
    let postgres = Postgres::start();
    let mut redis = Redis::start_with(&["--requirepass", STORE_PASSWORD]);
    let dsn = format!("{} password={DATABASE_PASSWORD}", postgres.database("game"));
    let store = format!("redis://:{STORE_PASSWORD}@{}", redis.address());
    let environment = [("DB_TYPE", "postgres"), ("DB_DSN", dsn.as_str())];
    let mut watched = Watched::start(&["--redis-addr", &store], &environment);
    watched.server.output().wait_for_line(&["the store is there"]);
    // The signing key is in the database, and drivers print bytes as numbers.
    let key = postgres.sql("game", "SELECT encode(value, 'hex') FROM settings WHERE name = 'jwt_secret'");
    let bytes: Vec<u8> =
        (0..key.len()).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap()).collect();
    assert!(bytes.len() >= 32, "{key}");
    watched.secrets.extend([
        ("the key".to_owned(), key),
        ("the key's bytes".to_owned(), format!("{:?}", &bytes[..16]).replace(']', "")),
    ]);
    watched.play();
    postgres.stop();
    redis.kill();
    watched.server.output().wait_for_line(&["the connection to the store is lost"]);
    let ann = json!({"username": "ann", "password": SECOND_PASSWORD});
    wait_until("the database to be missed", || watched.call("/login", None, &ann).status == 503);
    watched.check();
}
