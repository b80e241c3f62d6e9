//! What a script declares in the comments at its top: who may call it, and on which keys it works.
//!
//! Only the leading comments count. A misspelt or misplaced declaration is an error rather than a plain comment, because
//! ignoring `-- ROLE: manager` would open a script to everybody.

use std::fmt;
use std::iter;
use std::num::NonZeroU32;

use super::document_pattern::{DocumentPattern, Form};
use super::key_pattern::KeyPattern;
use super::near::is_one_slip_away;
use crate::wire::ids::Role;
use crate::wire::message::{HEARTBEAT, MAX_ACTION_BYTES, RESYNC, is_action};

/// The declarations in a script's header comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `-- ROLE:`; player without the line.
    pub role: Role,
    /// Whether there is a `-- ROLE:` line.
    pub names_role: bool,
    /// `-- ROLE: server`: only messages run it, and no role is enough to call it.
    pub is_for_server: bool,
    /// `-- KEYS:`, in order; several such lines add up.
    pub keys: Vec<KeyPattern>,
    /// Those of them with the word `keep`: they do not end with their room.
    pub kept_keys: Vec<KeyPattern>,
    /// `-- DATA:`, in order; several such lines add up.
    pub documents: Vec<DocumentPattern>,
    /// `-- DURABLE: on`: what a call answers and publishes waits until the database has what it saved.
    pub is_durable: bool,
    /// `-- ROOM: n`: for an RPC without keys, `args[n]` (counted from 1) names the room.
    pub room_argument: Option<usize>,
    /// `-- TICK: ms`: run for every live room at this interval.
    pub tick_ms: Option<NonZeroU32>,
    /// Whether a failing call undoes what it has written; yes without `-- ATOMIC: off`.
    pub is_atomic: bool,
    /// `-- ACTIONS:`: what players call it by besides its name. Such a script gets whole messages, not payloads.
    pub actions: Vec<Box<str>>,
}

/// A header that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Header {
    /// Most keys that one script may declare.
    pub const MAX_KEYS: usize = 32;
    /// Most documents that one script may declare.
    pub const MAX_DOCUMENTS: usize = 16;
    /// Highest argument that `-- ROOM:` may name.
    pub const MAX_ROOM_ARGUMENT: usize = 32;
    /// Most names that `-- ACTIONS:` may have.
    pub const MAX_ACTIONS: usize = 64;

    /// Parses the header of the script called `name`, which decides whether it is a hook.
    ///
    /// # Errors
    /// The first declaration that is malformed, repeated, misspelt, misplaced or not supported.
    pub fn parse(name: &str, text: &str) -> Result<Self, HeaderError> {
        let mut declarations = Declarations::default();
        let mut lines_read = 0;
        for (line, comment) in leading_comments(text) {
            lines_read = line;
            if let Some((keyword, value)) = declaration(comment).map_err(at(line))? {
                declarations.add(line, keyword, value).map_err(at(line))?;
            }
        }
        refuse_misplaced(text, lines_read)?;
        declarations.into_header(name)
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for HeaderError {}

/// The words that declare something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Keyword {
    Role,
    Keys,
    Data,
    Room,
    Tick,
    Atomic,
    Durable,
    Actions,
}

impl Keyword {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Role, "ROLE"),
        (Self::Keys, "KEYS"),
        (Self::Data, "DATA"),
        (Self::Room, "ROOM"),
        (Self::Tick, "TICK"),
        (Self::Atomic, "ATOMIC"),
        (Self::Durable, "DURABLE"),
        (Self::Actions, "ACTIONS"),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == word).map(|(keyword, _)| keyword)
    }

    fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// What a `-- ROLE:` line says.
#[derive(Clone, Copy)]
enum Callers {
    /// Players of this role or a higher one.
    From(Role),
    /// None of them.
    Server,
}

/// Declarations as they were found, each with its line.
#[derive(Default)]
struct Declarations {
    role: Option<(usize, Callers)>,
    keys: Option<(usize, Vec<KeyPattern>)>,
    kept_keys: Vec<KeyPattern>,
    documents: Option<(usize, Vec<DocumentPattern>)>,
    room_argument: Option<(usize, usize)>,
    tick_ms: Option<(usize, NonZeroU32)>,
    is_atomic: Option<(usize, bool)>,
    is_durable: Option<(usize, bool)>,
    actions: Option<(usize, Vec<Box<str>>)>,
}

