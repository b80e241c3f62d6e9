//! For whom scripts publish, and the groups of a room's users.

use godra_engine::lua::{Answer, Call, Raised};
use godra_engine::reply::Value;
use smol_str::SmolStr;

use super::events::EventOptions;
use super::library::Game;
use crate::state::groups::{
    CELL, MAX_GROUPS, MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_NAMED, MAX_REACH, MAX_REASON_BYTES, MAX_USER_BYTES,
    TTL_S, cell_of, cell_size, is_name,
};
use crate::state::{Audience, Users};

type Names = Vec<Box<[u8]>>;

impl Game {
    /// What the options of `godra.publish` say.
    pub(super) fn options(&self, call: &Call<'_>, options: u8) -> Result<EventOptions, Raised> {
        let [to, except, group, replace] =
            call.options(options, ["to", "except", "group", "replace"], MAX_NAMED)?;
        let replace = replace.map(|keys| replace_key(call, &keys)).transpose()?;
        Ok(EventOptions { audience: self.audience(call, to, except, group)?, replace })
    }

    /// For whom an event is; none if it is for everybody.
    fn audience(
        &self,
        call: &Call<'_>,
        to: Option<Names>,
        except: Option<Names>,
        group: Option<Names>,
    ) -> Result<Option<Audience>, Raised> {
        let except: Users = users(except.unwrap_or_default()).collect();
        if to.is_none() && group.is_none() {
            return Ok((!except.is_empty()).then_some(Audience::AllBut(except)));
        }
        let mut named: Vec<SmolStr> = users(to.unwrap_or_default()).collect();
        for group in group.unwrap_or_default() {
            named.extend(self.users_of(call, &group)?);
        }
        named.retain(|user_id| !except.contains(user_id));
        Ok(Some(Audience::Users(named.into_iter().collect())))
    }

    /// `godra.join(group or {groups}, user?)`. A list of map cells is where the user is: it leaves the other cells of that size.
    pub(super) fn join(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let (names, user_id) = (self.group_names(call, "join")?, self.user_or_caller(call, 2)?);
        let (room, user_key) = self.user_key(call, "join", &user_id)?;
        let known = members(call, &user_key)?;
        let size = names.first().and_then(|name| cell_size(name));
        let is_place = size.is_some() && names.iter().all(|name| cell_size(name) == size);
        let is_left = |name: &[u8]| {
            is_place && cell_size(name) == size && !names.iter().any(|wanted| **wanted == *name)
        };
        let left: Names = known.iter().filter(|name| is_left(name)).cloned().collect();
        let joined: Names = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        if known.len() - left.len() + joined.len() > MAX_GROUPS {
            return Err(call.error(format_args!("a user may be in {MAX_GROUPS} groups of a room at most")));
        }
        self.leave_groups(call, &room, &user_id, &left)?;
        for name in &joined {
            let key = group_key(&room, name);
            call.command(&[b"SADD", &user_key, name])?;
            call.command(&[b"SADD", &key, &user_id])?;
            call.command(&[b"EXPIRE", &key, TTL_S.to_string().as_bytes()])?;
        }
        if !joined.is_empty() {
            call.command(&[b"EXPIRE", &user_key, TTL_S.to_string().as_bytes()])?;
        }
        Ok(Answer::NOTHING)
    }

    /// `godra.leave(group or {groups}, user?)`.
    pub(super) fn leave(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let (names, user_id) = (self.group_names(call, "leave")?, self.user_or_caller(call, 2)?);
        let (room, _) = self.user_key(call, "leave", &user_id)?;
        self.leave_groups(call, &room, &user_id, &names)?;
        Ok(Answer::NOTHING)
    }

    /// `godra.cell(x, y, size, reach?)`: the group of the map's cell at that place, or with a reach the list of those around it.
    pub(super) fn cell(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let (x, y, size) = (call.finite(1)?, call.finite(2)?, call.finite(3)?);
        if size <= 0.0 {
            return Err(call.error(format_args!("bad argument #3 to 'cell': a size above 0")));
        }
        let (Some(x), Some(y)) = (cell_of(x, size), cell_of(y, size)) else {
            return Err(call.error(format_args!("the cell is too far away: a larger size would do")));
        };
        let size = String::from_utf8_lossy(call.bytes(3)?).into_owned();
        let name = |x: i64, y: i64| format!("{CELL}{size}:{x}:{y}");
        if call.is_nil(4) {
            return Ok(call.text(name(x, y).as_bytes()));
        }
        let reach = call.finite(4)?;
        if !(0.0..=MAX_REACH).contains(&reach) || reach.fract() != 0.0 {
            return Err(
                call.error(format_args!("bad argument #4 to 'cell': a whole number from 0 to {MAX_REACH}"))
            );
        }
        let around = |at: i64| at - reach as i64..=at + reach as i64;
        let names: Vec<String> =
            around(y).flat_map(|y| around(x).map(move |x| (x, y))).map(|(x, y)| name(x, y)).collect();
        Ok(call.list(names.iter().map(|name| name.as_bytes())))
    }

