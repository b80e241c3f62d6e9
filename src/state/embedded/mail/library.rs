//! `godra.tell` and `godra.cancel`.

use std::sync::Arc;

use godra_engine::lua::{Answer, Call, Field, Raised};

use super::{Address, Body, Place, address, key};
use crate::script::Script;
use crate::state::embedded::library::Game;
use crate::state::mail::{BadMessage, MAX_AFTER_MS, MAX_PAYLOAD_BYTES, is_name};
use crate::threads;
use crate::wire::ids::RoomId;
use crate::wire::message::{MAX_DEPTH, is_too_deep};

/// What the options of `godra.tell` say.
#[derive(Default)]
struct Options {
    /// None for a message that is due at once.
    after_ms: Option<u64>,
    name: Option<Box<[u8]>>,
}

impl Game {
    /// `godra.tell(room or nil, script, payload, {after = ms, name = text}?)`.
    pub(in crate::state::embedded) fn tell(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let refused = |bad: BadMessage| call.error(format_args!("{bad}"));
        let game = self.game();
        let to = receiver(call, game.as_deref()).map_err(refused)?;
        let script = self.script_to_tell(call.bytes(2)?, &to).map_err(refused)?;
        let Options { after_ms, name } = options(call)?;
        let from = self.sender();
        let now_ms = self.mail.borrow_mut().read_clock(call.now_ms());
        let due_ms = now_ms.saturating_add(after_ms.unwrap_or(0));
        let is_at_once = after_ms.is_none();
        let body = {
            let payload = call.json(3)?;
            check_payload(&payload).map_err(refused)?;
            let (script, name) = (&script.full_name, name.as_deref());
            Body { due_ms, is_at_once, from: &from, to: &to, script, name, payload: &payload }.encode()
        };
        let mail = self.mail.borrow();
        let replaced = name.as_ref().and_then(|name| mail.named(&from, name, &to));
        let id = mail.next_id(&to, replaced, name.as_deref(), body.len()).map_err(refused)?;
        drop(mail);
        let place = Place { due_ms, id, is_at_once };
        self.mail.borrow_mut().sent(to.clone(), place, name.map(|name| (from, name)), body.len());
        let key = key(&to, id);
        threads::may_break("tell");
        if let Err(raised) = call.command(&[b"SET", &key, &body]).map(drop) {
            if !call.has_key(&key) {
                self.mail.borrow_mut().take_back(&to, place);
            }
            return Err(raised);
        }
        if let Some(replaced) = replaced {
            self.take_back(call, &to, replaced)?;
        }
        Ok(Answer::NOTHING)
    }

    /// `godra.cancel(name)`: whether anything was pending.
    pub(in crate::state::embedded) fn cancel(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let name = call.bytes(1)?;
        if !is_name(name) {
            return Err(call.error(format_args!("{}", BadMessage::CancelledName)));
        }
        let pending = self.mail.borrow().all_named(&self.sender(), name);
        for (to, place) in &pending {
            self.take_back(call, to, *place)?;
        }
        Ok(call.boolean(!pending.is_empty()))
    }

    fn take_back(&self, call: &Call<'_>, to: &str, place: Place) -> Result<(), Raised> {
        self.mail.borrow_mut().take_back(to, place);
        call.command(&[b"DEL", &key(to, place.id)]).map(drop)
    }

    fn script_to_tell(&self, name: &[u8], to: &Address) -> Result<Arc<Script>, BadMessage> {
        let name = String::from_utf8_lossy(name);
        let (scripts, game) = (self.scripts(), self.game());
        let script = match scripts.of(game.as_deref()).get(&name) {
            None => return Err(BadMessage::no_script(&name)),
            Some(script) if !script.header.is_for_server => {
                return Err(BadMessage::NotForMessages(name.into_owned()));
            }
            Some(script) => script,
        };
        if script.needs_room() && to.is_empty() {
            return Err(BadMessage::NeedsRoom(name.into_owned()));
        }
        Ok(script.clone())
    }
}

fn receiver(call: &Call<'_>, game: Option<&str>) -> Result<Address, BadMessage> {
    if call.is_nil(1) {
        return Ok(Address::default());
    }
    let text = call.bytes(1).ok().and_then(|text| std::str::from_utf8(text).ok());
    let room = text.and_then(|text| RoomId::parse_in(game, text)).ok_or(BadMessage::Room)?;
    Ok(address(Some(&room)))
}

fn options(call: &Call<'_>) -> Result<Options, Raised> {
    if call.is_nil(4) {
        return Ok(Options::default());
    }
    let refused = |bad: BadMessage| call.error(format_args!("{bad}"));
    let [after, name] = call.fields(4, ["after", "name"])?;
    let after_ms = after.map(|after| milliseconds(&after).ok_or(BadMessage::After)).transpose();
    let name = name.map(|name| name.text.filter(|name| is_name(name)).ok_or(BadMessage::Name)).transpose();
    Ok(Options { after_ms: after_ms.map_err(refused)?.filter(|ms| *ms > 0), name: name.map_err(refused)? })
}

fn milliseconds(after: &Field) -> Option<u64> {
    let ms = after.number?;
    ((0.0..=MAX_AFTER_MS as f64).contains(&ms) && ms.fract() == 0.0).then_some(ms as u64)
}

fn check_payload(json: &[u8]) -> Result<(), BadMessage> {
    if json.len() > MAX_PAYLOAD_BYTES {
        Err(BadMessage::LongPayload)
    } else if is_too_deep(json, MAX_DEPTH) {
        Err(BadMessage::DeepPayload)
    } else {
        Ok(())
    }
}
