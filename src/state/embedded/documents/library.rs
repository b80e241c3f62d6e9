//! `godra.load`, `godra.save` and `godra.delete`.

use godra_engine::lua::{Answer, Call, Field, Raised};
use godra_engine::reply::Value;

use smol_str::SmolStr;

use super::key;
use super::record::Record;
use crate::document::{Address, Document};
use crate::script::migration;
use crate::state::documents::rules::{self, BadDocument, Form, OUTBOX_FULL, Options, Present};
use crate::state::documents::{Declared, not_hot};
use crate::state::embedded::library::Game;
use crate::wire::ErrorCode;

impl Game {
    /// `godra.load(address)`: the value and its version; nil and 0 if there is none.
    pub(in crate::state::embedded) fn load(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let declared = self.document(call)?;
        let address = &declared.address;
        let known = self.form(address);
        let loaded = with_record(call, address, |record| {
            let Some(value) = record.value else {
                return Ok(Loaded::Value(call.nil().and(call.number(0.0))));
            };
            let form = rules::form(address, record.schema, known);
            if form.map_err(|bad| call.error(format_args!("{bad}")))? == Form::Older {
                return Ok(Loaded::Older(record.to_document(address.clone())));
            }
            let value = call.decoded(value.as_bytes())?.unwrap_or_else(|| call.nil());
            Ok(Loaded::Value(value.and(call.number(record.version as f64))))
        })?;
        match loaded {
            Loaded::Value(answer) => Ok(answer),
            Loaded::Older(document) => {
                let value = bring_up(call, &document, known)?;
                Ok(value.and(call.number(document.version as f64)))
            }
        }
    }

    /// The form of a document that the running script knows.
    fn form(&self, address: &Address) -> u32 {
        self.documents.borrow().form(address.collection())
    }

    /// `godra.save(address, value, {version = n, owner = id, new_owner = id}?)`: the new version.
    pub(in crate::state::embedded) fn save(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let refused = |bad: BadDocument| call.error(format_args!("{bad}"));
        let declared = self.document(call)?;
        if call.is_nil(2) {
            return Err(refused(BadDocument::NoValue));
        }
        let json = {
            let json = call.json(2)?;
            rules::check(&json).map(Box::<str>::from)
        };
        let json = json.map_err(refused)?;
        let options = options(call, 3)?;
        self.write(call, &declared, Some(&json), &options).map(|(version, _)| call.number(version as f64))
    }

    /// `godra.delete(address, {version = n, owner = id}?)`: whether there was one.
    pub(in crate::state::embedded) fn delete(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let declared = self.document(call)?;
        let options = options(call, 2)?;
        self.write(call, &declared, None, &options).map(|(_, was_there)| call.boolean(was_there))
    }

    /// The document that the first argument names.
    pub(super) fn document(&self, call: &Call<'_>) -> Result<Declared, Raised> {
        let name = call.bytes(1)?;
        let documents = self.documents.borrow();
        let found = rules::find(documents.declared(), name).cloned();
        drop(documents);
        found.map_err(|bad| call.error(format_args!("{bad}")))
    }

    /// Gives the new version, and whether there was a value before.
    fn write(
        &self,
        call: &Call<'_>,
        declared: &Declared,
        value: Option<&str>,
        options: &Options,
    ) -> Result<(u64, bool), Raised> {
        let address = &declared.address;
        let caller = self.caller_id();
        let caller = String::from_utf8_lossy(&caller);
        let bytes = address.as_str().len() + value.map_or(0, str::len);
        let schema = self.form(address);
        let (record, base, was_there) = with_record(call, address, |before| {
            let present = before.present();
            let collection = self.scripts().collection(address.collection()).unwrap_or_default();
            let is_plain = rules::is_plain(address, collection.is_ledger, before.recent_keys.is_some());
            is_plain.map_err(|bad| call.error(format_args!("{bad}")))?;
            if present.is_there {
                let form = rules::form(address, before.schema, schema);
                form.map_err(|bad| call.error(format_args!("{bad}")))?;
            }
            check_version(call, address, present, options)?;
            let owner = rules::owner_after(declared, present, &caller, options);
            let owner = owner.map_err(|bad| call.error(format_args!("{bad}")))?;
            let version = before.version + 1;
            let after = Record {
                version,
                schema,
                updated_at_ms: call.now_ms(),
                owner: owner.as_deref(),
                recent_keys: None,
                value,
            };
            Ok((after.encode(), before.version, present.is_there))
        })?;
        if value.is_none() && !was_there {
            return Ok((base, false));
        }
        if !self.documents.borrow().has_room(bytes) {
            return Err(call.refusal(ErrorCode::Unavailable.name(), OUTBOX_FULL));
        }
        self.documents.borrow_mut().changes(address, base);
        call.command(&[b"SET", &key(address), &record]).map(drop)?;
        Ok((base + 1, was_there))
    }
}

