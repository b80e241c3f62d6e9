//! `{"action": NAME, "payload": ANY, "id"?: N, "n"?: N}`

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::numbers::{self, InputName};
use super::{MAX_DEPTH, is_too_deep};

/// Longest action, in bytes.
pub const MAX_ACTION_BYTES: usize = 64;
/// The action by which a client asks how far it has come; see [`super::heartbeat`].
pub const HEARTBEAT: &str = "heartbeat";
/// The action by which a client asks for a snapshot of its room.
pub const RESYNC: &str = "resync";

/// Longest error text, so that a bad message is not answered by a longer one.
const MAX_ERROR_CHARS: usize = 200;

/// An input as a player's client sends it.
#[derive(Clone, Debug)]
pub struct ClientMessage<'a> {
    /// 1–64 of `A-Za-z0-9_-`.
    pub action: Cow<'a, str>,
    /// Any JSON, as it was written; none also for `null`. Well-formed, and its strings may hold
    /// escapes of lone surrogates.
    pub payload: Option<&'a RawValue>,
    /// What the client knows it by.
    pub name: InputName,
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// The message's `id`, if it could be read.
    pub id: Option<u64>,
    /// For people.
    pub message: String,
}

impl<'a> ClientMessage<'a> {
    /// Parses a text message. Unknown fields are ignored.
    ///
    /// # Errors
    /// For anything but a JSON object with an action that is a name, for a known field that comes twice or has the wrong type,
    /// and for more than [`MAX_DEPTH`] levels.
    pub fn parse(text: &'a str) -> Result<Self, MessageError> {
        let message: Self = serde_json::from_str(text)
            .map_err(|error| MessageError { id: recover_id(text), message: shorten(error.to_string()) })?;
        if is_too_deep(text.as_bytes(), MAX_DEPTH) {
            let reason = format!("the message has more than {MAX_DEPTH} levels of arrays and objects");
            return Err(MessageError { id: message.name.id, message: reason });
        }
        Ok(message)
    }

    /// Parses a binary message, which is the same text.
    ///
    /// # Errors
    /// As [`ClientMessage::parse`], and for bytes that are not UTF-8.
    pub fn parse_bytes(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let text = std::str::from_utf8(bytes).map_err(|error| MessageError {
            id: None,
            message: format!("the message is not UTF-8: {error}"),
        })?;
        Self::parse(text)
    }

    /// The payload's JSON text; `null` without one.
    pub fn payload_text(&self) -> &'a str {
        self.payload.map_or("null", RawValue::get)
    }
}

impl<'de> Deserialize<'de> for ClientMessage<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A derived implementation would take an array as well.
        deserializer.deserialize_map(MessageVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Action,
    Payload,
    Id,
    N,
    #[serde(other)]
    Other,
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = ClientMessage<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut action, mut payload, mut id, mut n) = (None, None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                Field::Action => put(&mut action, "action", map.next_value::<Action<'de>>()?)?,
                Field::Payload => put(&mut payload, "payload", map.next_value::<Option<&RawValue>>()?)?,
                Field::Id => put(&mut id, "id", number(&mut map, numbers::id)?)?,
                Field::N => put(&mut n, "n", number(&mut map, numbers::n)?)?,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Action(action) = action.ok_or_else(|| A::Error::missing_field("action"))?;
        let name = InputName { id: id.flatten(), n: n.flatten() };
        Ok(ClientMessage { action, payload: payload.flatten(), name })
    }
}

/// The next value as a number, or none for `null`.
fn number<'de, T, A: MapAccess<'de>>(
    map: &mut A,
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Option<T>, A::Error> {
    let json = map.next_value::<Option<&RawValue>>()?;
    json.map(|json| read(json.get()).map_err(A::Error::custom)).transpose()
}

fn put<T, E: Error>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}

struct Action<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Action<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ActionVisitor)
    }
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = Action<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an action of 1 to 64 of A-Z, a-z, 0-9, _ and -")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        check_action(text).map(|()| Action(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        check_action(text).map(|()| Action(Cow::Owned(text.to_owned())))
    }
}

