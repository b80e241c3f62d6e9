//! The files of a folder: which of them are served, what they look like, and what is in them. Nothing outside of it, nothing hidden.

use std::collections::BTreeMap;
use std::fs::{self, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most bytes of one file.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most bytes of all files.
pub(super) const MAX_BYTES: u64 = 128 << 20;
/// Most files.
pub(super) const MAX_FILES: usize = 1000;
/// Folders in folders.
const MAX_DEPTH: usize = 16;
/// Whatever is found, hidden or not.
const MAX_ENTRIES: usize = 20_000;

/// What a folder has, without what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// By the path of the URL.
    pub files: BTreeMap<String, Look>,
    /// What is not served though it seems to be meant, and why.
    pub passed_over: BTreeMap<PathBuf, &'static str>,
}

/// What tells that a file may have changed, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Where the file is: no link.
    pub path: PathBuf,
    pub bytes: u64,
    /// Inode, and the times of the last change of content and of anything.
    times: (u64, [i64; 4]),
}

impl Survey {
    /// Looks through a folder.
    ///
    /// # Errors
    /// It cannot be read, or has too much.
    pub(super) fn take(dir: &Path) -> Result<Self, String> {
        let root =
            fs::canonicalize(dir).map_err(|error| format!("{} cannot be read: {error}", dir.display()))?;
        let mut walk = Walk { root, entries: 0, bytes: 0, survey: Self::default() };
        walk.folder(&walk.root.clone(), "/", 0)?;
        Ok(walk.survey)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|look| look.bytes).sum()
    }
}

struct Walk {
    root: PathBuf,
    entries: usize,
    bytes: u64,
    survey: Survey,
}

impl Walk {
    /// `url` ends with a slash.
    fn folder(&mut self, dir: &Path, url: &str, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("{} is too deep: allowed are {MAX_DEPTH} folders in folders", dir.display()));
        }
        let unreadable = |error| format!("{} cannot be read: {error}", dir.display());
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(format!("{} has more than {MAX_ENTRIES} entries", self.root.display()));
            }
            let path = entry.path();
            match entry.file_name().to_str() {
                Some(name) if name.starts_with('.') => {}
                Some(name) if is_plain(name) => self.entry(&path, &format!("{url}{name}"), depth)?,
                _ => self.pass_over(path, "its name has characters that no path of a URL should have"),
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, url: &str, depth: usize) -> Result<(), String> {
        // What is gone meanwhile is no file of the folder.
        let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
        if found.is_symlink() {
            return self.link(path, url);
        }
        if found.is_dir() {
            return self.folder(path, &format!("{url}/"), depth + 1);
        }
        self.file(path, url, &found)
    }

    /// A link to a file of the folder serves it under another name: mounts and releases are made of such.
    fn link(&mut self, path: &Path, url: &str) -> Result<(), String> {
        let target = fs::canonicalize(path).and_then(|target| Ok((fs::metadata(&target)?, target)));
        match target {
            Err(_) => self.pass_over(path.to_owned(), "it is a link that leads nowhere"),
            Ok((_, target)) if !target.starts_with(&self.root) => {
                self.pass_over(path.to_owned(), "it is a link that leads out of the folder");
            }
            Ok((found, _)) if found.is_dir() => self.pass_over(path.to_owned(), "it is a link to a folder"),
            Ok((found, target)) => return self.file(&target, url, &found),
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, url: &str, found: &Metadata) -> Result<(), String> {
        if !found.is_file() {
            self.pass_over(path.to_owned(), "it is no file");
            return Ok(());
        }
        let (name, bytes) = (path.display(), found.len());
        self.bytes = self.bytes.saturating_add(bytes);
        if bytes > MAX_FILE_BYTES {
            let most = MAX_FILE_BYTES >> 20;
            return Err(format!("{name} has {bytes} bytes: a public file has at most {most} MiB"));
        }
        let root = self.root.display();
        if self.survey.files.len() >= MAX_FILES {
            return Err(format!("{root} has more than {MAX_FILES} files"));
        }
        if self.bytes > MAX_BYTES {
            return Err(format!("{root} has more than {} MiB in all", MAX_BYTES >> 20));
        }
        self.survey.files.insert(url.to_owned(), Look::of(path, found));
        Ok(())
    }

    fn pass_over(&mut self, path: PathBuf, why: &'static str) {
        self.survey.passed_over.insert(path, why);
    }
}

/// Names that some client or proxy would take for something else are not served.
fn is_plain(name: &str) -> bool {
    !name.chars().any(|c| c.is_control() || matches!(c, '\\' | '/'))
}

impl Look {
    fn of(path: &Path, found: &Metadata) -> Self {
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        Self { path: path.to_owned(), bytes: found.len(), times: (found.ino(), times) }
    }

