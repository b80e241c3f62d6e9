//! Which documents a call works on: its script's patterns, with what its caller and its arguments say.

use std::cell::OnceCell;

use serde_json::Value;

use super::calls::{CallDocuments, Declared};
use crate::document::Address;
use crate::script::{ArgumentName, DocumentPattern, Filling};
use crate::state::{Arguments, Call, CallError};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// The documents of a call in a room, or in none; a call that lacks something is refused.
pub fn resolve(call: &Call, room: Option<&RoomId>) -> CallDocuments {
    let filling = OfCall { call, room, payload: OnceCell::new() };
    let user_id = &call.caller.user_id;
    let mut declared: Vec<Declared> = Vec::with_capacity(call.script.header.documents.len());
    for pattern in &call.script.header.documents {
        let address = match pattern.fill(&filling) {
            Ok(address) => address,
            Err(message) => {
                return CallDocuments::Refused(CallError::refusal(ErrorCode::BadRequest, &message));
            }
        };
        let user = pattern.names_user().then(|| user_id.clone());
        match declared.iter_mut().find(|known| known.address == address) {
            Some(known) => known.user = known.user.take().or(user),
            None => declared.push(Declared { address, user }),
        }
    }
    CallDocuments::Declared(declared.into())
}

/// What placeholders stand for in a call. Errors are for its caller.
struct OfCall<'a> {
    call: &'a Call,
    room: Option<&'a RoomId>,
    /// What `{arg:…}` is looked for in; null if it is no JSON.
    payload: OnceCell<Value>,
}

impl Filling for OfCall<'_> {
    type Error = String;

    fn user(&self) -> Result<&str, String> {
        match &*self.call.caller.user_id {
            "" => {
                Err(format!("{} works on a document of its caller, and nobody calls", self.call.script.name))
            }
            user_id => Ok(user_id),
        }
    }

    fn room(&self) -> Result<&str, String> {
        let missing =
            || format!("{} works on a document of its room, and this call is in none", self.call.script.name);
        self.room.map(RoomId::as_str).ok_or_else(missing)
    }

    fn argument(&self, name: &ArgumentName) -> Result<String, String> {
        let text = match (name, &self.call.arguments) {
            (ArgumentName::Number(number), Arguments::List(list)) => {
                list.get(number - 1).and_then(|bytes| std::str::from_utf8(bytes).ok().map(str::to_owned))
            }
            (ArgumentName::Number(number), _) => self.payload().get(number - 1).and_then(text_of),
            (ArgumentName::Field(field), _) => self.payload().get(&**field).and_then(text_of),
        };
        text.filter(|text| is_part_of_key(text)).ok_or_else(|| self.wanted(name))
    }

    fn unfit(&self, pattern: &DocumentPattern) -> String {
        format!(
            "{}: the key of {pattern} would have more than {} bytes",
            self.call.script.name,
            Address::MAX_KEY_BYTES
        )
    }
}

impl OfCall<'_> {
    fn payload(&self) -> &Value {
        self.payload.get_or_init(|| {
            let json: &[u8] = match &self.call.arguments {
                Arguments::Payload(payload) => payload,
                Arguments::Message(message) => &message.payload,
                Arguments::List(list) => list.first().map_or(&[], |first| first),
                Arguments::Tick => &[],
            };
            serde_json::from_slice(json).unwrap_or(Value::Null)
        })
    }

    fn wanted(&self, name: &ArgumentName) -> String {
        let what = match (name, &self.call.arguments) {
            (ArgumentName::Number(number), Arguments::List(_)) => format!("args[{number}]"),
            (ArgumentName::Number(number), _) => format!("a list as its payload, whose element {number} is"),
            (ArgumentName::Field(field), _) => format!("a payload whose field {field} is"),
        };
        let is = if matches!((name, &self.call.arguments), (ArgumentName::Number(_), Arguments::List(_))) {
            " to be"
        } else {
            ""
        };
        format!(
            "{} needs {what}{is} 1 to {} bytes of text without / and control characters, or a whole number",
            self.call.script.name,
            Address::MAX_KEY_BYTES
        )
    }
}

/// What a player says may not reach beyond its place in a key.
fn is_part_of_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= Address::MAX_KEY_BYTES
        && !text.chars().any(|c| c == '/' || c.is_control())
}

