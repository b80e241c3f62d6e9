//! The parts of `godra` that save a script its first lines: its input decoded, its room's members and state.

use std::cmp::Ordering;

use godra_engine::lua::{Answer, Call, Function, LibraryText, Raised};
use log::Level;

use super::library::Game;
use crate::state::call::{Input, UNREADABLE_PAYLOAD};
use crate::state::{Arguments, prints};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;
use crate::wire::message::{MAX_DEPTH, is_too_deep};

/// What both stores have, and what ties it to this one.
const TEXT: &str = concat!(
    include_str!("../library.lua"),
    "local godra, helpers = ...
    local made = make_library({
      room = helpers.room, caller = helpers.caller, run = redis.pcall, encode = cjson.encode, decode = cjson.decode,
      is_too_deep = helpers.is_too_deep, max_depth = helpers.max_depth(), protect = function(own) return own end,
      log = helpers.log,
    })
    for name, value in pairs(made) do godra[name] = value end
    print = godra.log"
);

impl Game {
    /// The library's part in Lua.
    pub(super) fn text() -> LibraryText {
        let helpers = vec![
            Function::new(c"room", Self::give_room),
            Function::new(c"caller", Self::give_caller),
            Function::new(c"is_too_deep", Self::give_is_too_deep),
            Function::new(c"max_depth", Self::give_max_depth),
            Function::new(c"log", Self::print),
        ];
        LibraryText { text: TEXT, helpers, tables: vec![c"state"] }
    }

    fn give_room(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let room = self.room_id();
        Ok(room.map_or_else(|| call.nil(), |room| call.text(room.as_str().as_bytes())))
    }

    fn give_caller(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let id = self.caller_id();
        Ok(if id.is_empty() { call.nil() } else { call.text(&id) })
    }

    fn give_is_too_deep(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        Ok(call.boolean(is_too_deep(call.bytes(1)?, MAX_DEPTH)))
    }

    fn give_max_depth(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        Ok(call.number(MAX_DEPTH as f64))
    }

    fn print(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        self.print_line(Level::Info, &String::from_utf8_lossy(call.bytes(1)?), call.bytes(2)?);
        Ok(Answer::NOTHING)
    }

    /// One of the lines that a call may print; `place` is the script's file and line.
    pub(super) fn print_line(&self, level: Level, place: &str, text: &[u8]) {
        let printed = self.printed.get();
        self.printed.set(printed + 1);
        let text = match printed.cmp(&prints::MAX_LINES) {
            Ordering::Less => text,
            Ordering::Equal => prints::LEFT_OUT.as_bytes(),
            Ordering::Greater => return,
        };
        let room = self.room_id();
        prints::print(level, place.trim_end_matches(": "), room.as_ref().map(RoomId::as_str), text);
    }

    /// `godra.array`.
    pub(super) fn array(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        call.array(1)
    }

    /// `godra.payload`.
    pub(super) fn payload(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        match &*self.input() {
            Some(Arguments::Payload(json)) => decoded(call, json),
            Some(Arguments::Message(message)) => decoded(call, &message.payload),
            Some(Arguments::List(list)) => {
                if let Some(first) = list.first().filter(|first| Input::may_be_compound(first))
                    && let Some(answer) = call.decoded(first)?
                {
                    return Ok(answer);
                }
                Ok(call.list(list.iter().map(|argument| &**argument)))
            }
            _ => Ok(call.nil()),
        }
    }
}

/// What JSON text stands for; null is nil.
fn decoded(call: &Call<'_>, json: &[u8]) -> Result<Answer, Raised> {
    if json.trim_ascii() == b"null" {
        return Ok(call.nil());
    }
    call.decoded(json)?.ok_or_else(|| call.refusal(ErrorCode::BadRequest.name(), UNREADABLE_PAYLOAD))
}
