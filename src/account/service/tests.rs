use std::net::IpAddr;

use super::*;
use crate::account::revocations::Revoked;
use crate::account::store::Dsn;
use crate::metrics::Metrics;
use crate::session::account::{AccountCall, AccountResult, Accounts as _, Credentials};
use crate::wire::ids::Identity;

const PASSWORD: &str = "correct horse";
const PATIENCE: Duration = Duration::from_secs(30);

/// A service on a database of its own.
struct Accounts {
    service: AccountService,
    tokens: Arc<TokenAuthority>,
    revocations: Arc<Revocations>,
    disconnected: Receiver<Disconnects>,
    stores: Stores,
    metrics: Metrics,
    folder: tempfile::TempDir,
}

fn start(workers: usize, queue_capacity: usize, longest_wait: Duration) -> Accounts {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::open(&Dsn::Sqlite(folder.path().join("game.db"))).unwrap();
    let tokens = Arc::new(TokenAuthority::new(vec![vec![7; 32]], 3600));
    let revocations = Arc::new(Revocations::new(3600));
    let metrics = Metrics::new();
    let (sender, disconnected) = crossbeam_channel::unbounded();
    let options = ServiceOptions {
        workers,
        queue_capacity,
        longest_wait,
        refresh_ttl: Duration::from_secs(7200),
        reserved_names: ReservedNames::default(),
        identities: IdentityOptions::default(),
        reset_ttl: Duration::from_secs(60),
    };
    let disconnect = move |disconnects| sender.send(disconnects).unwrap_or_default();
    let (tokens_of_service, revocations_of_service) = (tokens.clone(), revocations.clone());
    let service = AccountService::start(
        &options,
        &stores,
        tokens_of_service,
        revocations_of_service,
        metrics.accounts.clone(),
        disconnect,
    )
    .unwrap();
    Accounts { service, tokens, revocations, disconnected, stores, metrics, folder }
}

fn credentials(username: &str, password: &str) -> Credentials {
    Credentials { username: username.into(), password: password.into() }
}

impl Accounts {
    fn submit(&self, call: AccountCall) -> Result<Receiver<AccountResult>, Rejection> {
        let (sender, answer) = crossbeam_channel::bounded(1);
        let reply = AccountReply::new(move |result| sender.send(result).unwrap_or_default());
        let address = IpAddr::from([192, 0, 2, 1]);
        self.service.submit(AccountRequest { call, caller: None, address }, reply).map(|()| answer)
    }

    fn ask(&self, call: AccountCall) -> Result<serde_json::Value, Rejection> {
        let answer = self.submit(call)?.recv_timeout(PATIENCE).unwrap()?;
        Ok(serde_json::from_slice(&answer.body).unwrap())
    }

    fn login(&self, username: &str, password: &str) -> Result<serde_json::Value, Rejection> {
        self.ask(AccountCall::Login(credentials(username, password)))
    }

    fn identity(&self, login: &serde_json::Value) -> Identity {
        self.tokens.verify(login["token"].as_str().unwrap(), unix_ms() / 1000).unwrap()
    }
}

#[test]
fn a_full_queue_refuses_and_everything_in_it_is_answered() {
    let accounts = start(1, 2, Duration::from_secs(60));
    let submitted: Vec<_> =
        (0..20).map(|_| accounts.submit(AccountCall::Login(credentials("ann", PASSWORD)))).collect();
    let refused: Vec<_> = submitted.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(refused.len() >= 10, "{} of 20 were refused", refused.len());
    for refused in refused {
        assert_eq!(
            (refused.status, refused.code.as_str(), refused.retry_after_s.as_deref()),
            (503, "busy", Some("2"))
        );
    }
    for answer in submitted.into_iter().flatten() {
        assert_eq!(answer.recv_timeout(PATIENCE).unwrap().unwrap_err().status, 401);
    }
    assert_eq!(accounts.metrics.accounts.queue_depth.get(), 0);
    assert!(accounts.metrics.accounts.calls.at(AccountOutcome::Busy).get() >= 10);
}

#[test]
fn what_was_taken_is_done_before_the_end() {
    let accounts = start(2, 8, Duration::from_secs(60));
    let register = |name| accounts.submit(AccountCall::Register(credentials(name, PASSWORD)));
    let answers = ["ann", "ben", "cid", "dan"].map(|name| register(name).unwrap());
    assert!(accounts.service.stop(PATIENCE));
    for answer in answers {
        assert_eq!(answer.try_recv().unwrap().unwrap().status, 201, "answered by now");
    }
    let refused = register("eve").unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (503, "busy"));
    assert!(accounts.service.stop(PATIENCE), "a second time changes nothing");
}

