//! What Redis runs: game scripts joined with a prelude that runs a batch of calls. No sockets here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::documents;
use super::names::Names;
use super::outbox;
use crate::script::{KeyPattern, Library, RoomKeys, Script, ScriptSet, may_use};
use crate::state::call::{MAX_DETAILS_BYTES, UNREADABLE_PAYLOAD};
use crate::state::event_text::{FULL_BYTES, MAX_CALL_BYTES};
use crate::state::mail::{self, BadMessage};
use crate::state::ticks::LONGEST_PAUSE_MS;
use crate::state::{BadEvent, HistoryBounds, groups, prints};
use crate::wire::ErrorCode;
use crate::wire::message::{
    KEPT_ANSWERS, MAX_ANSWER_BYTES, MAX_DEPTH, MessageType, OUT_OF_ORDER, RESERVED_TYPE, TOO_DEEP,
};
use godra_engine::commands::MAX_ORDERED;
use godra_engine::lua::{MAX_RESULT_BYTES, MAX_RESULT_DEPTH};

/// The part that runs the calls.
const PRELUDE: &str = include_str!("prelude.lua");
/// The random numbers of a call; the first part behind the scripts.
const RANDOM: &str = include_str!("random.lua");
/// What scripts have in place of the store's own.
const SANDBOX: &str = include_str!("sandbox.lua");
/// What undoes a failing call, in front of it.
const UNDO: &str = include_str!("undo.lua");
/// The part that keeps groups of users.
const GROUPS: &str = include_str!("groups.lua");
/// What results may be.
const RESULT: &str = include_str!("result.lua");
/// Who holds a membership.
const MEMBERSHIP: &str = include_str!("membership.lua");
/// What ends with a room.
const LIFETIMES: &str = include_str!("lifetimes.lua");
/// When ticks are due.
const TICKS: &str = include_str!("ticks.lua");
/// In front of its lines that are there for documents alone.
const OF_DOCUMENTS: &str = "--@documents ";
/// Messages and timers, where a script has to do with them.
const MAIL: &str = concat!(include_str!("mail_clock.lua"), include_str!("mail.lua"));
const NO_MAIL: &str = "local make_mail\n";
/// What keeps games off each other's keys, if there are several.
const GAMES: &str = include_str!("games.lua");
const NO_GAMES: &str = "local make_guard\n";
/// Where rooms live, if there are several stores.
const HOME: &str = include_str!("home.lua");
const NO_HOME: &str = "local make_home\n";
/// What text may be published.
const TEXT: &str = include_str!("text.lua");
/// Numbered inputs.
const NUMBERED: &str = include_str!("numbered.lua");
/// The latest events of rooms.
const HISTORY: &str = include_str!("history.lua");
/// What chance and the clock decide.
const PICKS: &str = include_str!("picks.lua");
/// What scripts have of their room, and what they print.
const LIBRARY: &str = include_str!("../library.lua");
/// The bounds of what they print.
const LOG: &str = include_str!("log.lua");
/// Lists that are written as `[]` when they are empty.
const ARRAYS: &str = include_str!("arrays.lua");
/// Shared code that scripts take in, in front of the scripts.
const REQUIRE: &str = include_str!("require.lua");
/// A call's input, decoded.
const PAYLOAD: &str = include_str!("payload.lua");
/// The commands of it.
const PICKING: [&str; 5] = ["srandmember", "hrandfield", "zrandmember", "spop", "time"];
/// Globals that the store has otherwise than scripts know them, by those of their fields that differ, if not all of them do.
const STAND_INS: [(&str, &[&str]); 5] =
    [("math", &["random", "randomseed"]), ("os", &[]), ("string", &["dump"]), ("tostring", &[]), ("_G", &[])];
/// Globals that only the store has.
const UNKNOWN: [&str; 4] = ["collectgarbage", "gcinfo", "load", "loadstring"];
/// Programs kept in mind; scripts that change while a game is developed would otherwise pile up.
const MAX_PROGRAMS: usize = 1024;

/// A text that Redis has under its SHA-1, with the scripts that it can run.
#[derive(Debug)]
pub(super) struct Program {
    pub text: String,
    /// Its name in Redis: SHA-1 in lower-case hex.
    pub sha: String,
    /// The scripts in it, in order; calls name them by their place.
    scripts: Vec<Arc<Script>>,
    /// What each of them may look at of its call.
    looks: Vec<Looks>,
    /// What is in `text` of scripts and libraries, in order.
    sources: Vec<Source>,
    /// Whether it is told of the calls' documents.
    pub has_documents: bool,
}

