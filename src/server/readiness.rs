//! What a start waits for before it lets anybody in.

use std::time::{Duration, Instant};

use crate::state::Engine;

/// How long a start waits for stores in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks whether they are there.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until the state engine can run scripts, so that who comes first is not refused; but not for long, as a server whose store
/// is away has logins, pages and its metrics all the same. Those who connect meanwhile wait with it, in the kernel's queue.
pub(super) fn wait_for_stores(engine: &dyn Engine) {
    let began = Instant::now();
    while !engine.is_ready() {
        if began.elapsed() >= PATIENCE {
            log::warn!(
                "starting without a store that is away: what needs it is answered 503 until it is there"
            );
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
