//! What clients do.

use super::super::client::{Client, Link, Wish};
use super::super::game::{self, EMPTY_ROOM, Named};
use super::super::happening::Happening;
use super::super::network::LinkId;
use super::super::violation::Checked;
use super::World;

/// A client that has heard nothing for so long gives its connection up.
const DEAF_MS: u64 = 4_000;

impl World {
    pub(super) fn make_clients(&mut self) {
        for number in 0..self.plan.clients {
            let room = format!("r{}", number % self.plan.rooms);
            let has_numbers = !self.random.one_in(3);
            self.clients.push(Client::new(format!("u{number}"), room, has_numbers));
            let at_ms = self.random.below(300);
            self.plan(at_ms, Happening::Act(number));
        }
    }

    pub(super) fn inputs_thought_of(&self) -> u64 {
        self.clients.iter().map(Client::inputs_thought_of).sum()
    }

    /// A client does something, and will again.
    pub(super) fn act(&mut self, number: usize) {
        let in_ms = if self.is_calm() { 400 } else { self.random.between(1, self.plan.act_ms) };
        self.plan(self.now_ms + in_ms, Happening::Act(number));
        let client = &mut self.clients[number];
        if client.link_id().is_some() && client.heard_at_ms + DEAF_MS <= self.now_ms {
            return self.give_up(number);
        }
        match client.link {
            Link::None { until_ms } if until_ms <= self.now_ms => self.connect(number),
            Link::In(_) => {
                client.send_again(self.now_ms, &mut self.network);
                self.wish(number);
            }
            _ => {}
        }
    }

    fn wish(&mut self, number: usize) {
        if self.is_calm() {
            return self.clients[number].send(Wish::Heartbeat, &mut self.network);
        }
        let wish = match self.random.below(40) {
            0 => Wish::Leave,
            1 => Wish::Garbage,
            2 => Wish::Resync,
            3..=9 => Wish::Heartbeat,
            _ if self.clients[number].waits_for_much() => Wish::Heartbeat,
            _ => self.wish_for_an_input(number),
        };
        self.clients[number].send(wish, &mut self.network);
    }

    fn wish_for_an_input(&mut self, number: usize) -> Wish {
        let room = self.clients[number].room.clone();
        let users: Vec<String> = self
            .clients
            .iter()
            .filter(|client| client.room == room)
            .map(|client| client.user.clone())
            .collect();
        let rooms = (0..self.plan.rooms).map(|number| format!("r{number}"));
        let rooms = rooms.chain([EMPTY_ROOM.to_owned()]).collect();
        let steps = game::any_steps(&mut self.random, &Named { users, rooms });
        let (input, n) = self.clients[number].next_input();
        let payload = game::payload(&input, &steps);
        self.model.think_of(input.clone(), n, steps);
        Wish::Input { payload, input }
    }

    fn connect(&mut self, number: usize) {
        let alive: Vec<_> = self.nodes.iter().filter_map(|place| place.node.as_ref()).collect();
        let alive: Vec<_> =
            alive.into_iter().filter(|node| !node.is_stopping).map(|node| node.name).collect();
        if alive.is_empty() {
            return;
        }
        let node = *self.random.pick(&alive);
        let link = self.network.connect(number, node, self.plan.window, self.plan.delay_ms);
        let client = &mut self.clients[number];
        client.heard_at_ms = self.now_ms;
        client.ask(link, &mut self.network);
        let user = &client.user;
        self.trace.line(self.now_ms, || format!("{user} connects to node {}.{}", node.0, node.1));
    }

    fn give_up(&mut self, number: usize) {
        if let Some(link) = self.clients[number].link_id() {
            self.network.cut(link, false, false);
            self.clients[number].is_cut_off();
        }
        self.client_is_out(number, 100);
    }

    pub(super) fn client_reads(&mut self, link: LinkId, bytes: &[u8]) -> Checked {
        let number = self.network.link(link).client;
        if bytes.is_empty() || self.clients[number].link_id() != Some(link) {
            return Ok(());
        }
        self.trace.bytes(self.now_ms, link, bytes);
        let client = &mut self.clients[number];
        let user = &client.user;
        self.trace.line(self.now_ms, || format!("{user} reads {}", String::from_utf8_lossy(bytes)));
        client.heard_at_ms = self.now_ms;
        client.receive(bytes, self.now_ms, &self.model, &mut self.network)
    }

    pub(super) fn client_sees_end(&mut self, link: LinkId) {
        let number = self.network.link(link).client;
        if self.clients[number].link_id() == Some(link) {
            self.network.end_by_client(link);
            let again_ms = if self.is_calm() { 50 } else { self.random.between(1, 600) };
            self.client_is_out(number, again_ms);
        }
    }

    fn client_is_out(&mut self, number: usize, again_ms: u64) {
        let client = &mut self.clients[number];
        client.lost(self.now_ms + again_ms);
        let user = &client.user;
        self.trace.line(self.now_ms, || format!("{user} is out"));
    }

    pub(super) fn read_again(&mut self, number: usize, link: LinkId) -> Checked {
        let (bytes, has_ended) = self.network.read_again(link);
        let client = &mut self.clients[number];
        client.reads_slowly = false;
        client.disturbed(self.now_ms);
        self.client_reads(link, &bytes)?;
        if has_ended {
            self.client_sees_end(link);
        }
        Ok(())
    }
}
