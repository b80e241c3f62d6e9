//! `godra.ledger`.

use godra_engine::lua::{Answer, Call, Raised};

use super::key;
use super::library::{option_owner, with_record};
use super::record::Record;
use crate::document::ledger::{
    Account, Amounts, Applied, BadChange, Change, MAX_ITEMS, MayBeNegative, whole,
};
use crate::state::documents::rules::{self, BadDocument, OUTBOX_FULL, Options};
use crate::state::embedded::library::Game;
use crate::wire::ErrorCode;

impl Game {
    /// `godra.ledger(account, changes, reason, {key = text, allow_negative = true or names, owner = id}?)`: the balances of what
    /// changes as they are after it, and whether this change was made before.
    pub(in crate::state::embedded) fn ledger(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let refused = |bad: BadDocument| call.error(format_args!("{bad}"));
        let declared = self.document(call)?;
        let address = &declared.address;
        let collection = self.scripts().collection(address.collection()).unwrap_or_default();
        if !collection.is_ledger {
            return Err(refused(BadDocument::NoLedger(address.clone())));
        }
        let (change, options) = change(call)?;
        let caller = self.caller_id();
        let caller = String::from_utf8_lossy(&caller);
        let (applied, owner, base) = with_record(call, address, |before| {
            let owner =
                rules::owner_after(&declared, before.present(), &caller, &options).map_err(refused)?;
            let Record { version, value, recent_keys, .. } = before;
            let applied = change.apply(address, Account { version, value, recent_keys }, call.now_ms());
            Ok((applied.map_err(|bad| bad_change(call, bad))?, owner, version))
        })?;
        let (value, recent_keys, entry) = match applied {
            Applied::Repeated { balances, .. } => return balances_answer(call, &balances, true),
            Applied::Made { value, recent_keys, entry } => (value, recent_keys, entry),
        };
        let bytes = address.as_str().len() + value.len() + recent_keys.len() + entry.bytes();
        if !self.documents.borrow().has_room(bytes) {
            return Err(call.refusal(ErrorCode::Unavailable.name(), OUTBOX_FULL));
        }
        let record = Record {
            version: entry.version,
            // The form of balances is the server's.
            schema: 1,
            updated_at_ms: entry.at_ms,
            owner: owner.as_deref(),
            recent_keys: Some(&recent_keys),
            value: Some(&value),
        };
        self.documents.borrow_mut().changes(address, base);
        call.command(&[b"SET", &key(address), &record.encode()]).map(drop)?;
        let answer = balances_answer(call, &entry.balances, false);
        self.documents.borrow_mut().keeps(address, entry);
        answer
    }
}

fn balances_answer(call: &Call<'_>, balances: &Amounts, is_repeated: bool) -> Result<Answer, Raised> {
    let json = serde_json::to_vec(balances).expect("texts and numbers can be written as JSON");
    let balances = call.decoded(&json)?.unwrap_or_else(|| call.nil());
    Ok(balances.and(call.boolean(is_repeated)))
}

fn bad_change(call: &Call<'_>, bad: BadChange) -> Raised {
    match bad.code() {
        Some(code) => call.refusal(code, &bad.to_string()),
        None => call.error(format_args!("{bad}")),
    }
}

/// What the arguments say.
fn change(call: &Call<'_>) -> Result<(Change, Options), Raised> {
    let not_text = |_| call.error(format_args!("{}", BadDocument::NotText));
    let bad = |bad| bad_change(call, bad);
    // One more than there may be says that there are too many.
    let numbers = call.numbers(2, MAX_ITEMS + 1)?.ok_or_else(|| bad(BadChange::NoChanges))?;
    let mut changes = Amounts::new();
    for (item, number) in numbers {
        let item = String::from_utf8(item.into()).map_err(|_| bad(BadChange::Item))?.into_boxed_str();
        let amount = number.and_then(whole).ok_or_else(|| bad(BadChange::NotWhole(item.clone())))?;
        changes.insert(item, amount);
    }
    let reason = if call.is_nil(3) { "" } else { std::str::from_utf8(call.bytes(3)?).map_err(not_text)? };
    if call.is_nil(4) {
        let change = Change::new(changes, reason, None, MayBeNegative::Nothing).map_err(bad)?;
        return Ok((change, Options::default()));
    }
    let [key, allow_negative, owner] = call.fields(4, ["key", "allow_negative", "owner"])?;
    let key = key.map(|field| field.text.ok_or(BadChange::Key)).transpose().map_err(bad)?;
    let key = key.as_deref().map(std::str::from_utf8).transpose().map_err(|_| bad(BadChange::Key))?;
    let may_be_negative = match allow_negative {
        None => MayBeNegative::Nothing,
        Some(field) if field.boolean == Some(true) => MayBeNegative::Everything,
        Some(field) if field.boolean == Some(false) => MayBeNegative::Nothing,
        Some(field) => {
            let names = field.texts.ok_or_else(|| bad(BadChange::AllowNegative))?;
            let names =
                names.into_iter().map(|name| String::from_utf8(name.into()).map(String::into_boxed_str));
            let names: Result<Vec<Box<str>>, _> = names.collect();
            MayBeNegative::Items(names.map_err(|_| bad(BadChange::AllowNegative))?)
        }
    };
    let change = Change::new(changes, reason, key, may_be_negative).map_err(bad)?;
    Ok((change, Options { owner: option_owner(call, owner, "owner")?, ..Options::default() }))
}
