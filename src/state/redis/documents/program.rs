//! What programs of scripts that work on documents have in front of the prelude, and what they are told of the calls.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rmp::encode::{write_array_len, write_str, write_uint};

use super::messages::are_messages;
use crate::document::ledger::{self, BadChange};
use crate::document::{Address, MAX_VALUE_BYTES, UnfitValue};
use crate::script::{Library, Script, migration};
use crate::state::documents::rules::{
    self, BadDocument, MAX_OUTBOX_BYTES, MAX_OUTBOX_ENTRIES, MAX_OWNER_BYTES, OUTBOX_FULL, Present,
};
use crate::state::documents::{CallDocuments, not_hot};
use crate::state::{Batch, Call};

use super::super::program::library_places;

const PROGRAM: &str = include_str!("program.lua");
const LEDGER: &str = include_str!("ledger.lua");
/// How often the store notes that a document is used, in seconds.
const NOTED_EVERY_S: u64 = 60;
/// For how many seconds the store keeps a document that nobody uses: longer than any fetch takes.
pub(super) const KEPT_S: u64 = 900;
/// The same, of one that there is not: of those, players may ask for as many as they think of names.
pub(super) const ABSENT_KEPT_S: u64 = 150;
/// A document is idle for the store that was not noted for so long, in seconds.
pub(super) const IDLE_S: u64 = NOTED_EVERY_S * 3 / 2;
/// A batch of this age is not held up any more by documents that are not there.
const PATIENCE: Duration = Duration::from_secs(8);

/// The part of a program of these scripts, which has these libraries; `ledgers` are the collections that are some.
pub(in super::super) fn program(
    scripts: &[Arc<Script>],
    libraries: &[Arc<Library>],
    ledgers: &BTreeSet<Box<str>>,
) -> String {
    let has_ledger = scripts.iter().any(|script| script.may_read("ledger"));
    let ledgers: String = ledgers.iter().map(|collection| format!(" {collection} ")).collect();
    format!(
        "local function get_document_bounds()\n  \
         return {{ waiting = {MAX_OUTBOX_ENTRIES}, bytes = {MAX_OUTBOX_BYTES}, value_bytes = {MAX_VALUE_BYTES}, \
         owner_bytes = {MAX_OWNER_BYTES}, idle_s = {NOTED_EVERY_S}, kept_s = {KEPT_S}, ledgers = {ledgers:?} }}\nend\n\
         local function get_document_texts() return {{ {} }} end\n\
         {}{}{PROGRAM}",
        table(&texts()),
        forms(scripts, libraries),
        if has_ledger { ledger() } else { "local make_ledger\n".to_owned() },
    )
}

/// The part that is about ledgers.
fn ledger() -> String {
    format!(
        "local function get_ledger_bounds()\n  \
         return {{ amount = {}, items = {}, item_bytes = {}, reason_bytes = {}, key_bytes = {}, keys = {}, keys_bytes = {}, keys_ms = {} }}\nend\n\
         local function get_ledger_texts() return {{ {} }} end\n\
         {LEDGER}",
        ledger::MAX_AMOUNT,
        ledger::MAX_ITEMS,
        ledger::MAX_ITEM_BYTES,
        ledger::MAX_REASON_BYTES,
        ledger::MAX_ENTRY_KEY_BYTES,
        ledger::MAX_RECENT_KEYS,
        ledger::MAX_RECENT_BYTES,
        ledger::MAX_RECENT_MS,
        table(&ledger_texts()),
    )
}

/// What the scripts know of forms above the first, and where the libraries are that bring documents up to these.
fn forms(scripts: &[Arc<Script>], libraries: &[Arc<Library>]) -> String {
    let of_script = |(place, script): (usize, &Arc<Script>)| {
        let forms: Vec<String> =
            script.forms.iter().map(|(name, form)| format!("[{name:?}] = {form}")).collect();
        let forms = forms.join(", ");
        let places = library_places(script, libraries);
        format!("  if place == {place} then return is_asked or {{ {forms} }}, {{ {places} }} end\n")
    };
    let with_forms = (1..).zip(scripts).filter(|(_, script)| !script.forms.is_empty());
    let list: String = with_forms.map(of_script).collect();
    format!(
        "local function get_document_forms(place, is_asked)\n{list}  if not is_asked then return {{}} end\nend\n"
    )
}

