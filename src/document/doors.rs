//! What managers and players ask for over HTTP. Reading has a thread and a connection of its own, so that a long list keeps no
//! game waiting; changes go the way of every save, each with a home of its own that holds the document only for the change: of several
//! changes at once each waits for the one before it.

mod ledgers;

use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Serialize;
use serde_json::value::RawValue;

use super::ledger::{Amounts, LedgerEntry};
use super::service::StoreConnection;
use super::store::{DocumentStore, ListQuery, Page};
use super::{Address, Document, Documents, Entry, FetchError, HomeId, MAX_VERSION, Save, Unavailable};
use crate::account::records::StoreResult;
use crate::account::service::breaker::Breaker;
use crate::account::service::unix_ms;
use crate::account::store::Stores;
use crate::metrics::DocumentMetrics;
use crate::session::Rejection;
use crate::session::account::{AccountAnswer, AccountReply, AccountResult};
use crate::session::documents::{Condition, DocumentCall, OwnCursor, missing};
use crate::sys;
use crate::threads;
use crate::wire::ErrorCode;
use crate::wire::ids::Identity;

/// Requests that wait; above it 503 `busy`.
const MAX_WAITING: usize = 64;

/// What is said of a document that only entries change.
const ACCOUNT: &str = "the document is an account of a ledger: it is changed by entries that are kept, with POST to /api/ledger";

/// Answers requests about documents.
pub struct DocumentDoors {
    documents: Arc<dyn Documents>,
    questions: Sender<Question>,
}

/// Something to be asked of the database, and answered.
type Question = Box<dyn FnOnce(&mut StoreConnection) + Send>;

