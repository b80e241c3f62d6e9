//! Hot reload: a thread that watches the scripts folder and hands over a whole new set once a burst of saves is over.
//!
//! Half of a script may be a script, too. So a file counts when it has been left alone for a while, and one whose last line has
//! no end, as only half a file should have, when it has been for a longer while.
//!
//! The system's file events make it quick; a look at the folder every second makes it certain, also where such events
//! do not come (network and container mounts) or cease (the folder was removed and made again).

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode};

use super::ScriptSet;
use super::catalog::{self, Change, LoadReport, Problem};
use super::folders::PassedOver;
use super::games;
use super::library;
use crate::threads;

/// A burst of saves is over when nothing happened for this long.
const QUIET: Duration = Duration::from_millis(50);
/// A burst that does not end is looked at after this long.
const LONGEST_BURST: Duration = Duration::from_millis(500);
/// How often the folder is compared with what was read last.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often a vanished file is waited for, a quiet time each, before it counts as deleted.
const DELETION_LOOKS: usize = 5;
/// How long a file is left alone that is whole, but for the end of its last line.
const LONG_QUIET: Duration = Duration::from_millis(500);

/// The watching thread; ends when dropped.
pub struct Watcher {
    stop: Option<Sender<Infallible>>,
    changed: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Watches a folder, from what was loaded before.
    ///
    /// `on_change` is called on the watching thread whenever the set or the problems differ from the last time: with the
    /// set that serves from now on (the same `Arc` when only the problems changed) and all current problems. Both were
    /// logged by then.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start<F>(dir: &Path, initial: LoadReport, on_change: F) -> io::Result<Self>
    where
        F: Fn(Arc<ScriptSet>, &[Problem]) + Send + 'static,
    {
        let (stop, stopped) = bounded(0);
        let (changed, changes) = bounded(1);
        let watch = Watch {
            dir: dir.to_owned(),
            events: FolderEvents { changed: changed.clone(), attached: None },
            changes,
            stopped,
            seen: None,
            stillness: Stillness::default(),
            set: initial.set,
            problems: initial.problems,
            passed_over: PassedOver::default(),
            on_change,
        };
        let thread = threads::lasting("script-watch").spawn(move || {
            // Ends by its stop channel; what the outcome type carries is only the way out of nested waits.
            let _ = watch.run();
        })?;
        Ok(Self { stop: Some(stop), changed, thread: Some(thread) })
    }

    /// What has the folder read anew, whether or not anything in it seems to have changed.
    pub fn rereader(&self) -> impl Fn() + Send + 'static {
        let changed = self.changed.clone();
        // A full channel already says so.
        move || _ = changed.try_send(())
    }

    /// Ends the thread and waits for it.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("script watcher panicked");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}

/// The way out of the watching thread.
struct Stop;

struct Watch<F> {
    dir: PathBuf,
    events: FolderEvents,
    changes: Receiver<()>,
    stopped: Receiver<Infallible>,
    /// What the folder looked like just before it was read last.
    seen: Option<Fingerprint>,
    /// Of files that may be half written.
    stillness: Stillness,
    set: Arc<ScriptSet>,
    problems: Vec<Problem>,
    passed_over: PassedOver,
    on_change: F,
}

impl<F: Fn(Arc<ScriptSet>, &[Problem])> Watch<F> {
    fn run(mut self) -> Result<Infallible, Stop> {
        loop {
            self.events.attach(&self.dir);
            let has_held = self.reload()?;
            if !has_held {
                self.wait_for_change()?;
            }
            self.wait_for_quiet()?;
        }
    }

    fn wait_for_change(&self) -> Result<(), Stop> {
        loop {
            if self.wait(LOOK_INTERVAL)? || Fingerprint::take(&self.dir) != self.seen {
                return Ok(());
            }
        }
    }

