//! The few system calls that the standard library and mio lack. The only file of the tool with `unsafe`.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Nanoseconds of the machine's monotonic clock, comparable between processes.
pub(crate) fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CPU time that the calling thread has used so far, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time that a whole process has used so far, in nanoseconds; none if the system does not tell.
pub(crate) fn process_cpu_ns(pid: u32) -> Option<u64> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock = 0;
    // SAFETY: `clock` is valid for writes.
    let found = unsafe { libc::clock_getcpuclockid(pid, &mut clock) } == 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writes; a clock whose process is gone is an error, not undefined.
    let read = found && unsafe { libc::clock_gettime(clock, &mut time) } == 0;
    read.then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writes, and both clocks exist on every Linux.
    let failed = unsafe { libc::clock_gettime(clock, &mut time) } != 0;
    assert!(!failed, "clock_gettime: {}", io::Error::last_os_error());
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Raises the soft limit on open files to the hard one and returns it.
pub(crate) fn raise_open_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(limit.rlim_cur)
}

/// Which cores a thread may run on.
#[derive(Clone)]
pub(crate) struct Affinity(libc::cpu_set_t);

impl Affinity {
    pub(crate) fn one(core: usize) -> io::Result<Self> {
        if core >= libc::CPU_SETSIZE as usize {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no core {core}")));
        }
        // SAFETY: `cpu_set_t` is a plain bit set, for which all zeroes is the empty set; `core` is inside it.
        let set = unsafe {
            let mut set: libc::cpu_set_t = mem::zeroed();
            libc::CPU_SET(core, &mut set);
            set
        };
        Ok(Self(set))
    }

    /// What the calling thread has now.
    pub(crate) fn current() -> io::Result<Self> {
        // SAFETY: as in `one`; the call writes at most the size that it is given.
        unsafe {
            let mut set: libc::cpu_set_t = mem::zeroed();
            check(libc::sched_getaffinity(0, mem::size_of_val(&set), &mut set))?;
            Ok(Self(set))
        }
    }

    /// Moves the calling thread there. Threads and processes that it starts from now on begin there too.
    pub(crate) fn apply(&self) -> io::Result<()> {
        // SAFETY: the set is valid for reads of the size given.
        check(unsafe { libc::sched_setaffinity(0, mem::size_of_val(&self.0), &self.0) })
    }
}

/// Lets `connect` choose the port together with the destination, so that one source address serves
/// as many connections to each destination as there are ports.
pub(crate) fn bind_address_without_port(socket: RawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is valid for reads of the size given.
    check(unsafe {
        libc::setsockopt(
            socket,
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    })
}

/// Asks a process to stop (SIGTERM).
pub(crate) fn terminate(pid: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: no memory is involved.
    check(unsafe { libc::kill(pid, libc::SIGTERM) })
}

/// The calling thread runs only when no other wants to.
pub(crate) fn give_way() -> io::Result<()> {
    // SAFETY: no memory is involved. On Linux 0 is the calling thread alone.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) })
}

/// Clock ticks a second, the unit of the CPU times in `/proc/PID/stat`.
pub(crate) fn ticks_per_second() -> u64 {
    // SAFETY: no memory is involved.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64
}

/// Bytes in a page, the unit of `/proc/PID/statm`.
pub(crate) fn page_bytes() -> u64 {
    // SAFETY: no memory is involved.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1) as u64
}

/// A timer that a poll can wait for. epoll's own timeout is in whole milliseconds, too coarse for
/// inputs whose latency is expected below one.
pub(crate) struct Timer(OwnedFd);

impl Timer {
    /// A timer that is not set.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved; the descriptor is ours alone from here on.
        let fd =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        check(fd)?;
        // SAFETY: `fd` was just opened and belongs to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Becomes readable at `at_ns` of the monotonic clock, which replaces what was set before.
    pub(crate) fn set(&self, at_ns: u64) -> io::Result<()> {
        let at = Duration::from_nanos(at_ns.max(1));
        let value = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: at.as_secs() as libc::time_t,
                tv_nsec: libc::c_long::from(at.subsec_nanos()),
            },
        };
        // SAFETY: `value` is valid for reads, and no old value is asked for.
        check(unsafe {
            libc::timerfd_settime(self.0.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &value, std::ptr::null_mut())
        })
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_advance() {
        let (wall, cpu) = (monotonic_ns(), thread_cpu_ns());
        while thread_cpu_ns() < cpu + 1_000_000 {}
        assert!(monotonic_ns() >= wall + 1_000_000);
    }

    #[test]
    fn a_timer_in_the_past_is_ready_at_once() {
        let timer = Timer::new().unwrap();
        let mut poll = mio::Poll::new().unwrap();
        let fd = timer.as_raw_fd();
        let mut source = mio::unix::SourceFd(&fd);
        poll.registry().register(&mut source, mio::Token(7), mio::Interest::READABLE).unwrap();
        timer.set(monotonic_ns()).unwrap();
        let mut events = mio::Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(events.iter().next().map(|event| event.token()), Some(mio::Token(7)));
    }

    #[test]
    fn a_core_out_of_range_is_refused() {
        assert!(Affinity::one(1 << 20).is_err());
        assert!(Affinity::current().unwrap().apply().is_ok());
    }
}