/// What a script may look at of its call, beyond its keys and arguments.
#[derive(Clone, Copy, Debug)]
struct Looks {
    /// `godra.user`.
    at_user: bool,
    /// `godra.payload`.
    at_payload: bool,
}

/// Where a script or a library is in a program.
#[derive(Debug)]
struct Source {
    /// The file, without `.lua`.
    name: Box<str>,
    /// Its first line there, counted from 1.
    first_line: usize,
    lines: usize,
}

/// Programs by the scripts that they hold.
#[derive(Debug)]
pub(super) struct Programs {
    known: HashMap<Vec<usize>, Arc<Program>>,
    current: Vec<Arc<Script>>,
    /// What looks after rooms' keys, and keeps games off each other's.
    of_games: String,
    /// The collections of documents that are ledgers.
    ledgers: BTreeSet<Box<str>>,
    history: HistoryBounds,
    lobbies_per_owner: u32,
    names: Names,
    /// The addresses of all stores if there are several, this one's first.
    stores: Vec<String>,
    /// Whether calls without a room run in this one.
    is_home: bool,
}

impl Programs {
    /// No programs yet; rooms keep so much of their events, a user may own so many lobbies, what is in the store has these
    /// names, if there are several stores, they have these addresses, this one's first, and calls without a room run in this one or not.
    pub(super) fn new(
        history: HistoryBounds,
        lobbies_per_owner: u32,
        names: Names,
        (stores, is_home): (Vec<String>, bool),
    ) -> Self {
        Self {
            known: HashMap::new(),
            current: Vec::new(),
            of_games: format!("{}{NO_GAMES}", lifetimes(&ScriptSet::default())),
            ledgers: BTreeSet::new(),
            history,
            lobbies_per_owner,
            names,
            stores,
            is_home,
        }
    }

    /// Takes a new set of scripts, and forgets what was made of others.
    pub(super) fn replace(&mut self, set: &ScriptSet) {
        self.known.clear();
        self.current = set.all().cloned().collect();
        self.current.sort_by(|one, other| one.full_name.cmp(&other.full_name));
        self.of_games = format!("{}{}", lifetimes(set), guard(set));
        self.ledgers = set.ledgers().map(Into::into).collect();
    }

    /// The scripts of the set.
    pub(super) fn current(&self) -> &[Arc<Script>] {
        &self.current
    }

    /// A program that can run all of these scripts. One or two get a program of their own, so that no call carries what it
    /// does not run; more share the program of all scripts of their game, so that there are not as many programs as mixtures.
    pub(super) fn for_scripts<'a>(&mut self, scripts: impl Iterator<Item = &'a Arc<Script>>) -> Arc<Program> {
        let mut wanted: Vec<&Arc<Script>> = Vec::with_capacity(2);
        for script in scripts {
            if !wanted.iter().any(|known| Arc::ptr_eq(known, script)) {
                wanted.push(script);
            }
        }
        wanted.sort_by_key(|script| Arc::as_ptr(script) as usize);
        let is_current = |script: &&Arc<Script>| self.current.iter().any(|known| Arc::ptr_eq(known, script));
        if wanted.len() > 2 && wanted.iter().all(is_current) {
            let games: Vec<Option<Arc<str>>> = wanted.iter().map(|script| script.game.clone()).collect();
            wanted = self.current.iter().filter(|script| games.contains(&script.game)).collect();
        }
        let name: Vec<usize> = wanted.iter().map(|script| Arc::as_ptr(script) as usize).collect();
        if let Some(program) = self.known.get(&name) {
            return program.clone();
        }
        let program = Arc::new(Program::new(
            wanted.into_iter().cloned().collect(),
            (&self.current, &self.of_games, &self.ledgers),
            &self.history,
            self.lobbies_per_owner,
            &self.names,
            (&self.stores, self.is_home),
        ));
        if self.known.len() >= MAX_PROGRAMS {
            self.known.clear();
        }
        self.known.insert(name, program.clone());
        program
    }
}

