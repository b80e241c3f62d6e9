//! How deep JSON may be nested. Readers of JSON stop at some depth (64 in C#, for instance): what one player nests deeper would
//! keep all others out of the room.

/// Most levels of arrays and objects in a text that a client sends, and in an event's payload.
pub const MAX_DEPTH: usize = 32;

/// What a script is told that publishes an event with deeper ones.
pub const TOO_DEEP: &str = "an event's payload has at most 32 levels of arrays and objects";

/// Whether a well-formed JSON text has more than `most` levels.
pub fn is_too_deep(json: &[u8], most: usize) -> bool {
    // `[` and `{` differ in one bit. To count them is cheap, and almost no text has enough of them.
    let opens = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte & 0xdf == b'[').count();
    json.len() > 2 * most && opens(json) > most && depth(json) > most
}

/// The most levels within each other.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' => now = now.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    most
}

/// Goes on behind the quotation mark that ends a string.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested(levels: usize, inside: &str) -> String {
        format!("{}{inside}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn levels_are_counted_and_what_strings_hold_is_not() {
        let check =
            |json: &str, is_deep: bool| assert_eq!(is_too_deep(json.as_bytes(), 32), is_deep, "{json}");
        check("", false);
        check(&nested(32, ""), false);
        check(&nested(33, ""), true);
        check(&nested(31, r#"{"a":[1],"b":2}"#), true);
        check(&nested(31, r#"{"a":{},"b":2}"#), true);
        check(&nested(30, r#"{"a":{},"b":[2]}"#), false);
        check(&format!("[{}]", vec!["[{}]"; 100].join(",")), false);
        check(&format!("[\"{}\"]", "[".repeat(100)), false);
        check(&nested(31, &format!(r#""\\\"{}""#, "[".repeat(100))), false);
        // Brackets in strings do not hide a level.
        check(&(r#"["]]]]\"]",[1],"#.repeat(33) + "1" + &"]".repeat(33)), true);
    }

    #[test]
    fn scripts_are_told_the_limit() {
        assert!(TOO_DEEP.contains(&format!(" {MAX_DEPTH} levels")));
    }

    proptest! {
        #[test]
        fn the_depth_is_the_values(value in value(), most in 0_usize..6) {
            prop_assert_eq!(is_too_deep(value.to_string().as_bytes(), most), levels(&value) > most);
        }
    }

    fn levels(value: &serde_json::Value) -> usize {
        use serde_json::Value::{Array, Object};
        match value {
            Array(values) => 1 + values.iter().map(levels).max().unwrap_or(0),
            Object(members) => 1 + members.values().map(levels).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = r#"[a\[\]{}"\\]{0,4}"#.prop_map(serde_json::Value::from);
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::vec((r#"[{}\[\]"]{0,3}"#, inner), 0..3)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
