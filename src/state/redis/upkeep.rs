//! How nodes that share a store know of each other: each holds a lease, and what a node without one leaves behind, the others
//! tidy up. No sockets here.
//!
//! In the store, behind the deployment's prefix: the set `nodes`, and for each node `node:<id>:lease`, the set `node:<id>:members`
//! (room, user and membership of those whose sockets it has), and `node:<id>:expelled` once others have taken it for dead.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use smol_str::SmolStr;

use crate::script::Script;
use crate::state::{Batch, Call, Membership, ShardId};
use crate::wire::ids::{Identity, Role, RoomId};

/// How often a node renews its lease, and looks for others that do not.
pub(super) const INTERVAL: Duration = Duration::from_millis(2500);
/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(9);
/// After the store was away, nodes get so long to renew their leases before they count as dead.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// How many members of a dead node are listed at once.
pub(super) const ORPHANS_AT_ONCE: usize = 100;

const FIND_ORPHANS: &str = include_str!("orphans.lua");
/// `KEYS[1]`: the set of nodes; `ARGV[1]`: the node; `ARGV[2]`: what its keys begin with; `ARGV[3]`: milliseconds.
const GIVE_UP_LEASE: &str = "
local name = ARGV[2]
if redis.call('EXISTS', name .. ':members') == 1 then
  redis.call('DEL', name .. ':lease')
  return redis.call('SET', name .. ':lease', '1', 'PX', ARGV[3])
end
redis.call('DEL', name .. ':lease')
return redis.call('SREM', KEYS[1], ARGV[1])
";

/// A node, and what the server's own keys begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeKeys<'a> {
    pub own_keys: &'a str,
    pub node: &'a str,
}

impl NodeKeys<'_> {
    /// What the keys of this node begin with.
    fn name(&self) -> String {
        format!("{}node:{}", self.own_keys, self.node)
    }
}

/// The set of nodes.
fn nodes(own_keys: &str) -> String {
    format!("{own_keys}nodes")
}

/// The command by which a node renews its lease; its answer is for [`is_expelled`].
pub(super) fn renew_lease(node: &NodeKeys<'_>) -> Cmd {
    // A script that has deleted something may write, however full the store is: players must not lose their node with it.
    const RENEW_LEASE: &str = "
local name = ARGV[2]
local expelled = redis.call('DEL', name .. ':expelled')
redis.call('SET', name .. ':lease', '1', 'PX', ARGV[3])
redis.call('SADD', KEYS[1], ARGV[1])
return expelled
";
    let mut command = redis::cmd("EVAL");
    command.arg(RENEW_LEASE).arg(1).arg(nodes(node.own_keys)).arg(node.node).arg(node.name());
    command.arg(LEASE.as_millis() as u64);
    command
}

/// Whether others have taken this node for dead since it last asked.
pub(super) fn is_expelled(answer: &Value) -> bool {
    matches!(answer, Value::Int(1))
}

/// How often a node looks whether the store still has its data.
pub(super) const IDENTIFY_INTERVAL: Duration = Duration::from_millis(400);

/// The command that tells the name of what the store holds, and whether it is full. If it holds nothing, it gets this name.
pub(super) fn identify(own_keys: &str, name: &str) -> Cmd {
    const IDENTIFY: &str = "
local name = redis.call('GET', KEYS[1])
-- It changes nothing, and is refused as what needs memory is.
local reply = redis.pcall('SETRANGE', KEYS[1], 0, '')
if not name then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[1])
end
return { name, type(reply) == 'table' and string.find(reply.err or '', 'OOM', 1, true) and 1 or 0 }
";
    let mut command = redis::cmd("EVAL");
    command.arg(IDENTIFY).arg(1).arg(format!("{own_keys}store")).arg(name);
    command
}

/// Reads the answer to [`identify`]: the name, nothing if the store had none; and whether it is full.
pub(super) fn read_identity(answer: &Value) -> (Option<Box<str>>, bool) {
    let Value::Array(parts) = answer else { return (None, false) };
    let name = match parts.first() {
        Some(Value::BulkString(name)) => Some(String::from_utf8_lossy(name).into()),
        _ => None,
    };
    (name, matches!(parts.get(1), Some(Value::Int(1))))
}

/// The command by which a node says that it ends. Members that it has left behind may come back for so long.
pub(super) fn give_up_lease(node: &NodeKeys<'_>, rejoin_grace: Duration) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(GIVE_UP_LEASE).arg(1).arg(nodes(node.own_keys)).arg(node.node).arg(node.name());
    command.arg(rejoin_grace.as_millis().max(1) as u64);
    command
}

/// The command that lists what dead nodes left behind, for [`read_orphans`].
pub(super) fn find_orphans(own_keys: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(FIND_ORPHANS)
        .arg(1)
        .arg(nodes(own_keys))
        .arg(ORPHANS_AT_ONCE)
        .arg(format!("{own_keys}node:"));
    command
}