    fn wait_for_quiet(&self) -> Result<(), Stop> {
        let end = Instant::now() + LONGEST_BURST;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.wait(QUIET.min(left))? {
                return Ok(());
            }
        }
    }

    /// Waits for an event of the folder; false when none came in time.
    fn wait(&self, timeout: Duration) -> Result<bool, Stop> {
        select! {
            recv(self.stopped) -> _ => Err(Stop),
            recv(self.changes) -> _ => Ok(true),
            default(timeout) => Ok(false),
        }
    }

    /// Returns whether there are files that do not count yet.
    fn reload(&mut self) -> Result<bool, Stop> {
        let mut report = self.load()?;
        let is_held = |problem: &&Problem| report.held.contains(&problem.path);
        let lasting: Vec<Problem> = self.problems.iter().filter(is_held).cloned().collect();
        report.problems.extend(lasting);
        report.problems.sort_by(|one, other| one.path.cmp(&other.path));
        report.log(&self.problems);
        self.passed_over.tell(&self.dir);
        self.stillness.keep_only(&report.held);
        if report.is_unread {
            // Looked at again soon, although nothing of it may change.
            self.seen = None;
        }
        if !Arc::ptr_eq(&report.set, &self.set) || report.problems != self.problems {
            self.set = report.set;
            self.problems = report.problems;
            (self.on_change)(self.set.clone(), &self.problems);
        }
        Ok(!report.held.is_empty())
    }

    /// Loads the folder. Some editors save by deleting a file and writing it anew, so a missing file is looked for again.
    fn load(&mut self) -> Result<LoadReport, Stop> {
        let mut missing: Vec<Box<str>> = Vec::new();
        for look in 1.. {
            self.seen = Fingerprint::take(&self.dir);
            let stillness = &mut self.stillness;
            let is_settled = |path: &Path, text: &[u8]| stillness.of(path) >= quiet_for(text);
            let report = catalog::load_settled(&self.dir, Some(&self.set), is_settled);
            let removed = removed(&report);
            if look == DELETION_LOOKS || removed.iter().all(|name| missing.contains(name)) {
                return Ok(report);
            }
            missing = removed;
            self.sleep(QUIET)?;
        }
        unreachable!("the loop ends at its last look")
    }

    fn sleep(&self, duration: Duration) -> Result<(), Stop> {
        select! {
            recv(self.stopped) -> _ => Err(Stop),
            default(duration) => Ok(()),
        }
    }
}

/// How long a file with that text must have been left alone.
fn quiet_for(text: &[u8]) -> Duration {
    if text.ends_with(b"\n") { QUIET } else { LONG_QUIET }
}

fn removed(report: &LoadReport) -> Vec<Box<str>> {
    let name = |change: &Change| match change {
        Change::Removed(script) => Some(script.full_name.clone()),
        Change::Added(_) | Change::Replaced { .. } => None,
    };
    report.changes.iter().filter_map(name).collect()
}

/// File events of the folder that currently has the watched path.
struct FolderEvents {
    changed: Sender<()>,
    /// The identities of the folders that are watched, and what watches them (none when the system refused).
    attached: Option<(FolderIds, Option<notify::RecommendedWatcher>)>,
}

impl FolderEvents {
    /// Watches the folder, unless it is the one watched already.
    fn attach(&mut self, dir: &Path) {
        let ids = folders(dir).iter().map(|(folder, _)| FolderId::of(folder)).collect::<Option<FolderIds>>();
        if self.attached.as_ref().map(|(attached, _)| attached) == ids.as_ref() {
            return;
        }
        self.attached = ids.map(|ids| (ids, self.watch(dir)));
    }

    fn watch(&self, dir: &Path) -> Option<notify::RecommendedWatcher> {
        let changed = self.changed.clone();
        let folder = dir.to_owned();
        let on_event = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| matters(&event, &folder)) {
                // A full channel already says that something changed.
                let _ = changed.try_send(());
            }
        };
        let watch = || can_start_a_thread().and_then(|()| notify::recommended_watcher(on_event));
        let watcher = watch().and_then(|mut watcher| {
            for (folder, mode) in folders(dir) {
                notify::Watcher::watch(&mut watcher, &folder, mode)?;
            }
            Ok(watcher)
        });
        let warn = |error: &notify::Error| {
            log::warn!(
                "no file events for the scripts folder, looking every second instead dir={dir:?} reason={error}"
            );
        };
        watcher.inspect_err(warn).ok()
    }
}

/// What watches for events starts a thread of its own, and breaks without one.
fn can_start_a_thread() -> notify::Result<()> {
    let thread = threads::passing("script-watch-try").spawn(|| {}).map_err(notify::Error::io)?;
    // It has nothing to panic with.
    let _ = thread.join();
    Ok(())
}

