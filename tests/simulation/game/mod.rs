//! The game that is played: a script that does what an input's steps say, and the hooks.
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
const FAILURES: [&str; 4] = ["refuse", "err", "wrong", "index"];

/// The scripts as the catalogue has them.
pub(super) fn scripts() -> Arc<ScriptSet> {
    const TEXTS: [(&str, &str); 4] = [
        ("play", include_str!("play.lua")),
        ("on_connect", include_str!("on_connect.lua")),
        ("on_disconnect", include_str!("on_disconnect.lua")),
        ("on_snapshot", include_str!("on_snapshot.lua")),
    ];
    let script = |(name, text): (&str, &str)| {
        let header = Header::parse(name, text).expect("the game's headers are right");
        (name.into(), Arc::new(Script::new(name, format!("{name}.lua"), text, header)))
    };
    Arc::new(ScriptSet::new(TEXTS.into_iter().map(script).collect(), 1))
}

/// Some steps, of an input in a room with these users.
pub(super) fn any_steps(random: &mut Random, users: &[String], may_harm: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..random.between(1, 4)).map(|_| any_step(random, users)).collect();
    if may_harm && random.one_in(12) {
        let user = random.pick(users).clone();
        steps.push(if random.one_in(3) { Step::Bar(user) } else { Step::Remove(user) });
    }
    if random.one_in(6) {
        steps.push(Step::Fail(name_of(random, &FAILURES)));
    }
    steps
}

fn any_step(random: &mut Random, users: &[String]) -> Step {
    match random.below(16) {
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

fn name_of(random: &mut Random, names: &[&'static str]) -> &'static str {
    names[random.below(names.len() as u64) as usize]
}

/// The payload of an input.
pub(super) fn payload(id: &str, steps: &[Step]) -> String {
    let steps: Vec<String> = steps.iter().map(Step::json).collect();
    format!(r#"{{"id":"{id}","steps":[{}]}}"#, steps.join(","))
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
        }
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
