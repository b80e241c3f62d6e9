//! Logins without a password, by another issuer's tokens and by devices, and the identities of an account.

use std::sync::Barrier;

use godra::account::service::unix_ms;
use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, account, user_command};
use crate::common::http::Response;
use crate::common::issuer::{AUDIENCE, ISSUER, Signer, claims, encode, key_set, with};
use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Server, run_to_end};

const SECRET: &str = "a secret of the studio's own login";
const DEVICE_SECRET: &str = "Q6Vd8hQ0mJ3v1xT5rYc7uN2kP9sLwZbE4gFa0oIiXjA";

fn now_s() -> u64 {
    unix_ms() / 1000
}

/// A server that takes tokens signed with [`SECRET`], with these flags besides.
pub fn start(flags: &[&str]) -> Server {
    let own = ["--auth-secret", SECRET, "--auth-issuer", ISSUER, "--auth-audience", AUDIENCE];
    Server::start(&[&own, flags].concat())
}

/// A token of the issuer's user.
pub fn token(subject: &str, more: Value) -> String {
    Signer::secret(SECRET.as_bytes()).token(&with(claims(subject, now_s()), more))
}

pub fn by_token(subject: &str) -> Value {
    json!({"token": token(subject, json!({}))})
}

pub fn by_device(number: u32) -> Value {
    json!({"device_id": format!("device-of-somebody-{number}"), "secret": DEVICE_SECRET})
}

pub fn login(server: &Server, subject: &str) -> Response {
    server.post("/external-login", &by_token(subject))
}

