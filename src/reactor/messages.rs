//! What arrives in a shard's mailbox.

use std::sync::Arc;

use bytes::Bytes;
use mio::net::TcpStream;
use smol_str::SmolStr;

use super::connection::Carried;
use super::home_shard;
use super::upgrades::UpgradeNews;
use crate::mailbox::MailboxSender;
use crate::room::flush::Flush;
use crate::room::{CaughtUp, MembershipId, QueuedInput, Why};
use crate::script::ScriptSet;
use crate::session::account::AccountResult;
use crate::session::disconnects::Disconnects;
use crate::state::{ConnectionKey, Deliver, Delivery, ShardId};
use crate::wire::Position;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::message::InputName;
use crate::wire::ws::close_code::Then;

/// A message to a shard. Messages of one sender arrive in the order in which they were posted.
///
/// A message is small, as a mailbox has room for thousands: what is large is behind a pointer.
///
/// The engine waits while a mailbox is full. Shards do not: their messages wait in a backlog. Messages about a member's
/// coming and going are as many as there are connections, and are never lost; of the others, those beyond the backlog's
/// bound are lost, with the outcome that the variant names.
pub(crate) enum ShardMessage {
    /// From the state engine.
    Engine(Box<Delivery>),
    /// A connection that wants to join a room of this shard.
    Adopt(Box<Handover>),
    /// A member of a large room whose home is elsewhere.
    AdoptMember(Box<(Handover, Seating)>),
    /// To the home shard: a member that was handed over has arrived, and is at this key.
    Settled(Box<MemberOf>, ConnectionKey),
    /// To the home shard: a member is gone from that shard.
    Left(Box<MemberOf>, ShardId, Then),
    /// To the home shard: a member that is behind has read what was on its way, and wants what it has missed since then.
    IsBehind(Box<(MemberOf, Position)>),
    /// To the home shard: inputs of members that were handed over. While that shard has stalled none are sent: they are refused.
    Inputs(RoomId, Vec<QueuedInput>),
    /// From the home shard: this input did not run. Lost: nobody is told but the log.
    RefuseInput(ConnectionKey, InputName, Why),
    /// From the home shard: all of this member's numbered inputs up to this one have run. Lost: the next one tells.
    InputsRan(ConnectionKey, u64),
    /// From the home shard: events for the members here. Lost: the members here are brought up to date.
    Flush(RoomId, Arc<Flush>),
    /// Events for this member are missing: it is to be brought up to date.
    FallBehind(ConnectionKey),
    /// For a member that is behind: with this frame, if there is one, it has the events up to this seq.
    CatchUp(ConnectionKey, Box<CaughtUp>),
    /// A frame for one connection. Lost: nobody is told but the log.
    Frame(ConnectionKey, Bytes),
    Close(ConnectionKey, u16, &'static str),
    /// A script has put this member out of the room, for this reason.
    Remove(ConnectionKey, SmolStr),
    /// A guest that may have something in rooms at home there has become a player.
    Upgraded(Arc<UpgradeNews>),
    /// The accounts have answered a connection's call.
    Account(ConnectionKey, Box<AccountResult>),
    /// The database has forgotten the guest that is being cleaned up for the store of this index, or could not.
    GuestForgotten(usize, bool),
    /// Close the sockets of whom this concerns.
    Disconnect(Arc<Disconnects>),
    /// At the room's home shard: a user is gone who has called in it, maybe without a socket there.
    CallerGone(Box<(Arc<Identity>, RoomId)>),
    Scripts(Arc<ScriptSet>),
    /// Stop accepting, and close every connection, spread over so many milliseconds.
    Drain {
        /// Milliseconds from the first to the last close.
        spread_ms: u64,
    },
    Stop,
}

/// A connection on its way to another shard.
pub(crate) struct Handover {
    /// The socket, registered nowhere.
    pub(super) stream: TcpStream,
    pub(super) carried: Carried,
}

/// A member that is handed over.
#[derive(Clone, Debug)]
pub(crate) struct Seating {
    pub room: RoomId,
    pub membership: MembershipId,
    /// The events up to here are known to it.
    pub position: Position,
}

/// Somebody's membership of a room.
#[derive(Clone, Debug)]
pub(crate) struct MemberOf {
    pub room: RoomId,
    pub membership: MembershipId,
    pub identity: Arc<Identity>,
}

/// All shards' mailboxes, as the engine sees them.
pub(crate) struct ShardPosts {
    posts: Vec<MailboxSender<ShardMessage>>,
}

impl ShardPosts {
    /// One per shard, in order.
    pub(crate) fn new(posts: Vec<MailboxSender<ShardMessage>>) -> Self {
        Self { posts }
    }
}

impl Deliver for ShardPosts {
    fn deliver(&mut self, shard: ShardId, delivery: Delivery) {
        // A shard that is gone has closed its connections: nobody is left to tell.
        let _ = self.posts[shard].post_blocking(ShardMessage::Engine(Box::new(delivery)));
    }

    fn home(&self, room: &RoomId) -> ShardId {
        home_shard(room, self.posts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_small() {
        assert!(size_of::<ShardMessage>() <= 48, "{}", size_of::<ShardMessage>());
    }
}
