//! What a session wants done, done: one action after the other, in order.

use super::connection::Connection;
use super::shard::{Shard, kind_of};
use crate::metrics::{self, CloseCode, InputOutcome, Refusal};
use crate::session::outbox::Kind;
use crate::session::{Action, Actions, Context, DroppedInput, Route, Sending, Session};
use crate::state::ConnectionKey;

impl Shard {
    /// Calls a connection's session, and carries out what it wants done. The connection may be gone afterwards.
    pub(super) fn with_session<R>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut Session, &Context<'_>, &mut Actions) -> R,
    ) {
        if !self.connections.contains(index) {
            return;
        }
        let mut actions = std::mem::take(&mut self.actions);
        self.ask(index, &mut actions, call);
        self.carry_out(index, actions);
    }

    /// Calls a connection's session; what it wants done is not done yet.
    pub(super) fn ask<R>(
        &mut self,
        index: usize,
        actions: &mut Actions,
        call: impl FnOnce(&mut Session, &Context<'_>, &mut Actions) -> R,
    ) -> R {
        let Connection { carried, .. } = &mut self.connections[index];
        let context =
            Context { now: self.now, date: &self.date, peer: carried.peer, services: &*self.shared.services };
        let kind_before = kind_of(&carried.session);
        let result = call(&mut carried.session, &context, actions);
        let kind_after = kind_of(&carried.session);
        if kind_before != kind_after {
            self.metrics.connections.at(kind_before).dec();
            self.metrics.connections.at(kind_after).inc();
        }
        result
    }

    /// Carries out a session's actions. An action may end the connection, or move it to another shard: those behind it
    /// find nobody.
    pub(super) fn carry_out(&mut self, index: usize, mut actions: Actions) {
        let key = self.key(index);
        for action in actions.drain() {
            if self.find(key).is_none() {
                break;
            }
            self.carry_out_one(index, key, action);
        }
        actions.trim();
        self.actions = actions;
        if self.find(key).is_some() {
            self.schedule(index);
        }
    }

    fn carry_out_one(&mut self, index: usize, key: ConnectionKey, action: Action) {
        match action {
            Action::Send { bytes, kind: Sending::Kept } => self.queue(index, bytes, Kind::Kept),
            Action::Send { bytes, kind: Sending::State } => self.queue(index, bytes, Kind::State),
            Action::Send { bytes, kind: Sending::AtOnce } => {
                if !self.send_frame(index, &bytes) {
                    // The read that follows a broken write finds the end and cleans up.
                    self.again.push(key);
                }
            }
            Action::Rpc { caller, request } => {
                if let Err(refused) = self.run_rpc(key, caller, &request) {
                    self.with_session(index, |session, context, actions| {
                        session.rpc_answered(Err(&refused), context, actions);
                    });
                }
            }
            Action::Account(request) => {
                if let Err(refused) = self.call_accounts(key, *request) {
                    self.answer_account(key, &Err(refused));
                }
            }
            Action::Join { identity, room } => self.start_join(index, identity, &room),
            Action::Input(input) => {
                let id = input.id;
                if let Err(refused) = self.take_input(index, key, input) {
                    self.with_session(index, |session, _, actions| {
                        session.input_refused(id, &refused, actions);
                    });
                }
            }
            Action::Closed(code) => {
                self.metrics.closes.at(CloseCode(code)).inc();
                self.leave(index);
            }
            Action::Finish => self.finish(index),
            Action::Answered { route, status } => self.count_request(route, status),
            Action::DroppedInput(DroppedInput::Malformed) => {
                self.metrics.inputs.at(InputOutcome::Malformed).inc();
            }
            Action::DroppedInput(DroppedInput::Limited) => {
                self.metrics.inputs.at(InputOutcome::Limited).inc();
            }
        }
    }

    fn count_request(&mut self, route: Route, status: u16) {
        let refusal = match (route, status) {
            (_, 401) => Some(Refusal::Unauthorized),
            (Route::GuestLogin | Route::Register | Route::Login, 429) => Some(Refusal::LoginRate),
            (Route::WebSocket, 403) => Some(Refusal::Hook),
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.metrics.refusals.at(refusal).inc();
        }
        let route = match route {
            Route::GuestLogin => metrics::Route::GuestLogin,
            Route::Register => metrics::Route::Register,
            Route::Login => metrics::Route::Login,
            Route::Refresh => metrics::Route::Refresh,
            Route::Logout => metrics::Route::Logout,
            Route::Account => metrics::Route::Account,
            Route::Password => metrics::Route::Password,
            Route::Upgrade => metrics::Route::Upgrade,
            Route::Rpc => metrics::Route::Rpc,
            Route::WebSocket => metrics::Route::WebSocket,
            Route::Echo => metrics::Route::Echo,
            Route::Health => metrics::Route::Health,
            Route::Ready => metrics::Route::Ready,
            Route::Metrics => metrics::Route::Metrics,
            Route::Page => metrics::Route::Page,
            Route::Unknown => metrics::Route::Other,
        };
        self.metrics.requests.at(metrics::Request { route, status }).inc();
    }
}
