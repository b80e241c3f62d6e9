//! What the headers of scripts say of requests for documents: who may read a collection (whether somebody is in a room, the store
//! says), and which of them are ledgers, whose accounts managers change.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use crate::script::{Readers, Script, ScriptSet};
use crate::session::Rejection;
use crate::session::account::{AccountCall, AccountRequest};
use crate::session::documents::{DocumentCall, missing};
use crate::state::{Call, CallResult, ConnectionKey};
use crate::wire::ids::{Identity, RoomId};
use crate::wire::{Address, ErrorCode};

/// Says whether its caller is in the room, as scripts are told.
static IS_MEMBER: LazyLock<Arc<Script>> =
    LazyLock::new(|| Script::built_in("godra:is_member", "return godra.is_member() and 1 or 0"));

/// A document that is read if its reader turns out to be in the room.
#[derive(Debug)]
pub(super) struct WaitingReading {
    connection: ConnectionKey,
    caller: Arc<Identity>,
    address: Address,
    /// Where the caller is.
    peer: IpAddr,
}

/// Whether a player may read a document.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Whoever asks.
    Anyone,
    /// If it is the caller's own.
    Owner,
    /// If the caller is in this room.
    MembersOf(RoomId),
    /// No player.
    Nobody,
}

fn verdict(scripts: &ScriptSet, address: &Address) -> Verdict {
    let readers = scripts.collection(address.collection()).unwrap_or_default().readers;
    match readers {
        Readers::Everyone => Verdict::Anyone,
        Readers::Owner => Verdict::Owner,
        Readers::Nobody => Verdict::Nobody,
        Readers::Room => {
            Readers::room_of(address.game(), address.key()).map_or(Verdict::Nobody, Verdict::MembersOf)
        }
    }
}

/// What is to be asked.
pub(super) enum Next {
    /// The accounts.
    Accounts(AccountRequest),
    /// The store, whether the caller is in this room.
    Room(RoomId, WaitingReading),
}

/// What a connection's request to the accounts comes to; documents are read, and accounts of ledgers changed, as headers say.
///
/// # Errors
/// The answer, as the caller may not read what it asks for, or what it changes is no ledger.
pub(super) fn begin(
    scripts: &ScriptSet,
    connection: ConnectionKey,
    mut request: AccountRequest,
) -> Result<Next, Rejection> {
    match &mut request.call {
        AccountCall::Documents(DocumentCall::ReadOwn(address)) => {
            let address = address.clone();
            match verdict(scripts, &address) {
                Verdict::Nobody => return Err(missing()),
                Verdict::Owner => {}
                Verdict::Anyone => request.call = AccountCall::Documents(DocumentCall::Read(address)),
                Verdict::MembersOf(room) => {
                    let caller = request.caller.ok_or_else(missing)?;
                    let peer = request.address;
                    return Ok(Next::Room(room, WaitingReading { connection, caller, address, peer }));
                }
            }
        }
        AccountCall::Documents(DocumentCall::Change(account, _)) => {
            let collection = scripts.collection(account.collection()).unwrap_or_default();
            if !collection.is_ledger {
                let message = format!(
                    "no script says that {} is a ledger (-- DATA: {0}/… ledger)",
                    account.within_game().split('/').next().unwrap_or_default()
                );
                return Err(Rejection::new(ErrorCode::Conflict, message));
            }
        }
        AccountCall::Documents(DocumentCall::Own { hidden, .. }) => {
            *hidden = scripts.collections_for(Readers::Nobody).map(Into::into).collect();
        }
        _ => {}
    }
    Ok(Next::Accounts(request))
}

impl WaitingReading {
    /// The question to the store.
    pub(super) fn call(&self) -> Call {
        Call::rpc(IS_MEMBER.clone(), self.caller.clone(), Vec::new(), Vec::new())
    }

    /// The store has said whether the reader is in the room: the connection, and what the accounts are asked for.
    pub(super) fn checked(
        self,
        result: Option<&CallResult>,
    ) -> (ConnectionKey, Result<AccountRequest, Rejection>) {
        let Self { connection, caller, address, peer } = self;
        let request = match result {
            Some(CallResult::Ok(is_member)) if is_member.as_ref() == b"1" => {
                let call = AccountCall::Documents(DocumentCall::Read(address));
                Ok(AccountRequest { call, caller: Some(caller), address: peer })
            }
            Some(CallResult::Ok(_)) => Err(missing()),
            other => {
                log::warn!("cannot tell whether a reader is in a room user={} {other:?}", caller.user_id);
                let message = "whether you are in the document's room cannot be told now; try again soon";
                Err(Rejection::new(ErrorCode::Unavailable, message))
            }
        };
        (connection, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Header;

    fn set(game: Option<&str>, data: &str) -> ScriptSet {
        let text = format!("-- DATA: {data}\n");
        let script = Script::new("s", "s.lua", &text, Header::parse("s", &text).expect("valid"));
        let script = match game {
            Some(game) => script.in_game(&game.into()),
            None => script,
        };
        let of_game = ScriptSet::new([(Box::from("s"), Arc::new(script))].into(), 1);
        match game {
            Some(game) => {
                let mut all = ScriptSet::default();
                all.games.insert(game.into(), Arc::new(of_game));
                all
            }
            None => of_game,
        }
    }

    #[test]
    fn headers_say_who_reads() {
        let own = set(None, "a/x everyone, b/x nobody, c/x owner, d/{room} room, e/{user}");
        let of_game = set(Some("chess"), "d/{room}/log room, f/x everyone");
        let members_of = |room: &str| Verdict::MembersOf(RoomId::parse(room).expect("valid"));
        let check = |set: &ScriptSet, address: &str, expected: Verdict| {
            let address = Address::parse(address).expect("valid");
            assert_eq!(verdict(set, &address), expected, "{address}");
        };
        check(&own, "a/7", Verdict::Anyone);
        check(&own, "b/x", Verdict::Nobody);
        check(&own, "c/7", Verdict::Owner);
        check(&own, "e/7", Verdict::Owner);
        check(&own, "unknown/7", Verdict::Owner);
        check(&own, "d/k3", members_of("k3"));
        check(&own, "d/k3/moves/1", members_of("k3"));
        check(&own, "d/no room", Verdict::Nobody);
        check(&own, "d//k3", Verdict::Nobody);
        check(&own, "d/chess~k3", Verdict::Nobody);
        check(&own, "chess~a/7", Verdict::Owner);
        check(&of_game, "chess~d/chess~k3/log", members_of("chess~k3"));
        check(&of_game, "chess~d/k3", members_of("chess~k3"));
        check(&of_game, "chess~d/go~k3", Verdict::Nobody);
        check(&of_game, "chess~f/1", Verdict::Anyone);
        check(&of_game, "f/1", Verdict::Owner);
        assert_eq!(own.collections_for(Readers::Nobody).collect::<Vec<_>>(), ["b"]);
    }
}
