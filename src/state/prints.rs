//! What scripts print: bounded, so that no player has a script fill the disk, and each in a line of its own with its control
//! characters escaped, so that none forges others.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

/// Lines that one call may print.
pub(super) const MAX_LINES: usize = 20;
/// What is kept of each, in bytes.
pub(super) const MAX_LINE_BYTES: usize = 1024;
/// Lines that all scripts of the process may print within a second.
pub(super) const MAX_A_SECOND: u32 = 200;
/// In the place of what a call prints beyond its lines.
pub(super) const LEFT_OUT: &str = "(what else this call prints is left out)";

/// The log is the process's, and so is this.
static WINDOW: Mutex<Option<Window>> = Mutex::new(None);

/// A second, and what was printed in it.
#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    lines: u32,
    left_out: u32,
}

/// Logs a line; `place` is the script's file and line.
pub(super) fn print(level: Level, place: &str, room: Option<&str>, text: &[u8]) {
    let mut window = WINDOW.lock().unwrap_or_else(PoisonError::into_inner);
    let (may_print, left_out) = admit(&mut window, Instant::now());
    drop(window);
    if left_out > 0 {
        log::warn!("scripts print too much left_out={left_out}");
    }
    if may_print {
        let text = String::from_utf8_lossy(&text[..text.len().min(MAX_LINE_BYTES)]);
        log::log!(level, "script prints script={place} room={} text={text:?}", room.unwrap_or("-"));
    }
}

/// Whether a line may be printed now, and how many were left out in the second before.
fn admit(window: &mut Option<Window>, now: Instant) -> (bool, u32) {
    let mut left_out = 0;
    if window.is_none_or(|window| now.duration_since(window.began) >= Duration::from_secs(1)) {
        left_out = window.map_or(0, |window| window.left_out);
        *window = Some(Window { began: now, lines: 0, left_out: 0 });
    }
    let current = window.as_mut().expect("set above");
    let may_print = current.lines < MAX_A_SECOND;
    if may_print {
        current.lines += 1;
    } else {
        current.left_out += 1;
    }
    (may_print, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines() {
        let (mut window, start) = (None, Instant::now());
        for _ in 0..MAX_A_SECOND {
            assert_eq!(admit(&mut window, start), (true, 0));
        }
        for _ in 0..3 {
            assert_eq!(admit(&mut window, start + Duration::from_millis(999)), (false, 0));
        }
        assert_eq!(admit(&mut window, start + Duration::from_secs(1)), (true, 3));
        assert_eq!(admit(&mut window, start + Duration::from_secs(5)), (true, 0));
    }
}
