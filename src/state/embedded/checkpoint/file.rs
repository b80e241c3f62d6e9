//! The open state file: read once, then written a checkpoint at a time. No threads here.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use smol_str::SmolStr;

use super::changes::{Checkpoint, InputChanges, Member};
use super::format;
use super::history;
use super::refusal::{Problem, StateFileError};
use super::schema;
use crate::state::Position;
use crate::state::embedded::events::RoomPosition;
use crate::state::embedded::numbered::LastRun;
use crate::wire::ids::{Identity, Role, RoomId};
use godra_engine::keyspace::Keyspace;

/// How long to wait for a process that is just ending.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// What the write-ahead log is shortened to after it was larger.
const LOG_BYTES: i64 = 64 << 20;

/// A state file that this process has to itself.
#[derive(Debug)]
pub(crate) struct StateFile {
    connection: Connection,
}

/// What a state file held when it was opened.
#[derive(Debug)]
pub(crate) struct Contents {
    pub keyspace: Keyspace,
    /// The rooms' places in their histories, if the last process stopped in good order.
    pub positions: Vec<RoomPosition>,
    /// Who was connected when the last process ended.
    pub members: Vec<Member>,
    /// Whose numbered inputs have run in which room, and up to which.
    pub inputs: Vec<(RoomId, SmolStr, LastRun)>,
}

impl StateFile {
    /// Opens the file, makes it if there is none, and reads all of it. The store's tables will hash under `seed`.
    ///
    /// # Errors
    /// When the file cannot be used; it is unchanged then.
    pub(crate) fn open(path: &Path, seed: u64) -> Result<(Self, Contents), StateFileError> {
        let refused = |problem| StateFileError { path: path.to_owned(), problem };
        schema::create_if_missing(path).and_then(|()| schema::check_header(path)).map_err(refused)?;
        let log = schema::side_file(path, "-wal");
        let had_log = log.exists();
        Self::open_existing(path, seed).map_err(|problem| {
            // SQLite makes an empty log to read with. When another process has the file, the log is that one's.
            let is_ours = !had_log && !matches!(problem, Problem::Locked);
            if is_ours && fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
                // It does no harm if it stays.
                let _ = fs::remove_file(&log);
            }
            refused(problem)
        })
    }

    fn open_existing(path: &Path, seed: u64) -> Result<(Self, Contents), Problem> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // Until the file is known to be good, closing it must not move anything from the log into it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Locks the file for as long as it is open, and needs no shared memory beside it.
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        schema::check(&connection)?;
        schema::upgrade(&connection)?;
        let contents = Contents {
            keyspace: read_entries(&connection, seed)?,
            positions: read_rooms(&connection)?,
            members: read_members(&connection)?,
            inputs: read_inputs(&connection)?,
        };
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
        // With a write-ahead log only FULL keeps what was written when the power fails.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok((Self { connection }, contents))
    }

    /// Takes the rooms' places out of the file: from now on they change without it.
    ///
    /// # Errors
    /// When the file cannot be written. It still has them then, together with exactly the keys that belong to them.
    pub(crate) fn forget_rooms(&mut self) -> rusqlite::Result<()> {
        self.connection.execute("DELETE FROM rooms", ()).map(|_| ())
    }

    /// Writes a checkpoint, all or nothing.
    ///
    /// # Errors
    /// When it cannot be written; the file then holds what it held before.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_entries(&transaction, checkpoint)?;
        write_members(&transaction, checkpoint)?;
        write_inputs(&transaction, &checkpoint.inputs)?;
        write_rooms(&transaction, checkpoint)?;
        transaction.commit()
    }

    /// Bounds the file's size, as a full disk does.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: i64) {
        self.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }
}

fn write_entries(transaction: &Transaction<'_>, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    if checkpoint.changes.cleared {
        transaction.execute("DELETE FROM entries", ())?;
    }
    let mut put = transaction.prepare_cached(
        "INSERT INTO entries (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?;
    let mut remove = transaction.prepare_cached("DELETE FROM entries WHERE key = ?1")?;
    for (key, value) in checkpoint.entries() {
        match value {
            Some(value) => put.execute(params![key, value])?,
            None => remove.execute([key])?,
        };
    }
    Ok(())
}

fn write_members(transaction: &Transaction<'_>, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let mut enter = transaction.prepare_cached(
        "INSERT OR REPLACE INTO members (room, user_id, username, role) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut leave = transaction.prepare_cached("DELETE FROM members WHERE room = ?1 AND user_id = ?2")?;
    for ((room, user_id), entered) in &checkpoint.members {
        match entered {
            Some(identity) => enter.execute(params![
                room.as_str(),
                user_id.as_str(),
                identity.username.as_str(),
                identity.role.as_str()
            ])?,
            None => leave.execute([room.as_str(), user_id.as_str()])?,
        };
    }
    Ok(())
}

