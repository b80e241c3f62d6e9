//! Game scripts as data: headers, the catalogue, key patterns, hot reload. Runs nothing, which is the state engine's, but for the
//! outermost lines of what brings documents up (`migration`), to see that a function comes of them.
//!
//! To add a line to headers: a field of [`Header`], its parsing in `header.rs`, and a row in `scripts/README.md`.

pub mod catalog;
pub mod check;
mod collections;
pub mod document_pattern;
mod folders;
mod games;
pub mod header;
pub mod key_pattern;
mod keys;
mod library;
pub mod migration;
mod misspelled;
mod near;
mod portability;
mod receivers;
mod room_keys;
mod tokens;
pub mod watch;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

pub use collections::Collection;
pub use document_pattern::{ArgumentName, DocumentPattern, Filling, Form, Readers};
pub use games::refuse_key;
pub use header::Header;
pub use key_pattern::KeyPattern;
pub use keys::{KeyError, RpcTarget};
pub use library::Library;
pub use room_keys::RoomKeys;
use room_keys::room_keys;
pub use tokens::{may_call, may_read_call, may_use};

use crate::wire::ids::{GAME_SIGN, Role};

/// One script of the catalogue, compiled and checked before it got here.
pub struct Script {
    /// The file's name without `.lua`.
    pub name: Box<str>,
    /// The game that it is of; none for the default one, and for the server's own scripts.
    pub game: Option<Arc<str>>,
    /// `NAME`, or `GAME~NAME`: what it is called among those of all games, in logs, metrics and messages.
    pub full_name: Box<str>,
    /// Where it was read from, for logs.
    pub path: PathBuf,
    /// The file's text, unchanged.
    pub text: Box<str>,
    /// SHA-1 of `text` in lower-case hex, as Redis names scripts; with libraries, of their names and texts, too, and with forms of
    /// documents that other scripts say, of those.
    pub sha: Box<str>,
    /// What it requires, and what that requires: each behind those that it requires itself.
    pub libraries: Vec<Arc<Library>>,
    /// What its header comments declare.
    pub header: Header,
    /// By collection the form that it knows of documents, where that is above the first: as its own header says, or those of the
    /// scripts that it was loaded with.
    pub forms: BTreeMap<Box<str>, u32>,
    /// Whether what it does may depend on who calls and with which arguments, as far as its text tells.
    pub reads_call: bool,
}

/// Stands in for a hook that a game does not have, so that members come and go in the store all the same.
pub static NO_HOOK: LazyLock<Arc<Script>> = LazyLock::new(|| Script::built_in("godra:no_hook", "return nil"));

impl Script {
    /// A script with that text, which is taken to compile.
    pub fn new(name: &str, path: impl Into<PathBuf>, text: &str, header: Header) -> Self {
        Self::with_libraries(name, path, text, header, Vec::new())
    }

    /// A script that requires these libraries.
    pub fn with_libraries(
        name: &str,
        path: impl Into<PathBuf>,
        text: &str,
        header: Header,
        libraries: Vec<Arc<Library>>,
    ) -> Self {
        let forms = collections::forms_of(&header);
        let mut script = Self {
            name: name.into(),
            game: None,
            full_name: name.into(),
            path: path.into(),
            sha: sha_of(text, &libraries, &BTreeMap::new()),
            libraries,
            forms,
            reads_call: false,
            text: text.into(),
            header,
        };
        let reads_call = script.texts().any(may_read_call);
        script.reads_call = reads_call;
        script
    }

    /// The same as a script of that game: its rooms, its other keys and its documents are the game's.
    pub fn in_game(mut self, game: &Arc<str>) -> Self {
        self.full_name = format!("{game}{GAME_SIGN}{}", self.name).into();
        self.header.keys = self.header.keys.iter().map(|key| key.in_game(game)).collect();
        self.header.kept_keys = self.header.kept_keys.iter().map(|key| key.in_game(game)).collect();
        self.header.documents = self.header.documents.iter().map(|document| document.in_game(game)).collect();
        self.forms = collections::forms_of(&self.header);
        self.game = Some(game.clone());
        self
    }

    /// What stands in front of the names that it gives to what is its game's: nothing in the default game.
    pub fn game_prefix(&self) -> &str {
        &self.full_name[..self.full_name.len() - self.name.len()]
    }