    /// Reads the file, and nothing that has taken its place meanwhile: no link, no pipe, nothing longer than a file may be.
    ///
    /// # Errors
    /// Says which file cannot be read, and why.
    pub(super) fn read(&self) -> Result<Vec<u8>, String> {
        let unreadable = |error| format!("{} cannot be read: {error}", self.path.display());
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
        let file = options.open(&self.path).map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(format!("{} is no file any more", self.path.display()));
        }
        // So many bytes as it had: one that grows meanwhile is read again when it has been left alone.
        let mut bytes = Vec::with_capacity(usize::try_from(self.bytes).unwrap_or_default());
        file.take(self.bytes).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, *file).unwrap();
        }
        dir
    }

    fn urls(survey: &Survey) -> Vec<&str> {
        survey.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn plain_files_are_found_and_hidden_ones_are_not() {
        let dir = folder_with(&["index.html", "a b/c.js", ".env", ".git/config", "d/.e/f", "g\\h", "i\nj"]);
        let survey = Survey::take(dir.path()).unwrap();
        assert_eq!(urls(&survey), ["/a b/c.js", "/index.html"]);
        assert_eq!(survey.passed_over.len(), 2, "{:?}", survey.passed_over);
        assert_eq!(survey.files["/a b/c.js"].read().unwrap(), b"a b/c.js");
        assert_eq!(survey.bytes(), 18);
    }

    #[test]
    fn links_lead_to_files_of_the_folder_alone() {
        let secret = folder_with(&["secret"]);
        let dir = folder_with(&["..data/real.js", "game/index.html"]);
        let link = |target: &Path, name: &str| symlink(target, dir.path().join(name)).unwrap();
        link(Path::new("..data/real.js"), "good.js");
        link(&secret.path().join("secret"), "file");
        link(secret.path(), "folder");
        link(Path::new("/etc/passwd"), "passwd");
        link(Path::new("../../../../../../etc/passwd"), "dots");
        link(Path::new("nowhere"), "broken");
        link(Path::new("loop"), "loop");
        link(Path::new("."), "self");
        let survey = Survey::take(dir.path()).unwrap();
        assert_eq!(urls(&survey), ["/game/index.html", "/good.js"]);
        assert_eq!(survey.files["/good.js"].read().unwrap(), b"..data/real.js");
        assert_eq!(survey.passed_over.len(), 7, "{:?}", survey.passed_over);
        // The folder itself may be a link.
        let aside = tempfile::tempdir().unwrap();
        symlink(dir.path(), aside.path().join("current")).unwrap();
        assert_eq!(urls(&Survey::take(&aside.path().join("current")).unwrap()), urls(&survey));
    }

    #[test]
    fn what_takes_a_files_place_is_not_read() {
        let dir = folder_with(&["a", "b"]);
        let survey = Survey::take(dir.path()).unwrap();
        fs::remove_file(dir.path().join("a")).unwrap();
        symlink("/etc/passwd", dir.path().join("a")).unwrap();
        assert!(survey.files["/a"].read().is_err());
        fs::write(dir.path().join("b"), "longer than before").unwrap();
        assert_eq!(survey.files["/b"].read().unwrap(), b"l");
    }

    #[test]
    fn what_is_no_file_is_passed_over() {
        let dir = folder_with(&["a"]);
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let survey = Survey::take(dir.path()).unwrap();
        assert_eq!((urls(&survey), survey.passed_over.len()), (vec!["/a"], 1));
    }

    #[test]
    fn bounds() {
        let refused = |dir: &Path| Survey::take(dir).unwrap_err();
        let dir = tempfile::tempdir().unwrap();
        let large = |name: &str, bytes: u64| {
            fs::File::create(dir.path().join(name)).unwrap().set_len(bytes).unwrap();
        };
        large("a", MAX_FILE_BYTES);
        large("b", MAX_BYTES - MAX_FILE_BYTES);
        assert_eq!(Survey::take(dir.path()).unwrap().bytes(), MAX_BYTES);
        large("c", 1);
        assert!(refused(dir.path()).ends_with("has more than 128 MiB in all"));
        large("a", MAX_FILE_BYTES + 1);
        assert!(refused(dir.path()).ends_with("a public file has at most 64 MiB"), "{}", refused(dir.path()));
        let names: Vec<String> = (0..=MAX_FILES).map(|number| number.to_string()).collect();
        let many = folder_with(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(refused(many.path()).ends_with("has more than 1000 files"));
        let deep = folder_with(&["a/".repeat(MAX_DEPTH + 1) + "b"].each_ref().map(String::as_str));
        assert!(refused(deep.path()).contains("is too deep"));
        assert!(refused(Path::new("/no/such/folder")).contains("cannot be read"));
    }
}
