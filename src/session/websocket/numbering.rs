//! The numbered inputs of a connection: which was the last to run, and the order of those that did not.

use std::num::NonZeroU64;

use crate::wire::message::InputOrder;

/// What a connection knows of its numbered inputs. One that has sent none costs a pointer and no more.
#[derive(Debug, Default)]
pub(super) struct Numbering(Option<Box<Orders>>);

/// The two places where a connection may refuse inputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// As messages come in.
    Incoming,
    /// As inputs are passed on, which is when all messages of a read have come in.
    PassedOn,
}

#[derive(Debug, Default)]
struct Orders {
    incoming: InputOrder,
    passed_on: InputOrder,
}

impl Numbering {
    /// The last that ran was this one; 0 for none.
    pub(super) fn after(last_ran: u64) -> Self {
        let orders =
            || Orders { incoming: InputOrder::after(last_ran), passed_on: InputOrder::after(last_ran) };
        Self((last_ran > 0).then(|| Box::new(orders())))
    }

    pub(super) fn last_ran(&self) -> u64 {
        self.0.as_ref().map_or(0, |orders| orders.incoming.last_ran())
    }

    /// All up to this one have run.
    pub(super) fn ran(&mut self, n: u64) {
        let orders = self.0.get_or_insert_default();
        orders.incoming.ran(n);
        orders.passed_on.ran(n);
    }

    /// An input was refused there, and may come again.
    pub(super) fn refused(&mut self, at: At, n: Option<NonZeroU64>) {
        if n.is_some() {
            self.order(at).refused(n);
        }
    }

    /// An input comes there; returns whether it has to wait for one that was refused.
    pub(super) fn holds_back(&mut self, at: At, n: Option<NonZeroU64>) -> bool {
        n.is_some() && self.0.is_some() && self.order(at).holds_back(n)
    }

    fn order(&mut self, at: At) -> &mut InputOrder {
        let orders = self.0.get_or_insert_default();
        match at {
            At::Incoming => &mut orders.incoming,
            At::PassedOn => &mut orders.passed_on,
        }
    }
}
