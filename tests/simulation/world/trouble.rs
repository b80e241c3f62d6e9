//! What goes wrong.

use super::super::client::Link;
use super::super::happening::Happening;
use super::super::violation::Checked;
use super::World;

/// What was on a connection to the store when that ended comes so much later at most.
const LATEST_MS: u64 = 1_500;

impl World {
    /// Something goes wrong, and something else will, until it is time to rest.
    pub(super) fn trouble(&mut self) -> Checked {
        if self.is_calm() {
            return Ok(());
        }
        let next_ms = self.now_ms + self.random.between(1, self.plan.calm_ms);
        self.plan(next_ms, Happening::Trouble);
        match self.random.below(20) {
            0..=6 => self.cut_a_link(),
            7..=11 => self.stop_a_reader(),
            12..=13 => self.freeze_a_node(),
            14 => self.kill_a_node()?,
            15..=17 if self.plan.is_shared() => self.reset_a_store_link(),
            18 if self.plan.is_shared() => self.lose_the_store(),
            18 => self.kill_a_node()?,
            15..=16 if self.store.has_file() => self.kill_a_node()?,
            _ if !self.plan.is_shared() => self.stop_in_order(),
            _ => self.cut_a_link(),
        }
        Ok(())
    }

    fn cut_a_link(&mut self) {
        let number = self.random.below(self.clients.len() as u64) as usize;
        let Some(link) = self.clients[number].link_id() else { return };
        let (node_hears, client_hears) = (self.random.one_in(2), !self.random.one_in(3));
        self.network.cut(link, node_hears, client_hears);
        self.clients[number].is_cut_off();
        let user = &self.clients[number].user;
        self.trace.line(self.now_ms, || {
            format!("{user} is cut off; the node hears of it: {node_hears}, the client: {client_hears}")
        });
    }

    fn stop_a_reader(&mut self) {
        let number = self.random.below(self.clients.len() as u64) as usize;
        let Link::In(link) = self.clients[number].link else { return };
        if self.clients[number].reads_slowly {
            return;
        }
        self.network.stop_reading(link);
        self.clients[number].reads_slowly = true;
        let for_ms = self.random.between(200, 4_000);
        self.plan(self.now_ms + for_ms, Happening::ReadAgain(number, link));
        let user = &self.clients[number].user;
        self.trace.line(self.now_ms, || format!("{user} reads nothing for {for_ms} ms"));
    }

    /// All that happens now may make clients hear late.
    fn disturb_all(&mut self, until_ms: u64) {
        self.clients.iter_mut().for_each(|client| client.disturbed(until_ms));
    }

    fn freeze_a_node(&mut self) {
        let index = self.random.below(self.nodes.len() as u64) as usize;
        let until_ms = self.now_ms + self.random.between(100, 2_500);
        if let Some(node) = &mut self.nodes[index].node {
            node.frozen_until_ms = until_ms;
            self.trace.line(self.now_ms, || format!("node {index} is frozen until {until_ms}"));
            self.disturb_all(until_ms);
        }
    }

    /// With a node that has the store to itself, the store goes, but for what is in its state file.
    fn kill_a_node(&mut self) -> Checked {
        let index = self.random.below(self.nodes.len() as u64) as usize;
        self.trace.line(self.now_ms, || format!("node {index} dies"));
        self.take_node_away(index);
        if !self.plan.is_shared() {
            self.store.queue.clear();
            if self.store.has_file() && !self.random.one_in(4) {
                let thousandths = *self.random.pick(&[0, 1, 500, 999, 1000, 1000]);
                self.trace
                    .line(self.now_ms, || format!("{thousandths} thousandths of its last write are there"));
                self.store.die(thousandths, self.now_ms, &mut self.model, &mut self.faults)?;
            } else {
                self.store.lose(&mut self.model, &mut self.faults);
            }
        }
        self.start_again(index);
        Ok(())
    }

    fn take_node_away(&mut self, index: usize) {
        let Some(node) = self.nodes[index].node.take() else { return };
        for link in node.links() {
            self.network.cut(link, false, true);
        }
        self.disturb_all(self.now_ms + 1_000);
    }

    fn start_again(&mut self, index: usize) {
        let at_ms = self.now_ms + self.random.between(100, 800);
        self.plan(at_ms, Happening::NodeStarts(index));
    }

    /// A node loses its connection to the store, with what is on its way.
    fn reset_a_store_link(&mut self) {
        let index = self.random.below(self.nodes.len() as u64) as usize;
        self.trace.line(self.now_ms, || format!("node {index} loses its connection to the store"));
        self.reset_store_link(index);
    }

    fn reset_store_link(&mut self, index: usize) {
        let Some(node) = &mut self.nodes[index].node else { return };
        if node.is_store_away {
            return;
        }
        node.is_store_away = true;
        node.store_link += 1;
        let name = node.name;
        // What the store has not run yet, it may run or not, or later.
        let late_ms = self.random.between(0, LATEST_MS);
        let (own, others): (Vec<_>, Vec<_>) =
            self.store.queue.drain(..).partition(|(sender, _)| *sender == name);
        self.store.queue = others.into();
        for (name, batch) in own {
            if self.random.one_in(2) {
                self.plan(self.now_ms + late_ms, Happening::ToStore(name, Box::new(batch)));
            }
        }
        let back_ms = self.now_ms + self.random.between(50, 600);
        self.plan(back_ms, Happening::StoreIsBack(name));
        self.disturb_all(back_ms);
        for number in 0..self.clients.len() {
            let link = self.clients[number].link_id();
            if link.is_some_and(|link| self.network.link(link).node == name) {
                self.clients[number].may_miss_removal = true;
            }
        }
    }

    fn lose_the_store(&mut self) {
        self.trace.line(self.now_ms, || "the store loses all its data".to_owned());
        self.store.queue.clear();
        self.store.lose(&mut self.model, &mut self.faults);
        (0..self.nodes.len()).for_each(|index| self.reset_store_link(index));
    }

    /// The node ends in order, and is started again with what it had.
    fn stop_in_order(&mut self) {
        let Some(node) = &mut self.nodes[0].node else { return };
        node.is_stopping = true;
        node.inbox.push(super::Incoming::Drain);
        self.trace.line(self.now_ms, || "the node ends in order".to_owned());
        self.disturb_all(self.now_ms + 2_000);
        self.plan_round(0, self.now_ms);
        self.plan(self.now_ms + 1_500, Happening::NodeHasStopped);
    }

    /// It has had time to end. If somebody is still there, it goes on.
    pub(super) fn node_has_stopped(&mut self) -> Checked {
        let Some(node) = &mut self.nodes[0].node else { return Ok(()) };
        node.is_stopping = false;
        if node.is_empty() && self.store.queue.is_empty() {
            self.trace.line(self.now_ms, || "the node is started again".to_owned());
            self.take_node_away(0);
            self.store.restart(&mut self.model, &mut self.faults)?;
            self.start_again(0);
        }
        Ok(())
    }
}
