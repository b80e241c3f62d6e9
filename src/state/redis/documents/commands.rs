//! The scripts that look after documents between calls, as commands, and their answers.

use redis::{Cmd, Value};
use rmp::encode::{write_array_len, write_str, write_uint};

use super::program::{ABSENT_KEPT_S, IDLE_S, KEPT_S};
use crate::document::{Address, Document, Entry, HomeId, Save};
use crate::state::documents::{Claim, Departure, Installed};
use crate::wire::ids::RoomId;

/// The store is a home anew if no node was there for so long: the database has given others what it had.
const LEFT_ALONE_MS: u64 = 8_000;
/// What was fetched longer ago is fetched again.
const FETCHED_AT_MOST_MS: u64 = 30_000;
/// What one transaction takes of the outbox at most, beside the bounds of all transactions: its entries travel on the connection of
/// the calls.
const MAX_ENTRIES: usize = 200;
const MAX_BYTES: usize = 1 << 20;

fn eval(text: &'static str, own_keys: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(format!("{own_keys}data:"));
    command
}

/// The command that tells as which home the store keeps documents, for [`Hailed::read`]; whether it is the first on its connection.
pub(super) fn hail(own_keys: &str, known: Option<&HomeId>, is_first: bool) -> Cmd {
    let mut command = eval(include_str!("home.lua"), own_keys);
    command.arg(HomeId::random().as_str()).arg(known.map_or("", HomeId::as_str)).arg(LEFT_ALONE_MS);
    command.arg(u8::from(is_first));
    command
}

/// The answer to [`hail`].
pub(super) struct Hailed {
    pub claim: Claim,
    /// Whether the home that the node has known is still to be given up, once what it has saved is written.
    pub is_old: bool,
    /// Whether it would show if the store had been started again.
    pub shows_starts: bool,
}

impl Hailed {
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let Value::Array(parts) = answer else { return None };
        let [home, now_ms, is_old, shows_starts] = &parts[..] else { return None };
        let home = HomeId::parse(&text(home)?)?;
        let claim = Claim { home, at_ms: number(now_ms)? };
        Some(Self { claim, is_old: number(is_old)? == 1, shows_starts: number(shows_starts)? == 1 })
    }
}

/// The command that installs documents; its answer is for [`read_installed`].
pub(super) fn install(own_keys: &str, claim: &Claim, documents: &[Document]) -> Cmd {
    let mut command = eval(include_str!("install.lua"), own_keys);
    command.arg(claim.home.as_str()).arg(claim.at_ms).arg(FETCHED_AT_MOST_MS).arg(KEPT_S).arg(ABSENT_KEPT_S);
    for Document { address, version, owner, schema, value, updated_at_ms, recent_keys } in documents {
        let owner = owner.as_deref().unwrap_or_default();
        command.arg(address.as_str());
        command.arg(format!("{version} {} {schema} {updated_at_ms} {owner}", claim.home));
        command.arg(value.as_deref().unwrap_or_default());
        command.arg(recent_keys.as_deref().unwrap_or_default());
    }
    command
}

/// What became of each; [`Installed::Again`] if the store has not said.
pub(super) fn read_installed(answer: Option<&Value>, addresses: Vec<Address>) -> Vec<(Address, Installed)> {
    let outcome = |number| match number {
        Some(1) => Installed::Done,
        Some(3) => Installed::Full,
        _ => Installed::Again,
    };
    let numbers = numbers(answer);
    let outcomes = numbers.into_iter().chain(std::iter::repeat(None)).map(outcome);
    addresses.into_iter().zip(outcomes).collect()
}

/// The command that takes documents out of the store; its answer is for [`read_gone`].
pub(super) fn let_go(own_keys: &str, addresses: &[Address], why: Departure) -> Cmd {
    let mut command = eval(include_str!("let_go.lua"), own_keys);
    command.arg(u8::from(why == Departure::Wanted)).arg(IDLE_S);
    addresses.iter().for_each(|address| _ = command.arg(address.as_str()));
    command
}

/// Which are out of it.
pub(super) fn read_gone(answer: Option<&Value>, addresses: Vec<Address>) -> Vec<Address> {
    let is_gone = numbers(answer).into_iter().map(|number| number == Some(1));
    addresses.into_iter().zip(is_gone).filter(|(_, is_gone)| *is_gone).map(|(address, _)| address).collect()
}

