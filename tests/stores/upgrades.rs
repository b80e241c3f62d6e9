//! A guest's upgrade when the database fails half-way: the same guest may try again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use godra::account::records::{Account, Rotation};
use godra::account::reserved::ReservedNames;
use godra::account::revocations::Revocations;
use godra::account::service::{AccountService, IdentityOptions, ServiceOptions};
use godra::account::store::{Dsn, Stores};
use godra::account::token::{TokenAuthority, new_family};
use godra::metrics::Metrics;
use godra::session::Rejection;
use godra::session::account::{
    AccountCall, AccountNews, AccountReply, AccountRequest, AccountResult, Accounts as _, Credentials,
};
use godra::wire::ids::{Identity, Login, Role, RoomId};
use serde_json::Value;

use crate::common::postgres::Postgres;
use crate::common::wait_until;
use crate::postgres::open;
use crate::suite::{NOW_MS, NOW_S};

const PASSWORD: &str = "correct horse";
const PATIENCE: Duration = Duration::from_secs(30);

struct Accounts {
    service: AccountService,
    stores: Stores,
}

impl Accounts {
    fn start(stores: Stores) -> Self {
        let tokens = Arc::new(TokenAuthority::new(vec![vec![7; 32]], 3600));
        let options = ServiceOptions {
            workers: 2,
            queue_capacity: 32,
            longest_wait: PATIENCE,
            refresh_ttl: Duration::from_secs(7200),
            reserved_names: ReservedNames::default(),
            identities: IdentityOptions::default(),
            reset_ttl: Duration::from_secs(60),
        };
        let (revocations, metrics) = (Arc::new(Revocations::new(3600)), Metrics::new().accounts.clone());
        let service = AccountService::start(&options, &stores, tokens, revocations, metrics, |_| {}).unwrap();
        Self { service, stores }
    }

    fn submit(&self, caller: Option<Arc<Identity>>, call: AccountCall) -> Receiver<AccountResult> {
        let (sender, answer) = bounded(1);
        let reply = AccountReply::new(move |result| sender.send(result).unwrap_or_default());
        let address = IpAddr::from([192, 0, 2, 1]);
        self.service.submit(AccountRequest { call, caller, address }, reply).unwrap();
        answer
    }

    /// Upgrades a guest to ann; who it is now.
    fn upgrade(&self, guest: &Arc<Identity>, password: &str) -> Result<String, Rejection> {
        let rooms = vec![RoomId::parse("r").unwrap()];
        let call = AccountCall::Upgrade { who: ann(password), rooms };
        let answer = self.submit(Some(guest.clone()), call).recv_timeout(PATIENCE).unwrap()?;
        let user_id = user_id(&answer.body);
        let Some(AccountNews::Upgraded(news)) = answer.news else { panic!("rooms are not told") };
        assert_eq!((&news.guest, &news.user_id, news.rooms.len()), (guest, &user_id, 1));
        Ok(user_id)
    }

    #[track_caller]
    fn check_refused(&self, guest: &Arc<Identity>, password: &str, status: u16) {
        assert_eq!(self.upgrade(guest, password).unwrap_err().status, status);
    }
}

fn user_id(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body).unwrap()["user_id"].as_str().unwrap().to_owned()
}

fn ann(password: &str) -> Credentials {
    Credentials { username: "Ann".to_owned(), password: password.to_owned() }
}

fn guest(id: &str) -> Arc<Identity> {
    Arc::new(Identity {
        user_id: format!("guest:{id}").into(),
        username: "Guest-ABCD".into(),
        role: Role::Guest,
        expires_at_s: u32::MAX,
        login: Login { family: new_family().as_str().into(), issued_at_ms: 0, network: None },
    })
}

/// Upgrades a guest while no session can begin, so that the account is there and nobody has it; then again.
fn an_upgrade_is_tried_again(stores: Stores, refuse_sessions: impl FnOnce(), take_sessions: impl FnOnce()) {
    let accounts = Accounts::start(stores);
    let (guest, other) = (guest("AAAABBBBCCCCDDDD"), guest("EEEEFFFFGGGGHHHH"));
    refuse_sessions();
    accounts.check_refused(&guest, PASSWORD, 503);
    accounts.check_refused(&guest, PASSWORD, 503);
    take_sessions();
    accounts.check_refused(&other, PASSWORD, 409);
    accounts.check_refused(&guest, "not the password", 409);
    let upgraded = accounts.upgrade(&guest, PASSWORD).unwrap();
    let mut store = accounts.stores.connect().unwrap();
    let made = store.list(0, 10, NOW_S).unwrap();
    let ids: Vec<String> = made.iter().map(|account| account.id.to_string()).collect();
    assert_eq!((ids.len(), &ids[0]), (1, &upgraded), "one account was made");
    let login = accounts.submit(None, AccountCall::Login(ann(PASSWORD))).recv_timeout(PATIENCE).unwrap();
    assert_eq!(user_id(&login.unwrap().body), upgraded);
    let (family, user) = (guest.login.family.as_str(), guest.user_id.as_str());
    wait_until("the guest's session to end", || {
        store.notices(0, 10).unwrap().iter().any(|notice| notice.user_id == user)
    });
    assert_eq!(store.rotate(family, user, 0, NOW_S + 60, NOW_MS).unwrap(), Rotation::Unknown);
}