impl Program {
    fn new(
        scripts: Vec<Arc<Script>>,
        (all, of_games, ledgers): (&[Arc<Script>], &str, &BTreeSet<Box<str>>),
        history: &HistoryBounds,
        lobbies_per_owner: u32,
        names: &Names,
        (stores, is_home): (&[String], bool),
    ) -> Self {
        let mut text = String::from("local godra_scripts, godra_sandbox = {}\n");
        let libraries = libraries_of(&scripts);
        let mut sources = Vec::with_capacity(scripts.len() + libraries.len());
        if !libraries.is_empty() {
            text.push_str(REQUIRE);
        }
        let writes = scripts.iter().any(|script| script.may_read("array"));
        for (number, library) in (1..).zip(&libraries) {
            let source = &library.text;
            text.push_str(&format!(
                "godra_libraries[{number}] = function(KEYS, ARGV, redis, godra, require, ...) {}\n{source}\nend\n",
                locals(source, writes)
            ));
            sources.push(Source::at_end(&text, &format!("lib/{}", library.name), source));
        }
        for (number, script) in (1..).zip(&scripts) {
            text.push_str(&format!(
                "godra_scripts[{number}] = {{ function(KEYS, ARGV, redis, godra, ...) {}{}\n{}\nend, {}, {}, {}{}{} }}\n",
                local_require(script, &libraries),
                locals(&script.text, writes_arrays(script)),
                script.text,
                script.may_call(&["publish"]),
                script.header.is_atomic,
                !script.header.is_atomic && script.may_call(&PICKING),
                of_game(script),
                if script.header.is_durable { ", is_durable = true" } else { "" },
            ));
            sources.push(Source::at_end(&text, &script.file(), &script.text));
        }
        text.push_str(&tables(history, lobbies_per_owner, names));
        text.push_str(&format!("local IS_HOME = {is_home}\n"));
        // What makes it would be made for every batch.
        let sandbox = if scripts.iter().any(|script| needs_sandbox(script)) { SANDBOX } else { "" };
        let has_mail = scripts.iter().any(may_have_mail);
        let home = if stores.is_empty() { NO_HOME } else { HOME };
        let mail =
            if has_mail { [&mail_tables(all, stores), home, MAIL].concat() } else { NO_MAIL.to_owned() };
        let has_documents = scripts.iter().any(|script| may_have_documents(script));
        let (documents, prelude) = if has_documents {
            (documents::program(&scripts, &libraries, ledgers), PRELUDE.replace(OF_DOCUMENTS, ""))
        } else {
            (String::new(), PRELUDE.to_owned())
        };
        let uses = |is_used: fn(&Script) -> bool| scripts.iter().any(|script| is_used(script));
        let library =
            if uses(|script| script.reads_room() || may_print(script)) { library() } else { String::new() };
        let payload = if uses(|script| script.may_read("payload")) { payload() } else { String::new() };
        let arrays = if uses(|script| script.may_read("array")) { ARRAYS } else { "" };
        for part in [
            RANDOM,
            arrays,
            sandbox,
            PICKS,
            UNDO,
            RESULT,
            &rare_parts(),
            of_games,
            &library,
            &payload,
            TEXT,
            &mail,
            &documents,
            &prelude,
        ] {
            text.push_str(part);
        }
        let sha = sha1_smol::Sha1::from(text.as_bytes()).digest().to_string();
        let looks = |script: &Arc<Script>| Looks {
            at_user: script.may_read("user"),
            at_payload: script.may_read("payload"),
        };
        let looks = scripts.iter().map(looks).collect();
        Self { text, sha, scripts, looks, sources, has_documents }
    }

    /// The place of a script in the program, counted from 1.
    pub(super) fn place(&self, script: &Arc<Script>) -> usize {
        1 + self.scripts.iter().position(|known| Arc::ptr_eq(known, script)).unwrap_or_default()
    }

    /// Whether the script at that place may look at `godra.user` or at `godra.payload`.
    pub(super) fn asks_for_caller(&self, place: usize) -> bool {
        self.looks_of(place).is_none_or(|looks| looks.at_user || looks.at_payload)
    }

    /// Whether the script at that place may look at `godra.payload`.
    pub(super) fn asks_for_payload(&self, place: usize) -> bool {
        self.looks_of(place).is_none_or(|looks| looks.at_payload)
    }

    fn looks_of(&self, place: usize) -> Option<&Looks> {
        self.looks.get(place.wrapping_sub(1))
    }

