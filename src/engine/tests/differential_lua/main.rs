//! Lua in the embedded engine against Lua in real stores: the same snippets run in both, and must give the same
//! results and the same error texts, as Valkey 9.1 has them. What Redis 8.2 and 7.0 say otherwise stands in `differences`.
//!
//! `cases.txt` holds snippets written by hand; generated ones follow. `GODRA_DIFFERENTIAL_SEED` sets where those
//! begin, `GODRA_DIFFERENTIAL_SNIPPETS` how many there are.

mod differences;
mod generator;
#[path = "../differential/server.rs"]
mod server;

use std::rc::Rc;
use std::time::{Duration, Instant};

use generator::Generator;
use godra_engine::keyspace::Filler;
use godra_engine::lua::{Interpreter, Invocation, Keys, ScriptError};
use server::{Client, Product, Reply, StoreServer};

/// Deep recursion is among the cases; the engine's own thread has as large a stack.
fn on_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(test).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn written_cases_agree() {
    for product in [Product::Valkey9, Product::Redis8, Product::Redis7] {
        on_large_stack(move || compare_written_cases(product));
    }
}

fn compare_written_cases(product: Product) {
    let server = StoreServer::start(product);
    let mut pair = Pair::new(&server);
    let mut differences = Vec::new();
    let mut count = 0;
    for line in include_str!("cases.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let snippet = if line.contains("return") || line.starts_with("error(") {
            line.to_owned()
        } else {
            format!("return {line}")
        };
        differences.extend(pair.compare(&snippet));
        count += 1;
    }
    assert!(count > 300, "only {count} cases were read");
    let (name, found) = (product.name(), differences.join("\n"));
    assert!(differences.is_empty(), "{name}: {} of {count} differ\n{found}", differences.len());
}

#[test]
fn generated_snippets_agree() {
    for (product, share) in [(Product::Valkey9, 1), (Product::Redis8, 4), (Product::Redis7, 4)] {
        on_large_stack(move || compare_generated_snippets(product, share));
    }
}

/// `share` says of how many snippets one is run.
fn compare_generated_snippets(product: Product, share: usize) {
    let count = from_environment("GODRA_DIFFERENTIAL_SNIPPETS", 20_000);
    let first_seed = from_environment("GODRA_DIFFERENTIAL_SEED", 1);
    let server = StoreServer::start(product);
    let mut pair = Pair::new(&server);
    for seed in (first_seed..first_seed + count).step_by(share) {
        let snippet = Generator::new(seed).snippet();
        if let Some(difference) = pair.compare(&snippet) {
            panic!("{}, seed {seed}\n{difference}", product.name());
        }
        if seed % 1000 == 1 {
            // Every snippet is a script that the store would keep.
            pair.store.call(&["SCRIPT".into(), "FLUSH".into()]);
            pair.interpreter = new_interpreter();
        }
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
        Err(_) => default,
    }
}

struct Pair {
    interpreter: Interpreter,
    store: Client,
    product: Product,
}

impl Pair {
    fn new(server: &StoreServer) -> Self {
        Self { interpreter: new_interpreter(), store: server.connect(), product: server.product() }
    }

    /// Runs a snippet in both; says how they differ, if they do.
    fn compare(&mut self, snippet: &str) -> Option<String> {
        if differences::is_unknown(self.product, snippet) {
            return None;
        }
        self.store.call(&["FLUSHALL".into()]);
        let arguments = ["EVAL", snippet, "2", "k1", "k2", "42", "a1", "a2"];
        let reply = self.store.call(&arguments.map(|text| text.as_bytes().to_vec()));
        let expected = shown(reply);
        self.embedded("return redis.call('FLUSHALL')");
        let found = self.embedded(snippet);
        let is_alike = differences::allow(self.product, snippet, &found, &expected);
        (!is_alike).then(|| format!("{snippet}\n   store: {expected}\nembedded: {found}"))
    }

    fn embedded(&mut self, snippet: &str) -> String {
        let result = self.run(snippet).unwrap_or_else(|error| placed(error.message(), None));
        result.replace("user_script.lua:", "user_script:")
    }

    fn run(&mut self, snippet: &str) -> Result<String, ScriptError> {
        let script = self.interpreter.compile("user_script", snippet).map_err(ScriptError::Fault)?;
        let result = self.interpreter.run(Invocation {
            script: &script,
            keys: Keys::Own(&["k1".into(), "k2".into()]),
            arguments: &[b"42", b"a1", b"a2"],
            wants_result: true,
            now_ms: 1_700_000_000_000,
            now: Instant::now(),
            seed: 1,
            is_atomic: true,
            filler: Filler::Game,
        });
        self.interpreter.forget(script);
        result.map(|json| String::from_utf8_lossy(&json).into_owned())
    }
}

fn new_interpreter() -> Interpreter {
    Interpreter::new(1, Duration::from_secs(20), 64 << 20, Rc::new(()))
}

/// A reply of Redis as the engine would show it.
fn shown(reply: Reply) -> String {
    match reply {
        Reply::Error(text) => {
            let (message, rest) = text.split_once(" script: ").unwrap_or((&text, ""));
            let line = rest.split_once("@user_script:").map(|(_, line)| line.trim_end_matches('.'));
            placed(message, line)
        }
        other => json(&other),
    }
}

/// An error's text with its place in front, which Redis leaves out where the error is a table or has none. Redis puts
/// `ERR` in front of texts that are not its own, too.
fn placed(message: &str, line: Option<&str>) -> String {
    const NO_CODE: [&str; 2] = ["ERR Error compiling script (new function): ", "ERR "];
    let text = NO_CODE.iter().find_map(|code| message.strip_prefix(code)).unwrap_or(message);
    let text = text.replace("user_script.lua:", "user_script:");
    let text = match (text.strip_prefix("user_script:"), line) {
        (None, Some(line)) => format!("user_script:{line}: {text}"),
        _ => text,
    };
    match text.split_once(": ERR ") {
        Some((place, rest)) => format!("error {place}: {rest}"),
        None => format!("error {text}"),
    }
}

fn json(reply: &Reply) -> String {
    let string = |bytes: &[u8]| serde_json::to_string(&String::from_utf8_lossy(bytes)).expect("text is JSON");
    match reply {
        Reply::Nil => "null".into(),
        Reply::Integer(number) => number.to_string(),
        Reply::Bulk(bytes) => string(bytes),
        Reply::Status(text) | Reply::Error(text) => string(text.as_bytes()),
        Reply::Array(elements) => format!("[{}]", elements.iter().map(json).collect::<Vec<_>>().join(",")),
    }
}