impl DocumentDoors {
    /// Starts the thread that reads.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start(
        stores: &Stores,
        documents: Arc<dyn Documents>,
        metrics: &DocumentMetrics,
    ) -> io::Result<Self> {
        let (questions, waiting): (Sender<Question>, Receiver<Question>) = bounded(MAX_WAITING);
        // A breaker of its own: a list that takes too long says nothing about fetches. The gauge tells of those.
        let metrics = DocumentMetrics { away: Default::default(), ..metrics.clone() };
        let mut connection = StoreConnection::new(stores.clone(), Arc::new(Breaker::default()), metrics);
        let run = move || {
            sys::lower_priority();
            waiting.into_iter().for_each(|question| question(&mut connection));
        };
        threads::lasting("document-reader").spawn(run)?;
        Ok(Self { documents, questions })
    }

    /// Does what is asked, and answers later.
    ///
    /// # Errors
    /// Too much is asked at once; `reply` is not used then.
    pub fn submit(
        &self,
        call: DocumentCall,
        caller: &Identity,
        reply: AccountReply,
    ) -> Result<(), Rejection> {
        let user_id = caller.user_id.clone();
        match call {
            DocumentCall::List { collection, prefix, owner, updated_since_ms, cursor, limit } => {
                let query = ListQuery { collection, prefix, owner, updated_since_ms, after: cursor, limit };
                self.read(reply, move |store| store.list(&query), |page| Ok(page_answer(&page)))
            }
            DocumentCall::Own { cursor, limit, hidden } => self.read(
                reply,
                move |store| OwnPage::read(store, &user_id, &cursor, limit),
                move |mut page| {
                    let is_hidden =
                        |address: &Address| hidden.iter().any(|hidden| **hidden == *address.collection());
                    page.documents.retain(|document| !is_hidden(&document.address));
                    page.entries.retain(|(account, _)| !is_hidden(account));
                    Ok(page.answer())
                },
            ),
            DocumentCall::Entries { address, before, limit } => {
                let account = address.clone();
                self.read(
                    reply,
                    move |store| store.entries(&address, before, limit),
                    move |entries| Ok(ledgers::entries_answer(&account, &entries, limit)),
                )
            }
            DocumentCall::Change(address, asked) => {
                let change = ledgers::fit(&asked);
                log::info!("change an account document={address} by={user_id}");
                let change = match change {
                    Ok(change) => change,
                    Err(refused) => {
                        reply.send(Err(refused));
                        return Ok(());
                    }
                };
                let documents = self.documents.clone();
                ledgers::Changing { documents, address, change, owner: asked.owner, reply }.begin();
                Ok(())
            }
            DocumentCall::Read(address) => {
                self.read(reply, move |store| store.read(&[address]), |found| one(found, |_| true))
            }
            DocumentCall::ReadOwn(address) => self.read(
                reply,
                move |store| store.read(&[address]),
                // Whose it is, is nobody else's to know, nor whether it is there.
                move |found| one(found, |document| document.owner.as_ref() == Some(&user_id)),
            ),
            DocumentCall::Put { address, value, owner, schema, condition } => {
                log::info!("put a document document={address} by={user_id}");
                self.change(address, condition, reply, move |document| {
                    document.value = Some(value);
                    document.schema = schema.unwrap_or(document.schema);
                    if let Some(owner) = owner {
                        document.owner =
                            Some(owner.into()).filter(|owner: &smol_str::SmolStr| !owner.is_empty());
                    }
                });
                Ok(())
            }
            DocumentCall::Delete(address, condition) => {
                log::info!("delete a document document={address} by={user_id}");
                self.change(address, condition, reply, |document| document.value = None);
                Ok(())
            }
        }
    }

    fn read<T: 'static>(
        &self,
        reply: AccountReply,
        question: impl FnOnce(&mut dyn DocumentStore) -> StoreResult<T> + Send + 'static,
        answer: impl FnOnce(T) -> AccountResult + Send + 'static,
    ) -> Result<(), Rejection> {
        // Taken back if there is no place for it.
        let reply = Arc::new(std::sync::Mutex::new(Some(reply)));
        let taken = reply.clone();
        let take = move |reply: &std::sync::Mutex<Option<AccountReply>>| {
            reply.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        };
        let question: Question = Box::new(move |connection| {
            let found = connection.ask(question);
            if let Some(reply) = take(&taken) {
                reply.send(found.map_err(|Unavailable| unavailable()).and_then(answer));
            }
        });
        if self.questions.try_send(question).is_ok() {
            return Ok(());
        }
        if let Some(reply) = take(&reply) {
            reply.disarm();
        }
        Err(Rejection::new(ErrorCode::Busy, "too many requests for documents at once; try again"))
    }

    /// Takes the document from whoever has it, another change among them, changes it if the condition holds, and lets it go.
    fn change(
        &self,
        address: Address,
        condition: Condition,
        reply: AccountReply,
        change: impl FnOnce(&mut Document) + Send + 'static,
    ) {
        let (documents, home) = (self.documents.clone(), HomeId::random());
        let holder = home.clone();
        let taken = move |fetched: super::Fetched| {
            let Some((_, found)) = fetched.into_iter().next() else { return };
            let service = documents.clone();
            // Should the database be away, the home's time is over soon.
            let let_go = move |home: &HomeId| service.retire(home, Box::new(drop));
            let found = found.map_err(|error| not_fetched(&error)).and_then(|found| met(condition, found));
            let found = match found {
                Ok(found) => found,
                Err(refused) => {
                    let_go(&home);
                    return reply.send(Err(refused));
                }
            };
            let save = changed(found, change);
            let saved = save.document.clone();
            let holder = home.clone();
            let written = move |lost: Result<Vec<super::Lost>, Unavailable>| {
                let_go(&holder);
                reply.send(match lost {
                    Ok(lost) if lost.is_empty() => Ok(change_answer(&saved)),
                    Ok(_) => Err(changed_meanwhile()),
                    Err(Unavailable) => Err(unavailable()),
                });
            };
            documents.write(vec![Entry { saves: vec![save] }], &home, Box::new(written));
        };
        self.documents.fetch(vec![address], &holder, Box::new(taken));
    }
}

/// The document if it is as the change requires.
fn met(condition: Condition, document: Document) -> Result<Document, Rejection> {
    let is_there = document.value.is_some();
    if is_there && document.recent_keys.is_some() {
        return Err(Rejection::new(ErrorCode::Conflict, ACCOUNT));
    }
    let is_met = match condition {
        Condition::None => true,
        Condition::Absent => !is_there,
        Condition::Present => is_there,
        Condition::Version(version) => is_there && document.version == version,
    };
    if is_met && document.version < MAX_VERSION {
        return Ok(document);
    }
    let message = match is_there {
        true => format!("the document has version {}", document.version),
        false => "there is no such document".to_owned(),
    };
    Err(Rejection::new(ErrorCode::Conflict, message))
}

fn changed(document: Document, change: impl FnOnce(&mut Document)) -> Save {
    let base = document.version;
    let mut document = document;
    change(&mut document);
    document.version = base + 1;
    document.updated_at_ms = unix_ms();
    Save::of(document, base)
}

fn one(found: Vec<Document>, may_read: impl FnOnce(&Document) -> bool) -> AccountResult {
    let found = found.into_iter().next().filter(|document| document.value.is_some() && may_read(document));
    let document = found.ok_or_else(missing)?;
    let mut answer = AccountAnswer::new(200, json(&Shown::of(&document)));
    answer.version = Some(document.version);
    Ok(answer)
}

