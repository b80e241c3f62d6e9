//! What the accounts answer, and news that end sockets.

use super::shard::Shard;
use crate::session::Session;
use crate::session::account::AccountResult;
use crate::session::dismissal::Dismissal;
use crate::state::ConnectionKey;

impl Shard {
    /// A connection that was closed meanwhile gets nothing.
    pub(super) fn account_answered(&mut self, key: ConnectionKey, result: &AccountResult) {
        let Some(index) = self.find(key) else { return };
        self.with_session(index, |session, context| {
            if let Session::Http(http) = session {
                http.account_answered(result, context);
            }
        });
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