/// A text, or a whole number's digits.
fn text_of(value: &Value) -> Option<String> {
    /// Lua counts no further without gaps.
    const HIGHEST: f64 = (1_u64 << 53) as f64;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= HIGHEST)?;
            Some((number as i64).to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::script::{Header, Script};
    use crate::wire::ids::{Identity, Role};
    use crate::wire::message::SharedText;

    fn identity(user_id: &str) -> Arc<Identity> {
        let (username, role, login) = ("Ann".into(), Role::Player, Default::default());
        Arc::new(Identity { user_id: user_id.into(), username, role, expires_at_s: 0, login })
    }

    fn script(documents: &str) -> Arc<Script> {
        let header = Header::parse("shop", &format!("-- DATA: {documents}")).expect("valid");
        Arc::new(Script::new("shop", "shop.lua", "", header))
    }

    /// The documents with a star at the caller's own; or a part of what is wrong.
    #[track_caller]
    fn check(call: &Call, expected: Result<&str, &str>) {
        match (resolve(call, RoomId::parse("plaza").as_ref()), expected) {
            (CallDocuments::Declared(found), Ok(expected)) => {
                let show =
                    |one: &Declared| format!("{}{}", one.address, if one.user.is_some() { "*" } else { "" });
                assert_eq!(found.iter().map(show).collect::<Vec<_>>().join(" "), expected);
            }
            (CallDocuments::Refused(error), Err(part)) => {
                assert!(error.code == ErrorCode::BadRequest && error.message.contains(part), "{error:?}");
            }
            (found, _) => panic!("{found:?}"),
        }
    }

    fn rpc(documents: &str, args: &[&[u8]]) -> Call {
        let args = args.iter().map(|&argument| argument.into()).collect();
        Call::rpc(script(documents), identity("7"), Vec::new(), args)
    }

    fn input(documents: &str, payload: &str) -> Call {
        Call::input(script(documents), identity("7"), SharedText::from(payload.as_bytes()), true)
    }

    #[test]
    fn of_users_and_rooms() {
        check(
            &rpc("profile/{user}, world/config, match/{room}", &[]),
            Ok("profile/7* world/config match/plaza"),
        );
        let nobody = Call::rpc(script("profile/{user}"), identity(""), Vec::new(), Vec::new());
        check(&nobody, Err("nobody calls"));
        let found = resolve(&rpc("match/{room}", &[]), None);
        assert!(matches!(found, CallDocuments::Refused(error) if error.message.contains("in none")));
    }

    #[test]
    fn of_arguments() {
        check(&rpc("guild/{arg:2}", &[b"x", b"g1"]), Ok("guild/g1"));
        check(&rpc("guild/{arg:name}", &[br#"{"name":"g1"}"#]), Ok("guild/g1"));
        check(&input("guild/{arg:name}", r#"{"name":"g\u00fc"}"#), Ok("guild/gü"));
        check(&input("guild/{arg:2}", r#"["x",12]"#), Ok("guild/12"));
        check(&input("guild/{arg:2}", r#"["x",12.0]"#), Ok("guild/12"));
        // The same document twice is one, and still the caller's own.
        check(&rpc("profile/{arg:1}, profile/{user}", &[b"7"]), Ok("profile/7*"));
        check(&rpc("profile/{arg:1}, profile/{user}", &[b"8"]), Ok("profile/8 profile/7*"));
    }

    #[test]
    fn hostile_arguments() {
        for wrong in [&b""[..], b"a/b", b"a\nb", b"\0", b"\xff", "x".repeat(129).as_bytes()] {
            check(&rpc("guild/{arg:1}", &[wrong]), Err("args[1] to be 1 to 128 bytes"));
        }
        check(&rpc("guild/{arg:1}", &[]), Err("args[1]"));
        check(&rpc("guild/{arg:1}/members", &["x".repeat(125).as_bytes()]), Err("more than 128 bytes"));
        for wrong in [
            r#"{"name":"a/b"}"#,
            r#"{"name":1.5}"#,
            r#"{"name":1e300}"#,
            r#"{"name":[]}"#,
            "{}",
            "[]",
            "null",
            "x",
        ] {
            check(&input("guild/{arg:name}", wrong), Err("field name is 1 to 128 bytes"));
        }
        check(&input("guild/{arg:2}", r#"["x"]"#), Err("element 2"));
    }
}
