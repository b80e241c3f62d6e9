//! As many TLS handshakes as the server makes, from one address, while others play: first all of them full, then resumed.

use super::storm::begin_playing;
use crate::client::tls::Tls;
use crate::options::{Handshakes, Options};
use crate::run::Run;
use crate::sys;
use rustls::{HandshakeKind, ProtocolVersion};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where they come from, at a server on this machine: no player does.
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 2);
const TIMEOUT: Duration = Duration::from_secs(10);
/// After one that failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Measures the players in quiet, and then during handshakes of either kind.
pub(super) fn direct(
    args: &Handshakes,
    options: &Options,
    target: SocketAddr,
    run: &mut Run<'_>,
) -> io::Result<()> {
    let Some(tls) = options.tls(target) else {
        return Err(io::Error::other("handshakes are TLS's: expected is https://, or --tls with --spawn"));
    };
    let quiet_ms = begin_playing(&args.playing, run)?;
    run.find("p99 of those who play, before", quiet_ms, "ms");
    for (name, tls) in [("full handshakes", tls.without_sessions()), ("resumed handshakes", tls.clone())] {
        let crowd = Crowd::start(args.at_once, target, &tls)?;
        let before = crowd.counts();
        let phase = run.measure(name, run.common.duration);
        let after = crowd.counts();
        crowd.stop()?;
        let phase = phase?;
        let (seconds, during_ms) = (phase.seconds, phase.players_p99_ms());
        let cpu_s = phase.server().map_or(f64::NAN, |usage| usage.cpu_s);
        let [full, resumed, failed] = [0, 1, 2].map(|kind| (after[kind] - before[kind]) as f64);
        run.find(name, (full + resumed) / seconds, "/s");
        run.find(&format!("{name}: for each CPU-second of the server"), (full + resumed) / cpu_s, "");
        run.find(&format!("{name}: of these resumed"), resumed, &format!("of {}", full + resumed));
        if failed > 0.0 {
            run.find(&format!("{name}: failed"), failed, "");
        }
        run.find(&format!("p99 of those who play, {name}"), during_ms, "ms");
    }
    Ok(())
}

/// Threads that make one handshake after the other.
struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// Full, resumed, failed.
    counts: [AtomicU64; 3],
    /// Why the last one failed.
    failure: Mutex<Option<String>>,
}

impl Crowd {
    fn start(threads: usize, target: SocketAddr, tls: &Tls) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let start = |_| {
            let (shared, tls) = (shared.clone(), tls.clone());
            std::thread::Builder::new().name("handshakes".into()).spawn(move || shared.work(target, &tls))
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self { shared, threads })
    }

    fn counts(&self) -> [u64; 3] {
        self.shared.counts.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Ends it.
    ///
    /// # Errors
    /// All failed.
    fn stop(self) -> io::Result<()> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let [full, resumed, failed] = self.counts();
        for thread in self.threads {
            thread.join().map_err(|_| io::Error::other("a thread for handshakes broke"))?;
        }
        let failure = self.shared.failure.lock().ok().and_then(|mut failure| failure.take());
        match failure {
            Some(reason) if full + resumed == 0 => {
                Err(io::Error::other(format!("{failed} handshakes, and none succeeded: {reason}")))
            }
            _ => Ok(()),
        }
    }
}

impl Shared {
    fn work(&self, target: SocketAddr, tls: &Tls) {
        // Those who play are measured beside it; where that is not allowed they have to share.
        let _ = sys::give_way();
        while !self.is_over.load(Ordering::Relaxed) {
            let kind = match shake_hands(target, tls) {
                Ok(HandshakeKind::Resumed) => 1,
                Ok(_) => 0,
                Err(error) => {
                    if let Ok(mut failure) = self.failure.lock() {
                        *failure = Some(error.to_string());
                    }
                    std::thread::sleep(PAUSE);
                    2
                }
            };
            self.counts[kind].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Connects, shakes hands, takes the tickets for the next one, and is gone.
fn shake_hands(target: SocketAddr, tls: &Tls) -> io::Result<HandshakeKind> {
    let mut stream = connect(target)?;
    let mut connection = tls.begin()?;
    connection.complete_io(&mut stream)?;
    // In TLS 1.3 they come behind the handshake (RFC 8446, section 4.6.1).
    if connection.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
        connection.read_tls(&mut stream)?;
        connection.process_new_packets().map_err(io::Error::other)?;
    }
    connection.handshake_kind().ok_or_else(|| io::Error::other("a handshake that did not happen"))
}

fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
    if target.is_ipv4() && target.ip().is_loopback() {
        socket.bind(&SocketAddr::from((SOURCE, 0)).into())?;
    }
    socket.connect_timeout(&target.into(), TIMEOUT)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // The kernel keeps nothing of it: ports would run out.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}
