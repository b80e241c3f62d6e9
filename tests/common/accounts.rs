//! Somebody who is logged in, and the commands of whoever runs the server.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::common::PATIENCE;
use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::server::{Folder, Server};

/// The password of every account in the tests.
pub const PASSWORD: &str = "correct horse";

/// Registers an account and logs in.
pub fn account<'s>(server: &'s Server, username: &str) -> User<'s> {
    let made = server.post("/register", &json!({"username": username, "password": PASSWORD}));
    assert_eq!(made.status, 201, "{made:?}");
    User::login(server, username, PASSWORD)
}

/// A login on a server.
pub struct User<'s> {
    server: &'s Server,
    pub user_id: String,
    token: String,
    refresh_token: String,
}

/// A login without its server.
pub struct Tokens {
    pub user_id: String,
    token: String,
    refresh_token: String,
}

impl Tokens {
    pub fn on<'s>(&self, server: &'s Server) -> User<'s> {
        let Self { user_id, token, refresh_token } = self;
        User { server, user_id: user_id.clone(), token: token.clone(), refresh_token: refresh_token.clone() }
    }
}

impl<'s> User<'s> {
    pub fn from_login(server: &'s Server, body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}")).to_owned();
        Self { server, user_id: text("user_id"), token: text("token"), refresh_token: text("refresh_token") }
    }

    pub fn login(server: &'s Server, username: &str, password: &str) -> Self {
        let response = server.post("/login", &json!({"username": username, "password": password}));
        assert_eq!(response.status, 200, "{response:?}");
        Self::from_login(server, &response.json())
    }

    pub fn guest(server: &'s Server) -> Self {
        Self::from_login(server, &server.post("/guest-login", &json!({})).json())
    }

    pub fn detach(self) -> Tokens {
        Tokens { user_id: self.user_id, token: self.token, refresh_token: self.refresh_token }
    }

    /// A request with the token.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> Response {
        let authorization = format!("Bearer {}", self.token);
        let body = if method == "GET" { String::new() } else { body.to_string() };
        self.server.request(method, path, &[("Authorization", &authorization)], body.as_bytes())
    }

    /// Sends bytes with more headers than the token.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let authorization = format!("Bearer {}", self.token);
        let headers = [&[("Authorization", authorization.as_str())], headers].concat();
        self.server.request(method, path, &headers, body)
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path, body)
    }

    /// `GET /account`
    pub fn who_am_i(&self) -> Response {
        self.request("GET", "/account", &Value::Null)
    }

    /// `POST /refresh`
    pub fn refresh(&self) -> Response {
        self.server.post("/refresh", &json!({"refresh_token": self.refresh_token}))
    }

    pub fn rpc(&self, script: &str, args: Value) -> Response {
        self.post("/api/rpc", &json!({"script": script, "args": args}))
    }

    /// Makes a lobby; returns its room id.
    pub fn create_lobby(&self) -> String {
        let response = self.rpc("create_lobby", json!([8]));
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["result"].as_str().unwrap().trim_start_matches("game:").to_owned()
    }

    pub fn join(&self, room: &str) -> Player {
        self.try_join(room).unwrap_or_else(|response| panic!("the join was refused: {response:?}"))
    }

    pub fn try_join(&self, room: &str) -> Result<Player, Response> {
        Player::connect(self.server.address(), &format!("/ws?token={}&game_id={room}", self.token))
    }

    /// Waits until the token is void, which takes as long as news take.
    #[track_caller]
    pub fn wait_until_refused(&self) {
        self.wait_until("is still let in", |status| status != 200);
    }

    #[track_caller]
    pub fn wait_until_let_in(&self) {
        self.wait_until("is still refused", |status| status == 200);
    }

    #[track_caller]
    fn wait_until(&self, otherwise: &str, is_it: impl Fn(u16) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_it(self.who_am_i().status) {
            assert!(Instant::now() < deadline, "{} {otherwise}", self.user_id);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// `godra user …` on a database, with this on standard input; returns what it said.
#[track_caller]
pub fn user_command(folder: &Folder, database: &str, arguments: &[&str], input: &str) -> String {
    let (code, stdout, stderr) = try_user_command(folder, database, arguments, input);
    assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
    stdout
}

/// As [`user_command`]: its exit code, and what it said on standard output and standard error.
pub fn try_user_command(
    folder: &Folder,
    database: &str,
    arguments: &[&str],
    input: &str,
) -> (Option<i32>, String, String) {
    try_command(folder, &[&["user"], arguments, &["--db-dsn", database]].concat(), input)
}

/// `godra …`, with this on standard input: its exit code, and what it said on standard output and standard error.
pub fn try_command(folder: &Folder, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_godra"))
        .current_dir(folder.path())
        .env_clear()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs no password may have ended before it.
    let _ = writeln!(process.stdin.take().unwrap(), "{input}");
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
