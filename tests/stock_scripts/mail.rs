//! Carries what scripts tell to the scripts that it is for, on the test's clock.

use serde_json::{Value, json};

use super::{Caller, Game, Outcome};

/// What has been told and has not run yet.
#[derive(Default)]
pub struct Mail {
    pending: Vec<Told>,
    /// How far the clock has come since the store was made.
    now_ms: u64,
    count: u64,
}

struct Told {
    due_ms: u64,
    number: u64,
    room: Option<String>,
    script: String,
    payload: Value,
    name: Option<String>,
}

impl Game {
    /// Runs a server's script as a message does; gives its events.
    pub fn tell(&mut self, room: Option<&str>, script: &str, payload: &Value) -> Vec<Value> {
        let outcome = self.message(room, script, payload);
        outcome.result.unwrap_or_else(|failure| panic!("{script} {payload}: {failure:?}"));
        outcome.events
    }

    pub fn message(&mut self, room: Option<&str>, script: &str, payload: &Value) -> Outcome {
        let found =
            self.scripts.get_for_messages(script).unwrap_or_else(|| panic!("no {script} for messages"));
        let nobody = Caller { id: String::new(), name: String::new(), role: "manager" };
        // Calls without a room have the declared keys, which no room is part of.
        self.run(&found.clone(), room.unwrap_or("none"), &nobody, &[payload.to_string()])
    }

    /// Lets time pass, and what is due meanwhile run, in order. Gives the events of all that.
    pub fn pass(&mut self, ms: u64) -> Vec<Value> {
        let end = self.mail.now_ms + ms;
        let mut events = Vec::new();
        for _ in 0..100_000 {
            self.collect();
            let next = self.mail.pending.iter().map(|told| (told.due_ms, told.number)).min();
            let Some((due_ms, number)) = next.filter(|(due_ms, _)| *due_ms <= end) else {
                self.advance_to(end);
                return events;
            };
            self.advance_to(due_ms);
            let at = self.mail.pending.iter().position(|told| told.number == number).expect("found above");
            let told = self.mail.pending.remove(at);
            events.extend(self.tell(told.room.as_deref(), &told.script, &told.payload));
        }
        panic!("messages without end")
    }

    /// How many wait.
    pub fn pending(&mut self) -> usize {
        self.collect();
        self.mail.pending.len()
    }

    fn advance_to(&mut self, ms: u64) {
        self.store.advance(ms.saturating_sub(self.mail.now_ms));
        self.mail.now_ms = self.mail.now_ms.max(ms);
    }

    fn collect(&mut self) {
        let told = self.store.command(&["LRANGE", "test:told", "0", "-1"]);
        self.store.command(&["DEL", "test:told"]);
        for text in told.as_array().expect("list") {
            let told: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
            let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
            self.mail.count += 1;
            let told = Told {
                due_ms: self.mail.now_ms + told.get("after").and_then(Value::as_f64).unwrap_or(0.0) as u64,
                number: self.mail.count,
                room: text("room"),
                script: text("script").expect("a script"),
                payload: told.get("payload").cloned().unwrap_or(json!(null)),
                name: text("name"),
            };
            if told.name.is_some() {
                self.mail.pending.retain(|known| (&known.name, &known.room) != (&told.name, &told.room));
            }
            self.mail.pending.push(told);
        }
    }
}