/// What was loaded.
enum Loaded {
    /// The value, and its version.
    Value(Answer),
    /// It is to be brought up first, with no hold on the store's reply: scripts run for that.
    Older(Document),
}

/// The value of a document as a script expects it that knows a higher form.
fn bring_up(call: &Call<'_>, document: &Document, known: u32) -> Result<Answer, Raised> {
    let Document { address, schema: found, value, .. } = document;
    let json = value.as_deref().unwrap_or_default();
    let old = call.decoded(json.as_bytes())?.unwrap_or_else(|| call.nil());
    let arguments = old.and(call.number(f64::from(*found))).and(call.text(address.as_str().as_bytes()));
    let brought = call.call_library(&migration::library_of(address.collection()), arguments)?;
    let reason = match brought {
        Ok(_) if call.is_last_nil() => "it gives nil".to_owned(),
        Ok(answer) => return Ok(answer),
        Err(reason) => reason,
    };
    let bad = BadDocument::Unmigrated { address: address.clone(), found: *found, known, reason };
    Err(call.error(format_args!("{bad}")))
}

fn check_version(
    call: &Call<'_>,
    address: &Address,
    present: Present<'_>,
    options: &Options,
) -> Result<(), Raised> {
    match options.version {
        Some(expected) if expected != present.seen_version() => {
            let told = rules::conflict(address, expected, present);
            Err(call.refusal(ErrorCode::Conflict.name(), &told))
        }
        _ => Ok(()),
    }
}

/// Looks at a hot document.
pub(super) fn with_record<T>(
    call: &Call<'_>,
    address: &Address,
    look: impl FnOnce(Record<'_>) -> Result<T, Raised>,
) -> Result<T, Raised> {
    let reply = call.command(&[b"GET", &key(address)])?;
    let record = match reply.values().next() {
        Some(Value::Bulk(bytes)) => Record::decode(bytes),
        _ => None,
    };
    match record {
        Some(record) => look(record),
        None => {
            // A script has removed all keys.
            let gone = not_hot();
            Err(call.refusal(gone.code.as_str(), &gone.message))
        }
    }
}

fn options(call: &Call<'_>, argument: u8) -> Result<Options, Raised> {
    if call.is_nil(argument) {
        return Ok(Options::default());
    }
    let refused = |bad: BadDocument| call.error(format_args!("{bad}"));
    let [version, owner, new_owner] = call.fields(argument, ["version", "owner", "new_owner"])?;
    let version = version.map(|field| field.number.and_then(rules::version).ok_or(BadDocument::Version));
    Ok(Options {
        version: version.transpose().map_err(refused)?,
        owner: option_owner(call, owner, "owner")?,
        new_owner: option_owner(call, new_owner, "new_owner")?,
    })
}

/// A user's id as an option.
pub(super) fn option_owner(
    call: &Call<'_>,
    field: Option<Field>,
    option: &'static str,
) -> Result<Option<SmolStr>, Raised> {
    let id = |field: Field| field.text.and_then(|text| rules::owner(&text));
    let owner = field.map(|field| id(field).ok_or(BadDocument::Owner(option)));
    owner.transpose().map_err(|bad| call.error(format_args!("{bad}")))
}
