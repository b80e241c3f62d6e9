//! The state file: values, histories, and whole files of which some bytes are others than were written. Damage is told, never
//! survived by halves: what is read can be written and read again.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use super::changes::{Checkpoint, InputChanges, MemberChanges};
use super::file::{Contents, StateFile};
use super::{format, history};
use crate::state::{KeptEvents, superseded};
use crate::wire::ids::RoomId;
use godra_engine::keyspace::Context;
use godra_engine::reply::ReplyBuffer;

/// The first byte says what the rest is.
pub(crate) fn check(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind {
        b'v' => check_value(rest),
        b'h' => check_history(rest),
        b'f' => check_file(rest),
        _ => {}
    }
}

/// A value whose checksum is right.
fn check_value(data: &[u8]) {
    let key = b"key";
    assert!(data.len() < 4 || format::decode(b"another", data, 1).is_err());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(data);
    let bytes = [data, &hasher.finalize().to_le_bytes()].concat();
    let Ok((value, end)) = format::decode(key, &bytes, 1) else { return };
    let mut written = Vec::new();
    format::encode(key, &value, end, &mut written);
    let (again, _) = format::decode(key, &written, 2).expect("what was written is read");
    let mut rewritten = Vec::new();
    format::encode(key, &again, end, &mut rewritten);
    assert_eq!(rewritten, written);
}

fn check_history(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let room = RoomId::parse("r").expect("a valid id");
    let Some(kept) = history::decode(text, &room, 3) else { return };
    check_events(&kept);
    let again = history::decode(&history::encode(&kept), &room, 3).expect("what was written is read");
    assert_eq!(format!("{again:?}"), format!("{kept:?}"));
}

/// What is done with a history when a player comes back.
fn check_events(kept: &KeptEvents) {
    let runs: Vec<_> = kept.runs.iter().map(|(_, run)| run.clone()).collect();
    for run in &runs {
        for seq in run.first_seq..=run.last_seq() {
            _ = run.event(seq);
        }
        _ = (run.bytes(), run.audiences().count());
    }
    _ = superseded(&runs);
}

/// A file as SQLite has made it, with values of all kinds.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = scratch("base");
    let (mut file, mut contents) = StateFile::open(&path, 1).expect("a new file");
    contents.keyspace.track_changes(true);
    let commands =
        ["SET s text", "HSET h a 1 b 2", "RPUSH l x y z", "SADD t m n", "ZADD z 1 one 2 two", "EXPIRE s 100"];
    let context = Context { now_ms: 1000, from_script: false };
    for command in commands {
        let arguments: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        contents.keyspace.execute(&arguments, &context, &mut ReplyBuffer::default());
    }
    let no_inputs = InputChanges::default();
    let checkpoint = Checkpoint::take(&mut contents.keyspace, MemberChanges::new(), no_inputs, Vec::new());
    file.write(&checkpoint).expect("a checkpoint");
    drop(file);
    fs::read(&path).expect("the file is there")
});

/// Each four bytes say what stands where in the file: a place, of 24 bits, and a byte. Three more say where it ends.
fn check_file(data: &[u8]) {
    let mut bytes = FILE.clone();
    let mut patches = data.chunks_exact(4);
    for patch in &mut patches {
        let at = usize::from(patch[0]) << 16 | usize::from(patch[1]) << 8 | usize::from(patch[2]);
        let len = bytes.len();
        bytes[at % len] = patch[3];
    }
    if let [high, middle, low] = patches.remainder() {
        bytes.truncate(usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low));
    }
    let path = scratch("damaged");
    fs::write(&path, &bytes).expect("a file for tests");
    match StateFile::open(&path, 1) {
        Ok((mut file, contents)) => {
            check_contents(&contents);
            // SQLite may notice only now, and says so.
            _ = file.forget_rooms();
        }
        Err(refused) => {
            assert!(!refused.to_string().contains('\n'), "{refused}");
            assert!(
                bytes.is_empty() || fs::read(&path).expect("it is still there") == bytes,
                "it was changed"
            );
        }
    }
}

fn check_contents(contents: &Contents) {
    for (key, value, end) in contents.keyspace.iterate() {
        format::encode(key, value, end, &mut Vec::new());
    }
    contents.positions.iter().for_each(|place| check_events(&place.history));
}

/// A file of this thread, which nothing is left of.
fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("godra-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for tests");
    let path = folder.join(format!("{name}.db"));
    for ending in ["", "-wal", "-shm", "-journal"] {
        _ = fs::remove_file(folder.join(format!("{name}.db{ending}")));
    }
    path
}
