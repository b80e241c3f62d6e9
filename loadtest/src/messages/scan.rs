//! Reads the server's messages without building them: one pass that checks the JSON and picks out the few fields
//! that the checks need. At a million delivered events a second a full parse of each would make the tester the bottleneck.

use super::json::{Malformed, Scanner};
use std::borrow::Cow;
use std::ops::Range;

/// What is picked out of one event. Texts are borrowed as they stand between their quotes, escapes and all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event<'a> {
    pub kind: Cow<'a, str>,
    pub seq: Option<u64>,
    /// `id`, of a reply or an error.
    pub id: Option<u64>,
    /// `epoch`, of a snapshot.
    pub epoch: Option<Cow<'a, str>>,
    /// The payload as it stands in the message.
    pub content: &'a str,
    pub payload: Payload<'a>,
}

/// What is picked out of an event's payload, or a reply's result.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Payload<'a> {
    /// Whether the event has one at all.
    pub present: bool,
    pub user_id: Option<Cow<'a, str>>,
    pub game_id: Option<Cow<'a, str>>,
    pub code: Option<Cow<'a, str>>,
    pub message: Option<Cow<'a, str>>,
    /// `epoch`, as it stands in the message (without quotes if it is a text).
    pub epoch: Option<Cow<'a, str>>,
    /// `seq`, of a welcome.
    pub seq: Option<u64>,
    pub recovered: bool,
    /// Whether there is a `state`, and one that is not null.
    pub has_state: bool,
    pub sync_interval_ms: Option<f64>,
    /// `x`, also of a payload inside the payload.
    pub x: Option<f64>,
    /// `y`, likewise.
    pub y: Option<f64>,
    /// `n`, likewise.
    pub n: Option<f64>,
    /// `duplicate`, of a numbered input's result.
    pub duplicate: bool,
}

/// Calls `visit` for each event of a message, one or a batch, in order.
pub(crate) fn scan<'a>(message: &'a [u8], mut visit: impl FnMut(Event<'a>)) -> Result<(), Malformed> {
    let text = std::str::from_utf8(message)
        .map_err(|error| Malformed { reason: "not UTF-8", at: error.valid_up_to() })?;
    let mut scanner = Scanner { text, bytes: message, at: 0 };
    let (event, batch) = read_event(&mut scanner)?;
    scanner.end()?;
    if event.kind != "batch" {
        visit(event);
        return Ok(());
    }
    let Some(events) = batch else { return Err(scanner.wrong("a batch without events")) };
    read_events(&mut Scanner { text, bytes: &message[..events.end], at: events.start }, visit)
}

/// One event's object; of a batch, also where its `events` stand.
fn read_event<'a>(scanner: &mut Scanner<'a>) -> Result<(Event<'a>, Option<Range<usize>>), Malformed> {
    let mut event = Event::default();
    let mut batch = None;
    let mut typed = false;
    scanner.object(|scanner, key| {
        match key {
            "type" => {
                event.kind = scanner.string()?;
                typed = true;
            }
            "seq" => event.seq = Some(scanner.count()?),
            "id" => event.id = Some(scanner.count()?),
            "result" => read_payload(scanner, &mut event.payload, 0)?,
            "epoch" => event.epoch = Some(scanner.string()?),
            "payload" => {
                event.payload.present = true;
                let start = scanner.at;
                read_payload(scanner, &mut event.payload, 0)?;
                event.content = &scanner.text[start..scanner.at];
            }
            "events" => {
                let start = scanner.at;
                scanner.skip(0)?;
                batch = Some(start..scanner.at);
            }
            _ => scanner.skip(0)?,
        }
        Ok(())
    })?;
    if typed { Ok((event, batch)) } else { Err(scanner.wrong("an event without a type")) }
}

fn read_events<'a>(scanner: &mut Scanner<'a>, mut visit: impl FnMut(Event<'a>)) -> Result<(), Malformed> {
    let mut count = 0;
    scanner.array(|scanner| {
        let (event, _) = read_event(scanner)?;
        if event.kind == "batch" {
            return Err(scanner.wrong("a batch inside a batch"));
        }
        count += 1;
        visit(event);
        Ok(())
    })?;
    if count == 0 { Err(scanner.wrong("an empty batch")) } else { Ok(()) }
}