    /// Puts the script's own file and line in place of the program's in an error message, and nothing in place of a line that is no
    /// script's.
    pub(super) fn mend_lines(&self, message: &str) -> String {
        const PLACE: &str = "user_script:";
        let mut mended = String::with_capacity(message.len());
        let mut rest = message;
        while let Some(at) = rest.find(PLACE) {
            let behind = &rest[at + PLACE.len()..];
            let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
            mended.push_str(rest[..at].trim_end_matches('@'));
            match behind[..digits].parse().ok().and_then(|line| self.own_line(line)) {
                Some((name, line)) => mended.push_str(&format!("{name}.lua:{line}")),
                None if self.is_between_scripts(&behind[..digits]) && behind[digits..].starts_with(": ") => {
                    rest = &behind[digits + ": ".len()..];
                    continue;
                }
                None => mended.push_str(&format!("{PLACE}{}", &behind[..digits])),
            }
            rest = &behind[digits..];
        }
        mended.push_str(rest);
        mended
    }

    /// Whether a line of the program is of none of its scripts.
    fn is_between_scripts(&self, line: &str) -> bool {
        let Ok(line) = line.parse::<usize>() else { return false };
        line <= self.text.lines().count() && self.own_line(line).is_none()
    }

    fn own_line(&self, line: usize) -> Option<(&str, usize)> {
        let source = self.sources.iter().rfind(|source| source.first_line <= line)?;
        let own = line - source.first_line + 1;
        (own <= source.lines).then_some((&*source.name, own))
    }
}

impl Source {
    /// Of a text that ends at the program's last line but one.
    fn at_end(program: &str, name: &str, text: &str) -> Self {
        let lines = 1 + text.matches('\n').count();
        Self { name: name.into(), first_line: program.matches('\n').count() - lines, lines }
    }
}

/// Each once; of different versions of scripts there may be several of a name.
fn libraries_of(scripts: &[Arc<Script>]) -> Vec<Arc<Library>> {
    let mut libraries: Vec<Arc<Library>> = Vec::new();
    for library in scripts.iter().flat_map(|script| &script.libraries) {
        if !libraries.contains(library) {
            libraries.push(library.clone());
        }
    }
    libraries
}

/// A script's `require`, in front of its other locals, if it has libraries.
fn local_require(script: &Script, libraries: &[Arc<Library>]) -> String {
    if script.libraries.is_empty() {
        return String::new();
    }
    let places = library_places(script, libraries);
    format!("local require = godra_require({{ {places} }}, KEYS, ARGV, redis, godra) ")
}

/// Where among these a script's libraries are, as the fields of a table.
pub(super) fn library_places(script: &Script, libraries: &[Arc<Library>]) -> String {
    let place = |library: &Arc<Library>| {
        let place = libraries.iter().position(|known| known == library).expect("all scripts' are among them");
        format!("[{:?}] = {}", library.name, place + 1)
    };
    let places: Vec<String> = script.libraries.iter().map(place).collect();
    places.join(", ")
}

/// The globals that a script may look at, and for which there is another.
fn stand_ins(source: &str) -> impl Iterator<Item = &'static str> {
    STAND_INS.iter().filter(move |(name, fields)| may_use(source, name, fields)).map(|(name, _)| *name)
}

fn needs_sandbox(script: &Script) -> bool {
    script.texts().any(|text| stand_ins(text).next().is_some()) || writes_arrays(script)
}

/// What keeps games off each other's keys.
fn guard(set: &ScriptSet) -> String {
    if set.games.is_empty() {
        return NO_GAMES.to_owned();
    }
    let names = |names: &mut dyn Iterator<Item = &str>| format!(" {} ", names.collect::<Vec<_>>().join(" "));
    let commands =
        || godra_engine::commands::names().filter_map(|name| godra_engine::commands::find(name.as_bytes()));
    let places = commands().map(|command| (command.name, command.key_places()));
    let places: String = places
        .filter(|(_, places)| places != "1,1,1")
        .map(|(name, places)| format!(" {name}={places} "))
        .collect();
    format!(
        "local GAMES, GUESTS, WHOLE, KEY_PLACES = {:?}, {:?}, {:?}, {places:?}\n{GAMES}",
        names(&mut set.games.keys().map(|game| &**game)),
        KeyPattern::GUESTS,
        names(&mut commands().filter(|command| command.works_on_all_keys()).map(|command| command.name)),
    )
}

/// What a script's names begin with in a game other than the default one, behind what else is told of it.
fn of_game(script: &Script) -> String {
    if script.is_built_in() {
        return ", false".to_owned();
    }
    if script.game.is_some() { format!(", {:?}", script.game_prefix()) } else { String::new() }
}

