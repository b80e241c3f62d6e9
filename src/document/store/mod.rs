//! The database of documents: one connection, and what is asked of it. Calls block, so only the service's threads and subcommands
//! make them; each is at most a few transactions, and what is half done is done again by the next call.

mod doors;
mod homes;
mod ledgers;
mod rows;
mod statements;
mod writes;

use super::ledger::LedgerEntry;
use super::{Address, Document, Entry, HomeId, Lost};
use crate::account::records::StoreResult;
use crate::account::store::sql::Database;
use crate::account::store::{Connection, Stores, erasing};

/// A database of documents. It reconnects by itself: a call after a lost connection may fail once, the next one works again.
pub trait DocumentStore: Send {
    /// Makes `home` the home of these documents, none of them twice, and reads them. A document that another home has comes
    /// without one, and that home is asked to let it go.
    fn fetch(
        &mut self,
        home: &HomeId,
        addresses: &[Address],
    ) -> StoreResult<Vec<(Address, Option<Document>)>>;

    /// Writes entries in their order in one transaction; what was refused for good. An entry is refused as a whole if one of its
    /// documents has another home, or does not have the version that its save builds on, or if a ledger has an entry of its key.
    /// What is written already is passed over.
    fn write(&mut self, home: &HomeId, entries: &[Entry]) -> StoreResult<Vec<Lost>>;

    /// Says that `home` lives for [`LEASE_MS`] from now. Which documents it is to let go.
    fn renew(&mut self, home: &HomeId) -> StoreResult<Vec<Address>>;

    /// Ends that `home` is the home of these documents.
    fn let_go(&mut self, home: &HomeId, addresses: &[Address]) -> StoreResult<()>;

    /// Ends that `home` is the home of anything.
    fn retire(&mut self, home: &HomeId) -> StoreResult<()>;

    /// Documents as the database has them, in the order of the addresses; absent ones included.
    fn read(&mut self, addresses: &[Address]) -> StoreResult<Vec<Document>>;

    /// Documents of a collection, a page at a time.
    fn list(&mut self, query: &ListQuery) -> StoreResult<Page>;

    /// Documents of a user, a page at a time; `next` is the address to go on from.
    fn owned(&mut self, owner: &str, after: Option<&Address>, limit: usize) -> StoreResult<Page>;

    /// All documents behind an address, deleted ones included, at most `limit` of them.
    fn scan(&mut self, after: Option<&Address>, limit: usize) -> StoreResult<Vec<Document>>;

    /// Entries of an account of a ledger before a version, the latest first.
    fn entries(&mut self, account: &Address, before: u64, limit: usize) -> StoreResult<Vec<LedgerEntry>>;

    /// Entries of all accounts of a user behind one, in the order of accounts and versions.
    fn owned_entries(
        &mut self,
        owner: &str,
        after: Option<(&Address, u64)>,
        limit: usize,
    ) -> StoreResult<Vec<(Address, LedgerEntry)>>;

    /// All entries of ledgers behind one, in the order of accounts and versions.
    fn scan_entries(
        &mut self,
        after: Option<(&Address, u64)>,
        limit: usize,
    ) -> StoreResult<Vec<(Address, LedgerEntry)>>;

    /// Adds entries that their accounts lack, of accounts that are there; how many. To be asked by the accounts' home alone.
    fn take_in_entries(&mut self, entries: &[(Address, LedgerEntry)]) -> StoreResult<usize>;

    /// Deletes all documents of a user, also such as are on their way to the database, and takes them from their homes. How many
    /// there were.
    fn erase_owner(&mut self, owner: &str, now_ms: u64) -> StoreResult<u64>;

    /// Which of these users' documents were erased.
    fn erased(&mut self, owners: &[&str]) -> StoreResult<Vec<String>>;

    /// Forgets documents that were deleted before `deleted_before_ms`, and homes that have been dead since then.
    fn purge(&mut self, deleted_before_ms: u64) -> StoreResult<()>;
}

/// What to list of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// The collection.
    pub collection: String,
    /// What keys begin with.
    pub prefix: String,
    /// Whose documents; everybody's if none.
    pub owner: Option<String>,
    /// Only what was saved at this time or later, in milliseconds since the Unix epoch.
    pub updated_since_ms: u64,
    /// Only keys behind this one.
    pub after: String,
    /// Most documents of the page; there may be fewer although there are more of them.
    pub limit: usize,
}

/// Some documents, in the order of their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Not deleted ones.
    pub documents: Vec<Document>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<String>,
}

/// How long a home lives after a renewal, in milliseconds of the database's clock.
pub const LEASE_MS: u64 = 10_000;