impl Declarations {
    fn add(&mut self, line: usize, keyword: Keyword, value: &str) -> Result<(), String> {
        let first_line = match keyword {
            Keyword::Role => put(&mut self.role, line, parse_role(without_note(value))?),
            Keyword::Keys => {
                let (_, keys) = self.keys.get_or_insert_with(|| (line, Vec::new()));
                return add_keys(keys, &mut self.kept_keys, value);
            }
            Keyword::Data => {
                let (_, documents) = self.documents.get_or_insert_with(|| (line, Vec::new()));
                return add_documents(documents, without_note(value));
            }
            Keyword::Durable => put(&mut self.is_durable, line, parse_durable(without_note(value))?),
            Keyword::Room => put(&mut self.room_argument, line, parse_room(without_note(value))?),
            Keyword::Tick => put(&mut self.tick_ms, line, parse_tick(without_note(value))?),
            Keyword::Atomic => put(&mut self.is_atomic, line, parse_atomic(without_note(value))?),
            Keyword::Actions => put(&mut self.actions, line, parse_actions(without_note(value))?),
        };
        match first_line {
            Some(first) => Err(format!("{} stands twice, first in line {first}", keyword.name())),
            None => Ok(()),
        }
    }

    fn into_header(self, name: &str) -> Result<Header, HeaderError> {
        self.refuse_beside_tick()?;
        self.refuse_beside_server()?;
        if let Some(line) = self.line_of_keys(KeyPattern::names_new_user).filter(|_| name != "on_upgrade") {
            return Err(at(line)(
                "{new_user} is known in on_upgrade alone: write {user} for the caller".into(),
            ));
        }
        self.refuse_durable_alone()?;
        self.refuse_ledger_in_parts()?;
        let keys = match hook_keys(name) {
            Some(fixed) => {
                self.refuse_in_hook(name)?;
                hook_patterns(name, fixed?, self.keys)?
            }
            None => self.keys.map(|(_, keys)| keys).unwrap_or_default(),
        };
        Ok(Header {
            names_role: self.role.is_some(),
            is_for_server: matches!(self.role, Some((_, Callers::Server))),
            role: match self.role {
                None => Role::Player,
                Some((_, Callers::From(role))) => role,
                Some((_, Callers::Server)) => Role::Manager,
            },
            keys,
            kept_keys: self.kept_keys,
            documents: self.documents.map(|(_, documents)| documents).unwrap_or_default(),
            is_durable: self.is_durable.is_some_and(|(_, is_durable)| is_durable),
            room_argument: self.room_argument.map(|(_, argument)| argument),
            tick_ms: self.tick_ms.map(|(_, tick_ms)| tick_ms),
            is_atomic: self.is_atomic.is_none_or(|(_, is_atomic)| is_atomic),
            actions: self.actions.map(|(_, actions)| actions).unwrap_or_default(),
        })
    }

    /// Nobody calls a tick script, and it runs in a room that is there.
    fn refuse_beside_tick(&self) -> Result<(), HeaderError> {
        if self.tick_ms.is_none() {
            return Ok(());
        }
        let role = self.role.as_ref().map(|(line, _)| (*line, Keyword::Role));
        let room = self.room_argument.as_ref().map(|(line, _)| (*line, Keyword::Room));
        let actions = self.actions.as_ref().map(|(line, _)| (*line, Keyword::Actions));
        if let Some((line, keyword)) = role.or(room).or(actions) {
            return Err(at(line)(format!(
                "a script with TICK is called by the server alone: {} says nothing",
                keyword.name()
            )));
        }
        if let Some(line) = self.line_of_keys(KeyPattern::names_user) {
            return Err(at(line)(
                "nobody calls a script with TICK: there is no user for {user} in KEYS".into(),
            ));
        }
        if let Some(line) =
            self.line_of_documents(|document| document.names_user() || document.argument().is_some())
        {
            return Err(at(line)(
                "nobody calls a script with TICK: there is no user and no argument for {user} and {arg:…} in DATA".into(),
            ));
        }
        match self.line_of_keys(KeyPattern::is_new) {
            Some(line) => Err(at(line)(
                "a script with TICK runs in a room that is there: write {room} for {new}".into(),
            )),
            None => Ok(()),
        }
    }