fn table<const N: usize>(texts: &[(&'static str, String); N]) -> String {
    texts.each_ref().map(|(name, text)| format!("{name} = {text:?}")).join(", ")
}

const NAME: &str = "a/name";
const ONE: u64 = 987_654;
const OTHER: u64 = 456_789;

fn name() -> Address {
    Address::parse(NAME).expect("a name of a document")
}

/// A text with places for what differs.
fn open(text: &str) -> String {
    text.replace(NAME, "%s").replace(&ONE.to_string(), "%s").replace(&OTHER.to_string(), "%s")
}

/// What is said of what is refused, as everywhere, with places for what differs.
fn texts() -> [(&'static str, String); 19] {
    let bad = |bad: BadDocument| open(&bad.to_string());
    let present = |is_there| Present { version: ONE, is_there, owner: None };
    let not_declared = |declared| bad(BadDocument::NotDeclared { address: "%s".into(), declared });
    let (found, known) = (ONE as u32, OTHER as u32);
    let unmigrated = bad(BadDocument::Unmigrated { address: name(), found, known, reason: "%s".into() });
    [
        ("no_documents", not_declared(Vec::new())),
        ("not_declared", not_declared(vec![name()])),
        ("no_value", bad(BadDocument::NoValue)),
        ("not_text", bad(BadDocument::NotText)),
        ("too_large", bad(BadDocument::Unfit(UnfitValue::TooLarge { bytes: ONE as usize }))),
        ("too_deep", bad(BadDocument::Unfit(UnfitValue::TooDeep))),
        ("newer", bad(BadDocument::Newer { address: name(), found, known })),
        ("unmigrated", unmigrated.replace(&migration::library_of(name().collection()), "%s")),
        ("version", bad(BadDocument::Version)),
        ("bad_owner", bad(BadDocument::Owner("owner"))),
        ("bad_new_owner", bad(BadDocument::Owner("new_owner"))),
        ("owned", bad(BadDocument::Owned(name(), "%s".into()))),
        ("other_owner", bad(BadDocument::OtherOwner(name(), Some("%s".into())))),
        ("owned_by_nobody", bad(BadDocument::OtherOwner(name(), None))),
        ("account", bad(BadDocument::Account(name()))),
        ("other_version", open(&rules::conflict(&name(), OTHER, present(true)))),
        ("none", open(&rules::conflict(&name(), OTHER, present(false)))),
        ("full", OUTBOX_FULL.to_owned()),
        ("not_hot", not_hot().message.into()),
    ]
}

/// The same of changes of ledgers.
fn ledger_texts() -> [(&'static str, String); 12] {
    const ITEM: &str = "%s";
    let bad = |bad: BadChange| open(&bad.to_string());
    let (balance, needed) = (ONE as i64, OTHER as i64);
    let item = || ITEM.into();
    let no_ledger = BadDocument::NoLedger(name()).to_string();
    [
        ("no_changes", bad(BadChange::NoChanges)),
        ("too_many_items", bad(BadChange::TooManyItems)),
        ("bad_item", bad(BadChange::Item)),
        ("not_whole", bad(BadChange::NotWhole(item()))),
        ("bad_reason", bad(BadChange::Reason)),
        ("bad_key", bad(BadChange::Key)),
        ("bad_allow_negative", bad(BadChange::AllowNegative)),
        ("not_an_account", bad(BadChange::NotAnAccount(name()))),
        ("other_changes", bad(BadChange::OtherChanges(name(), item()))),
        ("insufficient", bad(BadChange::Insufficient { address: name(), item: item(), balance, needed })),
        ("beyond", bad(BadChange::Beyond(name(), item()))),
        ("no_ledger", open(&no_ledger).replace(" a/", " %s/")),
    ]
}

/// Whether a batch whose documents are not all there comes again with them. Messages do, however long that takes.
pub(in super::super) fn comes_again(batch: &Batch) -> bool {
    batch.received_at.elapsed() < PATIENCE || are_messages(batch)
}

/// What a program is told of the documents of a batch's calls.
pub(in super::super) fn packed(batch: &Batch) -> Vec<u8> {
    const FITS: &str = "a vector takes what is written to it";
    let mut out = Vec::with_capacity(64);
    write_array_len(&mut out, batch.calls.len() as u32).expect(FITS);
    for call in &batch.calls {
        match of_call(call) {
            None => drop(write_uint(&mut out, 0).expect(FITS)),
            Some(CallDocuments::Declared(declared)) => {
                write_array_len(&mut out, 1 + 2 * declared.len() as u32).expect(FITS);
                write_uint(&mut out, 1).expect(FITS);
                for declared in declared {
                    write_str(&mut out, declared.address.as_str()).expect(FITS);
                    write_uint(&mut out, u64::from(declared.user.is_some())).expect(FITS);
                }
            }
            Some(CallDocuments::Refused(error)) => {
                write_array_len(&mut out, 3).expect(FITS);
                write_uint(&mut out, 0).expect(FITS);
                write_str(&mut out, error.code.as_str()).expect(FITS);
                write_str(&mut out, &error.message).expect(FITS);
            }
            Some(CallDocuments::Later) => unreachable!("the writer takes these out of what it packs"),
        }
    }
    out
}

/// What is settled of a call's documents; none if its script has none.
fn of_call(call: &Call) -> Option<CallDocuments> {
    let settled = call.documents.as_deref().filter(|_| call.script.has_documents()).cloned();
    settled.or_else(|| call.script.has_documents().then(|| CallDocuments::Refused(not_hot())))
}
