//! What the accounts answer, and news that end sockets.

use std::sync::Arc;

use super::mail::PendingInput;
use super::purposes::{OwnCall, ReplyTo};
use super::shard::Shard;
use crate::session::Session;
use crate::session::account::{AccountAnswer, AccountNews, AccountResult, Upgraded};
use crate::session::dismissal::Dismissal;
use crate::state::{Arguments, Call, CallError, CallKeys, ConnectionKey, Membership};

impl Shard {
    /// The accounts have done what a connection asked for, whether it still waits or not.
    pub(super) fn account_answered(&mut self, key: ConnectionKey, result: Box<AccountResult>) {
        match &*result {
            Ok(AccountAnswer { news: Some(AccountNews::Upgraded(upgraded)), .. }) => {
                return self.begin_upgrade(upgraded.clone(), key, result);
            }
            Ok(AccountAnswer { news: Some(AccountNews::GuestWritten(guest)), .. }) => {
                self.guest_written(guest);
            }
            _ => {}
        }
        self.answer_account(key, &result);
    }

    /// A connection that was closed meanwhile gets nothing.
    pub(super) fn answer_account(&mut self, key: ConnectionKey, result: &AccountResult) {
        let Some(index) = self.find(key) else { return };
        self.with_session(index, |session, context, actions| {
            session.account_answered(result, context, actions);
        });
    }

    /// Queues `on_upgrade` among the room's inputs: it is never refused, only late.
    pub(super) fn run_on_upgrade(&mut self, room_index: usize, upgraded: Arc<Upgraded>) {
        let Some(script) = self.scripts.get("on_upgrade").cloned() else { return };
        let received_at = self.round_began;
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let arguments = [&upgraded.user_id, &upgraded.username].map(|text| text.as_bytes().into());
        let call = Call {
            script,
            caller: upgraded.guest.clone(),
            keys: CallKeys::FromRoom,
            arguments: Arguments::List(arguments.to_vec()),
            wants_result: false,
            membership: Membership::Unchanged,
        };
        let own = Some(Box::new(OwnCall::Upgrade(upgraded)));
        let reply_to = ReplyTo { connection: ConnectionKey::NOBODY, id: None, own };
        room.pending.push(PendingInput { call, reply_to, received_at });
        self.touch(room_index);
    }

    /// Closes the sockets of whom the news concern.
    pub(super) fn dismiss(&mut self, dismissal: &Dismissal) {
        let concerned = self.connections.iter().filter_map(|(index, connection)| {
            let (code, reason) = dismissal.verdict(connection.carried.session.identity()?)?;
            Some((index, code, reason))
        });
        let concerned: Vec<_> = concerned.collect();
        for (index, code, reason) in concerned {
            self.with_session(index, |session, context, actions| {
                session.close(code, reason, context, actions);
            });
        }
    }

    /// News may have come about a member while it was on its way here, or while its room let it in.
    pub(super) fn check_standing(&mut self, index: usize) {
        self.with_session(index, Session::check_standing);
    }
}

/// Whether the store did not answer, or could not work.
pub(super) fn is_unavailable(error: &CallError) -> bool {
    &*error.code == "unavailable"
}
