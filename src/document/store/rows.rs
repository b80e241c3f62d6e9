//! Rows of the table of documents.

use crate::account::records::StoreResult;
use crate::account::store::sql::{Row, Value, broken};
use crate::document::{Address, Document};

/// An address of which a row tells.
pub(super) fn address(row: &mut Row) -> StoreResult<Address> {
    let (collection, key) = (row.text()?, row.text()?);
    Address::new(&collection, &key).map_err(|error| broken(&format!("a document named {key:?}: {error}")))
}

/// The document at an address: of `version, owner, schema_version, value, updated_at_ms, recent_keys`, all NULL where there is none.
pub(super) fn document(address: Address, mut row: Row) -> StoreResult<Document> {
    let Some(version) = row.optional_number()? else { return Ok(Document::absent(address)) };
    Ok(Document {
        address,
        version,
        owner: row.optional_text()?.map(Into::into),
        schema: u32::try_from(row.number()?).map_err(|_| broken("a document's schema is too high"))?,
        value: row.optional_text()?.map(Into::into),
        updated_at_ms: row.number()?,
        recent_keys: row.optional_text()?.map(Into::into),
    })
}

/// The types of a document's columns.
pub(super) const DOCUMENT: &[&str] = &["TEXT", "TEXT", "BIGINT", "TEXT", "BIGINT", "TEXT", "BIGINT", "TEXT"];

/// A document as a row of a list.
pub(super) fn document_row(document: &Document) -> [Value; 8] {
    [
        document.address.collection().into(),
        document.address.key().into(),
        document.version.into(),
        document.owner.as_deref().into(),
        u64::from(document.schema).into(),
        document.value.as_deref().into(),
        document.updated_at_ms.into(),
        document.recent_keys.as_deref().into(),
    ]
}
