//! What the machine itself costs: the bare system calls that any server must make for the same traffic.
//!
//! A child process plays the other end on the tester's core; this process sends, receives and accepts on the server's core
//! with nothing around the calls. A server's figures divided by these say how much of its cost is its own.

mod peer;

use crate::sys::{Affinity, monotonic_ns, thread_cpu_ns};
use peer::{Order, Peer, UPGRADE_REQUEST_BYTES};
pub(crate) use peer::{PEER_ARGUMENT, run_peer};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The traffic whose floor is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Sockets to send over in turn.
    pub sockets: usize,
    /// Bytes in a frame that is sent.
    pub frame_bytes: usize,
    pub frames_per_second: f64,
    /// Frames sent in one go, before the next pause.
    pub burst: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// The traffic that it is for.
    pub shape: Shape,
    /// CPU time of one `send` at the pace of the traffic, in microseconds.
    pub send_cpu_us: f64,
    /// Time of one `send` on the clock, in microseconds.
    pub send_wall_us: f64,
    /// CPU time of one `send` without pauses, in microseconds.
    pub send_flat_out_cpu_us: f64,
    /// CPU time of one `recv` of an input, in microseconds.
    pub recv_cpu_us: f64,
    /// CPU time of one accept, one `recv` of an upgrade and one `send` of its answer, in microseconds.
    pub accept_upgrade_cpu_us: f64,
    /// Memory of the kernel for one end of an idle connection, in bytes.
    pub kernel_bytes_per_socket: Option<f64>,
}

const PACED: Duration = Duration::from_secs(3);
/// How long the other end may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);
const FLAT_OUT: Duration = Duration::from_secs(1);
const INPUT_BYTES: usize = 80;
const RECV_ROUNDS: usize = 5;
const UPGRADES: usize = 1_000;
const UPGRADES_AT_ONCE: usize = 100;
/// Open files that are left for other things than the measured sockets.
const SPARE_FILES: u64 = 200;
const UPGRADE_ANSWER_BYTES: usize = 130;

/// Measures on `server_core` with the other end on `tester_core`; `file_limit` bounds the number of sockets.
pub(crate) fn measure(
    mut shape: Shape,
    server_core: Option<usize>,
    tester_core: Option<usize>,
    file_limit: u64,
) -> io::Result<Floor> {
    shape.sockets = shape.sockets.clamp(1, file_limit.saturating_sub(SPARE_FILES).max(1) as usize);
    shape.burst = shape.burst.clamp(1, shape.sockets);
    let before = Affinity::current()?;
    let mut peer = Peer::start(tester_core)?;
    if let Some(core) = server_core {
        Affinity::one(core)?.apply()?;
    }
    let result = measure_with(&mut peer, shape);
    before.apply()?;
    result
}

fn measure_with(peer: &mut Peer, shape: Shape) -> io::Result<Floor> {
    let memory_before = kernel_bytes();
    let mut sockets = peer.connect(shape.sockets)?;
    let memory_after = kernel_bytes();
    let per_end =
        |(before, after): (u64, u64)| after.saturating_sub(before) as f64 / (2 * sockets.len()) as f64;
    let kernel_bytes_per_socket = memory_before.zip(memory_after).map(per_end);
    let frame = vec![b'x'; shape.frame_bytes];
    let paced = send_paced(&mut sockets, &frame, &shape)?;
    let flat_out = send_flat_out(&mut sockets, &frame, shape.burst)?;
    let recv_cpu_us = receive(peer, &mut sockets)?;
    drop(sockets);
    Ok(Floor {
        send_cpu_us: paced.cpu_us(),
        send_wall_us: paced.wall_us(),
        send_flat_out_cpu_us: flat_out.cpu_us(),
        recv_cpu_us,
        accept_upgrade_cpu_us: accept_and_upgrade(peer)?,
        kernel_bytes_per_socket,
        shape,
    })
}

/// Adds up what a number of calls took.
#[derive(Default)]
struct Stopwatch {
    cpu_ns: u64,
    wall_ns: u64,
    calls: u64,
    /// What one look at the CPU clock takes, which is itself a system call.
    look_ns: u64,
}

impl Stopwatch {
    fn calibrated() -> Self {
        const LOOKS: u64 = 1_000;
        let start = thread_cpu_ns();
        (1..LOOKS).for_each(|_| {
            std::hint::black_box(thread_cpu_ns());
        });
        Self { look_ns: (thread_cpu_ns() - start) / LOOKS, ..Self::default() }
    }

    fn time(&mut self, work: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
        let (cpu_ns, wall_ns) = (thread_cpu_ns(), monotonic_ns());
        let calls = work()?;
        self.wall_ns += monotonic_ns() - wall_ns;
        self.cpu_ns += (thread_cpu_ns() - cpu_ns).saturating_sub(self.look_ns);
        self.calls += calls;
        Ok(calls)
    }

    fn cpu_us(&self) -> f64 {
        self.cpu_ns as f64 / 1_000.0 / self.calls.max(1) as f64
    }

    fn wall_us(&self) -> f64 {
        self.wall_ns as f64 / 1_000.0 / self.calls.max(1) as f64
    }
}