fn change_answer(document: &Document) -> AccountAnswer {
    let mut answer = AccountAnswer::new(200, json(&serde_json::json!({ "version": document.version })));
    answer.version = Some(document.version);
    answer
}

fn page_answer(page: &Page) -> AccountAnswer {
    #[derive(Serialize)]
    struct ShownPage<'a> {
        documents: Vec<Shown<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<&'a str>,
    }
    let documents = page.documents.iter().map(Shown::of).collect();
    AccountAnswer::new(200, json(&ShownPage { documents, cursor: page.next.as_deref() }))
}

/// Some of what is a user's: documents, and behind the last of them entries of ledgers.
struct OwnPage {
    documents: Vec<Document>,
    entries: Vec<(Address, LedgerEntry)>,
    next: Option<OwnCursor>,
}

impl OwnPage {
    fn read(
        store: &mut dyn DocumentStore,
        owner: &str,
        cursor: &OwnCursor,
        limit: usize,
    ) -> StoreResult<Self> {
        let (documents, behind) = match cursor {
            OwnCursor::Entry(account, version) => (Vec::new(), Some((account, *version))),
            OwnCursor::Documents(after) => {
                let page = store.owned(owner, after.as_ref(), limit)?;
                let next = page.next.and_then(|next| Address::parse(&next).ok());
                if let Some(next) = next {
                    let next = Some(OwnCursor::Documents(Some(next)));
                    return Ok(Self { documents: page.documents, entries: Vec::new(), next });
                }
                (page.documents, None)
            }
        };
        let entries = store.owned_entries(owner, behind, limit)?;
        let last = entries.last().filter(|_| entries.len() >= limit);
        let next = last.map(|(account, entry)| OwnCursor::Entry(account.clone(), entry.version));
        Ok(Self { documents, entries, next })
    }

    fn answer(&self) -> AccountAnswer {
        #[derive(Serialize)]
        struct ShownPage<'a> {
            documents: Vec<Shown<'a>>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            entries: Vec<ShownEntry<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            cursor: Option<String>,
        }
        let documents = self.documents.iter().map(Shown::of).collect();
        let entries = self.entries.iter().map(|(account, entry)| ShownEntry::of(account, entry)).collect();
        let cursor = self.next.as_ref().map(ToString::to_string);
        AccountAnswer::new(200, json(&ShownPage { documents, entries, cursor }))
    }
}

/// A document as it is shown to people and programs.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    collection: &'a str,
    key: &'a str,
    version: u64,
    owner: Option<&'a str>,
    schema: u32,
    updated_at: u64,
    value: &'a RawValue,
    /// Of an account of a ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    recent_keys: Option<&'a RawValue>,
}

/// An entry of a ledger as it is shown to people and programs.
#[derive(Serialize)]
pub(crate) struct ShownEntry<'a> {
    collection: &'a str,
    key: &'a str,
    version: u64,
    entry_key: Option<&'a str>,
    changes: &'a Amounts,
    balances: &'a Amounts,
    reason: &'a str,
    at: u64,
}

impl<'a> ShownEntry<'a> {
    pub(crate) fn of(account: &'a Address, entry: &'a LedgerEntry) -> Self {
        Self {
            collection: account.collection(),
            key: account.key(),
            version: entry.version,
            entry_key: entry.key.as_deref(),
            changes: &entry.changes,
            balances: &entry.balances,
            reason: &entry.reason,
            at: entry.at_ms,
        }
    }
}

impl<'a> Shown<'a> {
    pub(crate) fn of(document: &'a Document) -> Self {
        let value = document.value.as_deref().and_then(|value| serde_json::from_str(value).ok());
        Self {
            collection: document.address.collection(),
            key: document.address.key(),
            version: document.version,
            owner: document.owner.as_deref(),
            schema: document.schema,
            updated_at: document.updated_at_ms,
            value: value.unwrap_or(RawValue::NULL),
            recent_keys: document.recent_keys.as_deref().and_then(|keys| serde_json::from_str(keys).ok()),
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("all of it can be written as JSON")
}

fn unavailable() -> Rejection {
    Rejection::new(ErrorCode::Unavailable, "the database of documents is not available")
}

fn not_fetched(error: &FetchError) -> Rejection {
    Rejection::new(ErrorCode::Unavailable, error.to_string())
}

fn changed_meanwhile() -> Rejection {
    Rejection::new(ErrorCode::Conflict, "the document has been changed meanwhile; try again")
}