/// A member of a dead node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Orphan {
    pub node: Box<str>,
    pub room: RoomId,
    /// Who, as far as the store knows.
    pub identity: Arc<Identity>,
    pub membership: Box<str>,
}

/// Reads the answer to [`find_orphans`].
pub(super) fn read_orphans(answer: Value) -> Vec<Orphan> {
    let Value::Array(parts) = answer else { return Vec::new() };
    let mut orphans = Vec::new();
    let mut parts = parts.into_iter();
    while let (Some(Value::BulkString(node)), Some(members)) = (parts.next(), parts.next()) {
        let node: Box<str> = String::from_utf8_lossy(&node).into();
        let (Value::Array(members) | Value::Set(members)) = members else { continue };
        for member in members {
            let Value::BulkString(entry) = member else { continue };
            let entry = String::from_utf8_lossy(&entry);
            match parse_entry(&node, &entry) {
                Some(orphan) => orphans.push(orphan),
                None => log::warn!("a member of a dead node makes no sense node={node} member={entry:?}"),
            }
        }
    }
    orphans
}

/// `room user node number role username`; the last may have spaces.
fn parse_entry(node: &str, entry: &str) -> Option<Orphan> {
    let (room, rest) = entry.split_once(' ')?;
    let (user_id, membership) = rest.split_once(' ')?;
    let words: Vec<&str> = membership.splitn(4, ' ').collect();
    let [_node, _number, role, username] = words[..] else { return None };
    let identity = Identity {
        user_id: user_id.into(),
        username: username.into(),
        role: Role::parse(role)?,
        expires_at_s: 0,
        login: Default::default(),
    };
    Some(Orphan {
        node: node.into(),
        room: RoomId::parse(room)?,
        identity: Arc::new(identity),
        membership: membership.into(),
    })
}

impl Orphan {
    /// The call that takes the member out of its room, unless that has been done or the user is back.
    pub(super) fn leave(&self, on_disconnect: &Arc<Script>, origin: ShardId) -> Batch {
        let membership = Membership::LeaveOf(self.membership.clone());
        let call = Call::hook(on_disconnect.clone(), self.identity.clone(), &self.room, membership);
        Batch::new(Some(self.room.clone()), vec![call], origin)
    }
}

/// Members of dead nodes whose leaves wait for documents: each has one under way, however often it is found meanwhile.
#[derive(Debug, Default)]
pub(super) struct Leaving(HashMap<(RoomId, SmolStr, Box<str>), Instant>);

impl Leaving {
    /// How long the documents of a leave are waited for, at most.
    const PATIENCE: Duration = Duration::from_secs(8);

    /// Those of whom no leave is under way; now one is.
    pub(super) fn begin(&mut self, mut orphans: Vec<Orphan>, now: Instant) -> Vec<Orphan> {
        self.0.retain(|_, since| now.saturating_duration_since(*since) < Self::PATIENCE);
        orphans.retain(|orphan| {
            let name = (orphan.room.clone(), orphan.identity.user_id.clone(), orphan.membership.clone());
            match self.0.entry(name) {
                Entry::Occupied(_) => false,
                Entry::Vacant(place) => {
                    place.insert(now);
                    true
                }
            }
        });
        orphans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_member_leaves_once_at_a_time() {
        let orphan = |entry: &str| parse_entry("abcd", entry).expect("a member");
        let [ann, ben, again] =
            ["r1 7 abcd 1 player ann", "r1 8 abcd 2 player ben", "r1 7 abcd 3 player ann"].map(orphan);
        let (mut leaving, now) = (Leaving::default(), Instant::now());
        assert_eq!(leaving.begin(vec![ann.clone()], now), std::slice::from_ref(&ann));
        assert_eq!(leaving.begin(vec![ann.clone(), ben.clone()], now), std::slice::from_ref(&ben));
        let later = now + Leaving::PATIENCE;
        assert_eq!(leaving.begin(vec![again.clone()], now), [again]);
        assert_eq!(leaving.begin(vec![ann.clone(), ben.clone()], later), [ann, ben]);
    }

    #[test]
    fn orphans_are_read() {
        let members =
            vec![text("r1 guest:x abcd 7 guest Guest-1"), text("r2 17 abcd 8 player ada of x"), text("bad")];
        let found = read_orphans(Value::Array(vec![text("abcd"), Value::Array(members)]));
        assert_eq!(found.len(), 2);
        let (one, two) = (&found[0], &found[1]);
        assert_eq!(
            (one.room.as_str(), &*one.identity.user_id, &*one.membership),
            ("r1", "guest:x", "abcd 7 guest Guest-1")
        );
        assert_eq!((&*two.identity.username, two.identity.role), ("ada of x", Role::Player));
        assert!(read_orphans(Value::Nil).is_empty());
    }
}
