//! `{"action": NAME, "payload": ANY, "id"?: N, "n"?: N}`

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Longest action, in bytes.
pub const MAX_ACTION_BYTES: usize = 64;

/// Longest error text, so that a bad message is not answered by a longer one.
const MAX_ERROR_CHARS: usize = 200;

/// A player's message.
#[derive(Clone, Debug)]
pub struct ClientMessage<'a> {
    /// 1–64 of `A-Za-z0-9_-`.
    pub action: Cow<'a, str>,
    /// Any JSON, as it was written; none also for `null`. Well-formed, but of any depth, and its strings may hold
    /// escapes of lone surrogates.
    pub payload: Option<&'a RawValue>,
    /// Given back with the answer; with it a success is answered too.
    pub id: Option<u64>,
    /// Counts the player's inputs, from 1: each runs at most once.
    pub n: Option<u64>,
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
    /// For anything but a JSON object with an action that is a name, and for a known field that comes twice or has the
    /// wrong type.
    pub fn parse(text: &'a str) -> Result<Self, MessageError> {
        serde_json::from_str(text)
            .map_err(|error| MessageError { id: recover_id(text), message: shorten(error.to_string()) })
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
                Field::Id => put(&mut id, "id", map.next_value::<Option<u64>>()?)?,
                Field::N => put(&mut n, "n", map.next_value::<Option<u64>>()?)?,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if n == Some(Some(0)) {
            return Err(A::Error::custom("n counts from 1"));
        }
        let Action(action) = action.ok_or_else(|| A::Error::missing_field("action"))?;
        Ok(ClientMessage { action, payload: payload.flatten(), id: id.flatten(), n: n.flatten() })
    }
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

fn check_action<E: Error>(action: &str) -> Result<(), E> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let valid = (1..=MAX_ACTION_BYTES).contains(&action.len()) && action.bytes().all(allowed);
    if valid { Ok(()) } else { Err(E::custom("the action is not 1 to 64 of A-Z, a-z, 0-9, _ and -")) }
}

/// A parser's message may quote the text that it complains about.
fn shorten(mut message: String) -> String {
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
                    let id: u64 = map.next_value()?;
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