/// What a batch is answered of which nothing has run: which documents are not in the store.
pub(in super::super) fn read_cold(answer: &Value) -> Option<Vec<Address>> {
    let Value::Array(parts) = answer else { return None };
    let (first, addresses) = parts.split_first()?;
    if *first != Value::BulkString(b"cold".to_vec()) {
        return None;
    }
    addresses.iter().map(|address| Address::parse(&text(address)?).ok()).collect()
}

/// What the node that writes has done since it last said so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Of the data that the entries were in.
    pub tag: Box<str>,
    /// Of the last entry that is written; 0 if none is.
    pub number: u64,
    pub total: u64,
    /// What the entries had: each document with the number of its entry and its version.
    pub saves: Vec<(Address, u64, u64)>,
    /// What the database has refused.
    pub lost: Vec<Address>,
    /// The numbers of the entries that had it.
    pub lost_entries: Vec<u64>,
    /// What it knows to be let go.
    pub gone: Vec<Address>,
    /// Homes that are no homes any more.
    pub given_up: Vec<HomeId>,
}

impl Done {
    /// As one msgpack list.
    fn packed(&self) -> Vec<u8> {
        const FITS: &str = "a vector takes what is written to it";
        let mut out = Vec::with_capacity(64);
        let texts = |out: &mut Vec<u8>, texts: &[&str]| {
            write_array_len(out, texts.len() as u32).expect(FITS);
            texts.iter().for_each(|text| write_str(out, text).expect(FITS));
        };
        let names = |addresses: &'_ [Address]| -> Vec<Box<str>> {
            addresses.iter().map(|address| address.as_str().into()).collect()
        };
        let (lost, gone) = (names(&self.lost), names(&self.gone));
        write_array_len(&mut out, 8).expect(FITS);
        write_str(&mut out, &self.tag).expect(FITS);
        write_uint(&mut out, self.number).expect(FITS);
        write_uint(&mut out, self.total).expect(FITS);
        write_array_len(&mut out, 3 * self.saves.len() as u32).expect(FITS);
        for (address, number, version) in &self.saves {
            write_str(&mut out, address.as_str()).expect(FITS);
            write_uint(&mut out, *number).expect(FITS);
            write_uint(&mut out, *version).expect(FITS);
        }
        texts(&mut out, &lost.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        texts(&mut out, &gone.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        texts(&mut out, &self.given_up.iter().map(HomeId::as_str).collect::<Vec<_>>());
        write_array_len(&mut out, self.lost_entries.len() as u32).expect(FITS);
        self.lost_entries.iter().for_each(|number| _ = write_uint(&mut out, *number).expect(FITS));
        out
    }
}

/// The command that takes the outbox a step further, for [`Out::read`]. The node writes for so long from now on, and takes nothing now
/// if it is `busy`.
pub(super) fn out(own_keys: &str, node: &str, lease_ms: u64, is_busy: bool, done: &Done) -> Cmd {
    let mut command = eval(include_str!("out.lua"), own_keys);
    command.arg(node).arg(lease_ms).arg(if is_busy { 0 } else { MAX_ENTRIES }).arg(MAX_BYTES);
    command.arg(done.packed());
    command
}

/// The answer to [`out`], where this node writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Out {
    pub tag: Box<str>,
    /// How much is in the outbox.
    pub entries: u64,
    pub bytes: u64,
    pub next: Vec<Numbered>,
    /// What is not to be in the store any more, and the database does not know.
    pub leaving: Vec<Address>,
    /// The present home, and those that have nothing more to write.
    pub home: Option<HomeId>,
    pub old: Vec<HomeId>,
}

/// An entry of the outbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub number: u64,
    /// In which it was saved.
    pub home: HomeId,
    /// Bytes of all entries before it, and of this.
    pub total: u64,
    pub entry: Entry,
}

impl Out {
    /// `Ok(None)` if another node writes; an error if the answer makes no sense.
    pub(super) fn read(answer: Value) -> Result<Option<Self>, ()> {
        let Value::Array(parts) = answer else { return Err(()) };
        if parts[..] == [Value::Int(0)] {
            return Ok(None);
        }
        Self::of(parts).map(Some).ok_or(())
    }

