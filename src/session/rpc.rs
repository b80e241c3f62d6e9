//! The body of `POST /api/rpc`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::ids::is_game_name;
use crate::wire::message::{MAX_ACTION_BYTES, MAX_DEPTH, is_too_deep, shorten};

/// What a client is told whose game is none by its name.
pub(super) const BAD_GAME: &str = "game must be 1 to 32 of a-z 0-9 _ -, a letter first";

/// A script call over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcRequest {
    /// The script's name, as the caller wrote it.
    pub script: String,
    /// The game whose script it is; none for the default one.
    pub game: Option<String>,
    /// `ARGV[2..]`: strings as they are, anything else as JSON text.
    pub arguments: Vec<String>,
    /// The keys that the caller named, if any.
    pub keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    script: String,
    #[serde(default)]
    game: Option<String>,
    #[serde(borrow, default)]
    args: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    keys: Option<Vec<String>>,
}

impl RpcRequest {
    /// Most arguments or keys in one call.
    pub const MAX_ITEMS: usize = 1024;

    /// What the call takes of memory until it has run, in bytes: its arguments and keys, and a place for each.
    pub fn kept_bytes(&self) -> usize {
        let texts = || self.arguments.iter().chain(self.keys.iter().flatten());
        texts().map(|text| text.len() + size_of::<Box<[u8]>>()).sum()
    }

    /// Parses the body `{script, game?, args?, keys?}`.
    ///
    /// # Errors
    /// Says what is wrong, for the client.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let expected =
            "expected {\"script\": NAME, \"game\"?: NAME, \"args\"?: [...], \"keys\"?: [KEY, ...]}";
        // A derived implementation would take an array as well.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(expected.to_owned());
        }
        // What is no JSON at all is not a matter of the right members.
        let refused = |error: serde_json::Error| match shorten(error.to_string()) {
            reason if error.is_data() => format!("{reason}; {expected}"),
            reason => format!("the body is not JSON: {reason}"),
        };
        let text = body;
        let body: Body<'_> = serde_json::from_slice(text).map_err(refused)?;
        if body.script.len() > MAX_ACTION_BYTES {
            return Err(format!("a script's name has at most {MAX_ACTION_BYTES} bytes"));
        }
        let game = body.game.filter(|game| !game.is_empty());
        if game.as_ref().is_some_and(|game| !is_game_name(game)) {
            return Err(BAD_GAME.to_owned());
        }
        if is_too_deep(text, MAX_DEPTH) {
            return Err(format!("the body has more than {MAX_DEPTH} levels of arrays and objects"));
        }
        let args = body.args.unwrap_or_default();
        let key_count = body.keys.as_ref().map_or(0, Vec::len);
        if args.len() > Self::MAX_ITEMS || key_count > Self::MAX_ITEMS {
            return Err(format!("at most {} args and keys are allowed", Self::MAX_ITEMS));
        }
        let arguments = args.into_iter().map(argument).collect::<Result<_, _>>()?;
        // An empty list names no key, as if it were left out.
        let keys = body.keys.filter(|keys| !keys.is_empty());
        Ok(Self { script: body.script, game, arguments, keys })
    }
}

fn argument(raw: &RawValue) -> Result<String, String> {
    let text = raw.get();
    // Nothing else can be wrong with it any more.
    const HALF: &str = "a text in args has half of a surrogate pair: \\uD800 to \\uDFFF come in pairs";
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|_| HALF.to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let check = |body: &str, arguments: &[&str], keys: Option<&[&str]>| {
            let request = RpcRequest::parse(body.as_bytes()).expect(body);
            assert_eq!(request.script, "s");
            assert_eq!(request.arguments, arguments, "{body}");
            let expected = keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
            assert_eq!(request.keys, expected, "{body}");
        };
        check(r#"{"script":"s"}"#, &[], None);
        let nested = format!("{}{}", "[".repeat(30), "]".repeat(30));
        check(&format!(r#"{{"script":"s","args":[{nested}]}}"#), &[&nested], None);
        check("\r\n\t {\"script\":\"s\"} ", &[], None);
        check(r#"{"script":"s","args":null,"keys":null,"more":1}"#, &[], None);
        check(r#"{"script":"s","args":[],"keys":[]}"#, &[], None);
        check(r#"{"script":"s","game":null}"#, &[], None);
        let game = |body: &str| RpcRequest::parse(body.as_bytes()).expect(body).game;
        assert_eq!(game(r#"{"script":"s","game":"chess-2"}"#).as_deref(), Some("chess-2"));
        assert_eq!(game(r#"{"script":"s","game":""}"#), None);
        check(r#"{"script":"s","args":["a\nb",1.50,true,null]}"#, &["a\nb", "1.50", "true", "null"], None);
        check(
            r#"{"script":"s","args":[{"a": [1]},"1"],"keys":["k"]}"#,
            &[r#"{"a": [1]}"#, "1"],
            Some(&["k"]),
        );
    }

    #[test]
    fn refusals() {
        let check = |body: &str| assert!(RpcRequest::parse(body.as_bytes()).is_err(), "{body}");
        check("");
        check("[]");
        check(r#"["s"]"#);
        check(&format!(r#"{{"script":"{}"}}"#, "x".repeat(65)));
        check("{}");
        check(r#"{"script":1}"#);
        check(r#"{"script":"s","args":{}}"#);
        check(r#"{"script":"s","keys":[1]}"#);
        check(r#"{"script":"s","game":1}"#);
        check(r#"{"script":"s","game":"Chess"}"#);
        check(r#"{"script":"s","game":"chess~go"}"#);
        check(r#"{"script":"s","game":"../go"}"#);
        check(&format!(r#"{{"script":"s","game":"{}"}}"#, "g".repeat(33)));
        check(r#"{"script":"s"} x"#);
        check(r#"{"script":"s","args":["\ud800"]}"#);
        check(&format!(r#"{{"script":"s","args":[{}1]}}"#, "1,".repeat(1024)));
        check(&format!(r#"{{"script":"s","args":[{}{}]}}"#, "[".repeat(31), "]".repeat(31)));
        assert!(RpcRequest::parse(b"{\"script\":\"\xff\"}").is_err());
        let why = |body: &str| RpcRequest::parse(body.as_bytes()).expect_err(body);
        assert!(
            why(r#"{"script":"s","args":["\ud800"]}"#)
                .starts_with("a text in args has half of a surrogate pair")
        );
        assert!(why(r#"{"script":"\ud800"}"#).starts_with("the body is not JSON: "));
        assert!(why(r#"{"script":1}"#).contains("; expected {\"script\""));
    }
}
