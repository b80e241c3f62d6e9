//! The game that is played: a script that does what an input's steps say, and a message's; the hooks; and a tick.
//!
//! Every call that works counts up the field `v`, so that a state tells after which call it was taken.

use std::sync::Arc;

use super::random::Random;
use crate::script::{Header, Script, ScriptSet};

/// What an input asks for. Together the steps of an input work or fail.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Add(&'static str, i64),
    Drop(&'static str),
    /// A key that ends after so many milliseconds.
    Lease(u64),
    Extend(u64),
    Keep,
    Free,
    Say(Option<Options>),
    /// As `Say` to everybody, by `PUBLISH`.
    Ready,
    Join(&'static str, String),
    Leave(&'static str, String),
    Remove(String),
    /// This user is let in no more.
    Bar(String),
    Fail(&'static str),
    Tell(Box<Tell>),
    /// Takes back what the room has told under that name.
    Cancel(&'static str),
    /// The room and another one tell each other so many messages, one after the other.
    Chain(String, u64),
    /// As many messages to a room at once.
    Burst(String, u64),
    /// Of a message in a burst: what comes of it shows the order.
    Mix(u64),
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Tell {
    pub(super) to: String,
    /// Whether it goes through a message to no room.
    pub(super) is_passed: bool,
    pub(super) after_ms: Option<u64>,
    pub(super) name: Option<&'static str>,
    pub(super) steps: Vec<Step>,
}

/// A room in which nobody ever is.
pub(super) const EMPTY_ROOM: &str = "empty";

/// Who may be named in an input.
pub(super) struct Named {
    pub(super) users: Vec<String>,
    pub(super) rooms: Vec<String>,
}

/// For whom an event is.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) to: Option<Vec<String>>,
    pub(super) group: Option<&'static str>,
    pub(super) except: Option<String>,
}

const FIELDS: [&str; 3] = ["a", "b", "c"];
const GROUPS: [&str; 2] = ["red", "blue"];
/// Each fails in another way.
const NAMES: [&str; 2] = ["turn", "end"];
const FAILURES: [&str; 4] = ["refuse", "err", "wrong", "index"];

/// The scripts as the catalogue has them.
pub(super) fn scripts() -> Arc<ScriptSet> {
    let hear = include_str!("play.lua").replace("-- ROLE: guest", "-- ROLE: server");
    let texts = [
        ("play", include_str!("play.lua")),
        ("hear", &hear),
        ("pass", include_str!("pass.lua")),
        ("beat", include_str!("beat.lua")),
        ("on_connect", include_str!("on_connect.lua")),
        ("on_disconnect", include_str!("on_disconnect.lua")),
        ("on_snapshot", include_str!("on_snapshot.lua")),
    ];
    let script = |(name, text): (&str, &str)| {
        let header = Header::parse(name, text).expect("the game's headers are right");
        (name.into(), Arc::new(Script::new(name, format!("{name}.lua"), text, header)))
    };
    Arc::new(ScriptSet::new(texts.into_iter().map(script).collect(), 1))
}

/// Some steps, of an input in a room with these users.
pub(super) fn any_steps(random: &mut Random, named: &Named) -> Vec<Step> {
    let mut steps = some_steps(random, named, 2);
    if named.users.len() > 2 && random.one_in(12) {
        let user = random.pick(&named.users).clone();
        steps.push(if random.one_in(3) { Step::Bar(user) } else { Step::Remove(user) });
    }
    if random.one_in(30) {
        let to = random.pick(&named.rooms).clone();
        let is_chain = random.one_in(2);
        steps.push(if is_chain {
            Step::Chain(to, random.between(20, 120))
        } else {
            Step::Burst(to, random.between(20, 250))
        });
    }
    if random.one_in(6) {
        steps.push(Step::Fail(name_of(random, &FAILURES)));
    }
    steps
}

fn some_steps(random: &mut Random, named: &Named, tells: u32) -> Vec<Step> {
    (0..random.between(1, 4)).map(|_| any_step(random, named, tells)).collect()
}

/// A step; one that tells a message if they may be `tells` deep.
fn any_step(random: &mut Random, named: &Named, tells: u32) -> Step {
    let users = &named.users;
    match random.below(if tells > 0 { 20 } else { 16 }) {
        16..=18 => Step::Tell(Box::new(any_tell(random, named, tells - 1))),
        19 => Step::Cancel(name_of(random, &NAMES)),
        0..=2 => Step::Add(name_of(random, &FIELDS), random.between(1, 9) as i64),
        3 => Step::Drop(name_of(random, &FIELDS)),
        4 => Step::Lease(random.between(20, 60_000)),
        5 => Step::Extend(random.between(20, 60_000)),
        6 => {
            if random.one_in(2) {
                Step::Keep
            } else {
                Step::Free
            }
        }
        7..=9 => Step::Say(None),
        10 => Step::Say(Some(Options { except: Some(random.pick(users).clone()), ..Options::default() })),
        11 => {
            let to = (0..random.between(1, 2)).map(|_| random.pick(users).clone()).collect();
            Step::Say(Some(Options { to: Some(to), ..Options::default() }))
        }
        12 => {
            let except = random.one_in(3).then(|| random.pick(users).clone());
            Step::Say(Some(Options { to: None, group: Some(name_of(random, &GROUPS)), except }))
        }
        13 => Step::Ready,
        14 => Step::Join(name_of(random, &GROUPS), random.pick(users).clone()),
        _ => Step::Leave(name_of(random, &GROUPS), random.pick(users).clone()),
    }
}

fn any_tell(random: &mut Random, named: &Named, tells: u32) -> Tell {
    let mut steps = some_steps(random, named, tells);
    if random.one_in(6) {
        steps.push(Step::Fail(name_of(random, &FAILURES)));
    }
    Tell {
        to: random.pick(&named.rooms).clone(),
        is_passed: random.one_in(4),
        after_ms: (!random.one_in(3)).then(|| match random.below(10) {
            0 => 0,
            1 => 600_000,
            _ => random.between(1, 3_000),
        }),
        name: random.one_in(2).then(|| name_of(random, &NAMES)),
        steps,
    }
}

fn name_of(random: &mut Random, names: &[&'static str]) -> &'static str {
    names[random.below(names.len() as u64) as usize]
}

/// The payload of an input.
pub(super) fn payload(id: &str, steps: &[Step]) -> String {
    format!(r#"{{"id":"{id}","steps":{}}}"#, json_of(steps))
}

fn json_of(steps: &[Step]) -> String {
    let steps: Vec<String> = steps.iter().map(Step::json).collect();
    format!("[{}]", steps.join(","))
}

impl Step {
    fn json(&self) -> String {
        match self {
            Self::Add(field, by) => format!(r#"["add","{field}",{by}]"#),
            Self::Drop(field) => format!(r#"["drop","{field}"]"#),
            Self::Lease(ms) => format!(r#"["lease",{ms}]"#),
            Self::Extend(ms) => format!(r#"["extend",{ms}]"#),
            Self::Keep => r#"["keep"]"#.to_owned(),
            Self::Free => r#"["free"]"#.to_owned(),
            Self::Say(None) => r#"["say"]"#.to_owned(),
            Self::Say(Some(options)) => format!(r#"["say",{}]"#, options.json()),
            Self::Ready => r#"["ready"]"#.to_owned(),
            Self::Join(group, user) => format!(r#"["join","{group}","{user}"]"#),
            Self::Leave(group, user) => format!(r#"["leave","{group}","{user}"]"#),
            Self::Remove(user) => format!(r#"["remove","{user}"]"#),
            Self::Bar(user) => format!(r#"["bar","{user}"]"#),
            Self::Fail(how) => format!(r#"["{how}"]"#),
            Self::Tell(tell) => tell.json(),
            Self::Cancel(name) => format!(r#"["cancel","{name}"]"#),
            Self::Chain(to, length) => format!(r#"["chain","{to}",{length}]"#),
            Self::Burst(to, count) => format!(r#"["burst","{to}",{count}]"#),
            Self::Mix(by) => format!(r#"["mix",{by}]"#),
        }
    }
}

impl Tell {
    fn json(&self) -> String {
        let Self { to, is_passed, after_ms, name, steps } = self;
        let verb = if *is_passed { "pass" } else { "tell" };
        let after = after_ms.map(|ms| format!(r#""after":{ms}"#));
        let name = name.map(|name| format!(r#""name":"{name}""#));
        let options: Vec<String> = [after, name].into_iter().flatten().collect();
        format!(r#"["{verb}","{to}",{},{{{}}}]"#, json_of(steps), options.join(","))
    }
}

impl Options {
    fn json(&self) -> String {
        let to = self.to.as_ref().map(|users| format!(r#""to":["{}"]"#, users.join(r#"",""#)));
        let group = self.group.map(|group| format!(r#""group":"{group}""#));
        let except = self.except.as_ref().map(|user| format!(r#""except":"{user}""#));
        let options: Vec<String> = [to, group, except].into_iter().flatten().collect();
        format!("{{{}}}", options.join(","))
    }
}