#[test]
fn the_end_waits_for_nobody_too_long() {
    let accounts = start(1, 8, Duration::from_secs(60));
    let answers: Vec<_> =
        (0..4).map(|_| accounts.submit(AccountCall::Login(credentials("ann", PASSWORD))).unwrap()).collect();
    assert!(!accounts.service.stop(Duration::ZERO));
    for answer in answers {
        assert_eq!(answer.recv_timeout(PATIENCE).unwrap().unwrap_err().status, 401);
    }
}

#[test]
fn a_call_that_waited_too_long_is_not_begun() {
    let accounts = start(1, 8, Duration::ZERO);
    assert_eq!(accounts.login("ann", PASSWORD).unwrap_err().status, 503);
    assert_eq!(accounts.metrics.accounts.hash_time.count(), 0);
}

#[test]
fn a_hash_of_an_earlier_time_is_made_anew_at_login() {
    let accounts = start(1, 8, Duration::from_secs(60));
    // `password`, by the reference program with 64 MiB.
    let old = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let mut store = accounts.stores.connect().unwrap();
    let account = crate::account::records::NewAccount {
        username: "ann".into(),
        folded_name: "ann".into(),
        role: crate::wire::ids::Role::Player,
        password_hash: old.into(),
        guest_id: None,
    };
    let id = store.create(&account, 1).unwrap().unwrap().id;
    assert_eq!(accounts.login("ann", "not password").unwrap_err().status, 401);
    let hash = |store: &mut dyn crate::account::records::AccountStore| {
        store.find(id, 1).unwrap().unwrap().password_hash
    };
    assert_eq!(hash(&mut *store), old, "a wrong password changes nothing");
    accounts.login("ann", "password").unwrap();
    assert!(!password::needs_rehash(&hash(&mut *store)));
    accounts.login("ann", "password").unwrap();
}

#[test]
fn what_another_process_writes_arrives_within_two_seconds() {
    let accounts = start(1, 8, Duration::from_secs(60));
    accounts.ask(AccountCall::Register(credentials("ann", PASSWORD))).unwrap();
    let login = accounts.login("ann", PASSWORD).unwrap();
    let identity = accounts.identity(&login);
    assert_eq!(accounts.revocations.check(&identity, 1), Ok(()));
    let ban = crate::account::records::Ban { until_s: None, reason: "cheating".into() };
    accounts.stores.connect().unwrap().ban(&identity.user_id, &ban, unix_ms()).unwrap();
    let disconnects = accounts.disconnected.recv_timeout(Duration::from_secs(2)).unwrap();
    assert_eq!(disconnects.verdict(&identity), Some((4501, "banned: cheating")));
    assert_eq!(accounts.revocations.check(&identity, 1), Err(Revoked::Banned(ban)));
    assert_eq!(accounts.login("ann", PASSWORD).unwrap_err().status, 403);
    assert_eq!(
        accounts.login("ann", "not the password").unwrap_err().status,
        401,
        "only its owner learns of a ban"
    );
}

#[test]
fn a_call_without_its_caller_is_refused() {
    let accounts = start(1, 8, Duration::from_secs(60));
    assert_eq!(accounts.ask(AccountCall::Logout).unwrap_err().status, 401);
    let ban = AccountCall::Ban { user_id: "1".into(), seconds: None, reason: String::new() };
    assert_eq!(accounts.ask(ban).unwrap_err().status, 401);
}

/// The database takes no writes for as long as the connection lives.
fn lock(accounts: &Accounts) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(accounts.folder.path().join("game.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[test]
fn calls_that_never_asked_leave_others_waiting_no_longer() {
    let accounts = start(2, 8, Duration::from_secs(60));
    let register = |name: &str| AccountCall::Register(credentials(name, PASSWORD));
    let lock = lock(&accounts);
    assert_eq!(accounts.ask(register("ann")).unwrap_err().status, 503);
    // Now one call may try; this one ends before it would ask.
    std::thread::sleep(Duration::from_millis(1100));
    let malformed = AccountCall::Register(credentials("a b", PASSWORD));
    assert_eq!(accounts.ask(malformed).unwrap_err().status, 400, "what is wrong is said without a database");
    let answers = ["ben", "cid"].map(|name| accounts.submit(register(name)).unwrap());
    // One tries and waits for seconds, the other does not.
    std::thread::sleep(Duration::from_secs(2));
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.try_recv().ok()).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].as_ref().unwrap_err().status, 503);
    drop(lock);
}
