//! The embedded engine's interpreter with its store, under a clock of the test's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use godra::metrics::Metrics;
use godra::script::{Header, Library, Script};
use godra::state::embedded::EmbeddedOptions;
use godra::state::embedded::runner::{Invocation, ScriptRunner};
use godra::state::{Arguments, Call, CallKeys, CallResult, Membership};
use godra::wire::ids::{Identity, Role, RoomId};
use serde_json::Value;

use super::documents::LIBRARY;
use super::{Caller, Failure, Outcome, START_MS, Store, TELL};

pub struct EmbeddedStore {
    runner: ScriptRunner,
    /// By their names, the scripts as they run here: what they tell is noted.
    noting: HashMap<Box<str>, Arc<Script>>,
    now_ms: u64,
    calls: u64,
}

impl EmbeddedStore {
    pub fn new() -> Self {
        // The default budget is for release builds, of which a debug build has a tenth of the speed.
        let options = EmbeddedOptions { time_budget: Duration::from_secs(10), ..EmbeddedOptions::default() };
        let runner = ScriptRunner::new(&options, Arc::new(Metrics::new()));
        Self { runner, noting: HashMap::new(), now_ms: START_MS, calls: 0 }
    }

    fn call(&mut self, room: Option<&RoomId>, call: &Call) -> (CallResult, Vec<Value>) {
        self.calls += 1;
        let invocation = Invocation {
            call,
            room,
            now_ms: self.now_ms,
            now: Instant::now(),
            seed: self.calls,
            passed_ms: 0,
        };
        let (result, _) = self.runner.run(invocation);
        let mut events = Vec::new();
        for run in self.runner.event_log().take() {
            assert_eq!(Some(&run.room), room, "events are of the caller's room");
            let run: Vec<Value> =
                parse(format!("[{}]", std::str::from_utf8(&run.text).expect("UTF-8")).as_bytes());
            events.extend(run);
        }
        for event in &mut events {
            let seq = event.as_object_mut().and_then(|event| event.remove("seq"));
            assert!(seq.is_some_and(|seq| seq.is_u64()), "{event}");
        }
        (result, events)
    }

    fn eval_text(&mut self, text: &str, keys: &[&str], args: &[&str]) -> Value {
        let header = Header::parse("command", text).expect("header");
        let call = Call {
            script: Arc::new(Script::new("command", "command.lua", text, header)),
            caller: identity(&Caller { id: "test".into(), name: "test".into(), role: "manager" }),
            keys: CallKeys::Resolved(keys.iter().map(|key| (*key).into()).collect()),
            arguments: Arguments::List(args.iter().map(|arg| arg.as_bytes().into()).collect()),
            wants_result: true,
            membership: Membership::Unchanged,
            n: None,
            documents: None,
        };
        match self.call(None, &call).0 {
            CallResult::Ok(text) => parse(&text),
            other => panic!("{text} {args:?}: {other:?}"),
        }
    }
}

impl Store for EmbeddedStore {
    fn run(&mut self, script: &Arc<Script>, room: Option<&str>, caller: &Caller, args: &[String]) -> Outcome {
        let room = room.map(|room| RoomId::parse(room).expect("room id"));
        let noting = self.noting.entry(script.name.clone()).or_insert_with(|| {
            let noting = |text: &str| format!("{LIBRARY}{TELL}{text}");
            let libraries = script.libraries.iter().map(|library| {
                let (name, path) = (library.name.clone(), library.path.clone());
                Arc::new(Library { name, path, text: noting(&library.text).into() })
            });
            let (path, header) = (script.path.clone(), script.header.clone());
            let text = noting(&script.text);
            Arc::new(Script::with_libraries(&script.name, path, &text, header, libraries.collect()))
        });
        let call = Call {
            script: noting.clone(),
            caller: identity(caller),
            keys: CallKeys::FromRoom,
            arguments: Arguments::List(args.iter().map(|arg| arg.as_bytes().into()).collect()),
            wants_result: true,
            membership: Membership::Unchanged,
            n: None,
            documents: None,
        };
        let (result, events) = self.call(room.as_ref(), &call);
        let result = match result {
            CallResult::Ok(text) => Ok(parse(&text)),
            CallResult::Err(error) => {
                let details =
                    error.details.as_deref().map_or(Value::Null, |details| parse(details.as_bytes()));
                Err(Failure { code: error.code.to_string(), message: error.message.into(), details })
            }
            other => panic!("{other:?}"),
        };
        Outcome { result, events }
    }

    fn command(&mut self, parts: &[&str]) -> Value {
        self.eval_text("return redis.call(unpack(ARGV, 2))", &[], parts)
    }

    fn eval(&mut self, text: &str, keys: &[&str], args: &[&str]) {
        // `ARGV[1]` is the caller, which a text behind the scripts' back has none of.
        self.eval_text(&format!("table.remove(ARGV, 1) {text}"), keys, args);
    }

    fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
    }
}

pub fn identity(caller: &Caller) -> Arc<Identity> {
    Arc::new(Identity {
        user_id: (*caller.id).into(),
        username: (*caller.name).into(),
        role: Role::parse(caller.role).expect("role"),
        expires_at_s: u32::MAX,
        login: Default::default(),
    })
}

fn parse<T: serde::de::DeserializeOwned>(text: &[u8]) -> T {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}