    /// `godra.remove(user, reason?)`: the user is in no group any more, and its socket is closed.
    pub(super) fn remove(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let user_id = self.user(call, 1)?;
        let reason = if call.is_nil(2) { &b"removed from the room"[..] } else { call.bytes(2)? };
        if !is_name(reason, MAX_REASON_BYTES) {
            return Err(call.error(format_args!(
                "bad argument #2 to 'remove': a reason of 1 to {MAX_REASON_BYTES} bytes in one line"
            )));
        }
        let (room, user_key) = self.user_key(call, "remove", &user_id)?;
        self.leave_groups(call, &room, &user_id, &members(call, &user_key)?)?;
        let text = |bytes: &[u8]| SmolStr::new(String::from_utf8_lossy(bytes));
        self.with_room(call, "remove", |event_log, room, _| {
            event_log.remove(room, text(&user_id), text(reason))
        })
    }

    fn leave_groups(
        &self,
        call: &Call<'_>,
        room: &str,
        user_id: &[u8],
        names: &[Box<[u8]>],
    ) -> Result<(), Raised> {
        let user_key = user_key(room, user_id);
        for name in names {
            call.command(&[b"SREM", &user_key, name])?;
            call.command(&[b"SREM", &group_key(room, name), user_id])?;
        }
        Ok(())
    }

    fn users_of(
        &self,
        call: &Call<'_>,
        group: &[u8],
    ) -> Result<impl Iterator<Item = SmolStr> + use<>, Raised> {
        check_group(call, group)?;
        let key = group_key(&self.room(call, "publish")?, group);
        Ok(users(members(call, &key)?))
    }

    fn group_names(&self, call: &Call<'_>, function: &str) -> Result<Names, Raised> {
        self.room(call, function)?;
        let mut names: Names = Vec::new();
        for name in call.texts_of(1, MAX_GROUPS)? {
            check_group(call, &name)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn user_or_caller(&self, call: &Call<'_>, argument: u8) -> Result<Box<[u8]>, Raised> {
        if !call.is_nil(argument) {
            return self.user(call, argument);
        }
        let caller_id = self.caller_id();
        if caller_id.is_empty() {
            let message = format_args!("bad argument #{argument}: nobody has called, so it names the user");
            return Err(call.error(message));
        }
        Ok(caller_id)
    }

    fn user(&self, call: &Call<'_>, argument: u8) -> Result<Box<[u8]>, Raised> {
        let user_id = call.bytes(argument)?;
        if !is_name(user_id, MAX_USER_BYTES) {
            return Err(call.error(format_args!(
                "bad argument #{argument}: a user's id has 1 to {MAX_USER_BYTES} bytes and no control characters"
            )));
        }
        Ok(user_id.into())
    }

    fn user_key(&self, call: &Call<'_>, function: &str, user_id: &[u8]) -> Result<(String, Vec<u8>), Raised> {
        let room = self.room(call, function)?;
        let key = user_key(&room, user_id);
        Ok((room, key))
    }
}

fn replace_key(call: &Call<'_>, keys: &[Box<[u8]>]) -> Result<SmolStr, Raised> {
    match keys {
        [key] if is_name(key, MAX_KEY_BYTES) => Ok(SmolStr::new(String::from_utf8_lossy(key))),
        _ => Err(call.error(format_args!(
            "bad option replace: one text of 1 to {MAX_KEY_BYTES} bytes without control characters"
        ))),
    }
}

fn check_group(call: &Call<'_>, name: &[u8]) -> Result<(), Raised> {
    if is_name(name, MAX_NAME_BYTES) {
        return Ok(());
    }
    Err(call.error(format_args!("a group's name has 1 to {MAX_NAME_BYTES} bytes and no control characters")))
}

/// Nobody has an id that is not UTF-8.
fn users(ids: Names) -> impl Iterator<Item = SmolStr> + use<> {
    ids.into_iter().map(|id| SmolStr::new(String::from_utf8_lossy(&id)))
}

fn members(call: &Call<'_>, key: &[u8]) -> Result<Names, Raised> {
    let reply = call.command(&[b"SMEMBERS", key])?;
    let text = |value| match value {
        Value::Bulk(text) => Some(text.into()),
        _ => None,
    };
    Ok(reply.values().filter_map(text).collect())
}

fn group_key(room: &str, name: &[u8]) -> Vec<u8> {
    [b"godra:group:", room.as_bytes(), b":", name].concat()
}

fn user_key(room: &str, user_id: &[u8]) -> Vec<u8> {
    [b"godra:groups:", room.as_bytes(), b":", user_id].concat()
}
