//! Messages of clients: what is taken is JSON that means the same to another reader, and the same when it is written again.

use serde_json::Value;

use crate::wire::message::{ClientMessage, MAX_ACTION_BYTES, MAX_DEPTH, is_too_deep, whole};

pub(super) fn check(data: &[u8]) {
    match ClientMessage::parse_bytes(data) {
        Ok(message) => check_message(data, &message),
        Err(refused) => {
            assert!(refused.message.chars().count() <= 201, "a long answer to a bad message");
            assert!(!refused.message.contains('\n'), "{}", refused.message);
        }
    }
}

fn check_message(data: &[u8], message: &ClientMessage<'_>) {
    assert!((1..=MAX_ACTION_BYTES).contains(&message.action.len()), "{:?}", message.action);
    assert!(!is_too_deep(data, MAX_DEPTH) && levels(data) <= MAX_DEPTH);
    // Escapes of lone surrogates, and numbers that nobody can hold, are well-formed, and another reader's trouble.
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        assert_eq!(value["action"], *message.action);
        let id = value.get("id").filter(|id| !id.is_null());
        assert_eq!(id.is_some(), message.name.id.is_some());
        if let Some(id) = id.and_then(Value::as_u64) {
            assert_eq!(message.name.id, Some(id));
        }
        let payload = serde_json::from_str::<Value>(message.payload_text()).unwrap();
        assert_eq!(value.get("payload").unwrap_or(&Value::Null), &payload);
    }
    let n = message.name.n.map_or("null".to_owned(), |n| n.to_string());
    let id = message.name.id.map_or("null".to_owned(), |id| id.to_string());
    assert!(id == "null" || whole(&id) == message.name.id);
    let payload = message.payload_text();
    let text = format!(r#"{{"action":"{}","payload":{payload},"id":{id},"n":{n}}}"#, message.action);
    let again = ClientMessage::parse(&text).unwrap_or_else(|refused| panic!("{text}: {refused:?}"));
    assert_eq!((&again.action, again.name), (&message.action, message.name));
    assert_eq!(again.payload_text(), payload);
}

/// How deep the text is nested, counted in the plainest way.
fn levels(json: &[u8]) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_string => now -= 1,
            _ => {}
        }
    }
    most
}
