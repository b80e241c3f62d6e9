//! What is asked of the operating system beyond the standard library: each call takes and gives types that cannot be
//! misused, so that only this page needs `unsafe`.

#![allow(unsafe_code, reason = "the C library is called here, and nowhere else outside the embedded store")]

pub(crate) mod given_path;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libc::{ECHO, RLIMIT_NOFILE, STDIN_FILENO, TCSAFLUSH, rlimit, termios};

/// Raises the soft limit of open files to the hard limit, and returns what holds now; none where it cannot be known.
pub(crate) fn raise_open_files_limit() -> Option<u64> {
    let mut limit = open_files_limit()?;
    let wanted = rlimit { rlim_cur: limit.rlim_max, ..limit };
    if limit.rlim_cur < limit.rlim_max {
        // SAFETY: `wanted` is a valid `rlimit` that lives through the call; the kernel only reads it.
        let result = unsafe { libc::setrlimit(RLIMIT_NOFILE, &raw const wanted) };
        if result == 0 {
            limit = wanted;
        }
    }
    Some(limit.rlim_cur)
}

fn open_files_limit() -> Option<rlimit> {
    let mut limit = rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid `rlimit` that lives through the call; the kernel only writes to it.
    let result = unsafe { libc::getrlimit(RLIMIT_NOFILE, &raw mut limit) };
    (result == 0).then_some(limit)
}

/// Lets other threads go before the calling one: one of usual priority on the same core gets nine tenths of it. Does
/// nothing where priorities belong to processes.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes numbers only. On Linux 0 is the calling thread, not its process (setpriority(2), notes).
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) } != 0 {
        let (thread, error) = (std::thread::current(), io::Error::last_os_error());
        log::debug!("a thread keeps its priority thread={:?} error={error}", thread.name());
    }
}

/// Processor time of the calling thread since it began (clock_gettime(2)).
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid `timespec` that lives through the call; the kernel only writes to it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(result, 0, "Linux has this clock since 2.6.12");
    // Neither part is negative: it counts from 0.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How the terminal at standard input behaves.
#[derive(Clone, Copy)]
pub(crate) struct TerminalSettings(termios);

impl TerminalSettings {
    /// Reads them.
    ///
    /// # Errors
    /// Standard input is no terminal.
    pub(crate) fn read() -> io::Result<Self> {
        let mut settings = std::mem::MaybeUninit::<termios>::uninit();
        // SAFETY: the pointer is to a termios of ours, which the call fills when it succeeds.
        if unsafe { libc::tcgetattr(STDIN_FILENO, settings.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded.
        Ok(Self(unsafe { settings.assume_init() }))
    }

    /// The same, but what is typed is not shown.
    pub(crate) fn without_echo(mut self) -> Self {
        self.0.c_lflag &= !ECHO;
        self
    }

    /// Has the terminal behave so, and forgets what was typed before.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn apply(&self) -> io::Result<()> {
        // SAFETY: the pointer is to a termios that the call only reads.
        match unsafe { libc::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw const self.0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The process's memory in RAM; none where it cannot be known.
pub(crate) fn resident_bytes() -> Option<u64> {
    // Fields in pages: size, resident, …
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: the call takes and gives numbers only.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page_bytes).ok()?)
}

/// The memory that this process may have: the machine's, or less if its cgroup (or one above it) allows less; none where it cannot
/// be known.
pub(crate) fn memory_bytes() -> Option<u64> {
    let machine = machine_bytes(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = cgroup_limit_files(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok());
    // Without a limit it is "max", or in version 1 a number larger than any machine.
    Some(limits.filter_map(|limit| limit.trim().parse().ok()).fold(machine, u64::min))
}

fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Where the limits of a process's groups may stand, by its `/proc/self/cgroup` (cgroups(7)). Within a container the path is often
/// that of the host, and the limit stands at the root.
fn cgroup_limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let ancestors = Path::new(path.trim_start_matches('/')).ancestors();
        files.extend(ancestors.map(|group| Path::new(root).join(group).join(name)));
    }
    files
}

/// Whether [`trim_heap`] does anything here.
pub(crate) const CAN_TRIM_HEAP: bool = cfg!(all(target_os = "linux", target_env = "gnu"));

/// Gives the pages of the heap that hold nothing back to the kernel. Other C libraries than glibc do so by themselves.
pub(crate) fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call takes a number only, and locks what it works on.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_limit() {
        let raised = raise_open_files_limit().unwrap();
        let limit = open_files_limit().unwrap();
        assert_eq!((raised, limit.rlim_cur), (limit.rlim_max, limit.rlim_max));
    }

    #[test]
    fn a_cgroup_and_those_above_it_have_limits() {
        let files = |groups: &str| -> Vec<String> {
            cgroup_limit_files(groups).iter().map(|file| file.display().to_string()).collect()
        };
        assert_eq!(
            files("0::/a.slice/b.service\n"),
            [
                "/sys/fs/cgroup/a.slice/b.service/memory.max",
                "/sys/fs/cgroup/a.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            files("9:cpu,cpuacct:/x\n4:memory:/x\n"),
            ["/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
        assert_eq!(files("nonsense\n0::"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(machine_bytes("MemFree: 1 kB\nMemTotal:       16314840 kB\n"), Some(16_314_840 * 1024));
        assert!(memory_bytes().is_some_and(|bytes| bytes > 64 << 20));
    }

    #[test]
    fn memory_is_counted_in_bytes() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        // Other tests take and give back memory meanwhile.
        let ratio = resident_bytes().unwrap() as f64 / (kibibytes * 1024) as f64;
        assert!((0.25..4.0).contains(&ratio), "{ratio}");
    }
}