    /// Messages name the room, so that there is no argument to take it from, and none to make up.
    fn refuse_beside_server(&self) -> Result<(), HeaderError> {
        if !matches!(self.role, Some((_, Callers::Server))) {
            return Ok(());
        }
        if let Some((line, _)) = self.room_argument {
            return Err(at(line)(
                "a script with ROLE: server runs in the room that it is told to: ROOM says nothing".into(),
            ));
        }
        if let Some((line, _)) = self.actions {
            return Err(at(line)("no player calls a script with ROLE: server: ACTIONS says nothing".into()));
        }
        if let Some(line) = self.line_of_keys(KeyPattern::names_user) {
            return Err(at(line)(
                "no player calls a script with ROLE: server: there is no user for {user} in KEYS".into(),
            ));
        }
        if let Some(line) = self.line_of_documents(DocumentPattern::names_user) {
            return Err(at(line)(
                "no player calls a script with ROLE: server: there is no user for {user} in DATA; a field of the payload is {arg:name}"
                    .into(),
            ));
        }
        match self.line_of_keys(KeyPattern::is_new) {
            Some(line) => Err(at(line)(
                "a script with ROLE: server runs in the room that it is told to: write {room} for {new}"
                    .into(),
            )),
            None => Ok(()),
        }
    }

    fn line_of_keys(&self, is_meant: fn(&KeyPattern) -> bool) -> Option<usize> {
        let (line, keys) = self.keys.as_ref()?;
        keys.iter().any(is_meant).then_some(*line)
    }

    fn line_of_documents(&self, is_meant: impl Fn(&DocumentPattern) -> bool) -> Option<usize> {
        let (line, documents) = self.documents.as_ref()?;
        documents.iter().any(is_meant).then_some(*line)
    }

