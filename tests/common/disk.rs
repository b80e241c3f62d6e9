//! A disk that can be full.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A file system of its own in a temporary folder, until it is dropped.
pub struct Disk(TempDir);

impl Disk {
    /// Makes a megabyte.
    pub fn mount() -> Self {
        let disk = Self(TempDir::with_prefix("godra-disk-").unwrap());
        let mounted = disk.run("mount", &["-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs"]);
        assert!(
            mounted,
            "a file system cannot be mounted: run the tests as root, or in a container that may mount"
        );
        disk
    }

    /// Where a file of it is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Takes all that is left, to the last byte.
    pub fn fill(&self) {
        let mut filler = fs::File::create(self.file("filler")).unwrap();
        while filler.write(&[1; 4096]).is_ok() {}
        assert!(filler.metadata().unwrap().len() > 0, "it was full before");
    }

    /// Gives back what [`Disk::fill`] took.
    pub fn make_room(&self) {
        fs::remove_file(self.file("filler")).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let ways: [&[&str]; 2] = [&[], &["sudo", "-n"]];
        ways.iter().any(|way| {
            let words: Vec<&str> = way.iter().copied().chain([program]).collect();
            let mut command = Command::new(words[0]);
            let output = command.args(&words[1..]).args(arguments).arg(self.0.path()).output();
            output.is_ok_and(|output| output.status.success())
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file of it open keeps it until then.
        self.run("umount", &["-l"]);
    }
}
