//! Counts what each room takes, in slices that hold nobody up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use godra_engine::keyspace::{Keyspace, Value};
use smol_str::SmolStr;

use crate::state::survey::{Counting, Part, SurveyDesk};

/// How long a slice takes, about, and how many keys are counted between two looks at the clock.
const SLICE: Duration = Duration::from_millis(1);
const KEYS_AT_ONCE: usize = 256;
/// From one slice to the next.
pub(super) const REST: Duration = Duration::from_millis(10);

/// The counting, on the engine's thread.
#[derive(Debug, Default)]
pub(super) struct Census {
    under_way: Option<(u64, Counting)>,
    counted_at: Option<Instant>,
}

impl Census {
    /// Whether there is something to count.
    pub(super) fn is_under_way(&self, desk: &SurveyDesk) -> bool {
        self.under_way.is_some() || desk.is_wanted(0)
    }

    /// Counts a slice, if it is time.
    pub(super) fn step(&mut self, keyspace: &Keyspace, desk: &Arc<SurveyDesk>, now: Instant) {
        if !self.is_under_way(desk) || self.counted_at.is_some_and(|at| now.duration_since(at) < REST) {
            return;
        }
        let (mut cursor, mut counting) = self.under_way.take().unwrap_or_default();
        let is_done = loop {
            let (next, keys) = keyspace.sizes(cursor, KEYS_AT_ONCE);
            keys.for_each(|(key, value, bytes)| count(&mut counting, key, value, bytes as u64));
            cursor = next;
            if cursor == 0 || now.elapsed() >= SLICE {
                break cursor == 0;
            }
        };
        self.counted_at = Some(Instant::now());
        if is_done {
            desk.put(0, counting);
        } else {
            self.under_way = Some((cursor, counting));
        }
    }
}

fn count(counting: &mut Counting, key: &[u8], value: &Value, bytes: u64) {
    let Some((room, part)) = Counting::place(key) else { return counting.other(bytes) };
    let share = counting.room(room);
    share.bytes += bytes;
    share.keys += 1;
    match (part, value) {
        (Part::Head, Value::Hash(hash)) => {
            let owner = hash.get(b"owner").map(|owner| SmolStr::new(String::from_utf8_lossy(owner)));
            share.owner = owner.or(share.owner.take());
        }
        (Part::Members, Value::Set(set)) => share.members = set.len() as u64,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use godra_engine::keyspace::Context;
    use godra_engine::reply::ReplyBuffer;

    use super::*;
    use crate::state::NoSurvey;

    fn run(keyspace: &mut Keyspace, call: &str) {
        let arguments: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
        keyspace.execute(&arguments, &Context { now_ms: 1, from_script: true }, &mut ReplyBuffer::default());
    }

    #[test]
    fn a_large_store_is_counted_in_short_slices() {
        let mut keyspace = Keyspace::new(1);
        for room in 0..20_000 {
            run(&mut keyspace, &format!("hset game:{room} owner guest:{} capacity 4", room % 100));
            run(&mut keyspace, &format!("sadd game:{room}:players a b c"));
        }
        run(&mut keyspace, &format!("set game:77:state {}", "x".repeat(10_000)));
        run(&mut keyspace, "set lobbies x");
        let (mut census, desk) = (Census::default(), Arc::new(SurveyDesk::new(1)));
        assert_eq!(desk.ask().unwrap_err(), NoSurvey::NotYet);
        let (mut now, mut slices) = (Instant::now(), 0);
        while census.is_under_way(&desk) {
            census.step(&keyspace, &desk, Instant::now().max(now));
            now += REST;
            slices += 1;
            std::thread::sleep(REST.saturating_sub(SLICE));
        }
        assert!(slices > 2, "{slices}");
        let survey = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(5));
            desk.ask()
        })
        .take(1_000)
        .find_map(Result::ok)
        .unwrap();
        let (room, share) = &survey.rooms[0];
        assert_eq!((room.as_str(), share.keys, share.members), ("77", 3, 3));
        assert_eq!(share.owner.as_deref(), Some("guest:77"));
        assert!((10_000..11_000).contains(&share.bytes), "{}", share.bytes);
        assert_eq!(survey.owners[0].0, "guest:77");
        assert_eq!(survey.owners[0].1, 200);
        assert!(survey.other_bytes > 0);
    }
}