    /// Without documents there is nothing to wait for.
    fn refuse_durable_alone(&self) -> Result<(), HeaderError> {
        match self.is_durable {
            Some((line, _)) if self.documents.is_none() => Err(at(line)(
                "DURABLE is about the documents that a call saves: DATA names none, so it says nothing"
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    /// Money that is taken from one account and never comes to the other is worse than a call that fails.
    fn refuse_ledger_in_parts(&self) -> Result<(), HeaderError> {
        let is_ledger = |document: &DocumentPattern| document.form == Some(Form::Ledger);
        match self.is_atomic {
            Some((line, false)) if self.line_of_documents(is_ledger).is_some() => Err(at(line)(
                "ATOMIC: off cannot be beside a ledger in DATA, whose changes are all or nothing with the call".into(),
            )),
            _ => Ok(()),
        }
    }

    fn refuse_in_hook(&self, name: &str) -> Result<(), HeaderError> {
        let role = self.role.as_ref().map(|(line, _)| (*line, Keyword::Role));
        let room = self.room_argument.as_ref().map(|(line, _)| (*line, Keyword::Room));
        let tick = self.tick_ms.as_ref().map(|(line, _)| (*line, Keyword::Tick));
        let actions = self.actions.as_ref().map(|(line, _)| (*line, Keyword::Actions));
        if let Some(line) = self.line_of_documents(|document| document.argument().is_some()) {
            return Err(at(line)(format!("{name} is a hook: it has no arguments for {{arg:…}} in DATA")));
        }
        match role.or(room).or(tick).or(actions) {
            Some((line, keyword)) => Err(at(line)(format!(
                "{name} is a hook, which only the server calls: {} says nothing",
                keyword.name()
            ))),
            None => Ok(()),
        }
    }
}

/// Fills an empty slot; gives the line of what is already there.
fn put<T>(slot: &mut Option<(usize, T)>, line: usize, value: T) -> Option<usize> {
    match slot {
        Some((first, _)) => Some(*first),
        None => {
            *slot = Some((line, value));
            None
        }
    }
}

fn parse_role(value: &str) -> Result<Callers, String> {
    if value == "server" {
        return Ok(Callers::Server);
    }
    let role = Role::parse(value).map(Callers::From);
    role.ok_or_else(|| "ROLE is guest, player, manager or server".to_owned())
}

fn parse_room(value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(argument @ 1..=Header::MAX_ROOM_ARGUMENT) => Ok(argument),
        _ => Err(format!(
            "ROOM is the number of the argument that names the room, 1 to {}",
            Header::MAX_ROOM_ARGUMENT
        )),
    }
}

fn parse_tick(value: &str) -> Result<NonZeroU32, String> {
    const ALLOWED_MS: std::ops::RangeInclusive<u32> = 10..=60_000;
    match value.parse::<NonZeroU32>() {
        Ok(ms) if ALLOWED_MS.contains(&ms.get()) => Ok(ms),
        _ => Err(format!("TICK is an interval in ms, {} to {}", ALLOWED_MS.start(), ALLOWED_MS.end())),
    }
}

fn parse_atomic(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("ATOMIC is on or off; without the line it is on: a call that fails changes nothing".into()),
    }
}

fn parse_durable(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => {
            Err("DURABLE is on or off; with on, a call's answer waits until its saves are in the database"
                .into())
        }
    }
}

/// Adds the documents of one `-- DATA:` line; several lines add up.
fn add_documents(documents: &mut Vec<DocumentPattern>, value: &str) -> Result<(), String> {
    for text in value.split(',') {
        let document = DocumentPattern::parse(text.trim())?;
        if documents.iter().any(|other| other.has_address_of(&document)) {
            return Err(format!("document {document} is named twice"));
        }
        if let Some(other) = documents.iter().find(|other| other.contradicts(&document)) {
            return Err(format!("documents {other} and {document} say different things of one collection"));
        }
        documents.push(document);
    }
    if documents.len() > Header::MAX_DOCUMENTS {
        let (count, most) = (documents.len(), Header::MAX_DOCUMENTS);
        return Err(format!("DATA names {count} documents; at most {most} are allowed"));
    }
    Ok(())
}

fn parse_actions(value: &str) -> Result<Vec<Box<str>>, String> {
    let mut actions: Vec<Box<str>> = Vec::new();
    for name in value.split(',').map(str::trim) {
        if !is_action(name) {
            return Err(format!(
                "ACTIONS names {name:?}: an action is 1 to {MAX_ACTION_BYTES} of A-Za-z0-9_-"
            ));
        }
        if name == HEARTBEAT || name == RESYNC || name.starts_with("on_") {
            return Err(format!("ACTIONS names {name}, which is the server's own"));
        }
        if actions.iter().any(|other| **other == *name) {
            return Err(format!("action {name} is named twice"));
        }
        actions.push(name.into());
    }
    if actions.len() > Header::MAX_ACTIONS {
        let (count, most) = (actions.len(), Header::MAX_ACTIONS);
        return Err(format!("ACTIONS names {count} actions; at most {most} are allowed"));
    }
    Ok(actions)
}

/// Adds the keys of one `-- KEYS:` line; several lines add up.
fn add_keys(keys: &mut Vec<KeyPattern>, kept: &mut Vec<KeyPattern>, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("KEYS names no key: name one, or leave the line out".into());
    }
    for text in value.split(',') {
        let text = text.trim();
        let without_word = text.strip_suffix("keep").filter(|rest| rest.ends_with(char::is_whitespace));
        let key = KeyPattern::parse(without_word.map_or(text, str::trim_end))?;
        if without_word.is_some() {
            if !key.names_room() {
                return Err(format!(
                    "{key} lasts anyhow: keep is for keys with {{room}}, which end with their room without it"
                ));
            }
            kept.push(key.clone());
        }
        if keys.contains(&key) {
            return Err(format!("key {key} is named twice"));
        }
        let mixes = |other: &KeyPattern| other.names_room() && other.is_new() != key.is_new();
        if key.names_room() && keys.iter().any(mixes) {
            return Err("KEYS uses both {room} and {new}: a script works in one room".into());
        }
        if let Some(other) = keys.iter().find(|other| key.may_be_of_a_user_of(other)) {
            return Err(format!(
                "keys {other} and {key} are the same where a room is called like a user: name one differently"
            ));
        }
        keys.push(key);
    }
    if keys.len() > Header::MAX_KEYS {
        return Err(format!("KEYS names {} keys; at most {} are allowed", keys.len(), Header::MAX_KEYS));
    }
    Ok(())
}

const HOOKS: [(&str, &[&str]); 6] = [
    ("on_connect", &["game:{room}", "game:{room}:players"]),
    ("on_disconnect", &["game:{room}", "game:{room}:players"]),
    ("on_drop", &["game:{room}", "game:{room}:players"]),
    ("on_resume", &["game:{room}", "game:{room}:players"]),
    ("on_snapshot", &["game:{room}"]),
    ("on_upgrade", &["game:{room}", "game:{room}:players"]),
];