/// Another connection to the documents, which are kept beside the accounts.
///
/// # Errors
/// The database cannot be reached now.
pub fn connect(stores: &Stores) -> StoreResult<Box<dyn DocumentStore>> {
    Ok(Box::new(SqlDocuments::<Connection> { database: stores.connection()?, renewed: None }))
}

/// Documents on an SQL database.
struct SqlDocuments<D> {
    database: D,
    /// Which home was last renewed over this connection, and when.
    renewed: Option<(HomeId, std::time::Instant)>,
}

impl<D: Database> DocumentStore for SqlDocuments<D> {
    fn fetch(
        &mut self,
        home: &HomeId,
        addresses: &[Address],
    ) -> StoreResult<Vec<(Address, Option<Document>)>> {
        self.keep_alive(home)?;
        let mut found = Vec::with_capacity(addresses.len());
        for some in addresses.chunks(homes::MOST_AT_ONCE) {
            found.extend(homes::fetch(&mut self.database, home, some)?);
        }
        Ok(found)
    }

    fn write(&mut self, home: &HomeId, entries: &[Entry]) -> StoreResult<Vec<Lost>> {
        writes::write(&mut self.database, home, entries)
    }

    fn renew(&mut self, home: &HomeId) -> StoreResult<Vec<Address>> {
        self.renewed = None;
        homes::renew(&mut self.database, home)?;
        self.renewed = Some((home.clone(), std::time::Instant::now()));
        homes::unwelcome(&mut self.database, home)
    }

    fn let_go(&mut self, home: &HomeId, addresses: &[Address]) -> StoreResult<()> {
        homes::let_go(&mut self.database, home, addresses)
    }

    fn retire(&mut self, home: &HomeId) -> StoreResult<()> {
        self.renewed = None;
        homes::retire(&mut self.database, home)
    }

    fn read(&mut self, addresses: &[Address]) -> StoreResult<Vec<Document>> {
        let mut found = Vec::with_capacity(addresses.len());
        for some in addresses.chunks(homes::MOST_AT_ONCE) {
            let mut documents = homes::read(&mut self.database, some)?;
            let document = |address: &Address| {
                documents.remove(address).unwrap_or_else(|| Document::absent(address.clone()))
            };
            found.extend(some.iter().map(document));
        }
        Ok(found)
    }

    fn list(&mut self, query: &ListQuery) -> StoreResult<Page> {
        doors::list(&mut self.database, query)
    }

    fn owned(&mut self, owner: &str, after: Option<&Address>, limit: usize) -> StoreResult<Page> {
        doors::owned(&mut self.database, owner, after, limit)
    }

    fn scan(&mut self, after: Option<&Address>, limit: usize) -> StoreResult<Vec<Document>> {
        doors::scan(&mut self.database, after, limit)
    }

    fn entries(&mut self, account: &Address, before: u64, limit: usize) -> StoreResult<Vec<LedgerEntry>> {
        ledgers::of_account(&mut self.database, account, before, limit)
    }

    fn owned_entries(
        &mut self,
        owner: &str,
        after: Option<(&Address, u64)>,
        limit: usize,
    ) -> StoreResult<Vec<(Address, LedgerEntry)>> {
        ledgers::owned(&mut self.database, owner, after, limit)
    }

    fn scan_entries(
        &mut self,
        after: Option<(&Address, u64)>,
        limit: usize,
    ) -> StoreResult<Vec<(Address, LedgerEntry)>> {
        ledgers::scan(&mut self.database, after, limit)
    }

    fn take_in_entries(&mut self, entries: &[(Address, LedgerEntry)]) -> StoreResult<usize> {
        ledgers::take_in(&mut self.database, entries)
    }

    fn erase_owner(&mut self, owner: &str, now_ms: u64) -> StoreResult<u64> {
        self.database.write(|transaction| erasing::erase_documents(transaction, owner, now_ms))
    }

    fn erased(&mut self, owners: &[&str]) -> StoreResult<Vec<String>> {
        doors::erased(&mut self.database, owners)
    }

    fn purge(&mut self, deleted_before_ms: u64) -> StoreResult<()> {
        homes::purge(&mut self.database, deleted_before_ms)
    }
}

impl<D: Database> SqlDocuments<D> {
    /// Whoever takes a document must live, or the next one takes it away at once.
    fn keep_alive(&mut self, home: &HomeId) -> StoreResult<()> {
        const FRESH: std::time::Duration = std::time::Duration::from_millis(LEASE_MS / 4);
        let is_fresh = |(renewed, at): &(HomeId, std::time::Instant)| renewed == home && at.elapsed() < FRESH;
        if self.renewed.as_ref().is_some_and(is_fresh) {
            return Ok(());
        }
        homes::renew(&mut self.database, home)?;
        self.renewed = Some((home.clone(), std::time::Instant::now()));
        Ok(())
    }
}