/// What looks after the keys that the scripts of each game have for a room.
fn lifetimes(set: &ScriptSet) -> String {
    let mut list = String::from("local function ROOM_KEYS(game, room, user)\n");
    for (game, of_game) in &set.games {
        list.push_str(&format!("  if game == {game:?} then {} end\n", room_keys_of(of_game)));
    }
    list.push_str(&format!("  {}\nend\n{LIFETIMES}", room_keys_of(set)));
    list
}

/// The body of a function that gives a room's keys, or those of a user in it.
fn room_keys_of(set: &ScriptSet) -> String {
    // What a literal has as it is, and no key can have.
    const ROOM: &str = "<";
    const USER: &str = ">";
    let expression = |key: &KeyPattern| {
        let text = format!("{:?}", key.fill(ROOM, USER));
        text.replace(ROOM, "\" .. room .. \"").replace(USER, "\" .. user .. \"")
    };
    let list = |keys: &[KeyPattern]| keys.iter().map(expression).collect::<Vec<_>>().join(", ");
    let RoomKeys { shared, of_users } = set.room_keys();
    format!("if user then return {{ {} }} end return {{ {} }}", list(of_users), list(shared))
}

/// Whether a script may have `cjson` write an array.
fn writes_arrays(script: &Script) -> bool {
    script.may_read("array") && script.may_use("cjson", &["encode"])
}

fn may_print(script: &Script) -> bool {
    script.may_read("log") || script.may_use("print", &[])
}

/// What scripts have of their room, with the bounds of what they print.
fn library() -> String {
    format!(
        "local MAX_PRINTS, MAX_PRINT_BYTES, MAX_BATCH_PRINTS, PRINTS_LEFT_OUT = {}, {}, {}, {:?}\n{LOG}{LIBRARY}",
        prints::MAX_LINES,
        prints::MAX_LINE_BYTES,
        prints::MAX_A_SECOND,
        prints::LEFT_OUT
    )
}

/// What decodes a call's input.
fn payload() -> String {
    format!("local UNREADABLE_PAYLOAD = {UNREADABLE_PAYLOAD:?}\n{PAYLOAD}")
}

/// What a script finds under a store's names: in front of its first line.
fn locals(source: &str, writes_arrays: bool) -> String {
    let (mut names, mut values) = (vec!["server"], vec!["redis".to_owned()]);
    for name in stand_ins(source) {
        let call = if name == "_G" { ", KEYS, ARGV, redis, godra" } else { "" };
        names.push(name);
        values.push(format!("godra_sandbox({name:?}{call})"));
    }
    if writes_arrays && may_use(source, "cjson", &["encode"]) {
        names.push("cjson");
        values.push("godra_sandbox(\"cjson\")".to_owned());
    }
    if may_use(source, "print", &[]) {
        names.push("print");
        values.push("godra.log".to_owned());
    }
    // Those without a value are nil.
    names.extend(UNKNOWN.iter().filter(|name| may_use(source, name, &[])));
    format!("local {} = {}", names.join(", "), values.join(", "))
}

/// What the prelude takes from the server's tables. It stands behind the scripts, which must not see it.
fn tables(history: &HistoryBounds, lobbies_per_owner: u32, names: &Names) -> String {
    let reads = godra_engine::commands::names().filter(|name| {
        godra_engine::commands::find(name.as_bytes()).is_some_and(|command| !command.is_write())
    });
    let reads: Vec<&str> = reads.collect();
    // Functions take less of every batch than tables that are not needed.
    format!(
        "local OWN_KEYS, CHANNELS = {:?}, {:?}\n\
         local function is_reserved(kind) return {} end\nlocal RESERVED_TYPE, READS = {RESERVED_TYPE:?}, {:?}\n\
         local MAX_DEPTH, TOO_DEEP = {MAX_DEPTH}, {TOO_DEEP:?}\n\
         local MAX_RESULT_DEPTH, MAX_RESULT_BYTES = {MAX_RESULT_DEPTH}, {MAX_RESULT_BYTES}\n\
         local MAX_ORDERED = {MAX_ORDERED}\n\
         local NOT_UTF8, TOO_MUCH, MAX_CALL_BYTES, FULL_BYTES = {:?}, {:?}, {MAX_CALL_BYTES}, {FULL_BYTES}\n\
         local MAX_DETAILS_BYTES = {MAX_DETAILS_BYTES}\n\
         local LOBBIES_PER_OWNER = {lobbies_per_owner}\n\
         local HISTORY_EVENTS, HISTORY_BYTES, HISTORY_AGE = {}, {}, {}\n",
        names.keys,
        names.channels,
        is_one_of("kind", MessageType::ALL.iter().map(|known| known.name)),
        format!(" {} publish spublish object memory info ", reads.join(" ")),
        BadEvent::NotUtf8.message(),
        BadEvent::TooMuch.message(),
        history.events,
        history.bytes,
        history.age_ms.div_ceil(1000)
    )
}

