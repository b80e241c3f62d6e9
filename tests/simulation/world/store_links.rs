//! What goes between nodes and the store: in order, and late.

use super::super::faults::Fault;
use super::super::happening::Happening;
use super::super::node::Incoming;
use super::super::store::{NodeName, Recipient};
use super::super::violation::Checked;
use super::World;
use crate::state::{Arguments, Batch, Delivery};

impl World {
    pub(super) fn send_to_store(&mut self, name: NodeName, batch: Batch) {
        let delay_ms = self.random.between(1, if self.plan.is_shared() { 10 } else { 1 });
        let place = &mut self.nodes[name.0];
        place.up_at_ms = place.up_at_ms.max(self.now_ms + delay_ms);
        let at_ms = place.up_at_ms;
        self.plan(at_ms, Happening::ToStore(name, Box::new(batch)));
    }

    pub(super) fn pass_to_store(&mut self, name: NodeName, batch: Batch) {
        self.store.queue.push_back((name, batch));
        self.plan_store_turn();
    }

    fn plan_store_turn(&mut self) {
        if !self.is_store_busy && !self.store.queue.is_empty() {
            self.is_store_busy = true;
            let took_ms = self.random.between(0, 3);
            let at_ms = (self.now_ms + took_ms).max(self.store.free_at_ms());
            self.plan(at_ms, Happening::StoreTurn);
        }
    }

    /// The store looks when the next message is due.
    pub(super) fn plan_messages(&mut self) {
        if self.faults.is_planted(Fault::MessageLate) {
            return;
        }
        let Some(wait_ms) = self.store.messages_wait_ms(self.now_ms) else { return };
        let at_ms = (self.now_ms + wait_ms).max(self.store.free_at_ms());
        if at_ms < self.messages_at_ms {
            self.messages_at_ms = at_ms;
            self.plan(at_ms, Happening::MessagesDue);
        }
    }

    /// If batches wait, messages have their turn behind the next of them.
    pub(super) fn messages_are_due(&mut self) -> Checked {
        if self.messages_at_ms != self.now_ms {
            return Ok(());
        }
        self.messages_at_ms = u64::MAX;
        if self.is_store_busy { Ok(()) } else { self.serve_messages() }
    }

    fn serve_messages(&mut self) -> Checked {
        let is_up = self.plan.is_shared() || self.nodes[0].node.is_some();
        if !is_up {
            return Ok(());
        }
        let deliveries =
            self.store.serve_messages(self.now_ms, &mut self.model, &mut self.faults, &mut self.trace)?;
        for delivery in deliveries {
            self.send_from_store(Recipient::All, delivery);
        }
        self.plan_messages();
        Ok(())
    }

    pub(super) fn store_turn(&mut self) -> Checked {
        self.is_store_busy = false;
        if let Some((name, batch)) = self.store.queue.front() {
            self.trace.line(self.now_ms, || show_batch(*name, batch));
        }
        let deliveries = self.store.turn(self.now_ms, &mut self.model, &mut self.faults)?;
        for (recipient, delivery) in deliveries {
            self.send_from_store(recipient, delivery);
        }
        self.serve_messages()?;
        self.plan_store_turn();
        Ok(())
    }

    fn send_from_store(&mut self, recipient: Recipient, delivery: Delivery) {
        let names: Vec<NodeName> = match recipient {
            Recipient::One(name) => vec![name],
            Recipient::Others(_) | Recipient::All => {
                let names = self.nodes.iter().filter_map(|place| place.node.as_ref().map(|node| node.name));
                names.filter(|name| recipient != Recipient::Others(*name)).collect()
            }
        };
        let delivery = match (&delivery, recipient) {
            (Delivery::Events(events), Recipient::Others(_) | Recipient::All) => {
                names.iter().for_each(|name| self.send_down(*name, Delivery::Events(events.clone())));
                return;
            }
            _ => delivery,
        };
        self.send_down(names[0], delivery);
    }

    fn send_down(&mut self, name: NodeName, delivery: Delivery) {
        let delay_ms = self.random.between(1, if self.plan.is_shared() { 20 } else { 1 });
        let place = &mut self.nodes[name.0];
        let Some(node) = place.node.as_ref().filter(|node| node.name == name) else { return };
        if node.is_store_away {
            return;
        }
        place.down_at_ms = place.down_at_ms.max(self.now_ms + delay_ms);
        let (at_ms, store_link) = (place.down_at_ms, node.store_link);
        self.plan(at_ms, Happening::Deliver(name, store_link, Box::new(delivery)));
    }

    pub(super) fn deliver(&mut self, name: NodeName, store_link: u32, delivery: Box<Delivery>) {
        let node = self.nodes[name.0].node.as_ref();
        if node.is_some_and(|node| node.name == name && node.store_link == store_link) {
            self.give(name, Incoming::Delivery(delivery));
        }
    }
}

fn show_batch(name: NodeName, batch: &Batch) -> String {
    let calls = batch.calls.iter().map(|call| {
        let payload = match &call.arguments {
            Arguments::Payload(payload) => String::from_utf8_lossy(payload).into_owned(),
            Arguments::List(_) | Arguments::Tick | Arguments::Message(_) => String::new(),
        };
        let n = call.n.map(|n| format!(" n={n}")).unwrap_or_default();
        format!("{}({}{n}) {payload}", call.script.name, call.caller.user_id)
    });
    let calls = calls.collect::<Vec<_>>().join("; ");
    let room = batch.room.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("the store runs for node {}.{} in {room}: {calls}", name.0, name.1)
}
