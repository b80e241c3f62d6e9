//! Calls over HTTP, made all the time while things happen to the store.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::http::{Connection, Response};

/// What a thread does again and again, told how often it has done it.
type Work = Box<dyn FnMut(u64, &Mutex<CallLog>) + Send>;

const CALLERS: usize = 4;
const EVERY: Duration = Duration::from_millis(40);

/// Callers on threads of their own.
pub struct Calls {
    is_over: Arc<AtomicBool>,
    log: Arc<Mutex<CallLog>>,
    threads: Vec<JoinHandle<()>>,
}

/// What they were answered.
#[derive(Clone, Debug, Default)]
pub struct CallLog {
    /// Calls that ran.
    pub ok: usize,
    /// Calls that were answered `unavailable`, outcome unknown.
    pub unknown: usize,
    /// Calls that were answered `unavailable` or `busy`, and have not run.
    pub not_run: usize,
    /// The longest that a call took.
    pub longest: Duration,
    /// The longest that `/health` took.
    pub longest_health: Duration,
    /// Every answer of `/ready`.
    pub ready: Vec<u16>,
}

impl Calls {
    /// Begins to call `count` in a room.
    pub fn start(address: SocketAddr, token: &str, room: &str) -> Self {
        let (is_over, log) = (Arc::<AtomicBool>::default(), Arc::<Mutex<CallLog>>::default());
        let repeat = |mut work: Work| {
            let (is_over, log) = (is_over.clone(), log.clone());
            std::thread::spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    work(number, &log);
                    std::thread::sleep(EVERY);
                }
            })
        };
        let mut threads = vec![repeat(Box::new(move |_, log| look(address, log)))];
        for caller in 0..CALLERS {
            let (token, room) = (token.to_owned(), room.to_owned());
            threads.push(repeat(Box::new(move |number, log| {
                let tag = format!("caller-{caller}-{number}");
                call(address, &token, &room, &tag, log);
            })));
        }
        Self { is_over, log, threads }
    }

    /// What came until now.
    pub fn log(&self) -> CallLog {
        assert!(self.threads.iter().all(|thread| !thread.is_finished()), "a caller has failed");
        self.log.lock().unwrap().clone()
    }

    /// Ends them.
    pub fn stop(self) -> CallLog {
        self.is_over.store(true, Ordering::Release);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.log.lock().unwrap().clone()
    }
}

fn look(address: SocketAddr, log: &Mutex<CallLog>) {
    let asked_at = Instant::now();
    let health = Connection::open(address).request("GET", "/health", &[], b"");
    assert_eq!(health.status, 200);
    let took = asked_at.elapsed();
    let ready = Connection::open(address).request("GET", "/ready", &[], b"").status;
    let mut log = log.lock().unwrap();
    log.longest_health = log.longest_health.max(took);
    log.ready.push(ready);
}

/// One call of `count`, noted.
pub fn call(address: SocketAddr, token: &str, room: &str, tag: &str, log: &Mutex<CallLog>) -> Response {
    let keys = [format!("game:{room}:count")];
    let body = json!({"script": "count", "args": [tag], "keys": keys}).to_string();
    let authorization = format!("Bearer {token}");
    let called_at = Instant::now();
    let headers = [("Authorization", authorization.as_str())];
    let response = Connection::open(address).request("POST", "/api/rpc", &headers, body.as_bytes());
    let took = called_at.elapsed();
    let mut log = log.lock().unwrap();
    log.longest = log.longest.max(took);
    if response.status == 200 {
        assert_eq!(response.json()["result"], Value::from(tag), "the answer of another call");
        log.ok += 1;
    } else {
        let code = response.error_code();
        assert!(["unavailable", "busy"].contains(&code.as_str()), "{response:?}");
        assert_eq!(response.status, 503);
        let is_unknown = response.text().contains("outcome unknown");
        *if is_unknown { &mut log.unknown } else { &mut log.not_run } += 1;
    }
    response
}