/// What few batches need, as one function that makes it: each function takes a while to be made, in every batch.
fn rare_parts() -> String {
    let asks_again = ErrorCode::ALL.iter().filter(|code| code.asks_again()).map(|code| code.name());
    format!(
        "-- One of these by its name.\nlocal function make_part(name)\n\
         local function get_group_bounds()\n  \
         return {{ name = {}, user = {}, reason = {}, key = {}, groups = {}, named = {}, ttl = {}, reach = {}, bytes = {} }}\n\
         end\n\
         local function has_not_run(code) return {} end\nlocal OUT_OF_ORDER = {OUT_OF_ORDER:?}\n\
         local ANSWERS, MAX_ANSWER_BYTES = {KEPT_ANSWERS}, {MAX_ANSWER_BYTES}\n\
         local LONGEST_PAUSE = {LONGEST_PAUSE_MS}\n\
         {GROUPS}{MEMBERSHIP}{NUMBERED}{TICKS}{HISTORY}\
         local parts = {{ groups = make_groups, membership = make_membership, numbered = make_numbered, ticks = make_ticks, history = make_history }}\n\
         return parts[name]\nend\n",
        groups::MAX_NAME_BYTES,
        groups::MAX_USER_BYTES,
        groups::MAX_REASON_BYTES,
        groups::MAX_KEY_BYTES,
        groups::MAX_GROUPS,
        groups::MAX_NAMED,
        groups::TTL_S,
        groups::MAX_REACH,
        godra_engine::lua::MAX_LIST_BYTES,
        is_one_of("code", asks_again),
    )
}

/// Whether a script works on documents, or asks for some.
fn may_have_documents(script: &Script) -> bool {
    script.has_documents() || ["load", "save", "delete", "ledger"].iter().any(|name| script.may_read(name))
}

/// Whether a script may send messages or take them back, or is run by them.
fn may_have_mail(script: &Arc<Script>) -> bool {
    script.header.is_for_server || script.may_read("tell") || script.may_read("cancel")
}

/// What messages may be, what is said of the rest, and which scripts they may run.
fn mail_tables(all: &[Arc<Script>], stores: &[String]) -> String {
    let name = || "%s".to_owned();
    let texts = [
        ("room", BadMessage::Room),
        ("no_script", BadMessage::NoScript(name())),
        ("not_for_messages", BadMessage::NotForMessages(name())),
        ("needs_room", BadMessage::NeedsRoom(name())),
        ("long_payload", BadMessage::LongPayload),
        ("deep_payload", BadMessage::DeepPayload),
        ("after", BadMessage::After),
        ("name", BadMessage::Name),
        ("cancelled_name", BadMessage::CancelledName),
        ("too_many_of_call", BadMessage::TooManyOfCall),
        ("too_many_pending", BadMessage::TooManyPending),
        ("too_many_in_all", BadMessage::TooManyInAll),
    ];
    let texts = texts.map(|(key, text)| format!("{key} = {:?}", text.to_string()));
    let stores: Vec<String> = stores.iter().map(|address| format!("{address:?}")).collect();
    let kind = |script: &Arc<Script>| match script.header.is_for_server {
        false => 0,
        true => 1 + u8::from(script.has_room_keys()),
    };
    let scripts: Vec<String> =
        all.iter().map(|script| format!("{}:{} ", script.full_name, kind(script))).collect();
    format!(
        "local function get_mail_bounds()\n  \
         return {{ stores = {{ {} }}, waiting = {}, waiting_text = {:?}, call = {}, pending = {}, in_all = {}, payload = {}, name = {}, after = {}, round_ms = {} }}\nend\n\
         local function get_mail_texts() return {{ {} }} end\n\
         local MAIL_SCRIPTS = {:?}\n",
        stores.join(", "),
        outbox::MAX_WAITING,
        outbox::FULL,
        mail::MAX_OF_CALL,
        mail::MAX_PENDING,
        mail::MAX_PENDING_IN_ALL,
        mail::MAX_PAYLOAD_BYTES,
        mail::MAX_NAME_BYTES,
        mail::MAX_AFTER_MS,
        mail::ROUND_MS,
        texts.join(", "),
        [" ", &scripts.concat()].concat(),
    )
}

