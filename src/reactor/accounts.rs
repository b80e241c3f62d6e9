//! What the accounts answer, and news that end sockets.

use super::shard::Shard;
use crate::session::Session;
use crate::session::account::{AccountAnswer, AccountResult, Upgraded};
use crate::session::dismissal::Dismissal;
use crate::state::{Arguments, Batch, BatchTag, Call, CallKeys, ConnectionKey, Membership};

impl Shard {
    /// A connection that was closed meanwhile gets nothing.
    pub(super) fn account_answered(&mut self, key: ConnectionKey, result: &AccountResult) {
        // The account is there, whether somebody waits for the answer or not.
        if let Ok(AccountAnswer { upgraded: Some(upgraded), .. }) = result {
            self.run_on_upgrade(upgraded);
        }
        let Some(index) = self.find(key) else { return };
        self.with_session(index, |session, context| {
            if let Session::Http(http) = session {
                http.account_answered(result, context);
            }
        });
    }

    /// Queues the hook for each room. What comes to a room later, the player's own join among it, finds it done.
    fn run_on_upgrade(&self, upgraded: &Upgraded) {
        let Some(script) = self.scripts.get("on_upgrade") else { return };
        for room in &upgraded.rooms {
            let arguments =
                [&upgraded.user_id, &upgraded.username].map(|text| text.as_bytes().into()).to_vec();
            let call = Call {
                script: script.clone(),
                caller: upgraded.guest.clone(),
                keys: CallKeys::FromRoom,
                arguments: Arguments::List(arguments),
                wants_result: false,
                membership: Membership::Unchanged,
            };
            let batch = Batch {
                room: Some(room.clone()),
                calls: vec![call],
                stop_on_error: false,
                received_at: self.round_began,
                origin: self.id,
                tag: BatchTag::Forget,
            };
            if let Err(rejected) = self.shared.engine.submit(batch) {
                let (guest, user_id) = (&upgraded.guest.user_id, &upgraded.user_id);
                log::error!(
                    "a room was not told of an upgrade room={room} guest={guest} user={user_id} reason={:?}",
                    rejected.reason
                );
            }
        }
    }

    /// Closes the sockets of whom the news concern.
    pub(super) fn dismiss(&mut self, dismissal: &Dismissal) {
        let verdict_of = |session: Option<&Session>| {
            session.and_then(Session::identity).and_then(|identity| dismissal.verdict(identity))
        };
        let concerned = self.connections.iter().filter_map(|(index, connection)| {
            verdict_of(connection.carried.session.as_ref()).map(|(code, reason)| (index, code, reason))
        });
        let concerned: Vec<_> = concerned.collect();
        for (index, code, reason) in concerned {
            self.with_session(index, |session, context| {
                if let Session::WebSocket(websocket) = session {
                    websocket.close(code, reason, context);
                }
            });
        }
    }

    /// News may have come about a member while it was on its way here, or while its room let it in.
    pub(super) fn check_standing(&mut self, index: usize) {
        self.with_session(index, |session, context| {
            if let Session::WebSocket(websocket) = session {
                websocket.check_standing(context);
            }
        });
    }
}
