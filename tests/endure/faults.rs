//! What can go wrong, one after the other.

use std::time::Duration;

use crate::cluster::Cluster;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    StoreKilled,
    StoreFrozen,
    StoreCutOff,
    NodeKilled(usize),
    NodeFrozen(usize),
    ScriptBroken(usize),
    DescriptorsExhausted(usize),
}

const ALL: [Fault; 11] = [
    Fault::StoreKilled,
    Fault::NodeKilled(0),
    Fault::StoreFrozen,
    Fault::ScriptBroken(1),
    Fault::DescriptorsExhausted(0),
    Fault::NodeKilled(1),
    Fault::StoreCutOff,
    Fault::NodeFrozen(0),
    Fault::DescriptorsExhausted(1),
    Fault::ScriptBroken(0),
    Fault::NodeFrozen(1),
];

impl Fault {
    /// All of them, again and again, beginning where the seed says.
    pub fn in_turn(seed: u64) -> impl Iterator<Item = Self> {
        ALL.into_iter().cycle().skip((seed % ALL.len() as u64) as usize)
    }

    /// How long it takes at most.
    pub fn longest(self) -> Duration {
        Duration::from_secs(5)
    }

    /// Lets it happen, and be over.
    pub fn happen(self, cluster: &mut Cluster) {
        eprintln!("now: {self:?}");
        let time = Duration::from_secs(2);
        match self {
            Self::StoreKilled => {
                cluster.kill_store();
                std::thread::sleep(time);
                cluster.start_store();
            }
            Self::StoreFrozen => cluster.freeze_store(time),
            Self::StoreCutOff => cluster.cut_connections_to_store(),
            Self::NodeKilled(index) => cluster.replace_node(index, time),
            Self::NodeFrozen(index) => cluster.freeze_node(index, time),
            Self::ScriptBroken(index) => cluster.break_script(index, time),
            Self::DescriptorsExhausted(index) => cluster.exhaust_descriptors(index, time),
        }
    }
}