/// A condition in Lua: the variable is one of these texts.
fn is_one_of<'a>(variable: &str, texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(|text| format!("{variable} == {text:?}")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Header;
    use crate::state::redis::{Address, Prefix};

    impl Default for Programs {
        fn default() -> Self {
            let address = &Address::parse_list("localhost").expect("an address")[0];
            Self::new(
                HistoryBounds::default(),
                16,
                Names::new(&Prefix::default(), address),
                (Vec::new(), true),
            )
        }
    }

    fn script(name: &str, text: &str) -> Arc<Script> {
        let header = Header::parse(name, text).expect("a header");
        Arc::new(Script::new(name, format!("{name}.lua"), text, header))
    }

    #[test]
    fn lines_are_the_scripts_own() {
        let scripts = [script("a", "local x\nreturn x"), script("b", "\n\nreturn 1\n")];
        let mut programs = Programs::default();
        let program = programs.for_scripts(scripts.iter());
        for (own, script) in scripts.iter().enumerate() {
            let (name, text) = (&script.name, script.text.lines().next_back().expect("a line"));
            let in_program = 1 + program.text.lines().position(|line| line == text).expect("it is there");
            let own_line = [2, 3][own];
            let mended = program.mend_lines(&format!("user_script:{in_program}: bad"));
            assert_eq!(mended, format!("{name}.lua:{own_line}: bad"));
        }
        assert_eq!(
            program.mend_lines("ERR x script: f_1, on @user_script:1."),
            "ERR x script: f_1, on user_script:1."
        );
        assert_eq!(program.mend_lines("ERR user_script:1: bad"), "ERR bad");
        assert_eq!(program.mend_lines("user_script:99999: x"), "user_script:99999: x");
        assert_eq!(program.mend_lines("user_script:x"), "user_script:x");
    }

    #[test]
    fn the_tables_stand_behind_the_scripts() {
        let program = Programs::default().for_scripts([script("a", "return 1")].iter());
        let line = r#"local function is_reserved(kind) return kind == "welcome" or kind == "reply" or "#;
        let (scripts, behind) = program.text.split_once(line).expect("the table is there");
        assert!(
            scripts.contains("return 1")
                && behind.ends_with(&format!(
                    "{RANDOM}{PICKS}{UNDO}{RESULT}{}{}{NO_GAMES}{TEXT}{NO_MAIL}{PRELUDE}",
                    rare_parts(),
                    lifetimes(&ScriptSet::default())
                ))
        );
    }

    #[test]
    fn stand_ins_are_there_for_those_who_look() {
        let program_of =
            |text: &str| Programs::default().for_scripts([script("a", text)].iter()).text.clone();
        assert!(!program_of("return math.floor(ARGV[2])").contains(SANDBOX));
        let text = program_of("return tostring(math.random(6)) .. gcinfo()");
        let locals = r#"local server, math, tostring, gcinfo = redis, godra_sandbox("math"), godra_sandbox("tostring")"#;
        assert!(text.contains(locals) && text.contains(SANDBOX), "{text:.500}");
    }

    /// A chunk of Lua has 200 locals at most, and a store refuses one that has more.
    #[test]
    fn all_parts_together_have_few_enough_locals() {
        let text = "-- DATA: profile/{user}\nreturn _G.tostring(cjson.encode({ godra.array(), godra.ledger, godra.payload, godra.state, godra.user, math.random(2) }))";
        let program = Programs::default().for_scripts([script("a", text)].iter());
        let library = library();
        let documents = documents::program(&program.scripts, &[], &BTreeSet::new());
        for part in [ARRAYS, SANDBOX, MAIL, PAYLOAD, &library, &documents] {
            assert!(program.text.contains(part), "{part:.100}");
        }
        // Those of shared code, and some to spare.
        let more = format!("local r1, r2, s1, s2, s3, s4\n{REQUIRE}{}", program.text);
        assert_eq!(godra_engine::lua::source::Compiler::default().check(&more), Ok(()));
    }

    #[test]
    fn messages_are_part_of_programs_that_have_to_do_with_them() {
        let has_mail =
            |text: &str| Programs::default().for_scripts([script("a", text)].iter()).text.contains(MAIL);
        for with in [
            "godra.tell(nil, 'b', 1)",
            "return godra.cancel('x')",
            "local g = godra",
            "return godra['tell']",
            "return _G",
            "-- ROLE: server",
        ] {
            assert!(has_mail(with), "{with}");
        }
        for without in ["godra.publish('tell', 1)", "return godra.user.id", "local tell = 1"] {
            assert!(!has_mail(without), "{without}");
        }
    }

    #[test]
    fn documents_are_part_of_programs_that_have_to_do_with_them() {
        let program_of =
            |text: &str| Programs::default().for_scripts([script("a", text)].iter()).text.clone();
        for with in ["-- DATA: profile/{user}\nreturn 1", "return godra.load('a/b')", "godra.delete('a/b')"] {
            let text = program_of(with);
            let documents = documents::program(&[], &[], &BTreeSet::new());
            assert!(text.contains(&documents) && !text.contains(OF_DOCUMENTS), "{with}");
        }
        for without in ["return godra.state.delete('x')", "godra.publish('load', 1)"] {
            assert!(!program_of(without).contains("make_documents = "), "{without}");
            assert!(program_of(without).ends_with(PRELUDE), "{without}");
        }
    }

    #[test]
    fn scripts_know_which_others_messages_may_run() {
        let all = [
            script("a", "-- ROLE: server\n-- KEYS: game:{room}"),
            script("b", "-- ROLE: server\n-- KEYS: lobbies"),
            script("c", ""),
        ];
        assert!(mail_tables(&all, &[]).contains(r#"" a:2 b:1 c:0 ""#));
    }

    #[test]
    fn the_preludes_error_codes_are_the_protocols() {
        let text = [PRELUDE, NUMBERED].concat();
        let codes: Vec<&str> =
            text.split("{ \"E\", \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(codes.len() > 5, "{codes:?}");
        for code in codes {
            assert!(ErrorCode::from_name(code).is_some(), "{code:?} is not a code of the protocol");
        }
    }

    #[test]
    fn mixtures_share_a_program() {
        let scripts = ["a", "b", "c", "d"].map(|name| script(name, "return 1"));
        let set =
            ScriptSet::new(scripts.iter().map(|script| (script.name.clone(), script.clone())).collect(), 1);
        let mut programs = Programs::default();
        programs.replace(&set);
        let one = programs.for_scripts([&scripts[0], &scripts[0]].into_iter());
        assert_eq!(one.scripts.len(), 1);
        let three = programs.for_scripts(scripts[..3].iter());
        let other_three = programs.for_scripts(scripts[1..].iter());
        assert!(Arc::ptr_eq(&three, &other_three));
        assert_eq!(three.place(&scripts[3]), 4);
        let old = script("a", "return 2");
        let mixed = programs.for_scripts([&scripts[0], &old, &scripts[1]].into_iter());
        assert_eq!(mixed.scripts.len(), 3);
    }

    fn set_of(game: Option<&Arc<str>>, names: &[&str]) -> ScriptSet {
        let of_game = |name: &&str| {
            let header = "-- ROLE: server\n-- KEYS: game:{room}:items, lobbies";
            let script = Script::new(name, "x.lua", header, Header::parse(name, header).expect("valid"));
            let script = Arc::new(match game {
                Some(game) => script.in_game(game),
                None => script,
            });
            (script.name.clone(), script)
        };
        ScriptSet::new(names.iter().map(of_game).collect(), 1)
    }

    #[test]
    fn programs_hold_one_games_scripts_and_know_all_games() {
        let chess: Arc<str> = Arc::from("chess");
        let mut set = set_of(None, &["a", "b", "c", "d"]);
        set.games.insert(chess.clone(), Arc::new(set_of(Some(&chess), &["a", "e", "f"])));
        let mut programs = Programs::default();
        programs.replace(&set);
        let of_chess = set.of(Some("chess"));
        let program = programs.for_scripts(of_chess.scripts.values());
        assert_eq!(program.scripts.len(), 3);
        for part in [
            "local GAMES, GUESTS, WHOLE, KEY_PLACES = \" chess \", \"active_sessions:guests\", \" ",
            "if game == \"chess\" then if user then return {  } end return { \"game:\" .. room .. \":items\", \"game:\" .. room .. \":state\" } end",
            ", \"chess~\" }",
            " chess~a:2 chess~e:2 chess~f:2 ",
        ] {
            assert!(program.text.contains(part), "{part} is not in {}", program.text);
        }
        assert!(!Programs::default().for_scripts(set.scripts.values()).text.contains("KEY_PLACES"));
    }
}
