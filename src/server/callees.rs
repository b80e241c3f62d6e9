//! Who does the calls that need a database.

use std::io;
use std::sync::Arc;

use crate::account::service::AccountService;
use crate::account::store::Stores;
use crate::document::doors::DocumentDoors;
use crate::document::{DocumentService, Documents};
use crate::metrics::Metrics;
use crate::session::Rejection;
use crate::session::account::{AccountCall, AccountReply, AccountRequest, Accounts};

/// Accounts and documents, each with threads of its own.
pub(super) struct Callees {
    accounts: Arc<AccountService>,
    documents: DocumentDoors,
}

impl Callees {
    pub(super) fn start(
        accounts: Arc<AccountService>,
        stores: &Stores,
        documents: Arc<dyn Documents>,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        Ok(Self { accounts, documents: DocumentDoors::start(stores, documents, &metrics.documents)? })
    }
}

/// The threads of documents.
pub(super) fn start_documents(stores: &Stores, metrics: &Metrics) -> io::Result<Arc<dyn Documents>> {
    Ok(Arc::new(DocumentService::start(stores, &metrics.documents)?))
}

impl Accounts for Callees {
    fn submit(&self, request: AccountRequest, reply: AccountReply) -> Result<(), Rejection> {
        match request {
            AccountRequest { call: AccountCall::Documents(call), caller: Some(caller), .. } => {
                self.documents.submit(call, &caller, reply)
            }
            request => self.accounts.submit(request, reply),
        }
    }
}