fn write_inputs(transaction: &Transaction<'_>, inputs: &InputChanges) -> rusqlite::Result<()> {
    if inputs.cleared {
        transaction.execute("DELETE FROM inputs", ())?;
    }
    let mut put = transaction.prepare_cached(
        "INSERT OR REPLACE INTO inputs (room, user_id, n, used_at_ms) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut remove = transaction.prepare_cached("DELETE FROM inputs WHERE room = ?1 AND user_id = ?2")?;
    for ((room, user_id), last) in &inputs.last {
        let (room, user_id) = (room.as_str(), user_id.as_str());
        match last {
            Some(LastRun { n, used_at_ms }) => {
                put.execute(params![room, user_id, n.cast_signed(), used_at_ms.cast_signed()])?
            }
            None => remove.execute([room, user_id])?,
        };
    }
    Ok(())
}

fn write_rooms(transaction: &Transaction<'_>, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    // There are some only if they could not be taken out before.
    transaction.execute("DELETE FROM rooms", ())?;
    let mut put = transaction.prepare_cached(
        "INSERT INTO rooms (room, epoch, seq, used_at_ms, history) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for RoomPosition { room, position, used_at_ms, history } in &checkpoint.positions {
        let [epoch, seq, used_at_ms] = [position.epoch, position.seq, *used_at_ms].map(u64::cast_signed);
        put.execute(params![room.as_str(), epoch, seq, used_at_ms, history::encode(history)])?;
    }
    Ok(())
}

fn read_entries(connection: &Connection, seed: u64) -> Result<Keyspace, Problem> {
    let mut keyspace = Keyspace::new(seed);
    let mut select = connection.prepare("SELECT key, value FROM entries")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let blob = |index: usize| {
            let value = row.get_ref(index)?;
            value.as_blob().map_err(|error| Problem::Damaged(error.to_string()))
        };
        let (key, bytes) = (blob(0)?, blob(1)?);
        let (value, expires_at_ms) = format::decode(key, bytes, seed)
            .map_err(|damage| Problem::Damaged(format!("key \"{}\": {damage}", key.escape_ascii())))?;
        keyspace.insert_value(key, value, expires_at_ms);
    }
    Ok(keyspace)
}

fn read_rooms(connection: &Connection) -> Result<Vec<RoomPosition>, Problem> {
    let mut select = connection.prepare("SELECT room, epoch, seq, used_at_ms, history FROM rooms")?;
    let mut rows = select.query(())?;
    let mut positions = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |index: usize| row.get(index).map(i64::cast_unsigned);
        let room = room_id(&row.get::<_, String>(0)?)?;
        let position = Position { epoch: number(1)?, seq: number(2)? };
        let history = history::decode(&row.get::<_, String>(4)?, &room, position.epoch)
            .ok_or_else(|| Problem::Damaged(format!("the history of room {room} makes no sense")))?;
        positions.push(RoomPosition { room, position, used_at_ms: number(3)?, history });
    }
    Ok(positions)
}

fn read_members(connection: &Connection) -> Result<Vec<Member>, Problem> {
    let mut select =
        connection.prepare("SELECT room, user_id, username, role FROM members ORDER BY room, user_id")?;
    let mut rows = select.query(())?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |index: usize| row.get::<_, String>(index);
        let role = text(3)?;
        let identity = Identity {
            user_id: text(1)?.into(),
            username: text(2)?.into(),
            role: Role::parse(&role).ok_or_else(|| Problem::Damaged(format!("there is no role {role:?}")))?,
            expires_at_s: 0,
            login: Default::default(),
        };
        members.push(Member { room: room_id(&text(0)?)?, identity: Arc::new(identity) });
    }
    Ok(members)
}

fn read_inputs(connection: &Connection) -> Result<Vec<(RoomId, SmolStr, LastRun)>, Problem> {
    let mut select = connection.prepare("SELECT room, user_id, n, used_at_ms FROM inputs")?;
    let mut rows = select.query(())?;
    let mut inputs = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |index: usize| row.get::<_, String>(index);
        let number = |index: usize| row.get(index).map(i64::cast_unsigned);
        let last = LastRun { n: number(2)?, used_at_ms: number(3)? };
        inputs.push((room_id(&text(0)?)?, text(1)?.into(), last));
    }
    Ok(inputs)
}

fn room_id(text: &str) -> Result<RoomId, Problem> {
    RoomId::parse(text).ok_or_else(|| Problem::Damaged(format!("{text:?} cannot be a room")))
}