fn read_payload<'a>(
    scanner: &mut Scanner<'a>,
    payload: &mut Payload<'a>,
    depth: usize,
) -> Result<(), Malformed> {
    if scanner.peek()? != b'{' {
        return scanner.skip(depth);
    }
    scanner.object(|scanner, key| {
        let outer = depth == 0;
        match (key, scanner.peek()?) {
            ("user_id", b'"') if outer => payload.user_id = Some(scanner.string()?),
            ("game_id", b'"') if outer => payload.game_id = Some(scanner.string()?),
            ("code", b'"') if outer => payload.code = Some(scanner.string()?),
            ("message", b'"') if outer => payload.message = Some(scanner.string()?),
            ("epoch", b'"') if outer => payload.epoch = Some(scanner.string()?),
            ("epoch", _) if outer => {
                let start = scanner.at;
                scanner.skip(depth)?;
                payload.epoch = Some(Cow::Borrowed(&scanner.text[start..scanner.at]));
            }
            ("seq", b'0'..=b'9') if outer => payload.seq = Some(scanner.count()?),
            ("sync_interval_ms", b'0'..=b'9') if outer => payload.sync_interval_ms = Some(scanner.number()?),
            ("recovered", b't') if outer => {
                scanner.literal("true")?;
                payload.recovered = true;
            }
            ("duplicate", b't') if outer => {
                scanner.literal("true")?;
                payload.duplicate = true;
            }
            ("state", first) if outer => {
                payload.has_state = first != b'n';
                scanner.skip(depth)?;
            }
            ("x", b'-' | b'0'..=b'9') => payload.x = Some(scanner.number()?),
            ("y", b'-' | b'0'..=b'9') => payload.y = Some(scanner.number()?),
            ("n", b'-' | b'0'..=b'9') => payload.n = Some(scanner.number()?),
            ("payload", b'{') if outer => read_payload(scanner, payload, depth + 1)?,
            _ => scanner.skip(depth + 1)?,
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(message: &str) -> Result<Vec<Event<'_>>, Malformed> {
        let mut events = Vec::new();
        // The payload's text is the payload again.
        scan(message.as_bytes(), |event| events.push(Event { content: "", ..event })).map(|()| events)
    }

    fn moved(user: &str, x: f64, y: f64, seq: u64) -> Event<'_> {
        let payload = Payload {
            present: true,
            user_id: Some(user.into()),
            x: Some(x),
            y: Some(y),
            ..Payload::default()
        };
        Event { kind: "player_moved".into(), seq: Some(seq), payload, ..Event::default() }
    }

    #[test]
    fn one_event_in_any_order_of_keys() {
        let expected = Ok(vec![moved("guest:a", 1.5, -2.0, 7)]);
        let check = |message| assert_eq!(events(message), expected, "{message}");
        check(r#"{"type":"player_moved","payload":{"user_id":"guest:a","x":1.5,"y":-2},"seq":7}"#);
        check(
            r#" { "seq" : 7 , "payload" : { "y" : -2.0e0 , "x":15E-1, "user_id":"guest:a" }, "type":"player_moved" } "#,
        );
        check(
            r#"{"type":"player_moved","more":[1,{"seq":9}],"payload":{"user_id":"guest\u003aa","x":1.5,"y":-2},"seq":7}"#,
        );
    }

    #[test]
    fn a_batch_wherever_its_type_stands() {
        let one = r#"{"type":"player_moved","payload":{"user_id":"a","x":1,"y":2},"seq":1}"#;
        let two = r#"{"type":"player_moved","payload":{"user_id":"b","x":3,"y":4},"seq":2}"#;
        let expected = Ok(vec![moved("a", 1.0, 2.0, 1), moved("b", 3.0, 4.0, 2)]);
        assert_eq!(events(&format!(r#"{{"type":"batch","events":[{one},{two}]}}"#)), expected);
        assert_eq!(events(&format!(r#"{{"events":[{one} , {two}],"type":"batch"}}"#)), expected);
    }

    #[test]
    fn a_welcome() {
        let message = r#"{"type":"welcome","payload":{"user_id":"guest:q","username":"q","role":"guest","game_id":"r","epoch":"e1",
            "seq":12,"recovered":true,"state":{"user_id":"other","members":[{"x":1}]},"sync_interval_ms":50}}"#;
        let parsed = events(message).unwrap();
        let payload = &parsed[0].payload;
        assert_eq!(parsed[0].seq, None);
        assert_eq!(payload.user_id.as_deref(), Some("guest:q"));
        assert_eq!(payload.game_id.as_deref(), Some("r"));
        assert_eq!(payload.epoch.as_deref(), Some("e1"));
        assert_eq!((payload.seq, payload.recovered, payload.sync_interval_ms), (Some(12), true, Some(50.0)));
        assert_eq!(payload.x, None, "the state's content is not the payload's");
    }

    #[test]
    fn an_epoch_may_be_a_number_and_a_state_may_be_inside() {
        let parsed = events(r#"{"type":"welcome","payload":{"epoch":17}}"#).unwrap();
        assert_eq!(parsed[0].payload.epoch.as_deref(), Some("17"));
        let parsed =
            events(r#"{"type":"state","payload":{"user_id":"u","action":"set","payload":{"n":4}},"seq":3}"#)
                .unwrap();
        assert_eq!(parsed[0].payload.n, Some(4.0));
    }

    #[test]
    fn what_is_not_a_message_is_refused() {
        let check = |message: &str, reason: &str| {
            assert_eq!(events(message).map_err(|malformed| malformed.reason), Err(reason), "{message}");
        };
        check("", "ends too early");
        check("[]", "not an object");
        check("{}", "an event without a type");
        check(r#"{"type":"a"}{"type":"b"}"#, "more after its end");
        check(r#"{"type":"a","seq":1"#, "ends too early");
        check(r#"{"type":"a" "seq":1}"#, "no comma between members");
        check(r#"{"type":"a","seq":-1}"#, "not a whole number");
        check(r#"{"type":"a","seq":1.5}"#, "not a whole number");
        check(r#"{"type":"a","seq":01}"#, "not a JSON value");
        check(r#"{"type":"a","seq":"1"}"#, "not a JSON value");
        check(r#"{"type":"a","payload":nil}"#, "not a JSON value");
        check(r#"{"type":"a","payload":"x}"#, "a text that does not end well");
        check(r#"{"type":"a\q"}"#, "a text with a bad escape");
        check(r#"{"type":"batch"}"#, "a batch without events");
        check(r#"{"type":"batch","events":[]}"#, "an empty batch");
        check(r#"{"type":"batch","events":[{"type":"batch","events":[]}]}"#, "a batch inside a batch");
        check(r#"{"type":"batch","events":[{"type":"a"}"#, "ends too early");
        check(r#"{"type":"batch","events":[{"type":"a"}{"type":"b"}]}"#, "no comma between items");
        check(&format!(r#"{{"type":"a","payload":{}}}"#, "[".repeat(100)), "nested too deep");
        assert_eq!(scan(b"{\"type\":\"\xff\"}", |_| ()).unwrap_err().reason, "not UTF-8");
    }

    /// Cutting a valid message anywhere, or changing one byte, must end in an answer, never in a panic.
    #[test]
    fn damaged_messages_never_panic() {
        let message = r#"{"type":"batch","events":[{"type":"a","payload":{"user_id":"ü\n","x":1e3,"n":[]},"seq":1},{"type":"b","seq":2}]}"#;
        let mut random = crate::random::Random::new(11, 0);
        for cut in 0..message.len() {
            assert!(scan(&message.as_bytes()[..cut], |_| ()).is_err(), "cut at {cut}");
        }
        for _ in 0..20_000 {
            let mut bytes = message.as_bytes().to_vec();
            let at = random.below(bytes.len());
            bytes[at] = random.bits() as u8;
            let _ = scan(&bytes, |_| ());
        }
    }
}