    /// Its file within the folder of scripts, without `.lua`: what errors name.
    pub fn file(&self) -> Cow<'_, str> {
        match &self.game {
            Some(game) => format!("{}/{game}/{}", games::FOLDER, self.name).into(),
            None => Cow::Borrowed(&self.name),
        }
    }

    /// A script of the server's own, from no file and called by nobody else. Its name begins with `godra:`.
    pub fn built_in(name: &str, text: &str) -> Arc<Self> {
        let header = Header {
            role: Role::Manager,
            names_role: true,
            is_for_server: false,
            keys: Vec::new(),
            kept_keys: Vec::new(),
            documents: Vec::new(),
            is_durable: false,
            room_argument: None,
            tick_ms: None,
            is_atomic: true,
            actions: Vec::new(),
        };
        Arc::new(Self::new(name, "", text, header))
    }

    /// The same script, knowing these forms of documents. None if it knows them already.
    fn in_forms(&self, forms: BTreeMap<Box<str>, u32>) -> Option<Self> {
        if self.forms == forms {
            return None;
        }
        let own = collections::forms_of(&self.header);
        let told = forms.iter().filter(|(collection, form)| own.get(*collection) != Some(*form));
        let told = told.map(|(collection, form)| (collection.clone(), *form)).collect();
        Some(Self {
            name: self.name.clone(),
            game: self.game.clone(),
            full_name: self.full_name.clone(),
            path: self.path.clone(),
            text: self.text.clone(),
            sha: sha_of(&self.text, &self.libraries, &told),
            libraries: self.libraries.clone(),
            header: self.header.clone(),
            forms,
            reads_call: self.reads_call,
        })
    }

    /// Which form of a collection's documents it knows, from 1: it saves values of that form, and is given none of another.
    pub fn form(&self, collection: &str) -> u32 {
        self.forms.get(collection).copied().unwrap_or(1)
    }

    /// Whether it is the server's own.
    pub fn is_built_in(&self) -> bool {
        self.name.starts_with(KeyPattern::RESERVED_PREFIX)
    }

    /// First 8 characters of the SHA-1: shown in logs, replies and metrics.
    pub fn version(&self) -> &str {
        &self.sha[..8]
    }

    /// `NAME@VERSION`, for those who want to know what answered them.
    pub fn tag(&self) -> String {
        format!("{}@{}", self.full_name, self.version())
    }

    /// Whether it may look at that field of `godra`.
    pub fn may_read(&self, field: &str) -> bool {
        self.texts().any(|text| tokens::may_read(text, field))
    }

    /// Whether it may use a global: itself, or one of these fields of it, see [`may_use`].
    pub fn may_use(&self, global: &str, fields: &[&str]) -> bool {
        self.texts().any(|text| may_use(text, global, fields))
    }

    /// Whether it may call one of these commands, see [`may_call`].
    pub fn may_call(&self, commands: &[&str]) -> bool {
        self.texts().any(|text| may_call(text, commands))
    }

    /// Whether it may work on what `godra` has of the room: then it needs keys of the room that it does not declare.
    pub fn reads_room(&self) -> bool {
        ["members", "is_member", "state"].iter().any(|field| self.may_read(field))
    }

    /// Whether it works on documents, which must be in the store before it runs.
    pub fn has_documents(&self) -> bool {
        !self.header.documents.is_empty()
    }

    /// Whether it cannot run without a room.
    pub fn needs_room(&self) -> bool {
        self.has_room_keys() || self.header.documents.iter().any(DocumentPattern::names_room)
    }

    /// Whether players may never call it: hooks (`on_…`), tick scripts, and those that messages run.
    pub fn is_internal(&self) -> bool {
        self.name.starts_with("on_") || self.header.tick_ms.is_some() || self.header.is_for_server
    }
}

/// Names a script's version; `told` are forms of documents that its own text does not say.
fn sha_of(text: &str, libraries: &[Arc<Library>], told: &BTreeMap<Box<str>, u32>) -> Box<str> {
    let mut sha = sha1_smol::Sha1::from(text.as_bytes());
    let forms = told.iter().map(|(collection, form)| format!("{collection} v{form}"));
    let parts = libraries.iter().flat_map(|library| [&*library.name, &*library.text]).map(str::to_owned);
    for part in parts.chain(forms) {
        // No text has a NUL byte, so no two sets of texts are the same one after another.
        sha.update(b"\0");
        sha.update(part.as_bytes());
    }
    sha.digest().to_string().into()
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.tag())
    }
}

/// A consistent set of scripts, swapped as a whole: those of one game, and in the default game's set those of the others.
#[derive(Clone, Debug, Default)]
pub struct ScriptSet {
    /// Every script of the game, by name.
    pub scripts: HashMap<Box<str>, Arc<Script>>,
    /// Counts swaps, from 1.
    pub generation: u64,
    /// Names of files of which no version could ever serve.
    pub broken: BTreeSet<Box<str>>,
    /// The last versions of scripts that had a file once and were not for every player: one that comes back is still not, unless a
    /// line says so.
    gone: BTreeMap<Box<str>, Arc<Script>>,
    /// In the default game's set: the other games, by name. They have none themselves.
    pub games: BTreeMap<Arc<str>, Arc<ScriptSet>>,
    /// The scripts that take an action of another name, by that.
    by_action: HashMap<Box<str>, Arc<Script>>,
    /// What headers say of collections of documents.
    collections: HashMap<Box<str>, Collection>,
    /// What ends with a room of the game.
    room_keys: RoomKeys,
}

/// Stands in for a game that is not there (any more).
static NO_GAME: LazyLock<ScriptSet> = LazyLock::new(ScriptSet::default);