#[track_caller]
pub fn good(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

#[track_caller]
fn check_error(response: &Response, status: u16, code: &str, message: &str) {
    assert_eq!((response.status, response.error_code().as_str()), (status, code), "{response:?}");
    let told = response.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(told.contains(message), "{told}");
}

fn proven(mut body: Value, proof: Value) -> Value {
    body["proof"] = proof;
    body
}

pub fn unlink(user: &User, issuer: &str, subject: &str, proof: Value) -> Response {
    let percent = |text: &str| text.replace(':', "%3A").replace('/', "%2F").replace('|', "%7C");
    let path = format!("/account/identities/{}/{}", percent(issuer), percent(subject));
    user.request("DELETE", &path, &json!({ "proof": proof }))
}

fn identities(user: &User) -> Vec<(String, String)> {
    let told = good(&user.request("GET", "/account/identities", &Value::Null));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = told["identities"].as_array().unwrap().iter();
    list.map(|one| (text(&one["issuer"]), text(&one["subject"]))).collect()
}

#[test]
fn another_issuers_user_has_one_account() {
    let server = start(&[]);
    let first = good(
        &server
            .post("/external-login", &json!({"token": token("u|1", json!({"preferred_username": "Änne"}))})),
    );
    assert_eq!(
        (&first["username"], &first["role"], &first["created"]),
        (&json!("Änne"), &json!("player"), &json!(true))
    );
    let ann = User::from_login(&server, &first);
    assert_eq!(ann.who_am_i().json()["username"], "Änne");
    let refreshed = good(&ann.refresh());
    assert_eq!(refreshed["user_id"], first["user_id"]);

    let again = good(&login(&server, "u|1"));
    assert_eq!((&again["user_id"], &again["created"]), (&first["user_id"], &json!(false)));
    assert_eq!(again["username"], "Änne", "a name is chosen once");
    let other = good(&login(&server, "u|2"));
    assert_ne!(other["user_id"], first["user_id"]);
    let name = other["username"].as_str().unwrap().to_owned();
    assert!(name.starts_with("Player-") && name.len() == 15, "{name}");
    // Names that are taken, or are none, are not for them; the next best is.
    let third = token("u|3", json!({"preferred_username": "ÄNNE", "name": "Ann Smith"}));
    let third = good(&server.post("/external-login", &json!({ "token": third })));
    assert!(third["username"].as_str().unwrap().starts_with("Player-"), "{third}");
    let fourth = token("u|4", json!({"preferred_username": "x", "name": "Ben.Smith"}));
    assert_eq!(good(&server.post("/external-login", &json!({ "token": fourth })))["username"], "Ben.Smith");
    // Nor does an issuer hand out names that are reserved, or look like another's.
    for (subject, name) in [("u|5", "admin"), ("u|6", "Ben.Srnith")] {
        let login =
            good(&server.post("/external-login", &json!({"token": token(subject, json!({"name": name}))})));
        assert!(login["username"].as_str().unwrap().starts_with("Player-"), "{login}");
    }
    // The token is for that one call.
    let direct = User::from_login(
        &server,
        &json!({"user_id": "1", "token": token("u|1", json!({})), "refresh_token": ""}),
    );
    check_error(&direct.who_am_i(), 401, "unauthorized", "token");
    // No password leads in, not even none.
    for password in ["", "correct horse", "!"] {
        let tried = server.post("/login", &json!({"username": "Änne", "password": password}));
        check_error(&tried, 401, "unauthorized", "wrong");
    }
    let body = json!({"old": "", "new": "a new password"});
    check_error(&ann.post("/account/password", &body), 403, "forbidden", "no password");
}

#[test]
fn what_is_wrong_with_a_token_is_told() {
    let server = start(&[]);
    let refused = |token: String, message: &str| {
        check_error(
            &server.post("/external-login", &json!({ "token": token })),
            401,
            "unauthorized",
            message,
        );
    };
    refused(token("u", json!({"aud": "another-game"})), "aud");
    refused(token("u", json!({"iss": "https://evil.example"})), "iss");
    refused(token("u", json!({"exp": now_s() - 100})), "expired");
    refused(token("u", json!({"exp": now_s() + 90_000})), "24 hours");
    refused(token("", json!({})), "sub");
    refused(Signer::secret(b"another secret of thirty-two bytes").token(&claims("u", now_s())), "signature");
    refused(Signer::ed25519().token(&claims("u", now_s())), "no key");
    refused("x".repeat(9000), "malformed");
    let header = encode(r#"{"alg":"none"}"#);
    refused(format!("{header}.{}.", encode(claims("u", now_s()).to_string())), "alg");
    check_error(&server.post("/external-login", &json!({"token": 7})), 400, "bad_request", "expected");
    // A token of this server's own is none of the issuer's.
    let own = good(&server.post("/guest-login", &json!({})))["token"].as_str().unwrap().to_owned();
    refused(own, "signature");

    let without = Server::start(&[]);
    check_error(&login(&without, "u"), 404, "not_found", "--auth-jwks");
}

#[test]
fn ten_first_logins_at_once_make_one_account() {
    check_first_logins(&start(&["--login-workers", "4"]));
    let postgres = Postgres::start();
    let dsn = postgres.dsn("postgres");
    check_first_logins(&start(&["--login-workers", "4", "--db-type", "postgres", "--db-dsn", &dsn]));
}

fn check_first_logins(server: &Server) {
    for (round, path) in ["/external-login", "/external-login", "/device-login"].into_iter().enumerate() {
        let body = match path {
            "/device-login" => by_device(1),
            _ => json!({"token": token(&format!("u|{round}"), json!({"name": format!("Name{round}")}))}),
        };
        let start = Barrier::new(10);
        let logins: Vec<Value> = std::thread::scope(|scope| {
            let run = || {
                start.wait();
                good(&server.post(path, &body))
            };
            let threads: Vec<_> = (0..10).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let created = logins.iter().filter(|login| login["created"] == true).count();
        assert_eq!(created, 1, "{logins:?}");
        assert!(logins.iter().all(|login| login["user_id"] == logins[0]["user_id"]), "{logins:?}");
        let ann = User::from_login(server, &logins[9]);
        assert_eq!(identities(&ann).len(), 1);
    }
}

#[test]
fn a_device_logs_in_by_its_secret() {
    let server = start(&[]);
    let first = good(&server.post("/device-login", &by_device(1)));
    assert_eq!((&first["role"], &first["created"]), (&json!("player"), &json!(true)));
    let again = good(&server.post("/device-login", &by_device(1)));
    assert_eq!((&again["user_id"], &again["created"]), (&first["user_id"], &json!(false)));
    assert_ne!(good(&server.post("/device-login", &by_device(2)))["user_id"], first["user_id"]);

    let with_secret = |secret: &str| {
        server.post("/device-login", &json!({"device_id": "device-of-somebody-1", "secret": secret}))
    };
    check_error(&with_secret("short"), 400, "bad_request", "32 to 256");
    check_error(&with_secret(&"0".repeat(64)), 400, "bad_request", "random");
    let wrong = DEVICE_SECRET.replace('Q', "R");
    for _ in 0..5 {
        check_error(&with_secret(&wrong), 401, "unauthorized", "its secret is wrong");
    }
    let early = with_secret(&wrong);
    check_error(&early, 429, "rate_limited", "failed logins");
    assert!(early.header("retry-after").is_some());
    let database = std::fs::read(server.folder().path().join("game.db")).unwrap();
    let log = std::fs::read(server.folder().path().join("game.db-wal")).unwrap_or_default();
    let is_kept =
        |bytes: &[u8]| bytes.windows(DEVICE_SECRET.len()).any(|text| text == DEVICE_SECRET.as_bytes());
    assert!(!is_kept(&database) && !is_kept(&log), "the secret itself is not kept");
}

#[test]
fn which_devices_log_in_is_the_operators_to_say() {
    let off = Server::start(&["--device-login", "off"]);
    check_error(&off.post("/device-login", &by_device(1)), 404, "not_found", "--device-login");
    let linked = Server::start(&["--device-login", "linked"]);
    check_error(&linked.post("/device-login", &by_device(1)), 401, "unauthorized", "not known");
    let ann = account(&linked, "ann");
    good(&ann.post("/account/identities", &proven(by_device(1), json!({"password": PASSWORD}))));
    let login = good(&linked.post("/device-login", &by_device(1)));
    assert_eq!((&login["user_id"], &login["created"]), (&json!(ann.user_id), &json!(false)));
}

#[test]
fn identities_are_linked_listed_and_unlinked() {
    check_links(&start(&[]));
    let postgres = Postgres::start();
    check_links(&start(&["--db-type", "postgres", "--db-dsn", &postgres.dsn("postgres")]));
}

fn check_links(server: &Server) {
    let ann = account(server, "ann");
    let password = || json!({"password": PASSWORD});
    assert_eq!(identities(&ann), []);
    let linked = good(&ann.post("/account/identities", &proven(by_token("ann|1"), password())));
    assert_eq!(linked["has_password"], true);
    let one = &linked["identities"][0];
    assert_eq!((&one["issuer"], &one["subject"]), (&json!(ISSUER), &json!("ann|1")));
    assert!(one["linked_at"].as_u64().unwrap().abs_diff(unix_ms()) < 60_000, "{one}");
    good(&ann.post("/account/identities", &proven(by_device(1), password())));
    good(&ann.post("/account/identities", &proven(by_device(1), password())));
    assert_eq!(identities(&ann).len(), 2, "again is no fault");
    assert_eq!(good(&login(server, "ann|1"))["user_id"], json!(ann.user_id));
    let on_phone = User::from_login(server, &good(&server.post("/device-login", &by_device(1))));
    assert_eq!(on_phone.user_id, ann.user_id);

    // What is somebody's is nobody else's, whoever asks.
    let ben = account(server, "ben");
    for claim in [by_token("ann|1"), by_device(1)] {
        let taken = ben.post("/account/identities", &proven(claim, password()));
        check_error(&taken, 409, "conflict", "another account's");
    }
    check_error(&unlink(&ben, ISSUER, "ann|1", password()), 404, "not_found", "no such identity");
    assert_eq!(good(&login(server, "ann|1"))["user_id"], json!(ann.user_id));

    check_error(&unlink(&ann, "device", "device-of-somebody-2", password()), 404, "not_found", "no such");
    let gone = unlink(&ann, "device", "device-of-somebody-1", password());
    assert_eq!(gone.status, 204, "{gone:?}");
    on_phone.wait_until_refused();
    assert_eq!(ann.who_am_i().status, 200, "the session that asked goes on");
    assert_eq!(identities(&ann), [(ISSUER.to_owned(), "ann|1".to_owned())]);
    let fresh = good(&server.post("/device-login", &by_device(1)));
    assert_ne!(fresh["user_id"], json!(ann.user_id), "the device is nobody's now");
    assert_eq!(unlink(&ann, ISSUER, "ann|1", password()).status, 204, "the password is left");

    // Who has no password proves by another identity; the last one stays.
    let cid = User::from_login(server, &good(&login(server, "cid|1")));
    check_error(&unlink(&cid, ISSUER, "cid|1", by_token("cid|1")), 409, "conflict", "last way");
    good(&cid.post("/account/identities", &proven(by_device(3), by_token("cid|1"))));
    assert_eq!(unlink(&cid, ISSUER, "cid|1", by_device(3)).status, 204);
    check_error(&unlink(&cid, "device", "device-of-somebody-3", by_device(3)), 409, "conflict", "last way");
}

#[test]
fn a_token_alone_does_not_take_an_account_over() {
    let server = start(&[]);
    let ann = account(&server, "ann");
    good(&ann.post("/account/identities", &proven(by_token("ann|1"), json!({"password": PASSWORD}))));
    // Somebody has found ann's token, and has a device and a user of the issuer's of his own.
    let thief = &ann;
    for proof in [Value::Null, by_token("thief|1"), by_device(9)] {
        let tried = thief.post("/account/identities", &proven(by_device(9), proof.clone()));
        check_error(&tried, 403, "forbidden", "proof");
        check_error(&unlink(thief, ISSUER, "ann|1", proof), 403, "forbidden", "proof");
    }
    let guess = |number: u32| {
        let proof = json!({"password": format!("a guess {number}")});
        thief.post("/account/identities", &proven(by_device(9), proof))
    };
    // The proofs above have counted, too.
    let told: Vec<u16> = (0..6).map(|number| guess(number).status).collect();
    assert!(told.contains(&429) && !told.contains(&200), "{told:?}");
    assert_eq!(identities(&ann), [(ISSUER.to_owned(), "ann|1".to_owned())]);
    check_error(&thief.post("/account/identities", &json!({})), 400, "bad_request", "expected");
    let strangers = server.post("/account/identities", &by_device(9));
    check_error(&strangers, 401, "unauthorized", "token");
}

#[test]
fn a_guest_that_links_becomes_a_player() {
    check_guests(&start(&[]));
    let postgres = Postgres::start();
    check_guests(&start(&["--db-type", "postgres", "--db-dsn", &postgres.dsn("postgres")]));
}

fn check_guests(server: &Server) {
    let guest = User::guest(server);
    let room = guest.create_lobby();
    let mut bystander = User::guest(server).join(&room);
    let mut link = by_token("guest|1");
    link["rooms"] = json!([room]);
    let first = good(&guest.post("/account/identities", &link));
    assert_eq!((&first["role"], &first["created"]), (&json!("player"), &json!(true)));
    let player = User::from_login(server, &first);
    let event = bystander.receive_type("player_upgraded");
    assert_eq!(
        (&event["payload"]["old_id"], &event["payload"]["user_id"]),
        (&json!(guest.user_id), &json!(player.user_id))
    );
    guest.wait_until_refused();
    assert_eq!(good(&login(server, "guest|1"))["user_id"], first["user_id"]);

    // An identity that is somebody's is not a guest's to take.
    let other = User::guest(server);
    let taken = other.post("/account/identities", &by_token("guest|1"));
    check_error(&taken, 409, "conflict", "another account's");
    assert_eq!(other.who_am_i().status, 200, "the guest goes on");
    let unknown = other.request("GET", "/account/identities", &Value::Null);
    check_error(&unknown, 403, "forbidden", "guest");

    // However often a guest asks at once, it becomes one account.
    let start = Barrier::new(6);
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let (start, other) = (&start, &other);
        let run = |number: usize| {
            scope.spawn(move || {
                start.wait();
                other.post("/account/identities", &by_token(&format!("guest|many|{}", number % 2)))
            })
        };
        let threads: Vec<_> = (0..6).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ids: Vec<Value> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.json()["user_id"].clone())
        .collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{answers:?}");
}

#[test]
fn who_is_banned_does_not_come_back_by_another_door() {
    let server = start(&[]);
    let ann = account(&server, "ann");
    let password = json!({"password": PASSWORD});
    good(&ann.post("/account/identities", &proven(by_token("ann|1"), password.clone())));
    good(&ann.post("/account/identities", &proven(by_device(1), password)));
    user_command(server.folder(), "game.db", &["ban", "ann", "--reason", "cheating"], "");
    check_error(&login(&server, "ann|1"), 403, "forbidden", "cheating");
    check_error(&server.post("/device-login", &by_device(1)), 403, "forbidden", "cheating");
    let guest = User::guest(&server);
    check_error(&guest.post("/account/identities", &by_token("ann|1")), 409, "conflict", "another");
}

#[test]
fn keys_are_read_again_when_their_file_changes() {
    let folder = Folder::new();
    let keys = folder.path().join("keys.json");
    let (old, new) = (Signer::p256().named("old"), Signer::ed25519().named("new"));
    std::fs::write(&keys, key_set(&[&old])).unwrap();
    let flags = ["--auth-jwks", keys.to_str().unwrap(), "--auth-issuer", ISSUER, "--auth-audience", AUDIENCE];
    let server = Server::start_in(folder, &flags);
    let login = |signer: &Signer| {
        server.post("/external-login", &json!({"token": signer.token(&claims("u", now_s()))})).status
    };
    assert_eq!((login(&old), login(&new)), (200, 401));
    // A broken file changes nothing, and that is told.
    std::fs::write(&keys, "{\"keys\": [").unwrap();
    server.signal("HUP");
    server.output().wait_for_line(&["ERROR", "the keys are not replaced", "expected a JWK set"]);
    assert_eq!((login(&old), login(&new)), (200, 401));
    std::fs::remove_file(&keys).unwrap();
    server.output().wait_for_line(&["ERROR", "the keys are not replaced", "cannot be read"]);
    assert_eq!((login(&old), login(&new)), (200, 401));
    // By itself, within seconds.
    std::fs::write(&keys, key_set(&[&new, &Signer::rsa()])).unwrap();
    server.output().wait_for_line(&["keys of another issuer are read", "keys=2"]);
    assert_eq!((login(&old), login(&new), login(&Signer::rsa())), (401, 200, 200));
}

#[test]
fn keys_that_are_of_no_use_stop_the_start() {
    let folder = Folder::new();
    let keys = folder.path().join("keys.json");
    let flags = |file: &str| {
        let flags = ["--auth-jwks", file, "--auth-issuer", ISSUER, "--auth-audience", AUDIENCE];
        run_to_end(&folder, &flags, &[])
    };
    let missing = flags("missing.json");
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("--auth-jwks missing.json: it cannot be read"), "{}", missing.stderr);
    std::fs::write(&keys, r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#).unwrap();
    let secret = flags("keys.json");
    assert_eq!(secret.code, Some(1));
    assert!(secret.stderr.contains("key 1: it is not a public key"), "{}", secret.stderr);
}

#[test]
fn logins_without_a_password_are_counted_as_logins() {
    let server = start(&["--login-rate", "3"]);
    let mut told: Vec<u16> = (0..3).map(|_| login(&server, "u").status).collect();
    told.push(server.post("/device-login", &by_device(1)).status);
    told.push(login(&server, "u").status);
    assert_eq!(told, [200, 200, 200, 429, 429]);
}

#[test]
fn a_page_of_another_origin_may_unlink() {
    let server = Server::start(&[]);
    let asked = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "DELETE")];
    let answer = server.request("OPTIONS", "/account/identities/device/x", &asked, b"");
    let allowed = answer.header("access-control-allow-methods").unwrap_or_default();
    assert!(allowed.contains("DELETE"), "{answer:?}");
    let wrong = server.request("GET", "/account/identities/device/x", &[], b"");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("DELETE, OPTIONS")));
}
