//! The state file's tables, and how to tell a state file from others before anything is written to it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::refusal::Problem;

/// Marks a file as ours (`PRAGMA application_id`): the letters `Gdst`.
const APPLICATION_ID: i64 = 0x4764_7374;
/// What `PRAGMA user_version` holds.
const VERSION: i64 = 3;
/// The first version; [`upgrade`] adds what it lacks.
const FIRST_VERSION: i64 = 1;
/// - `entries`: the store's keys, in the form of `format`
/// - `rooms`: each room's place in its history, and its latest events as `history` has them; rows only after a stop in good order, as after any other the events of the
///   last moments may have been sent and not been counted
/// - `members`: who is connected to which room, and so has to be taken out of it if the process ends without a word
/// - `inputs`: the last numbered input of each user in each room that ran
const TABLES: &str = "
    CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE rooms (room TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, used_at_ms INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    CREATE TABLE members (room TEXT, user_id TEXT, username TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (room, user_id))
        STRICT, WITHOUT ROWID;
";

const INPUTS: &str = "
    CREATE TABLE inputs (room TEXT, user_id TEXT, n INTEGER NOT NULL, used_at_ms INTEGER NOT NULL, PRIMARY KEY (room, user_id))
        STRICT, WITHOUT ROWID;
";

const HISTORY: &str = r#"
    ALTER TABLE rooms ADD COLUMN history TEXT NOT NULL DEFAULT '{"after":0,"runs":[]}';
"#;

/// SQLite's file header: <https://www.sqlite.org/fileformat2.html#the_database_header>.
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// Makes an empty state file if nothing is there. It appears under its name only when it is complete.
pub(super) fn create_if_missing(path: &Path) -> Result<(), Problem> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found.map(|_| ()).map_err(Problem::Io),
    }
    let draft = side_file(path, &format!(".{}.new", std::process::id()));
    let made = create(&draft).and_then(|()| publish(&draft, path).map_err(Problem::Io));
    // It may not have come to be.
    let _ = fs::remove_file(&draft);
    made
}

fn create(path: &Path) -> Result<(), Problem> {
    // The game's data is nobody else's; SQLite gives its side files the same mode.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Nobody sees the draft before it is complete and synced, so SQLite's own syncs would only cost time.
    connection.execute_batch(&format!(
        "PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
         BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {TABLES} {INPUTS} {HISTORY} COMMIT;"
    ))?;
    connection.close().map_err(|(_, error)| Problem::from(error))?;
    Ok(File::open(path)?.sync_all()?)
}

/// Gives the draft its name, unless another process was faster: then its file is the one.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Some file systems know no links.
        Err(_) => fs::rename(draft, path),
        Ok(()) => Ok(()),
    }
}

/// Reads from the file's first bytes whether it can be ours, without SQLite, which might touch it.
pub(super) fn check_header(path: &Path) -> Result<(), Problem> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    if header.is_empty() {
        return Err(Problem::Damaged("it is empty".to_owned()));
    }
    if !header.starts_with(MAGIC) || header.len() < HEADER_BYTES {
        return Err(Problem::Foreign);
    }
    let number = |at: usize| header[at..at + 4].iter().fold(0, |number, byte| number << 8 | i64::from(*byte));
    check_marks(number(APPLICATION_ID_AT), number(USER_VERSION_AT))
}

/// As [`check_header`], with what stands in the write-ahead log.
pub(super) fn check(connection: &Connection) -> Result<(), Problem> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
    check_marks(pragma("application_id")?, pragma("user_version")?)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Problem::Damaged(verdict.replace('\n', " "))) }
}

/// Adds what a file of an older version lacks.
pub(super) fn upgrade(connection: &Connection) -> Result<(), Problem> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = match version {
        VERSION => return Ok(()),
        FIRST_VERSION => [INPUTS, HISTORY].concat(),
        _ => HISTORY.to_owned(),
    };
    connection.execute_batch(&format!("BEGIN; {missing} PRAGMA user_version = {VERSION}; COMMIT;"))?;
    Ok(())
}

fn check_marks(application_id: i64, version: i64) -> Result<(), Problem> {
    match (application_id, version) {
        (APPLICATION_ID, FIRST_VERSION..=VERSION) => Ok(()),
        (APPLICATION_ID, found) if found > VERSION => Err(Problem::Newer { found, known: VERSION }),
        (APPLICATION_ID, found) => Err(Problem::Damaged(format!("there is no schema {found}"))),
        _ => Err(Problem::Foreign),
    }
}

/// A file beside another: its name with an ending.
pub(super) fn side_file(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(ending);
    name.into()
}
