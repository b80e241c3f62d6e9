//! Scripts run through the interpreter: what they see, what they get, and what they cannot do.

mod api;
mod extension;
mod full;
mod limits;
mod sandbox;
mod undo;

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Extension, Interpreter, Invocation, Keys, Script, ScriptError};
use crate::keyspace::Filler;

/// As large as that of the server's thread.
const STACK_BYTES: usize = 64 << 20;

/// An interpreter, and how its next calls are made.
pub(super) struct World {
    pub interpreter: Interpreter,
    pub now_ms: u64,
    pub seed: u64,
    pub is_atomic: bool,
}

impl World {
    /// With time enough on a busy machine, for tests that are about something else.
    pub(crate) fn new() -> Self {
        Self::with_budgets(Duration::from_secs(5), 16 << 20)
    }

    pub(super) fn with_budgets(time: Duration, memory: usize) -> Self {
        Self::with(Interpreter::new(7, time, memory, Rc::new(())))
    }

    pub(super) fn with_extension(extension: Rc<dyn Extension>) -> Self {
        Self::with(Interpreter::new(7, Duration::from_secs(5), 16 << 20, extension))
    }

    fn with(interpreter: Interpreter) -> Self {
        Self { interpreter, now_ms: 1_700_000_000_123, seed: 1, is_atomic: true }
    }

    pub(crate) fn call(
        &mut self,
        script: &Script,
        keys: Keys<'_>,
        arguments: &[&[u8]],
    ) -> Result<String, ScriptError> {
        self.invoke(script, keys, arguments, true)
    }

    /// Runs a script whose result nobody wants.
    pub(super) fn run_for_nothing(&mut self, script: &Script) -> Result<String, ScriptError> {
        self.invoke(script, Keys::Own(&[]), &[], false)
    }

    fn invoke(
        &mut self,
        script: &Script,
        keys: Keys<'_>,
        arguments: &[&[u8]],
        wants_result: bool,
    ) -> Result<String, ScriptError> {
        let result = self.interpreter.run(Invocation {
            script,
            keys,
            arguments,
            wants_result,
            now_ms: self.now_ms,
            now: Instant::now(),
            seed: self.seed,
            is_atomic: self.is_atomic,
            filler: Filler::Game,
        });
        result.map(|json| String::from_utf8(json.to_vec()).unwrap())
    }

    /// Runs a script; gives its result's JSON text, or its error.
    pub(super) fn run(&mut self, text: &str) -> Result<String, ScriptError> {
        let script = self.interpreter.compile("test", text).map_err(ScriptError::Fault)?;
        let result = self.call(&script, Keys::Own(&["k1".into(), "k2".into()]), &[b"42", b"a1", b"a2"]);
        self.interpreter.forget(script);
        result
    }

    /// Runs a script that must work.
    pub(super) fn ok(&mut self, text: &str) -> String {
        self.run(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"))
    }

    /// Runs a script that must fail; gives its message.
    pub(super) fn fails(&mut self, text: &str) -> String {
        match self.run(text) {
            Ok(result) => panic!("{text}\nshould fail, and gave {result:.200}"),
            Err(error) => error.message().into(),
        }
    }
}

/// Runs a test on a stack as large as the server's.
pub(super) fn on_engine_stack(test: impl FnOnce() + Send + 'static) {
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    builder.spawn(test).unwrap().join().unwrap();
}
