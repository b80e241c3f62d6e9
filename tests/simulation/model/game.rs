//! What the game's scripts do.

use std::collections::{BTreeMap, BTreeSet};

use super::super::game::{Options, Step};
use super::mail::{Mail, Message};
use super::{Applying, Audience, Outcome};
use crate::state::Call;

/// What a room's keys hold.
#[derive(Clone, Default)]
pub(in super::super) struct RoomState {
    fields: BTreeMap<String, i64>,
    barred: Option<String>,
    /// The lease's holder, and when it ends.
    lease: Option<(String, Option<u64>)>,
    groups: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What steps are run for.
struct Steps<'a> {
    room: &'a str,
    id: &'a str,
    steps: &'a [Step],
    is_message: bool,
    unix_ms: u64,
}

/// What a call does besides changing the room's state.
#[derive(Default)]
struct Effects {
    events: Vec<(String, Audience)>,
    held: Vec<(String, Audience)>,
    removed: Vec<String>,
    /// All messages, with what the call has done to them.
    mail: Mail,
}

impl RoomState {
    /// What `on_snapshot` gives.
    pub(in super::super) fn snapshot(&mut self, unix_ms: u64) -> String {
        self.end_lease(unix_ms);
        let (holder, end) = match &self.lease {
            None => (String::new(), -2),
            Some((holder, end)) => (holder.clone(), end.map_or(-1, |end| end as i64)),
        };
        let mut named: BTreeMap<&str, String> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
        named.extend(self.barred.iter().map(|user| ("barred", user.clone())));
        let fields = named.iter().map(|(name, value)| format!(r#","{name}={value}""#));
        format!(r#"["{holder}","{end}"{}]"#, fields.collect::<String>())
    }

    pub(super) fn is_barred(&self, user: &str) -> bool {
        self.barred.as_deref() == Some(user)
    }

    fn end_lease(&mut self, unix_ms: u64) {
        // As in Redis, a key is there up to its last millisecond.
        self.lease.take_if(|(_, end)| end.is_some_and(|end| end < unix_ms));
    }

    fn count_up(&mut self) -> i64 {
        let v = self.fields.entry("v".to_owned()).or_default();
        *v += 1;
        *v
    }

    fn come(&mut self, user: &str, effects: &mut Effects) -> Outcome {
        let v = self.count_up();
        let but = Audience::AllBut([user.to_owned()].into());
        effects.events.push((event("came", &format!(r#"["{user}"]"#)), but));
        let own = Audience::Users([user.to_owned()].into());
        effects.held.push((event("hello", &format!(r#"["{user}",{v}]"#)), own));
        if self.barred.as_deref() == Some(user) { Outcome::Err("barred".to_owned()) } else { null() }
    }

    fn go(&mut self, user: &str, effects: &mut Effects) -> Outcome {
        self.count_up();
        effects.events.push((event("went", &format!(r#"["{user}"]"#)), Audience::All));
        null()
    }

    fn beat(&mut self, passed_ms: u64, effects: &mut Effects) -> Outcome {
        self.count_up();
        effects.events.push((event("beat", &format!("[{passed_ms}]")), Audience::All));
        null()
    }

    fn play(&mut self, play: &Steps<'_>, effects: &mut Effects) -> Outcome {
        self.end_lease(play.unix_ms);
        if play.is_message && !matches!(play.steps[0], Step::Chain(..) | Step::Mix(_)) {
            effects.events.push((event("heard", &format!(r#"["{}"]"#, play.id)), Audience::All));
        }
        for (index, step) in (1..).zip(play.steps) {
            if let Step::Fail(how) = step {
                return Outcome::Err(if *how == "refuse" { "refused" } else { "script_error" }.to_owned());
            }
            self.step(play, index, step, effects);
        }
        Outcome::Ok(self.count_up().to_string())
    }

    fn step(&mut self, play: &Steps<'_>, index: usize, step: &Step, effects: &mut Effects) {
        let Steps { room, id, unix_ms, .. } = *play;
        let said = || event("said", &format!(r#"["{id}",{index}]"#));
        match step {
            Step::Add(field, by) => *self.fields.entry((*field).to_owned()).or_default() += by,
            Step::Drop(field) => {
                self.fields.remove(*field);
            }
            Step::Lease(ms) => self.lease = Some((id.to_owned(), Some(unix_ms + ms))),
            Step::Extend(ms) => self.lease.iter_mut().for_each(|(_, end)| *end = Some(unix_ms + ms)),
            Step::Keep => self.lease.iter_mut().for_each(|(_, end)| *end = None),
            Step::Free => self.lease = None,
            Step::Say(None) | Step::Ready => effects.events.push((said(), Audience::All)),
            Step::Say(Some(options)) => effects.events.push((said(), self.audience(options))),
            Step::Join(group, user) => self.groups.entry(group).or_default().extend([user.clone()]),
            Step::Leave(group, user) => {
                self.groups.entry(group).or_default().remove(user);
            }
            Step::Remove(user) => {
                self.groups.values_mut().for_each(|users| users.retain(|of| of != user));
                effects.removed.push(user.clone());
            }
            Step::Bar(user) => self.barred = Some(user.clone()),
            Step::Tell(tell) => effects.mail.tell(room, format!("{id}.{index}"), tell, unix_ms),
            Step::Cancel(name) => {
                if effects.mail.cancel(room, name) {
                    *self.fields.entry("cancelled".to_owned()).or_default() += 1;
                }
            }
            Step::Chain(_, 0) => {}
            Step::Chain(to, left) => {
                let back = vec![Step::Chain(room.to_owned(), left - 1)];
                effects.mail.tell_at_once(room, to, id, back, unix_ms);
            }
            Step::Burst(to, count) => (1..=*count)
                .for_each(|by| effects.mail.tell_at_once(room, to, id, vec![Step::Mix(by)], unix_ms)),
            Step::Mix(by) => {
                let mixed = self.fields.entry("mixed".to_owned()).or_default();
                *mixed = (*mixed * 2 + *by as i64) % 9973;
            }
            Step::Fail(_) => {}
        }
    }

    fn audience(&self, options: &Options) -> Audience {
        let Options { to, group, except } = options;
        if to.is_none() && group.is_none() {
            return Audience::AllBut(except.iter().cloned().collect());
        }
        let mut users: BTreeSet<String> = to.iter().flatten().cloned().collect();
        users.extend(group.iter().filter_map(|group| self.groups.get(group)).flatten().cloned());
        users.retain(|user| except.as_ref() != Some(user));
        Audience::Users(users)
    }
}

impl Applying<'_> {
    /// What a script does, if it works; what it gives in any case.
    pub(super) fn run_script(&mut self, call: &Call, input: Option<&str>, passed_ms: u64) -> Outcome {
        let steps = input.map(|id| self.model.inputs[id].steps.clone()).unwrap_or_default();
        let (user, unix_ms, now_ms) = (call.caller.user_id.as_str(), self.unix_ms, self.now_ms);
        let mail = if steps.is_empty() { Mail::default() } else { self.model.mail.clone() };
        let room = self.model.room(self.name);
        let (mut state, mut effects) = (room.state.clone(), Effects { mail, ..Effects::default() });
        let play = Steps {
            room: self.name,
            id: input.unwrap_or_default(),
            steps: &steps,
            is_message: false,
            unix_ms,
        };
        let outcome = match &*call.script.name {
            "play" => state.play(&play, &mut effects),
            "beat" => state.beat(passed_ms, &mut effects),
            "on_connect" => state.come(user, &mut effects),
            "on_disconnect" => state.go(user, &mut effects),
            "on_snapshot" => Outcome::Ok(state.snapshot(unix_ms)),
            _ => null(),
        };
        if let Outcome::Err(_) = outcome {
            return outcome;
        }
        room.state = state;
        let history = room.history;
        for (head, audience) in effects.events {
            self.model.histories[history].publish(&head, audience, now_ms);
        }
        self.held.extend(effects.held);
        self.removed.extend(effects.removed);
        if !steps.is_empty() {
            self.model.mail = effects.mail;
        }
        if call.wants_result { outcome } else { null() }
    }

    /// What a message does in its room.
    pub(super) fn hear(&mut self, message: &Message) -> Outcome {
        let (unix_ms, now_ms) = (self.unix_ms, self.now_ms);
        let mut effects = Effects { mail: self.model.mail.clone(), ..Effects::default() };
        let room = self.model.room(self.name);
        let mut state = room.state.clone();
        let play =
            Steps { room: self.name, id: &message.id, steps: &message.steps, is_message: true, unix_ms };
        let outcome = state.play(&play, &mut effects);
        if let Outcome::Err(_) = outcome {
            return outcome;
        }
        room.state = state;
        let history = room.history;
        for (head, audience) in effects.events {
            self.model.histories[history].publish(&head, audience, now_ms);
        }
        self.model.mail = effects.mail;
        null()
    }
}

fn event(kind: &str, payload: &str) -> String {
    format!(r#"{{"type":"{kind}","payload":{payload}"#)
}

fn null() -> Outcome {
    Outcome::Ok("null".to_owned())
}
