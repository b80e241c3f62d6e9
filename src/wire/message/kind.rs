//! The types of the server's own messages: the table of what `type` says when it is not the name of an event.
//!
//! To add one, add a line here, and one to the table of messages from the server in `sdk/PROTOCOL.md`: a test compares them.
//! From then on scripts in both stores cannot give an event that type.

/// A message that is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageType {
    /// The text that stands under `type`.
    pub name: &'static str,
    /// How the message begins.
    pub(super) head: &'static [u8],
}

macro_rules! message_types {
    ($($(#[$doc:meta])+ $constant:ident = $name:literal;)+) => {
        impl MessageType {
            $($(#[$doc])+ pub const $constant: Self =
                Self { name: $name, head: concat!(r#"{"type":""#, $name, "\"").as_bytes() };)+

            /// In the order of the table.
            pub const ALL: &[Self] = &[$(Self::$constant),+];
        }
    };
}

message_types! {
    /// The first message.
    WELCOME = "welcome";
    /// The answer to an input.
    REPLY = "reply";
    /// An input failed.
    ERROR = "error";
    /// Several events.
    BATCH = "batch";
    /// Stands for events that were not sent.
    SNAPSHOT = "snapshot";
}

impl MessageType {
    /// Whether an event of that type would be taken for a message of the server.
    pub fn is_reserved(name: &[u8]) -> bool {
        Self::ALL.iter().any(|known| known.name.as_bytes() == name)
    }
}

/// What a script is told that gives an event a reserved type.
pub const RESERVED_TYPE: &str = "welcome, reply, error, batch and snapshot are the server's own types";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_told_all_reserved_types() {
        let names: Vec<&str> = MessageType::ALL.iter().map(|known| known.name).collect();
        let (last, first) = names.split_last().unwrap();
        assert_eq!(RESERVED_TYPE, format!("{} and {last} are the server's own types", first.join(", ")));
        assert!(names.iter().all(|name| MessageType::is_reserved(name.as_bytes())));
        assert!(!MessageType::is_reserved(b"state") && !MessageType::is_reserved(b""));
    }
}