/// Whether an event can mean another set of scripts. Reading the folder causes events too, which must not.
fn matters(event: &notify::Event, dir: &Path) -> bool {
    let is_read = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    };
    let concerns = |path: &PathBuf| catalog::is_script_path(path) || path == dir;
    !is_read && (event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(concerns))
}

/// Those of [`folders`], in order.
type FolderIds = Vec<FolderId>;

/// What is watched for a folder of scripts: itself, its libraries, and the same of each game.
fn folders(dir: &Path) -> Vec<(PathBuf, RecursiveMode)> {
    let mut found = Vec::new();
    for folder in std::iter::once(dir.to_owned()).chain(games::folders(dir)) {
        let libraries = library::folder(&folder).map(|libraries| (libraries, RecursiveMode::Recursive));
        found.push((folder, RecursiveMode::NonRecursive));
        found.extend(libraries);
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct FolderId(u64, u64);

impl FolderId {
    fn of(dir: &Path) -> Option<Self> {
        fs::metadata(dir).ok().map(|found| Self(found.dev(), found.ino()))
    }
}

/// What tells that a folder's scripts may have changed, without reading them.
#[derive(PartialEq, Eq)]
struct Fingerprint {
    folder: FolderId,
    /// Scripts, libraries and the folders of games.
    files: Vec<FileFingerprint>,
}

#[derive(Clone, PartialEq, Eq)]
struct FileFingerprint {
    name: OsString,
    /// Inode, size, and the times of the last change of content and of anything; none when it cannot be looked at.
    looks: Option<(u64, u64, [i64; 4])>,
}

impl Fingerprint {
    fn take(dir: &Path) -> Option<Self> {
        let folder = FolderId::of(dir)?;
        let mut files = catalog::script_files(dir).ok()?;
        files.extend(library::files(dir));
        for game in games::folders(dir) {
            // One that cannot be read now is as one without files, and looked at again when it has some.
            files.extend(catalog::script_files(&game).unwrap_or_default());
            files.extend(library::files(&game));
            files.push(game);
        }
        let files = files.iter().map(|path| FileFingerprint::take(path)).collect();
        Some(Self { folder, files })
    }
}

impl FileFingerprint {
    fn take(path: &Path) -> Self {
        let looks = fs::metadata(path).ok().map(|found| {
            let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
            (found.ino(), found.size(), times)
        });
        Self { name: path.as_os_str().to_owned(), looks }
    }

    /// How long ago anything of it changed, by the system's clock.
    fn age(&self) -> Duration {
        let Some((_, _, [_, _, seconds, nanos])) = self.looks else { return Duration::ZERO };
        let whole = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let changed_at = UNIX_EPOCH + whole + Duration::from_nanos(u64::try_from(nanos).unwrap_or_default());
        SystemTime::now().duration_since(changed_at).unwrap_or_default()
    }
}

/// For how long files have been left alone.
#[derive(Default)]
struct Stillness {
    /// What a file looks like, and when it was first found so.
    known: HashMap<PathBuf, (FileFingerprint, Instant)>,
}

impl Stillness {
    /// By the times that stand on it, and by what was seen of it: the clock of a mounted folder may be another.
    fn of(&mut self, path: &Path) -> Duration {
        let (now, looks) = (Instant::now(), FileFingerprint::take(path));
        let by_its_times = looks.age();
        let known = self.known.entry(path.to_owned()).or_insert_with(|| (looks.clone(), now));
        if known.0 != looks {
            *known = (looks, now);
        }
        by_its_times.max(now.duration_since(known.1))
    }

    fn keep_only(&mut self, paths: &[PathBuf]) {
        self.known.retain(|path, _| paths.contains(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use std::io::Write;

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Fixture {
        dir: tempfile::TempDir,
        changes: Receiver<(Arc<ScriptSet>, Vec<Problem>)>,
        initial: Arc<ScriptSet>,
        watcher: Option<Watcher>,
    }

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().expect("temp folder");
            for (name, text) in files {
                fs::write(dir.path().join(name), text).expect("write");
            }
            let report = catalog::load(dir.path(), None);
            let initial = report.set.clone();
            let (sender, changes) = unbounded();
            let watcher = Watcher::start(dir.path(), report, move |set, problems| {
                // The receiver is gone when the test is over.
                let _ = sender.send((set, problems.to_vec()));
            });
            Self { dir, changes, initial, watcher: Some(watcher.expect("thread")) }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        /// At once: the watcher never finds half of it, however long this thread has to wait for the processor.
        fn write(&self, name: &str, text: &str) {
            let aside = self.path(".aside");
            fs::write(&aside, text).expect("write");
            fs::rename(&aside, self.path(name)).expect("rename");
        }

        fn next(&self) -> (Arc<ScriptSet>, Vec<Problem>) {
            self.changes.recv_timeout(PATIENCE).expect("a change")
        }

        /// Takes changes until one fits; says how many came.
        fn wait_for(&self, fits: impl Fn(&ScriptSet, &[Problem]) -> bool) -> usize {
            let end = Instant::now() + PATIENCE;
            for count in 1.. {
                let left = end.saturating_duration_since(Instant::now());
                let (set, problems) = self.changes.recv_timeout(left).expect("a change that fits");
                if fits(&set, &problems) {
                    return count;
                }
            }
            unreachable!()
        }
    }

    fn text<'a>(set: &'a ScriptSet, name: &str) -> Option<&'a str> {
        set.get(name).map(|script| &*script.text)
    }

    #[test]
    fn a_save_is_picked_up_and_the_rest_stays() {
        let fixture = Fixture::new(&[("a.lua", "return 1"), ("b.lua", "return 1")]);
        fixture.write("a.lua", "return 2");
        let (set, problems) = fixture.next();
        assert_eq!(text(&set, "a"), Some("return 2"));
        assert!(Arc::ptr_eq(set.get("b").expect("b"), fixture.initial.get("b").expect("b")));
        assert_eq!((set.generation, problems.len()), (2, 0));
    }

    #[test]
    fn a_broken_save_keeps_the_last_good_version_until_it_is_mended() {
        let fixture = Fixture::new(&[("a.lua", "return 1")]);
        fixture.write("a.lua", "return (");
        let (set, problems) = fixture.next();
        assert!(Arc::ptr_eq(&set, &fixture.initial));
        assert_eq!((problems.len(), problems[0].line), (1, Some(1)));
        fixture.write("a.lua", "return 3");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "a"), problems.len()), (Some("return 3"), 0));
    }

    #[test]
    fn a_role_is_lowered_only_by_a_line_that_says_so() {
        let fixture =
            Fixture::new(&[("a.lua", "-- ROLE: manager\nreturn 1"), ("b.lua", "-- ROLE: guest\nreturn 1")]);
        fixture.write("a.lua", "-- now faster\nreturn 2");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "a"), problems.len()), (Some("-- ROLE: manager\nreturn 1"), 1));
        assert!(problems[0].message.contains("`-- ROLE: manager` is gone"), "{problems:?}");
        fixture.write("a.lua", "-- ROLE: player\nreturn 2");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "a"), problems.len()), (Some("-- ROLE: player\nreturn 2"), 0));
        // What shuts out more than before does no harm.
        fixture.write("b.lua", "return 2");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "b"), problems.len()), (Some("return 2"), 0));
    }

    #[test]
    fn regression_a_tick_line_that_is_lost_opens_nothing() {
        let fixture = Fixture::new(&[("a.lua", "-- TICK: 100\nreturn 1")]);
        fixture.write("a.lua", "return 2");
        let (set, problems) = fixture.next();
        assert!(set.get_callable("a").is_none());
        assert_eq!((text(&set, "a"), problems.len()), (Some("-- TICK: 100\nreturn 1"), 1));
        assert!(problems[0].message.contains("`-- TICK: 100` is gone"), "{problems:?}");
        for (text, is_callable) in [
            ("-- ROLE: server\nreturn 2", false),
            ("-- TICK: 50\nreturn 2", false),
            ("-- ROLE: player\nreturn 2", true),
        ] {
            fixture.write("a.lua", text);
            let (set, problems) = fixture.next();
            assert_eq!((set.get_callable("a").is_some(), problems.len()), (is_callable, 0), "{text}");
        }
    }

    #[test]
    fn regression_a_script_that_comes_back_is_for_no_more_than_before() {
        for (before, is_named) in [
            ("-- ROLE: manager", "ROLE: manager"),
            ("-- ROLE: server", "ROLE: server"),
            ("-- TICK: 100", "TICK: 100"),
        ] {
            let fixture = Fixture::new(&[("a.lua", before), ("b.lua", "return 1\n")]);
            fs::remove_file(fixture.path("a.lua")).expect("remove");
            fixture.wait_for(|set, _| text(set, "a").is_none());
            // It is remembered for as long as the server runs, whatever else is saved.
            fixture.write("b.lua", "return 2\n");
            fixture.wait_for(|set, _| text(set, "b") == Some("return 2\n"));
            fixture.write("a.lua", "return 1\n");
            let lost = format!("`-- {is_named}` is gone");
            fixture.wait_for(|set, problems| {
                assert_eq!(text(set, "a"), None, "{before}");
                problems.iter().any(|problem| problem.message.contains(&lost))
            });
            fixture.write("a.lua", "-- ROLE: player\n");
            fixture.wait_for(|set, problems| set.get_callable("a").is_some() && problems.is_empty());
            fs::remove_file(fixture.path("a.lua")).expect("remove");
            fixture.wait_for(|set, _| text(set, "a").is_none());
            fixture.write("a.lua", "return 1\n");
            // It was for players when it went.
            fixture.wait_for(|set, _| text(set, "a") == Some("return 1\n"));
        }
    }

    #[test]
    fn a_half_written_file_is_picked_up_when_it_is_complete() {
        let fixture = Fixture::new(&[("a.lua", "return 1")]);
        let mut file = fs::File::create(fixture.path("a.lua")).expect("create");
        file.write_all(b"local sum = 1 +").expect("write");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "a"), problems.len()), (Some("return 1"), 1));
        file.write_all(b" 2\nreturn sum").expect("write");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "a"), problems.len()), (Some("local sum = 1 + 2\nreturn sum"), 0));
    }

    /// How long nothing came before the next change.
    fn waited_for_next(fixture: &Fixture) -> (Duration, Arc<ScriptSet>) {
        let began = Instant::now();
        let (set, _) = fixture.next();
        (began.elapsed(), set)
    }

    #[test]
    fn half_of_a_script_that_is_a_script_does_not_serve() {
        let fixture = Fixture::new(&[("a.lua", "return 1\n")]);
        let mut file = fs::File::create(fixture.path("a.lua")).expect("create");
        file.write_all(b"local n = 2\nif n then return").expect("write");
        for part in [&b" n"[..], b" end", b"\nreturn 3"] {
            std::thread::sleep(QUIET * 4);
            assert!(fixture.changes.try_recv().is_err(), "a part of it serves");
            file.write_all(part).expect("write");
        }
        // By now it is one.
        std::thread::sleep(QUIET * 4);
        assert!(fixture.changes.try_recv().is_err(), "it may go on");
        file.write_all(b"0\n").expect("write");
        let (set, problems) = fixture.next();
        assert_eq!(text(&set, "a"), Some("local n = 2\nif n then return n end\nreturn 30\n"));
        assert!(problems.is_empty());
    }

    #[test]
    fn a_last_line_without_an_end_takes_longer() {
        let fixture = Fixture::new(&[("a.lua", "return 1\n")]);
        fixture.write("a.lua", "return 2");
        let (waited, set) = waited_for_next(&fixture);
        assert_eq!(text(&set, "a"), Some("return 2"));
        assert!(waited >= LONG_QUIET - QUIET, "{waited:?}");
    }

    #[test]
    fn a_file_that_is_written_all_the_time_holds_no_other_up() {
        let fixture = Fixture::new(&[("a.lua", "return 1\n"), ("b.lua", "return 1\n")]);
        let mut file = fs::File::create(fixture.path("a.lua")).expect("create");
        fixture.write("b.lua", "return 2\n");
        let end = Instant::now() + PATIENCE;
        let set = loop {
            file.write_all(b"-- a line\n").expect("write");
            assert!(Instant::now() < end, "nothing comes");
            if let Ok((set, _)) = fixture.changes.recv_timeout(QUIET / 5) {
                break set;
            }
        };
        assert_eq!((text(&set, "a"), text(&set, "b")), (Some("return 1\n"), Some("return 2\n")));
        file.write_all(b"return 3\n").expect("write");
        fixture.wait_for(|set, _| text(set, "a").is_some_and(|text| text.ends_with("return 3\n")));
    }

    #[test]
    fn a_problem_lasts_while_its_file_is_being_mended() {
        let fixture = Fixture::new(&[("a.lua", "return 1\n"), ("b.lua", "return 1\n")]);
        fixture.write("a.lua", "return (\n");
        assert_eq!(fixture.next().1.len(), 1);
        fixture.write("a.lua", "return 2");
        fixture.write("b.lua", "return 2\n");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "b"), problems.len()), (Some("return 2\n"), 1));
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "a"), problems.len()), (Some("return 2"), 0));
    }

    #[test]
    fn saves_by_rename_and_by_backup() {
        let fixture = Fixture::new(&[("a.lua", "return 1")]);
        fixture.write(".a.lua.swp", "return 2");
        fs::rename(fixture.path(".a.lua.swp"), fixture.path("a.lua")).expect("rename");
        fixture.wait_for(|set, _| text(set, "a") == Some("return 2"));
        fs::rename(fixture.path("a.lua"), fixture.path("a.lua~")).expect("rename");
        fixture.write("a.lua", "return 3");
        let (set, problems) = fixture.next();
        assert_eq!((text(&set, "a"), problems.len()), (Some("return 3"), 0));
    }

    #[test]
    fn files_come_and_go() {
        let fixture = Fixture::new(&[("a.lua", "return 1"), ("b.lua", "return 1")]);
        fs::remove_file(fixture.path("a.lua")).expect("remove");
        let (set, _) = fixture.next();
        assert_eq!((text(&set, "a"), set.scripts.len()), (None, 1));
        fixture.write("c.lua", "return 1");
        let (set, _) = fixture.next();
        assert_eq!((text(&set, "c"), set.scripts.len()), (Some("return 1"), 2));
    }

    #[test]
    fn a_hundred_saves_a_second_swap_a_few_times_and_end_at_the_last() {
        let fixture = Fixture::new(&[("a.lua", "return 0")]);
        for n in 1..=100 {
            fixture.write(".a.lua.tmp", &format!("return {n}"));
            fs::rename(fixture.path(".a.lua.tmp"), fixture.path("a.lua")).expect("rename");
            std::thread::sleep(Duration::from_millis(10));
        }
        let swaps =
            fixture.wait_for(|set, problems| text(set, "a") == Some("return 100") && problems.is_empty());
        // A pause in the saves also ends a burst, so a slow machine makes more than one swap in half a second.
        assert!((1..=30).contains(&swaps), "{swaps} swaps");
    }

    #[test]
    fn a_folder_removed_keeps_serving_and_is_found_again() {
        let fixture = Fixture::new(&[("a.lua", "return 1")]);
        let parked = tempfile::tempdir().expect("temp folder");
        fs::rename(fixture.dir.path(), parked.path().join("old")).expect("rename");
        let (set, problems) = fixture.next();
        assert!(Arc::ptr_eq(&set, &fixture.initial));
        assert!(problems[0].message.contains("cannot read the scripts folder"), "{problems:?}");
        fs::create_dir(fixture.dir.path()).expect("folder");
        fixture.write("a.lua", "return 2");
        fixture.wait_for(|set, problems| text(set, "a") == Some("return 2") && problems.is_empty());
        fixture.write("a.lua", "return 3");
        fixture.wait_for(|set, _| text(set, "a") == Some("return 3"));
    }

    #[test]
    fn what_is_no_script_changes_nothing() {
        let fixture = Fixture::new(&[("a.lua", "return 1")]);
        fixture.write("notes.txt", "x");
        fixture.write(".a.lua", "return 2");
        fixture.write("a.lua", "return 1");
        fixture.write("z.lua", "return 1");
        let (set, problems) = fixture.next();
        assert_eq!((set.scripts.len(), set.generation, problems.len()), (2, 2, 0));
        assert!(Arc::ptr_eq(set.get("a").expect("a"), fixture.initial.get("a").expect("a")));
    }

    #[test]
    fn stopping_ends_the_thread() {
        let mut fixture = Fixture::new(&[("a.lua", "return 1")]);
        fixture.watcher.take().expect("running").stop();
        fixture.write("a.lua", "return 2");
        assert!(fixture.changes.recv_timeout(PATIENCE).is_err_and(|error| error.is_disconnected()));
    }
}