/// The keys with which the server calls a hook; none for scripts that are not hooks, an error for unknown hooks.
fn hook_keys(name: &str) -> Option<Result<Vec<KeyPattern>, HeaderError>> {
    if !name.starts_with("on_") {
        return None;
    }
    let Some((_, keys)) = HOOKS.iter().find(|(hook, _)| *hook == name) else {
        let known: Vec<&str> = HOOKS.iter().map(|(hook, _)| *hook).collect();
        return Some(Err(at(1)(format!("there is no hook {name}; the hooks are {}", known.join(", ")))));
    };
    Some(keys.iter().map(|key| KeyPattern::parse(key)).collect::<Result<_, _>>().map_err(at(1)))
}

/// A hook may declare keys of its own behind the ones that it always gets.
fn hook_patterns(
    name: &str,
    fixed: Vec<KeyPattern>,
    declared: Option<(usize, Vec<KeyPattern>)>,
) -> Result<Vec<KeyPattern>, HeaderError> {
    let Some((line, declared)) = declared else {
        return Ok(fixed);
    };
    if !declared.starts_with(&fixed) {
        let fixed: Vec<String> = fixed.iter().map(KeyPattern::to_string).collect();
        return Err(at(line)(format!("KEYS of {name} must begin with {}", fixed.join(", "))));
    }
    if declared.iter().any(KeyPattern::is_new) {
        return Err(at(line)(format!("{name} is a hook: its room is never new")));
    }
    Ok(declared)
}