/// Sends the frame over each socket in turn, in bursts at the traffic's own rhythm: caches cool between them as they do in a server.
fn send_paced(sockets: &mut [TcpStream], frame: &[u8], shape: &Shape) -> io::Result<Stopwatch> {
    let period = Duration::from_secs_f64(shape.burst as f64 / shape.frames_per_second.max(1.0));
    let mut watch = Stopwatch::calibrated();
    let mut turn = sockets.chunks_mut(shape.burst).collect::<Vec<_>>();
    let start = Instant::now();
    for burst in 0u32.. {
        let due = period * burst;
        if due.max(start.elapsed()) > PACED && burst > 0 {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let index = burst as usize % turn.len();
        send_burst(turn[index], frame, &mut watch)?;
    }
    Ok(watch)
}

fn send_flat_out(sockets: &mut [TcpStream], frame: &[u8], burst: usize) -> io::Result<Stopwatch> {
    let mut watch = Stopwatch::calibrated();
    let mut turn = sockets.chunks_mut(burst).collect::<Vec<_>>();
    let start = Instant::now();
    let mut index = 0;
    while start.elapsed() < FLAT_OUT {
        send_burst(turn[index], frame, &mut watch)?;
        index = (index + 1) % turn.len();
    }
    Ok(watch)
}

/// A socket that is full is left out of the figures, and the other end gets a moment.
fn send_burst(sockets: &mut [TcpStream], frame: &[u8], watch: &mut Stopwatch) -> io::Result<()> {
    let mut full = false;
    watch.time(|| {
        let mut sent = 0;
        for socket in sockets {
            match socket.write(frame) {
                Ok(_) => sent += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => full = true,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    })?;
    if full {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn receive(peer: &mut Peer, sockets: &mut [TcpStream]) -> io::Result<f64> {
    let mut watch = Stopwatch::calibrated();
    let mut buffer = [0; INPUT_BYTES];
    for _ in 0..RECV_ROUNDS {
        peer.tell(&Order::Send { bytes: INPUT_BYTES })?;
        watch.time(|| {
            for socket in &mut *sockets {
                read_whole(socket, &mut buffer)?;
            }
            Ok(sockets.len() as u64)
        })?;
    }
    Ok(watch.cpu_us())
}

fn accept_and_upgrade(peer: &mut Peer) -> io::Result<f64> {
    let mut watch = Stopwatch::calibrated();
    let answer = [b'x'; UPGRADE_ANSWER_BYTES];
    for _ in 0..UPGRADES / UPGRADES_AT_ONCE {
        peer.tell(&Order::Upgrade { address: peer.address(), count: UPGRADES_AT_ONCE })?;
        let mut sockets = Vec::with_capacity(UPGRADES_AT_ONCE);
        let listener = &peer.listener;
        watch.time(|| {
            let mut buffer = [0; UPGRADE_REQUEST_BYTES];
            for _ in 0..UPGRADES_AT_ONCE {
                let (mut socket, _) = listener.accept()?;
                socket.set_nonblocking(true)?;
                read_whole(&mut socket, &mut buffer)?;
                socket.write_all(&answer)?;
                sockets.push(socket);
            }
            Ok(UPGRADES_AT_ONCE as u64)
        })?;
    }
    Ok(watch.cpu_us())
}

/// What the other end has sent may still be on its way when the machine is busy; waiting is not a `recv`.
fn read_whole(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut length = 0;
    let start = Instant::now();
    while length < buffer.len() {
        match socket.read(&mut buffer[length..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What sockets cost the kernel: its objects, and the pages of TCP buffers.
fn kernel_bytes() -> Option<u64> {
    let sockstat = fs::read_to_string("/proc/net/sockstat").ok()?;
    let tcp = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let pages: u64 = tcp.split_whitespace().last()?.parse().ok()?;
    let objects = fs::read_to_string("/proc/slabinfo").ok().and_then(|slabinfo| bytes_in_use(&slabinfo));
    Some(objects.or_else(slab_bytes)? + pages * crate::sys::page_bytes())
}

/// Objects in use, which unlike the slabs' whole size do not count memory that earlier sockets left behind.
fn bytes_in_use(slabinfo: &str) -> Option<u64> {
    const HEAD_LINES: usize = 2;
    let bytes = slabinfo.lines().skip(HEAD_LINES).map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let active: u64 = fields.next()?.parse().ok()?;
        let size: u64 = fields.nth(1)?.parse().ok()?;
        Some(active * size)
    });
    bytes.sum()
}

fn slab_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let slab = meminfo.lines().find_map(|line| line.strip_prefix("Slab:"))?;
    slab.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopwatch_counts_work_and_not_itself() {
        let mut watch = Stopwatch::calibrated();
        for _ in 0..1_000 {
            watch.time(|| Ok(1)).unwrap();
        }
        assert!(watch.cpu_us() < 0.5, "{} µs for nothing", watch.cpu_us());
        let mut watch = Stopwatch::calibrated();
        let spin = |ns: u64| {
            let start = thread_cpu_ns();
            while thread_cpu_ns() < start + ns {}
            Ok(1)
        };
        watch.time(|| spin(2_000_000)).unwrap();
        assert!((1_900.0..4_000.0).contains(&watch.cpu_us()), "{}", watch.cpu_us());
    }

    #[test]
    fn objects_in_use_are_counted_by_their_size() {
        let text = "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> …\n\
                    TCP 10 26 2432 13 8 : tunables 0 0 0\ndentry 100 210 192 21 1 : tunables 0 0 0\n";
        assert_eq!(bytes_in_use(text), Some(10 * 2432 + 100 * 192));
        assert_eq!(bytes_in_use("a\nb\nc"), None);
        assert!(slab_bytes().is_some());
    }

    #[test]
    fn kernel_memory_is_readable() {
        assert!(kernel_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
