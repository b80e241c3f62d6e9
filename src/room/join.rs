//! Somebody who wants to come in.

use std::sync::Arc;

use super::MembershipId;
use crate::state::ConnectionKey;
use crate::wire::Position;
use crate::wire::ids::Identity;

/// Somebody who wants to come in.
#[derive(Debug)]
pub(crate) struct Join {
    /// The connection that asks.
    pub connection: ConnectionKey,
    pub identity: Arc<Identity>,
    /// The membership that it will be.
    pub membership: MembershipId,
    /// Up to where the client knows the room's events, if it says that it was here before.
    pub since: Option<Position>,
    /// What the client tells `on_connect` and `on_resume`.
    pub options: Option<Box<str>>,
    /// Whether the connection has ended meanwhile.
    pub(super) is_gone: bool,
}