/// Whether an action may be called so.
pub fn is_action(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=MAX_ACTION_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

fn check_action<E: Error>(action: &str) -> Result<(), E> {
    if is_action(action) {
        Ok(())
    } else {
        Err(E::custom("the action is not 1 to 64 of A-Z, a-z, 0-9, _ and -"))
    }
}

/// Cuts a parser's message, which may quote the whole text that it complains about.
pub fn shorten(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_ERROR_CHARS) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// The `id` of a message that is no good, as far as it can be read.
fn recover_id(text: &str) -> Option<u64> {
    struct IdVisitor<'f>(&'f mut Option<u64>);

    impl<'de> Visitor<'de> for IdVisitor<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a message object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(field) = map.next_key()? {
                if matches!(field, Field::Id) {
                    let json: &RawValue = map.next_value()?;
                    let id = numbers::id(json.get()).map_err(A::Error::custom)?;
                    if self.0.replace(id).is_some_and(|earlier| earlier != id) {
                        *self.0 = None;
                        return Err(A::Error::duplicate_field("id"));
                    }
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(())
        }
    }

    let mut id = None;
    // Where the text breaks does not matter: what was read before counts.
    _ = serde_json::Deserializer::from_str(text).deserialize_map(IdVisitor(&mut id));
    id
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, action: &str, payload: Option<&str>, id: Option<u64>, n: Option<u64>) {
        let message = ClientMessage::parse(text).unwrap();
        assert_eq!(message.action, action, "{text}");
        assert_eq!(message.payload.map(RawValue::get), payload, "{text}");
        assert_eq!((message.name.id, message.name.n.map(NonZeroU64::get)), (id, n), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, id: Option<u64>, message: &str) {
        let error = ClientMessage::parse(text).unwrap_err();
        assert_eq!(error.id, id, "{text}: {error:?}");
        assert!(error.message.contains(message), "{text}: {error:?}");
    }

    #[test]
    fn messages() {
        check(r#"{"action":"set"}"#, "set", None, None, None);
        check(
            r#"{"action":"set","payload":{"x": [1,2]},"id":7,"n":1}"#,
            "set",
            Some(r#"{"x": [1,2]}"#),
            Some(7),
            Some(1),
        );
        check(
            r#" { "n" : 2 , "id" : 0 , "payload" : "p" , "action" : "a-Z_9" } "#,
            "a-Z_9",
            Some(r#""p""#),
            Some(0),
            Some(2),
        );
        check(r#"{"action":"a","payload":null,"id":null,"n":null}"#, "a", None, None, None);
        check(r#"{"action":"a","more":{"action":[]},"Id":"x","more":1}"#, "a", None, None, None);
        check(r#"{"\u0061ction":"s\u0065t","id":18446744073709551615}"#, "set", None, Some(u64::MAX), None);
        check(&format!(r#"{{"action":"{}"}}"#, "x".repeat(64)), &"x".repeat(64), None, None, None);
        check(r#"{"action":"a","id":7.0,"n":8e0}"#, "a", None, Some(7), Some(8));
        refused(r#"{"id":7.0}"#, Some(7), "missing field `action`");
    }

    #[test]
    fn what_is_not_copied() {
        let text = r#"{"action":"set","payload":[1]}"#;
        let message = ClientMessage::parse(text).unwrap();
        assert!(matches!(message.action, Cow::Borrowed("set")));
        assert!(text.as_bytes().as_ptr_range().contains(&message.payload_text().as_ptr()));
        assert_eq!(ClientMessage::parse(r#"{"action":"set"}"#).unwrap().payload_text(), "null");
    }

    #[test]
    fn actions_that_are_no_name() {
        for action in ["", "a b", "é", "a.b", "a/b", "a\\u0000", "\\ud800", "\\ud83d\\ude00", &"x".repeat(65)]
        {
            refused(&format!(r#"{{"id":3,"action":"{action}"}}"#), Some(3), "");
        }
        for action in ["1", "null", "[]", "{}", "true"] {
            refused(&format!(r#"{{"id":3,"action":{action}}}"#), Some(3), "action");
        }
        refused(r#"{"id":3}"#, Some(3), "missing field `action`");
        refused("{}", None, "missing field `action`");
    }

    #[test]
    fn fields_of_the_wrong_type() {
        for id in ["-1", "1.5", "1e30", r#""1""#, "[]", "18446744073709551616"] {
            refused(
                &format!(r#"{{"action":"a","id":{id}}}"#),
                None,
                "id must be a whole number from 0 to 2^64-1",
            );
            refused(&format!(r#"{{"action":"a","id":4,"n":{id}}}"#), Some(4), "n must be a whole number");
        }
        for n in ["0", "-1", "9007199254740993"] {
            refused(&format!(r#"{{"action":"a","n":{n},"id":5}}"#), Some(5), "from 1 to 2^53");
        }
    }

    #[test]
    fn fields_that_come_twice() {
        refused(r#"{"action":"a","action":"a","id":1}"#, Some(1), "duplicate field `action`");
        refused(r#"{"action":"a","payload":1,"payload":1,"id":1}"#, Some(1), "duplicate field `payload`");
        refused(r#"{"action":"a","n":1,"n":1,"id":1}"#, Some(1), "duplicate field `n`");
        refused(r#"{"action":"a","id":1,"id":1}"#, Some(1), "duplicate field `id`");
        refused(r#"{"action":"a","id":1,"id":2}"#, None, "duplicate field `id`");
        refused(r#"{"action":"a","payload":null,"payload":null}"#, None, "duplicate field `payload`");
    }

    #[test]
    fn texts_that_are_no_object() {
        for text in [
            "",
            " ",
            "null",
            "1",
            r#""action""#,
            r#"["set",null,1]"#,
            r#"{"action":"a"}x"#,
            r#"{"action":"a",}"#,
            "{'action':1}",
            "\u{feff}{}",
        ] {
            refused(text, None, "");
        }
        refused(r#"{"id":9,"action":"a","payload":{bad}}"#, Some(9), "");
        refused(r#"{"id":9,"action":"a""#, Some(9), "EOF");
        refused("{\"id\":9,\"action\":\"a\n\"}", Some(9), "control character");
        refused(r#"{"action":"a","payload":01}"#, None, "");
        refused(r#"{"action":"a","payload":NaN}"#, None, "");
    }

    #[test]
    fn depth_is_no_danger() {
        let (open, close) = ("[".repeat(60_000), "]".repeat(60_000));
        let too_deep = "more than 32 levels";
        refused(&format!(r#"{{"action":"a","payload":{open}{close},"id":4}}"#), Some(4), too_deep);
        refused(&format!(r#"{{"action":"a","more":{open}{close}}}"#), None, too_deep);
        let nested =
            |levels| format!(r#"{{"action":"a","payload":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        refused(&nested(32), None, too_deep);
        assert_eq!(ClientMessage::parse(&nested(31)).unwrap().payload_text().len(), 62);
        refused(&format!(r#"{{"id":1,"payload":{open}"#), Some(1), "EOF");
        refused(&format!(r#"{{"id":1,"action":{open}"#), Some(1), "action");
        refused(&open, None, "");
    }

    #[test]
    fn an_error_is_short() {
        let error =
            ClientMessage::parse(&format!(r#"{{"action":"a","id":"{}"}}"#, "é".repeat(60_000))).unwrap_err();
        assert!(error.message.chars().count() <= MAX_ERROR_CHARS + 1, "{}", error.message.len());
    }

    #[test]
    fn binary_messages() {
        assert_eq!(ClientMessage::parse_bytes(br#"{"action":"a"}"#).unwrap().action, "a");
        let error = ClientMessage::parse_bytes(b"{\"action\":\"a\",\"x\":\"\xff\"}").unwrap_err();
        assert!(error.message.contains("UTF-8"), "{error:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_as_a_value_would_be(
            text in r#"(\{("action"|"id"|"n"|"payload"|"x"):("a"|1|null|\[\]|\{\}|[a-z"]{0,3}),?("action"|"id"|"payload"):("b"|2)\}?|.{0,40})"#,
        ) {
            let value: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            if let Ok(message) = ClientMessage::parse(&text) {
                let value = value.expect("a message is JSON");
                prop_assert_eq!(value["action"].as_str(), Some(&*message.action));
                prop_assert_eq!(value["id"].as_u64(), message.name.id);
                let payload: serde_json::Value = serde_json::from_str(message.payload_text()).unwrap();
                prop_assert_eq!(value.get("payload").unwrap_or(&serde_json::Value::Null), &payload);
            }
        }
    }
}
