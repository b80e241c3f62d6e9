//! What becomes of logins, and of those who play, when the database of accounts is in trouble.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::accounts::{PASSWORD, User, account};
use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::postgres::Postgres;
use crate::common::server::Server;
use crate::common::wait_until;

/// Every call to the accounts is answered within this, one way or the other.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// A move in a room is answered at once; the rest is for a busy machine.
const MOVED_WITHIN: Duration = Duration::from_secs(2);

/// What calls to the accounts came to while something happened.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    unavailable: usize,
    slowest: Duration,
}

impl Tally {
    /// Either done, or not done and said so.
    #[track_caller]
    fn count(&mut self, began: Instant, response: &Response) {
        self.slowest = self.slowest.max(began.elapsed());
        match response.status {
            200 => self.done += 1,
            503 => {
                assert!(response.header("Retry-After").is_some(), "{response:?}");
                self.unavailable += 1;
            }
            _ => panic!("{response:?}"),
        }
    }
}

/// Sets its flag when it goes, also when a test fails: threads that work until then would not let it end.
struct Until<'f>(&'f AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn login(server: &Server) -> Response {
    server.post("/login", &json!({"username": "ann", "password": PASSWORD}))
}

/// Logs in, refreshes and moves in a room, over and over, while `trouble` goes on, and once more after it.
fn suffer(server: &Server, trouble: impl FnOnce()) -> Tally {
    let ann = account(server, "ann");
    let room = ann.create_lobby();
    let mut player = ann.join(&room);
    let mut session = User::login(server, "ann", PASSWORD);
    let is_over = AtomicBool::new(false);
    let tally = std::thread::scope(|scope| {
        let over = Until(&is_over);
        let until_over = |mut act: Box<dyn FnMut() + Send>| {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    act();
                }
            })
        };
        until_over(Box::new(|| move_in_room(&mut player)));
        // Guests' logins are no matter of the database.
        until_over(Box::new(|| {
            let began = Instant::now();
            assert_eq!(server.post("/guest-login", &json!({})).status, 200);
            assert!(began.elapsed() < MOVED_WITHIN, "{:?}", began.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }));
        let is_over = &is_over;
        let calling = scope.spawn(move || {
            let mut tally = Tally::default();
            while !is_over.load(Ordering::SeqCst) {
                let began = Instant::now();
                tally.count(began, &login(server));
                let began = Instant::now();
                let refreshed = session.refresh();
                tally.count(began, &refreshed);
                if refreshed.status == 200 {
                    session = User::from_login(server, &refreshed.json());
                }
            }
            // The session has come through all of it.
            wait_until("the session to be refreshed", || session.refresh().status == 200);
            tally
        });
        trouble();
        wait_until("logins to be possible again", || login(server).status == 200);
        drop(over);
        calling.join().unwrap()
    });
    move_in_room(&mut player);
    assert!(tally.slowest < ANSWERED_WITHIN, "{tally:?}");
    assert!(tally.done > 0, "{tally:?}");
    tally
}

fn move_in_room(player: &mut Player) {
    let began = Instant::now();
    let answer = player.call("heartbeat", json!({}), 1);
    assert_eq!(answer["type"], "reply", "{answer}");
    // One that the room's script decides on.
    let answer = player.call("move_player", json!({"x": 1, "y": 1}), 2);
    assert_eq!(answer["type"], "reply", "{answer}");
    assert!(began.elapsed() < MOVED_WITHIN, "{:?}", began.elapsed());
}

fn start_on(postgres: &Postgres) -> Server {
    Server::start(&["--db-type", "postgres", "--db-dsn", &postgres.dsn("postgres"), "--login-workers", "2"])
}

#[test]
fn a_database_that_crashes_is_found_again() {
    let postgres = Postgres::start();
    let server = start_on(&postgres);
    suffer(&server, || {
        for _ in 0..2 {
            postgres.restart();
            wait_until("logins to be possible again", || login(&server).status == 200);
        }
        postgres.stop();
        wait_until("logins to be refused", || login(&server).status == 503);
        postgres.start_again();
    });
}

#[test]
fn a_database_that_is_frozen_keeps_nobody_waiting() {
    let postgres = Postgres::start();
    let server = start_on(&postgres);
    suffer(&server, || {
        postgres.signal("STOP");
        let began = Instant::now();
        // More at once than there are workers.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let answer = login(&server);
                    assert_eq!(
                        (answer.status, answer.header("Retry-After").is_some()),
                        (503, true),
                        "{answer:?}"
                    );
                    assert!(began.elapsed() < ANSWERED_WITHIN, "{:?}", began.elapsed());
                });
            }
        });
        postgres.signal("CONT");
    });
}

#[test]
fn a_database_without_a_free_connection_is_asked_again() {
    let postgres = Postgres::start();
    postgres.sql("postgres", "CREATE ROLE game LOGIN; GRANT CREATE ON SCHEMA public TO game");
    let dsn = postgres.dsn("postgres").replace("user=postgres", "user=game");
    let server = Server::start(&["--db-type", "postgres", "--db-dsn", &dsn, "--login-workers", "2"]);
    suffer(&server, || {
        for _ in 0..3 {
            // Refused with the code that a full database has: too_many_connections.
            postgres.sql("postgres", "ALTER ROLE game CONNECTION LIMIT 0");
            postgres.sql(
                "postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'game'",
            );
            wait_until("logins to be refused", || login(&server).status == 503);
            postgres.sql("postgres", "ALTER ROLE game CONNECTION LIMIT -1");
            wait_until("logins to be possible again", || login(&server).status == 200);
        }
    });
}
