//! Where rooms live if there are several stores, and the way to the threads that write to each. No sockets here.

use std::sync::OnceLock;

use crossbeam_channel::Sender;

use super::writer::WriterCommand;

/// All stores of a deployment, in the order in which they were named.
#[derive(Debug)]
pub(super) struct Peers {
    addresses: Vec<String>,
    queues: OnceLock<Vec<Sender<WriterCommand>>>,
}

impl Peers {
    /// Stores at these addresses; their queues come later.
    pub(super) fn new(addresses: Vec<String>) -> Self {
        Self { addresses, queues: OnceLock::new() }
    }

    /// The queues of their writers, in the same order.
    pub(super) fn connect(&self, queues: Vec<Sender<WriterCommand>>) {
        // There is one engine, which does this once.
        let _ = self.queues.set(queues);
    }

    /// Where a room lives: the address with the highest hash of both (rendezvous hashing), so that another address takes
    /// rooms from all others alike, and no others move. What is in no room lives where the empty name does.
    pub(super) fn home_of(&self, name: &str) -> usize {
        if self.addresses.len() == 1 {
            return 0;
        }
        let weight = |index: &usize| rendezvous(&self.addresses[*index], name);
        (0..self.addresses.len()).max_by_key(weight).expect("there is an address")
    }

    /// The address of one.
    pub(super) fn address(&self, index: usize) -> &str {
        &self.addresses[index]
    }

    /// The addresses of all, that of one of them first; none if there is one alone.
    pub(super) fn stores(&self, index: usize) -> Vec<String> {
        let others: Vec<String> = self.others(index).map(|(_, address)| address.to_owned()).collect();
        if others.is_empty() { others } else { [vec![self.addresses[index].clone()], others].concat() }
    }

    /// All but one, with their indexes.
    pub(super) fn others(&self, index: usize) -> impl Iterator<Item = (usize, &str)> {
        let all = self.addresses.iter().map(String::as_str).enumerate();
        all.filter(move |(other, _)| *other != index)
    }

    /// Gives a store's writer something to do; if its queue is full, that is left out.
    pub(super) fn send(&self, index: usize, command: WriterCommand) {
        if let Some(queue) = self.queues.get().and_then(|queues| queues.get(index)) {
            let _ = queue.try_send(command);
        }
    }
}

/// The weight of a name at an address (FNV-1a, 64 bits, with its bits mixed as in SplitMix64).
fn rendezvous(address: &str, name: &str) -> u64 {
    let bytes = address.bytes().chain([0]).chain(name.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    godra_engine::SplitMix(hash).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_spread_alike_and_few_move() {
        let addresses = ["a:1", "b:1", "c:1", "d:1"].map(str::to_owned);
        let [three, four] = [3, 4].map(|count| Peers::new(addresses[..count].to_vec()));
        let mut counts = [0; 3];
        let mut moved = 0;
        for room in 0..3000 {
            let name = format!("room-{room}");
            let (before, after) = (three.home_of(&name), four.home_of(&name));
            counts[before] += 1;
            if before != after {
                assert_eq!(after, 3, "only the new address takes rooms");
                moved += 1;
            }
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!((600..900).contains(&moved), "{moved}");
    }
}