/// Asks two nodes ten times at once to make accounts of these names of a guest.
fn upgrade_at_once(
    nodes: &[Accounts; 2],
    guest: &Arc<Identity>,
    name: impl Fn(usize) -> String,
) -> Vec<AccountResult> {
    let ask = |number: usize| {
        let who = Credentials { username: name(number), password: PASSWORD.to_owned() };
        nodes[number % 2].submit(Some(guest.clone()), AccountCall::Upgrade { who, rooms: Vec::new() })
    };
    let answers: Vec<_> = (0..10).map(ask).collect();
    answers.into_iter().map(|answer| answer.recv_timeout(PATIENCE).unwrap()).collect()
}

fn a_guest_becomes_one_account(stores: Stores) {
    let nodes = [Accounts::start(stores.clone()), Accounts::start(stores.clone())];
    let mut store = stores.connect().unwrap();
    for round in 0..3 {
        let guest = guest(&format!("AAAABBBBCCCCDDD{round}"));
        let (made, refused): (Vec<_>, Vec<_>) =
            upgrade_at_once(&nodes, &guest, |number| format!("ann{round}-{number}"))
                .into_iter()
                .partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 9), "one wins");
        for refused in refused {
            let refused = refused.err().unwrap();
            assert_eq!((refused.status, refused.code.to_string().as_str()), (409, "conflict"), "{refused:?}");
        }
        let of_guest = |account: &&Account| account.guest_id.as_deref() == Some(guest.user_id.as_str());
        assert_eq!(store.list(0, 99, NOW_S).unwrap().iter().filter(of_guest).count(), 1);
    }
    // Who asks for the same again and again gets the same again and again.
    let guest = guest("EEEEFFFFGGGGHHHH");
    let answers = upgrade_at_once(&nodes, &guest, |_| "bob".to_owned());
    let users: Vec<_> = answers.into_iter().map(|answer| user_id(&answer.unwrap().body)).collect();
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    assert_eq!(store.list(0, 99, NOW_S).unwrap().len(), 4);
}

#[test]
fn a_guest_upgraded_ten_times_at_once_becomes_one_account_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a_guest_becomes_one_account(Stores::open(&Dsn::Sqlite(folder.path().join("game.db"))).unwrap());
}

#[test]
fn a_guest_upgraded_ten_times_at_once_becomes_one_account_on_postgres() {
    let server = Postgres::start();
    a_guest_becomes_one_account(open(&server.database("at_once")).unwrap());
}

#[test]
fn an_upgrade_that_failed_half_way_is_tried_again_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("game.db");
    let stores = Stores::open(&Dsn::Sqlite(path.clone())).unwrap();
    let sql = |text: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(text).unwrap();
    an_upgrade_is_tried_again(
        stores,
        || {
            sql("CREATE TRIGGER refuse BEFORE INSERT ON families WHEN NEW.user_id NOT LIKE 'guest:%' \
                 BEGIN SELECT RAISE(ABORT, 'no session'); END")
        },
        || sql("DROP TRIGGER refuse"),
    );
}

#[test]
fn an_upgrade_that_failed_half_way_is_tried_again_on_postgres() {
    let server = Postgres::start();
    let stores = open(&server.database("upgrades")).unwrap();
    let sql = |text: &str| drop(server.sql("upgrades", text));
    an_upgrade_is_tried_again(
        stores,
        || {
            sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN RAISE EXCEPTION 'no session'; END $$");
            sql("CREATE TRIGGER refuse BEFORE INSERT ON families FOR EACH ROW \
                 WHEN (NEW.user_id NOT LIKE 'guest:%') EXECUTE FUNCTION refuse()");
        },
        || sql("DROP TRIGGER refuse ON families"),
    );
}
