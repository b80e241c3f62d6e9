//! An account is renamed and deleted by what is linked to it, and by nothing that is not.

use godra::account::service::unix_ms;
use serde_json::{Value, json};

use crate::accounts::check_error;
use crate::common::accounts::{PASSWORD, User, account};
use crate::common::http::Response;
use crate::common::issuer::{ISSUER, Signer, claims};
use crate::common::postgres::Postgres;
use crate::common::server::Server;
use crate::identities::{by_device, by_token, good, login, start, token, unlink};

/// From an address of its own, as one that has failed often has to wait.
fn from(address: u8, user: &User, method: &str, body: &Value) -> Response {
    let address = format!("198.51.100.{address}");
    user.send(method, "/account", &[("X-Forwarded-For", &address)], body.to_string().as_bytes())
}

fn link(user: &User, mut identity: Value, proof: Value) {
    identity["proof"] = proof;
    good(&user.post("/account/identities", &identity));
}

#[test]
fn accounts_are_renamed_and_deleted_by_what_is_linked() {
    check(&start(&["--trusted-proxy", "127.0.0.1"]));
    let postgres = Postgres::start();
    let dsn = postgres.dsn("postgres");
    check(&start(&["--trusted-proxy", "127.0.0.1", "--db-type", "postgres", "--db-dsn", &dsn]));
}

fn check(server: &Server) {
    // Ann has no password, but a phone and a login elsewhere; she had a tablet, and another login elsewhere, which is ben's now.
    let ann = User::from_login(server, &good(&server.post("/device-login", &by_device(1))));
    link(&ann, by_token("ann|1"), by_device(1));
    link(&ann, by_device(2), by_token("ann|1"));
    link(&ann, by_token("moved|1"), by_device(1));
    assert_eq!(unlink(&ann, "device", "device-of-somebody-2", by_device(1)).status, 204);
    assert_eq!(unlink(&ann, ISSUER, "moved|1", by_device(1)).status, 204);
    let ben = account(server, "ben");
    link(&ben, by_token("moved|1"), json!({"password": PASSWORD}));
    let thief = User::from_login(server, &good(&login(server, "thief|1")));
    link(&thief, by_device(9), by_token("thief|1"));

    for (address, proof) in (1..).zip(wrong_proofs(&thief)) {
        refuse(address, &ann, &proof);
        // Nothing has happened; and whoever has the right one does not wait for those who guess.
        let name = format!("Ann-{address}");
        let renamed = from(100, &ann, "PATCH", &json!({"username": name, "proof": by_token("ann|1")}));
        assert_eq!(good(&renamed), json!({"user_id": ann.user_id, "username": name, "role": "player"}));
    }
    // A proof is no token: with the caller's own missing or another's, it leads nowhere.
    let proven = json!({"username": "Eve", "proof": by_device(1)});
    let stranger = server.request("PATCH", "/account", &[], proven.to_string().as_bytes());
    check_error(&stranger, 401, "unauthorized", "token");
    check_error(&from(101, &thief, "PATCH", &proven), 403, "forbidden", "not this account's");
    check_error(&from(101, &thief, "DELETE", &proven), 403, "forbidden", "not this account's");

    let renamed = from(102, &ann, "PATCH", &json!({"username": "Zoë", "proof": by_device(1)}));
    assert_eq!(good(&renamed)["username"], "Zoë");
    let taken = from(102, &ann, "PATCH", &json!({"username": "ben", "proof": by_device(1)}));
    check_error(&taken, 409, "conflict", "taken");
    let deleted = from(102, &ann, "DELETE", &json!({"proof": by_token("ann|1")}));
    assert_eq!((deleted.status, deleted.body.len()), (204, 0), "{deleted:?}");
    ann.wait_until_refused();
    // Sent once more, the proof finds nothing; and its identities are nobody's.
    let again = from(102, &ann, "DELETE", &json!({"proof": by_token("ann|1")}));
    check_error(&again, 401, "session_ended", "log in again");
    for heir in [server.post("/device-login", &by_device(1)), login(server, "ann|1")] {
        let heir = good(&heir);
        assert!(heir["created"] == true && heir["user_id"] != ann.user_id.as_str(), "{heir}");
    }
    // The password is a proof, too.
    let password = json!({"proof": {"password": PASSWORD}});
    assert_eq!(from(103, &ben, "DELETE", &password).status, 204);
    assert_eq!(thief.who_am_i().status, 200);
}

/// Neither renames nor deletes.
#[track_caller]
fn refuse(address: u8, user: &User, proof: &Value) {
    for (method, body) in
        [("DELETE", json!({"proof": proof})), ("PATCH", json!({"username": "Eve", "proof": proof}))]
    {
        let answer = from(address, user, method, &body);
        assert_eq!((answer.status, &*answer.error_code()), (403, "forbidden"), "{method} {body}: {answer:?}");
        let told = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(told.contains("proof") || told.contains("password"), "{told}");
    }
}

/// What somebody may try who has found ann's token.
fn wrong_proofs(thief: &User) -> Vec<Value> {
    let now_s = unix_ms() / 1000;
    let forged = Signer::secret(b"another secret of thirty-two bytes").token(&claims("ann|1", now_s));
    let mut phone_with_a_guess = by_device(1);
    phone_with_a_guess["secret"] = json!("R6Vd8hQ0mJ3v1xT5rYc7uN2kP9sLwZbE4gFa0oIiXjA");
    vec![
        // Another's, good as they are.
        by_token("thief|1"),
        by_device(9),
        // Ann's own of before: unlinked, linked to another account since, over.
        by_device(2),
        by_token("moved|1"),
        json!({"token": token("ann|1", json!({"iat": now_s - 7200, "exp": now_s - 3600}))}),
        // Made up.
        json!({ "token": forged }),
        phone_with_a_guess,
        by_token("nobody|1"),
        json!({"password": "a guess"}),
        // An access token of this server's.
        json!({"token": thief.refresh().json()["token"]}),
    ]
}

#[test]
fn without_a_proof_nothing_is_done() {
    let server = start(&[]);
    let ann = account(&server, "ann");
    for body in [json!({}), json!({"proof": null}), json!({"password": null})] {
        check_error(&ann.request("DELETE", "/account", &body), 400, "bad_request", "a proof");
        let mut body = body;
        body["username"] = json!("Eve");
        check_error(&ann.request("PATCH", "/account", &body), 400, "bad_request", "a proof");
    }
    for proof in [json!({}), json!("x"), json!({"token": 7}), json!({"device_id": "x"})] {
        let answer = ann.request("DELETE", "/account", &json!({"proof": proof}));
        check_error(&answer, 400, "bad_request", "expected");
    }
    let both = json!({"password": PASSWORD, "proof": {"password": PASSWORD}});
    check_error(&ann.request("DELETE", "/account", &both), 400, "bad_request", "and not both");
    assert_eq!(ann.who_am_i().json()["username"], "ann");
    let guest = User::guest(&server);
    let renamed = guest.request("PATCH", "/account", &json!({"username": "Eve", "proof": by_device(1)}));
    check_error(&renamed, 403, "forbidden", "a guest");
}
