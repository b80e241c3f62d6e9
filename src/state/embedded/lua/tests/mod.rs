//! Scripts run through the interpreter: what they see, what they get, and what they cannot do.

mod api;
mod limits;
mod sandbox;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Interpreter, Invocation};
use crate::metrics::Metrics;
use crate::script::{Header, Script};
use crate::state::{Arguments, Call, CallError, CallKeys, CallResult, Membership, RoomEvents};
use crate::wire::ids::{Identity, Role, RoomId};

/// An interpreter, and how its next calls are made.
pub struct World {
    pub interpreter: Interpreter,
    pub room: Option<RoomId>,
    pub now_ms: u64,
    pub seed: u64,
}

impl World {
    /// With time enough on a busy machine, for tests that are about something else.
    pub fn new() -> Self {
        Self::with_budgets(Duration::from_secs(5), 16 << 20)
    }

    pub fn with_budgets(time: Duration, memory: usize) -> Self {
        Self {
            interpreter: Interpreter::new(7, time, memory, Arc::new(Metrics::new())),
            room: RoomId::parse("r1"),
            now_ms: 1_700_000_000_123,
            seed: 1,
        }
    }

    pub fn call(&mut self, call: &Call) -> CallResult {
        let room = self.room.clone();
        let (result, _) = self.interpreter.run(Invocation {
            call,
            room: room.as_ref(),
            now_ms: self.now_ms,
            now: Instant::now(),
            seed: self.seed,
        });
        result
    }

    /// Runs a script; gives its result's JSON text, or its error.
    pub fn run(&mut self, text: &str) -> Result<String, CallError> {
        match self.call(&call(text, CallKeys::Resolved(vec!["k1".into(), "k2".into()]), &["a1", "a2"])) {
            CallResult::Ok(bytes) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
            CallResult::Err(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// Runs a script that must work.
    pub fn ok(&mut self, text: &str) -> String {
        self.run(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"))
    }

    /// Runs a script that must fail; gives its message.
    pub fn fails(&mut self, text: &str) -> String {
        match self.run(text) {
            Ok(result) => panic!("{text}\nshould fail, and gave {result:.200}"),
            Err(error) => error.message.into(),
        }
    }

    pub fn events(&mut self) -> Vec<RoomEvents> {
        self.interpreter.host().outbox.borrow_mut().take().collect()
    }

    /// The published events' text.
    pub fn published(&mut self) -> String {
        let texts: Vec<_> =
            self.events().iter().map(|events| String::from_utf8(events.text.to_vec()).unwrap()).collect();
        texts.join(" | ")
    }
}

pub fn script(text: &str) -> Arc<Script> {
    let header = Header { role: Role::Player, keys: Vec::new(), room_argument: None, tick_ms: None };
    Arc::new(Script::new("test", "scripts/test.lua", text, header))
}

pub fn call(text: &str, keys: CallKeys, arguments: &[&str]) -> Call {
    Call {
        script: script(text),
        caller: Arc::new(Identity {
            user_id: "42".into(),
            username: "Ann".into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Default::default(),
        }),
        keys,
        arguments: Arguments::List(arguments.iter().map(|text| text.as_bytes().into()).collect()),
        wants_result: true,
        membership: Membership::Unchanged,
    }
}

/// Runs a test on a stack as large as the engine thread's.
pub fn on_engine_stack(test: impl FnOnce() + Send + 'static) {
    let builder = std::thread::Builder::new().stack_size(crate::state::embedded::STACK_BYTES);
    builder.spawn(test).unwrap().join().unwrap();
}
