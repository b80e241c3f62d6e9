//! Somebody who wants to come in.

use std::sync::Arc;

use bytes::Bytes;

use super::MembershipId;
use crate::state::ConnectionKey;
use crate::wire::ids::Identity;

/// Somebody who wants to come in.
#[derive(Debug)]
pub(crate) struct Join {
    /// The connection that asks.
    pub connection: ConnectionKey,
    pub identity: Arc<Identity>,
    /// The membership that it will be.
    pub membership: MembershipId,
    /// Whether the connection has ended meanwhile.
    pub(super) is_gone: bool,
    /// Frames for this user that the welcome must come before.
    pub(super) held: Vec<Bytes>,
}
