//! Nothing that opens a door gets into the log or the metrics, however much is logged and whatever players do.

use serde_json::{Value, json};

use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

const SIGNING_KEY: &str = "signing-key-0123456789-0123456789";
const FIRST_PASSWORD: &str = "first-password-of-ann";
const SECOND_PASSWORD: &str = "second-password-of-ann";
const WRONG_PASSWORD: &str = "a-password-that-is-wrong";
const STORE_PASSWORD: &str = "password-of-the-store";
const DATABASE_PASSWORD: &str = "password-of-the-database";

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
}

impl Watched {
    fn start(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        folder.write_script("leak", LEAK);
        let server = Server::start_with(folder, flags, &[environment, &[("RUST_LOG", "trace")]].concat());
        let fixed = [
            SIGNING_KEY,
            FIRST_PASSWORD,
            SECOND_PASSWORD,
            WRONG_PASSWORD,
            STORE_PASSWORD,
            DATABASE_PASSWORD,
            "$argon2",
        ];
        Self { server, secrets: fixed.map(|text| (text.to_owned(), text.to_owned())).into() }
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
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("Authorization", &**value)).collect();
        self.server.request("POST", path, &headers, body.to_string().as_bytes())
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
        let said = format!("{}{metrics}", self.server.output());
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
