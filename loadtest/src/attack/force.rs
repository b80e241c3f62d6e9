//! All attackers: one thread with an event loop, which gives way to those who measure.

use super::line::Line;
use super::outcome::Tally;
use super::{Kind, Seat};
use crate::client::connection::Dial;
use crate::client::tls::Tls;
use crate::sys;
use mio::{Events, Poll, Token};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Who attacks what.
pub(crate) struct Orders {
    pub target: SocketAddr,
    /// The address from which all of it comes, if not the system's choice.
    pub source: Option<Ipv4Addr>,
    /// How the target is spoken with, if it is by TLS.
    pub tls: Option<Tls>,
    /// Each attack with its attackers; one that is carried out by more connections gives them to each in turn.
    pub attacks: Vec<(&'static Kind, Vec<Seat>)>,
    pub seed: u64,
}

/// Attackers at work.
pub(crate) struct Force {
    is_over: Arc<AtomicBool>,
    started: Instant,
    thread: JoinHandle<io::Result<Vec<Tally>>>,
}

/// Receive buffer of an attacker, in bytes: whoever does not read should be noticed soon.
const RECEIVE_BUFFER_BYTES: usize = 16 << 10;
/// How long the loop waits when nobody has anything to send.
const STEP: Duration = Duration::from_millis(10);

impl Force {
    /// Lets them begin.
    pub(crate) fn start(orders: Orders) -> io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let watched = is_over.clone();
        let thread =
            std::thread::Builder::new().name("attack".into()).spawn(move || attack(orders, &watched))?;
        Ok(Self { is_over, started: Instant::now(), thread })
    }

    /// Ends all of it; what each attack came to, in the order of the orders, and how long it went on.
    pub(crate) fn stop(self) -> io::Result<(Vec<Tally>, Duration)> {
        self.is_over.store(true, Ordering::Relaxed);
        let lasted = self.started.elapsed();
        let tallies = self.thread.join().map_err(|_| io::Error::other("the attackers broke"))??;
        Ok((tallies, lasted))
    }
}

fn attack(orders: Orders, is_over: &AtomicBool) -> io::Result<Vec<Tally>> {
    sys::give_way()?;
    let Orders { target, source, tls, attacks, seed } = orders;
    let receive_buffer_bytes = Some(RECEIVE_BUFFER_BYTES);
    let dial = Dial { target, source, receive_buffer_bytes, compress: false, tls };
    let mut tallies = vec![Tally::default(); attacks.len()];
    let now = Instant::now();
    let mut lines: Vec<(usize, Line)> = Vec::new();
    for (attack, (kind, seats)) in attacks.into_iter().enumerate() {
        for seat in seats {
            let seed = seed.wrapping_add(lines.len() as u64);
            lines.push((attack, Line::new(kind, seat, seed, now)));
        }
    }
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 << 10];
    while !is_over.load(Ordering::Relaxed) {
        let is_eager = lines.iter().any(|(_, line)| line.is_eager() || line.is_unread());
        match poll.poll(&mut events, Some(if is_eager { Duration::ZERO } else { STEP })) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        let now = Instant::now();
        for event in &events {
            let (attack, line) = &mut lines[event.token().0];
            line.event(event.is_writable(), &mut buffer, now, &mut tallies[*attack]);
        }
        for (index, (attack, line)) in lines.iter_mut().enumerate() {
            if line.is_unread() {
                line.event(false, &mut buffer, now, &mut tallies[*attack]);
            }
            line.act(&dial, poll.registry(), Token(index), now, &mut tallies[*attack]);
        }
    }
    Ok(tallies)
}