    fn of(parts: Vec<Value>) -> Option<Self> {
        let [_, home, tag, entries, bytes, next, leaving, old] = <[Value; 8]>::try_from(parts).ok()?;
        Some(Self {
            home: HomeId::parse(&text(&home)?),
            tag: text(&tag)?.into(),
            entries: number(&entries)?,
            bytes: number(&bytes)?,
            next: list(next)?.into_iter().map(Numbered::read).collect::<Option<_>>()?,
            leaving: list(leaving)?.iter().map(address).collect::<Option<_>>()?,
            old: list(old)?.iter().map(|home| HomeId::parse(&text(home)?)).collect::<Option<_>>()?,
        })
    }
}

impl Numbered {
    fn read(value: Value) -> Option<Self> {
        let mut parts = list(value)?;
        let accounts = if parts.len() > 4 { list(parts.pop()?)? } else { Vec::new() };
        let [own, home, total, saves] = <[Value; 4]>::try_from(parts).ok()?;
        let mut saves: Vec<Save> = list(saves)?.chunks(7).map(read_save).collect::<Option<_>>()?;
        accounts.chunks(3).try_for_each(|account| read_account(account, &mut saves))?;
        let home = HomeId::parse(&text(&home)?)?;
        Some(Self { number: number(&own)?, home, total: number(&total)?, entry: Entry { saves } })
    }
}

fn read_save(parts: &[Value]) -> Option<Save> {
    let [name, base, version, owner, schema, updated, value] = parts else { return None };
    let (owner, value) = (text(owner)?, text(value)?);
    let document = Document {
        address: address(name)?,
        version: number(version)?,
        owner: (!owner.is_empty()).then(|| owner.into()),
        schema: number(schema)?.try_into().ok()?,
        value: (!value.is_empty()).then(|| value.into()),
        updated_at_ms: number(updated)?,
        recent_keys: None,
    };
    Some(Save::of(document, number(base)?))
}

/// The command that asks what is written, for [`Written::read`]: something waits for entries from that number on.
pub(super) fn written(own_keys: &str, lowest: u64) -> Cmd {
    let mut command = eval(include_str!("written.lua"), own_keys);
    command.arg(lowest);
    command
}

/// The answer to [`written`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub tag: Box<str>,
    /// The number of the last entry that is written.
    pub last: u64,
    /// Entries that the database has refused, of those that were asked for.
    pub lost: Vec<u64>,
}

impl Written {
    pub(super) fn read(answer: Value) -> Option<Self> {
        let [tag, last, lost] = <[Value; 3]>::try_from(list(answer)?).ok()?;
        let lost = list(lost)?.iter().map(number).collect::<Option<_>>()?;
        Some(Self { tag: text(&tag)?.into(), last: number(&last)?, lost })
    }
}

/// The command that asks for which entries a room waits, or each room, for [`Rooms::read`].
pub(super) fn rooms(own_keys: &str, room: Option<&RoomId>) -> Cmd {
    let mut command = eval(include_str!("rooms.lua"), own_keys);
    command.arg(room.map(RoomId::as_str));
    command
}

/// The answer to [`rooms`]: those that wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rooms {
    pub tag: Box<str>,
    pub rooms: Vec<(RoomId, u64)>,
}

impl Rooms {
    pub(super) fn read(answer: Value) -> Option<Self> {
        let parts = list(answer)?;
        let (tag, rooms) = parts.split_first()?;
        let room = |pair: &[Value]| match pair {
            [room, entry] => Some((RoomId::parse(&text(room)?)?, number(entry)?)),
            _ => None,
        };
        let rooms = rooms.chunks(2).map(room).collect::<Option<_>>()?;
        Some(Self { tag: text(tag)?.into(), rooms })
    }
}

/// What one of the saves is besides that is of an account of a ledger.
fn read_account(parts: &[Value], saves: &mut [Save]) -> Option<()> {
    let [place, keys, entries] = parts else { return None };
    let save = saves.get_mut(usize::try_from(number(place)?).ok()?.checked_sub(1)?)?;
    save.document.recent_keys = Some(text(keys)?.into());
    save.entries = serde_json::from_str(&text(entries)?).ok()?;
    Some(())
}

fn address(value: &Value) -> Option<Address> {
    Address::parse(&text(value)?).ok()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn numbers(answer: Option<&Value>) -> Vec<Option<u64>> {
    match answer {
        Some(Value::Array(values)) => values.iter().map(number).collect(),
        _ => Vec::new(),
    }
}