/// Finds a declaration in a comment's text (without its leading dashes).
fn declaration(comment: &str) -> Result<Option<(Keyword, &str)>, String> {
    let comment = comment.trim_start_matches('-').trim();
    let word_len = comment.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, rest) = comment.split_at(word_len);
    let value = rest.trim_start().strip_prefix(':').map(str::trim);
    match (Keyword::parse(word), value) {
        (Some(keyword), Some(value)) => Ok(Some((keyword, value))),
        (Some(_), None) if rest.is_empty() || rest.starts_with([' ', '\t', '=']) => {
            Err(format!("a declaration needs a colon: -- {word}: …"))
        }
        (None, Some(_)) => match misspelt(word) {
            Some(keyword) => Err(format!("unknown declaration {word}: do you mean {}?", keyword.name())),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The keyword that a word is but for its case or one slip of the pen.
fn misspelt(word: &str) -> Option<Keyword> {
    let is_upper = word.bytes().all(|b| b.is_ascii_uppercase());
    let near = |name: &str| word.eq_ignore_ascii_case(name) || (is_upper && is_one_slip_away(word, name));
    Keyword::ALL.into_iter().find(|(_, name)| near(name)).map(|(keyword, _)| keyword)
}

/// Cuts off a note that stands behind a value, two spaces or a tab away.
fn without_note(value: &str) -> &str {
    let end = value.find("  ").into_iter().chain(value.find('\t')).min();
    value[..end.unwrap_or(value.len())].trim_end()
}

/// Line number and text (behind the first `--`) of each comment line above the first statement.
///
/// Blank lines do not end the block, and the inside of a long comment (`--[[ … ]]`) is not looked at.
fn leading_comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut long_comment_end: Option<String> = None;
    let mut numbered = iter::zip(1.., text.lines());
    iter::from_fn(move || {
        loop {
            let (number, line) = numbered.next()?;
            let mut line = line.trim();
            if let Some(end) = &long_comment_end {
                let Some(at) = line.find(end.as_str()) else { continue };
                line = line[at + end.len()..].trim_start();
                long_comment_end = None;
            }
            while let Some(end) = opened_long_comment(line) {
                let Some(at) = line.find(&end) else {
                    long_comment_end = Some(end);
                    break;
                };
                line = line[at + end.len()..].trim_start();
            }
            if line.is_empty() || long_comment_end.is_some() {
                continue;
            }
            return line.strip_prefix("--").map(|comment| (number, comment));
        }
    })
    .fuse()
}

/// What closes the long comment that a line opens.
fn opened_long_comment(line: &str) -> Option<String> {
    let bracket = line.strip_prefix("--[")?;
    let level = bracket.bytes().take_while(|b| *b == b'=').count();
    bracket[level..].starts_with('[').then(|| format!("]{}]", "=".repeat(level)))
}

/// Refuses declarations below the first statement, where they would count for nothing.
fn refuse_misplaced(text: &str, lines_read: usize) -> Result<(), HeaderError> {
    let statements = iter::zip(1.., text.lines()).skip(lines_read);
    for (line, content) in statements.skip_while(|(_, content)| !is_statement(content)) {
        let Some(comment) = content.trim().strip_prefix("--") else { continue };
        if let Ok(Some((keyword, _))) = declaration(comment) {
            return Err(at(line)(format!(
                "{} stands below the first statement: move it to the top",
                keyword.name()
            )));
        }
    }
    Ok(())
}

fn is_statement(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("--")
}

fn at(line: usize) -> impl Fn(String) -> HeaderError {
    move |message| HeaderError { line, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, HeaderError> {
        Header::parse("test", text)
    }

    fn keys(header: &Header) -> Vec<String> {
        header.keys.iter().map(KeyPattern::to_string).collect()
    }

    #[test]
    fn without_declarations() {
        for text in ["", "return 1", "-- a comment\nreturn 1", "\n\n--\n---\n--[[ ROLE: manager ]]\nreturn 1"]
        {
            let header = parse(text).expect(text);
            assert_eq!(
                (header.role, header.keys.len(), header.room_argument),
                (Role::Player, 0, None),
                "{text:?}"
            );
        }
    }

    #[test]
    fn all_of_them() {
        let text = "-- Says something.\n\n-- ROLE: guest   anyone\n-- KEYS: game:{room},  game:{room}:players\r\n-- KEYS: lobbies\n\
                    --ROOM : 2\n-- ARGV: user_id, message\n-- NOTE: nothing\nreturn 1";
        let header = parse(text).expect("valid");
        assert_eq!(header.role, Role::Guest);
        assert_eq!(keys(&header), ["game:{room}", "game:{room}:players", "lobbies"]);
        assert_eq!(header.room_argument, Some(2));
        assert!(header.is_atomic);
    }

    #[test]
    fn documents() {
        let text = "-- DATA: profile/{user} v2 everyone, world/config   what a player has\n-- DATA: guild/{arg:2}\n-- DURABLE: on\nreturn 1";
        let header = parse(text).expect("valid");
        let documents: Vec<String> = header.documents.iter().map(DocumentPattern::to_string).collect();
        assert_eq!(documents, ["profile/{user}", "world/config", "guild/{arg:2}"]);
        assert!(header.is_durable);
        assert!(!parse("-- DATA: a/b").expect("valid").is_durable);
        assert!(parse("-- ROLE: server\n-- DATA: a/{arg:who}, match/{room}").is_ok());
        assert!(parse("-- TICK: 50\n-- DATA: match/{room}").is_ok());
        assert!(Header::parse("on_connect", "-- DATA: a/{user}, b/{room}").is_ok());
        assert!(Header::parse("on_connect", "-- DATA: a/{arg:1}").is_err());
    }

    #[test]
    fn atomic() {
        let check = |text: &str, expected: Option<bool>| {
            assert_eq!(parse(text).ok().map(|header| header.is_atomic), expected, "{text:?}");
        };
        check("return 1", Some(true));
        check("-- ATOMIC: on", Some(true));
        check("-- ATOMIC: off   it counts attempts", Some(false));
        check("-- ATOMIC: Off", None);
        check("-- ATOMIC: false", None);
        check("-- ATOMIC:", None);
        check("-- ATOMIC off", None);
        check("-- ATOMIC: on\n-- ATOMIC: on", None);
        let hook = Header::parse("on_connect", "-- ATOMIC: off").expect("a hook may say so, too");
        assert!(!hook.is_atomic);
    }

    #[test]
    fn actions() {
        let header = parse("-- ACTIONS: set,wave-at , Emote_2  only these").expect("valid");
        assert_eq!(header.actions.join(" "), "set wave-at Emote_2");
    }

    #[test]
    fn roles() {
        let check = |text: &str, expected: Option<Role>| {
            assert_eq!(parse(text).ok().map(|h| h.role), expected, "{text:?}")
        };
        check("-- ROLE: guest", Some(Role::Guest));
        check("--- ROLE: player", Some(Role::Player));
        check("--[[\nROLE: guest\n]] -- ROLE: manager", Some(Role::Manager));
        check("--[==[ ]] ]==]\n-- ROLE: manager\nreturn 1", Some(Role::Manager));
        check("-- ROLE: guest\tnote", Some(Role::Guest));
        check("-- ROLE: Guest", None);
        check("-- ROLE: guest, player", None);
        check("-- ROLE: admin", None);
        check("-- ROLE:", None);
        check("-- ROLE: Server", None);
        let is_for_server = |text: &str| parse(text).unwrap().is_for_server;
        assert!(is_for_server("-- ROLE: server   godra.tell runs it\n-- KEYS: game:{room}, lobbies"));
        assert!(!is_for_server("-- ROLE: manager") && !is_for_server("") && !is_for_server("-- TICK: 50"));
    }

    #[test]
    fn refusals_name_line_and_reason() {
        let check = |text: &str, line: usize, part: &str| {
            let error = parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.message.contains(part), "{text:?}: {error}");
        };
        check("-- x\n-- KEY: game:{room}", 2, "do you mean KEYS");
        check("-- KYES: game:{room}", 1, "do you mean KEYS");
        check("-- ROLES: guest", 1, "do you mean ROLE");
        check("-- RLE: guest", 1, "do you mean ROLE");
        check("-- role: manager", 1, "do you mean ROLE");
        check("-- Keys: game:{room}", 1, "do you mean KEYS");
        check("-- TICKS: 50", 1, "do you mean TICK");
        check("-- ROLE manager", 1, "needs a colon");
        check("-- ROLE = manager", 1, "needs a colon");
        check("-- ROLE: guest\n-- ROLE: guest", 2, "twice, first in line 1");
        check("-- ROOM: 1\n-- ROOM: 2", 2, "twice, first in line 1");
        check("-- KEYS: a:{room}\n-- KEYS: a:{room}", 2, "named twice");
        check("-- KEYS: a:{room}\n-- KEYS: b:{new}", 2, "both {room} and {new}");
        check("local x\n-- ROLE: manager", 2, "below the first statement");
        check("\nlocal x = 1\n\n  -- KEYS: game:{room}", 4, "below the first statement");
        check("-- KEYS:", 1, "names no key");
        check("-- KEYS: game:{room},", 1, "empty");
        check("-- KEYS: game:{room} game:{room}:players", 1, "comma");
        check("-- KEYS: game:{room}, game:{room}", 1, "named twice");
        check("-- KEYS: game:{room}, game:{new}:players", 1, "both {room} and {new}");
        check("-- KEYS: {room}", 1, "of its own");
        check("-- KEYS: game:{users}", 1, "only {room}, {new} and {user} are known");
        check("-- KEYS: game:{room}:{room}", 1, "names the room more than once");
        check("-- KEYS: user:{user}:{user}", 1, "names the user more than once");
        check("-- KEYS: user:{new_user}", 1, "{new_user} is known in on_upgrade alone");
        check("-- KEYS: stats:{room}, stats:{user}", 1, "a room is called like a user");
        check("-- KEYS: user:{user}:{room}, user:{user}:{new}", 1, "both {room} and {new}");
        check("-- TICK: 50\n-- KEYS: game:{room}, user:{user}", 2, "no user for {user}");
        check("-- KEYS: game:{room}:hand:{user}\n-- ROLE: server", 1, "no user for {user}");
        check("-- ROOM: 0", 1, "1 to 32");
        check("-- ROOM: two", 1, "1 to 32");
        check("-- ROOM: -1", 1, "1 to 32");
        check("-- ROOM: 33", 1, "1 to 32");
        for bad in ["5", "0", "-50", "60001", "often", "50 ms", "1e2", ""] {
            check(&format!("-- TICK: {bad}"), 1, "10 to 60000");
        }
        check("-- TICK: 50\n-- TICK: 50", 2, "twice, first in line 1");
        check("-- TICK: 50\n-- ROLE: guest", 2, "ROLE says nothing");
        check("-- ROOM: 1\n-- TICK: 50", 1, "ROOM says nothing");
        check("-- TICK: 50\n-- KEYS: game:{new}", 2, "write {room} for {new}");
        check("-- ROLE: servers", 1, "manager or server");
        check("-- TICK: 50\n-- ROLE: server", 2, "ROLE says nothing");
        check("-- ROLE: server\n-- ROOM: 1", 2, "ROOM says nothing");
        check("-- ROLE: server\n-- ACTIONS: set", 2, "ACTIONS says nothing");
        check("-- KEYS: game:{new}\n-- ROLE: server", 1, "write {room} for {new}");
        check("-- DATA:", 1, "empty document");
        check("-- DATA: a/b,", 1, "empty document");
        check("-- DATA: a/b ledger\n-- ATOMIC: off", 2, "cannot be beside a ledger");
        check("-- DATA: a/b ledger, a/c v2", 1, "say different things of one collection");
        check("-- DATA: a/b, a/b v2", 1, "named twice");
        check("-- DATA: a/b v1\n-- DATA: a/c v2", 2, "a/b and a/c say different things");
        check("-- DATA: a/b owner, a/c nobody", 1, "a/b and a/c say different things");
        check("-- DATE: a/b", 1, "do you mean DATA");
        check("-- TICK: 50\n-- DATA: a/{user}", 2, "no user and no argument");
        check("-- TICK: 50\n-- DATA: a/{arg:x}", 2, "no user and no argument");
        check("-- ROLE: server\n-- DATA: a/{user}", 2, "there is no user for {user} in DATA");
        check("-- DURABLE: on", 1, "DATA names none");
        check("-- DURABLE: yes\n-- DATA: a/b", 1, "DURABLE is on or off");
        let many: Vec<String> = (0..17).map(|n| format!("a/b{n}")).collect();
        check(&format!("-- DATA: {}", many.join(", ")), 1, "17 documents");
        check("-- ATOMIC: no", 1, "ATOMIC is on or off");
        check("-- ATOMC: off", 1, "do you mean ATOMIC");
        check("-- ACTIONS:", 1, "1 to 64 of");
        check("-- ACTIONS: set,", 1, "1 to 64 of");
        check("-- ACTIONS: set wave", 1, "names \"set wave\"");
        check("-- ACTIONS: *", 1, "1 to 64 of");
        check("-- ACTIONS: set, set", 1, "named twice");
        check("-- ACTIONS: heartbeat", 1, "the server's own");
        check("-- ACTIONS: resync", 1, "the server's own");
        check("-- ACTIONS: on_connect", 1, "the server's own");
        check("-- ACTION: set", 1, "do you mean ACTIONS");
        check("-- TICK: 50\n-- ACTIONS: set", 2, "ACTIONS says nothing");
        let many: Vec<String> = (0..65).map(|n| format!("a{n}")).collect();
        check(&format!("-- ACTIONS: {}", many.join(", ")), 1, "65 actions");
        let many: Vec<String> = (0..33).map(|n| format!("key{n}")).collect();
        check(&format!("-- KEYS: {}", many.join(", ")), 1, "33 keys");
    }

    #[test]
    fn comments_that_only_look_like_declarations() {
        let texts = [
            "-- KEYS[1] is the room",
            "-- NOTE: this",
            "-- TODO: that",
            "-- ARGV: user_id",
            "-- RETURNS: OK",
            "-- Roles: whatever",
            "-- keyes: x",
            "local text = 'ROLE: guest'",
            "local x\n-- KEYS[1] is the room",
        ];
        for text in texts {
            assert!(parse(text).is_ok(), "{text:?}: {:?}", parse(text));
        }
    }

    #[test]
    fn hooks() {
        let check = |name: &str, text: &str, expected: Result<&[&str], &str>| match (
            Header::parse(name, text),
            expected,
        ) {
            (Ok(header), Ok(expected)) => assert_eq!(keys(&header), expected, "{name} {text:?}"),
            (Err(error), Err(part)) => assert!(error.message.contains(part), "{name} {text:?}: {error}"),
            (found, _) => panic!("{name} {text:?}: {found:?}"),
        };
        check("on_connect", "return 1", Ok(&["game:{room}", "game:{room}:players"]));
        check("on_disconnect", "", Ok(&["game:{room}", "game:{room}:players"]));
        check("on_snapshot", "", Ok(&["game:{room}"]));
        check(
            "on_snapshot",
            "-- KEYS: game:{room}, game:{room}:state",
            Ok(&["game:{room}", "game:{room}:state"]),
        );
        check("on_connect", "-- KEYS: game:{room}", Err("must begin with game:{room}, game:{room}:players"));
        check(
            "on_snapshot",
            "-- KEYS: game:{room}, user:{user}, game:{room}:hand:{user}",
            Ok(&["game:{room}", "user:{user}", "game:{room}:hand:{user}"]),
        );
        check("on_snapshot", "-- KEYS: game:{new}", Err("must begin with game:{room}"));
        check("on_connect", "-- ROLE: guest", Err("ROLE says nothing"));
        check("on_connect", "-- ROLE: server", Err("ROLE says nothing"));
        check("on_connect", "-- ROOM: 1", Err("ROOM says nothing"));
        check("on_connect", "-- ACTIONS: set", Err("ACTIONS says nothing"));
        check(
            "on_conect",
            "",
            Err(
                "there is no hook on_conect; the hooks are on_connect, on_disconnect, on_drop, on_resume, on_snapshot, on_upgrade",
            ),
        );
        check("only", "", Ok(&[]));
    }
}
