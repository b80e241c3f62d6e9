//! The erasure log: who was erased, in a file beside the database, so that an older copy of the database that is put in its place
//! does not bring them back. A line for each, `TIME ID`: milliseconds since the Unix epoch, and an account's number or a guest's id.
//!
//! The file is only ever appended to, by any number of processes of one machine. Nothing here knows the database.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::token::is_user_id;

/// Most bytes of a line, its end included: two numbers of 64 bits, or a number and a guest's id, are shorter.
const MAX_LINE_BYTES: usize = 256;

/// A user who was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// An account's number, or a guest's id.
    pub user_id: String,
}

/// The file, to be appended to.
#[derive(Debug)]
pub struct ErasureLog {
    path: PathBuf,
}

/// Why the file cannot be used: one line that names it.
#[derive(Debug, PartialEq, Eq)]
pub struct ErasureLogError(String);

impl fmt::Display for ErasureLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ErasureLogError {}

impl ErasureLog {
    /// Reads the file, which is made if there is none, and sees to it that it can be written.
    ///
    /// # Errors
    /// It cannot be read or written, or a line is none of an erasure log.
    pub fn open(path: &Path) -> Result<(Self, Vec<Erasure>), ErasureLogError> {
        let fails = |what: &str, error: &io::Error| {
            ErasureLogError(format!("cannot {what} the erasure log {}: {error}", path.display()))
        };
        let is_new = !path.exists();
        let options = OpenOptions::new().read(true).append(true).create(true).to_owned();
        let mut file = options.open(path).map_err(|error| fails("open", &error))?;
        if is_new {
            log::warn!("made a new erasure log, as there was none file={}", path.display());
            sync_folder_of(path).map_err(|error| fails("keep", &error))?;
        }
        let mut bytes = Vec::new();
        // Another process may be in the midst of a line.
        file.lock_shared()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(|error| fails("read", &error))?;
        let erasures = parse(&bytes)
            .map_err(|problem| ErasureLogError(format!("the erasure log {}: {problem}", path.display())))?;
        Ok((Self { path: path.to_owned() }, erasures))
    }

    /// Writes down who is erased, and waits until the disk has it.
    ///
    /// # Errors
    /// It is not written down. The file is as it was, unless it cannot be written at all.
    pub fn append(&self, at_ms: u64, user_ids: &[&str]) -> Result<(), ErasureLogError> {
        let lines: String = user_ids.iter().map(|user_id| format!("{at_ms} {user_id}\n")).collect();
        self.write(&lines).map_err(|error| {
            ErasureLogError(format!("cannot write the erasure log {}: {error}", self.path.display()))
        })
    }

    fn write(&self, lines: &str) -> io::Result<()> {
        // Opened each time: a file that was moved away is not one that the next start reads.
        let mut file = OpenOptions::new().read(true).append(true).open(&self.path)?;
        file.lock()?;
        let end = file.seek(SeekFrom::End(0))?;
        if !ends_with_line(&mut file, end)? {
            return Err(io::Error::other("its last line is torn; start the server to read more of it"));
        }
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // What is there of a line would be taken for a torn one.
            file.set_len(end)?;
        }
        written
    }
}

fn ends_with_line(file: &mut File, end: u64) -> io::Result<bool> {
    if end == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(end - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// A new file is there after a crash, too, only if its folder is written.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn parse(bytes: &[u8]) -> Result<Vec<Erasure>, String> {
    let mut erasures = Vec::new();
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let shown = || String::from_utf8_lossy(&line[..line.len().min(MAX_LINE_BYTES)]).trim_end().to_owned();
        let Some(whole) = line.strip_suffix(b"\n") else {
            return Err(format!(
                "line {number}, the last one, is torn: {:?}. The crash that tore it came before the erasure was answered: remove \
                 what is there of the line, start again, and erase that user again if it is still there",
                shown()
            ));
        };
        let erasure = std::str::from_utf8(whole).ok().and_then(parse_line).ok_or_else(|| {
            format!(
                "line {number} is {:?}: expected the time in milliseconds since 1970, a space, and the number of an account or the \
                 id of a guest",
                shown()
            )
        })?;
        erasures.push(erasure);
    }
    Ok(erasures)
}

fn parse_line(line: &str) -> Option<Erasure> {
    let (at_ms, user_id) = line.split_once(' ')?;
    let user_id = Some(user_id).filter(|user_id| is_user_id(user_id))?;
    Some(Erasure { at_ms: at_ms.parse().ok()?, user_id: user_id.to_owned() })
}

#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/targets/erasure_log.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_appended_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erased.log");
        let (log, erased) = ErasureLog::open(&path).unwrap();
        assert_eq!(erased, []);
        log.append(5, &["42"]).unwrap();
        log.append(7, &["43", "guest:AbC"]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "5 42\n7 43\n7 guest:AbC\n");
        let erasure = |at_ms, user_id: &str| Erasure { at_ms, user_id: user_id.to_owned() };
        let expected = [erasure(5, "42"), erasure(7, "43"), erasure(7, "guest:AbC")];
        assert_eq!(ErasureLog::open(&path).unwrap().1, expected);
        fs::remove_file(&path).unwrap();
        let gone = log.append(8, &["44"]).unwrap_err().to_string();
        assert!(gone.contains("cannot write the erasure log") && gone.contains("erased.log"), "{gone}");
        assert!(!path.exists(), "nothing is written where nobody looks");
    }

    #[test]
    fn what_is_no_log_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erased.log");
        let check = |text: &str, words: &str| {
            fs::write(&path, text).unwrap();
            let refused = ErasureLog::open(&path).unwrap_err().to_string();
            assert!(refused.contains(words) && refused.contains("erased.log"), "{text:?}: {refused}");
        };
        check("5 42\n7 4", "line 2, the last one, is torn: \"7 4\"");
        check("5 42\n\n7 43\n", "line 2 is \"\": expected the time");
        check("yesterday 42\n", "line 1 is \"yesterday 42\"");
        check("5 ann\n", "line 1 is \"5 ann\"");
        check("5  42\n", "line 1 is");
        check("42\n", "line 1 is");
        let refused = ErasureLog::open(folder.path()).unwrap_err().to_string();
        assert!(refused.starts_with("cannot open the erasure log"), "{refused}");
        fs::write(&path, "5 42\n7 4").unwrap();
        let torn = ErasureLog { path: path.clone() }.append(8, &["44"]).unwrap_err().to_string();
        assert!(torn.contains("torn"), "{torn}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "5 42\n7 4");
    }
}
