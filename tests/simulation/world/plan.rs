//! What kind of world a seed makes.

use super::super::random::Random;

/// How large a world is, and how it is made.
#[derive(Clone, Debug)]
pub(in super::super) struct Plan {
    /// 1 where a node has the store to itself.
    pub(super) nodes: usize,
    pub(super) clients: usize,
    pub(super) rooms: usize,
    /// For so long things go wrong.
    pub(super) trouble_ms: u64,
    pub(super) sync_interval_ms: u64,
    /// Between two things that a client does, at most.
    pub(super) act_ms: u64,
    /// Between two things that go wrong, at most.
    pub(super) calm_ms: u64,
    pub(super) window: usize,
    pub(super) delay_ms: u64,
    pub(super) has_state_file: bool,
}

/// One seed in so many has hundreds of clients.
const LARGE_EVERY: u64 = 250;
/// One seed in so many keeps its store in a file.
const FILE_EVERY: u64 = 20;

impl Plan {
    pub(super) fn of(seed: u64, random: &mut Random) -> Self {
        if seed % LARGE_EVERY == LARGE_EVERY - 1 {
            return Self::large(random);
        }
        let nodes = if random.one_in(3) { 1 } else { random.between(2, 3) as usize };
        Self {
            nodes,
            clients: random.between(2, 6) as usize,
            rooms: random.between(1, 2) as usize,
            trouble_ms: random.between(1_500, 4_000),
            sync_interval_ms: *random.pick(&[10, 50]),
            act_ms: random.between(100, 500),
            calm_ms: random.between(200, 2_000),
            window: *random.pick(&[300, 1_000, 4_000]),
            delay_ms: *random.pick(&[2, 20, 60]),
            has_state_file: nodes == 1 && seed % FILE_EVERY < 3,
        }
    }

    fn large(random: &mut Random) -> Self {
        Self {
            nodes: 3,
            clients: 200,
            rooms: 5,
            trouble_ms: 1_500,
            sync_interval_ms: 50,
            act_ms: 1_500,
            calm_ms: 400,
            window: *random.pick(&[1_000, 8_000]),
            delay_ms: 20,
            has_state_file: false,
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.nodes > 1
    }
}