impl ScriptSet {
    /// A set of these scripts; where several name an action, the first in the order of their names gets it.
    pub fn new(scripts: HashMap<Box<str>, Arc<Script>>, generation: u64) -> Self {
        let mut by_action = HashMap::new();
        for (script, action) in named_actions(&scripts) {
            by_action.entry(action.into()).or_insert_with(|| script.clone());
        }
        let collections = collections::of_scripts(&scripts);
        let room_keys = room_keys(scripts.values());
        let (broken, gone, games) = Default::default();
        Self { scripts, generation, broken, gone, games, by_action, collections, room_keys }
    }

    /// The scripts of a game (none: the default one): of one that is not there, no scripts.
    pub fn of(&self, game: Option<&str>) -> &ScriptSet {
        self.find_game(game).unwrap_or(&NO_GAME)
    }

    /// The scripts of a game (none: the default one), if there is such a game.
    pub fn find_game(&self, game: Option<&str>) -> Option<&ScriptSet> {
        match game {
            None => Some(self),
            Some(game) => self.games.get(game).map(|set| &**set),
        }
    }

    /// Every game's set with its name, the default game's first.
    pub fn by_game(&self) -> impl Iterator<Item = (Option<&str>, &ScriptSet)> + Clone {
        let others = self.games.iter().map(|(game, set)| (Some(&**game), &**set));
        std::iter::once((None, self)).chain(others)
    }

    /// The scripts of all games.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Script>> + Clone {
        self.by_game().flat_map(|(_, set)| set.scripts.values())
    }

    /// Whether this very version of a script serves, in whichever game.
    pub fn serves(&self, script: &Arc<Script>) -> bool {
        let current = self.of(script.game.as_deref()).get(&script.name);
        current.is_some_and(|current| Arc::ptr_eq(current, script))
    }

    /// What ends with a room of the game, besides its head.
    pub fn room_keys(&self) -> &RoomKeys {
        &self.room_keys
    }

    /// What headers say of a collection of documents, of whichever game; none if no script works on it.
    pub fn collection(&self, name: &str) -> Option<Collection> {
        let game = name.split_once(GAME_SIGN).map(|(game, _)| game);
        self.of(game).collections.get(name).copied()
    }

    /// The collections, of all games, that only these may read.
    pub fn collections_for(&self, readers: Readers) -> impl Iterator<Item = &str> {
        let all = self.by_game().flat_map(|(_, set)| &set.collections);
        all.filter(move |(_, collection)| collection.readers == readers).map(|(name, _)| &**name)
    }

    /// The collections, of all games, that are ledgers.
    pub fn ledgers(&self) -> impl Iterator<Item = &str> {
        let all = self.by_game().flat_map(|(_, set)| &set.collections);
        all.filter(|(_, collection)| collection.is_ledger).map(|(name, _)| &**name)
    }

    /// Whether any script works on documents.
    pub fn has_documents(&self) -> bool {
        self.by_game().any(|(_, set)| !set.collections.is_empty())
    }

    /// The script that runs for a player's action: the one of that name, else the one whose `-- ACTIONS:` have it.
    pub fn get_for_action(&self, action: &str) -> Option<&Arc<Script>> {
        let named = self.scripts.get(action);
        named.or_else(|| if self.broken.contains(action) { None } else { self.by_action.get(action) })
    }

    /// What a caller with that role may have meant by a name that nothing has: an action, or of the scripts alone.
    pub fn nearest(&self, name: &str, role: Role, is_action: bool) -> Option<&str> {
        let may_call = |script: &Arc<Script>| !script.is_internal() && script.header.role <= role;
        let by_action = is_action.then_some(&self.by_action);
        let scripts = self.scripts.iter().chain(by_action.into_iter().flatten());
        near::nearest(name, scripts.filter(|(_, script)| may_call(script)).map(|(name, _)| &**name))
    }

    /// The script of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Script>> {
        self.scripts.get(name)
    }

    /// Those that run at an interval, in the order of their names.
    pub fn ticking(&self) -> Vec<&Arc<Script>> {
        let mut ticking: Vec<_> =
            self.scripts.values().filter(|script| script.header.tick_ms.is_some()).collect();
        ticking.sort_by(|one, other| one.name.cmp(&other.name));
        ticking
    }

    /// The script of that [full name](Script::full_name), if messages may run it.
    pub fn get_for_messages(&self, full_name: &str) -> Option<&Arc<Script>> {
        let (game, name) = match full_name.split_once(GAME_SIGN) {
            Some((game, name)) => (Some(game), name),
            None => (None, full_name),
        };
        self.of(game).get(name).filter(|script| script.header.is_for_server)
    }

    /// The script of that name, if players may call it at all (their role is not looked at).
    pub fn get_callable(&self, name: &str) -> Option<&Arc<Script>> {
        self.get(name).filter(|script| !script.is_internal())
    }
}

/// Each action that a script names, in the order of the scripts' names.
fn named_actions(scripts: &HashMap<Box<str>, Arc<Script>>) -> Vec<(&Arc<Script>, &str)> {
    let mut named = Vec::new();
    for script in scripts.values() {
        named.extend(script.header.actions.iter().map(|action| (script, &**action)));
    }
    named.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    named
}

#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/targets/script.rs"]
pub(crate) mod fuzz;
