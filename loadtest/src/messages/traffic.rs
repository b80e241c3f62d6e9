//! What the players say: inputs whose content tells them apart when they come back as events.

use crate::messages::scan::Event;
use serde::{Deserialize, Serialize};

/// What a player does; from it follows which events answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Deed {
    Act,
    /// A line of chat beside it.
    Chat,
    /// Work on a document.
    Document,
}

/// How inputs are built, as the options say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// The name in `action`.
    pub action: String,
    /// The JSON of `payload`, with the placeholders `{x}`, `{y}`, `{n}`, `{fail}` and `{pad}`; none for the action's own form.
    pub payload: Option<String>,
    /// Bytes of padding in each payload.
    pub padding_bytes: usize,
    /// `{fail}` is true for each input whose number this divides; 0 for none.
    pub fail_every: u32,
    /// Corner of the small square that players walk around.
    pub origin: (f64, f64),
    /// The `action` of those who work on documents, if anybody does.
    pub document_action: Option<String>,
    /// Bytes of padding in the payloads of these.
    pub document_bytes: usize,
}

/// Points on the way around the square; an input's number modulo this tells it from those near it.
const LAP: u32 = 64;
const SIDE: u32 = LAP / 4;
/// Exact in binary, so that it survives any number of decimals from six on.
const STEP: f64 = 1.0 / 64.0;

/// Where a player stands after input number `n`: each is one step from the one before, which no speed limit
/// worth its name forbids.
pub(super) fn position(origin: (f64, f64), n: u32) -> (f64, f64) {
    let (side, along) = (n % LAP / SIDE, n % SIDE);
    let (right, up) = match side {
        0 => (along, 0),
        1 => (SIDE, along),
        2 => (SIDE - along, SIDE),
        _ => (0, SIDE - along),
    };
    (origin.0 + f64::from(right) * STEP, origin.1 + f64::from(up) * STEP)
}

/// Inputs ready to be written quickly.
pub(crate) struct Writer {
    origin: (f64, f64),
    act: Vec<Piece>,
    chat: Vec<Piece>,
    document: Vec<Piece>,
    laps: Vec<(String, String)>,
    answers_have_x: bool,
    acts_are_chat: bool,
    fail_every: u32,
}

enum Piece {
    Text(String),
    X,
    Y,
    N,
    Fail,
}

impl Writer {
    pub(crate) fn new(traffic: &Traffic) -> Self {
        let padding = "x".repeat(traffic.padding_bytes);
        let payload = traffic.payload.clone().unwrap_or_else(|| own_form(traffic));
        let action = serde_json::Value::from(traffic.action.as_str());
        let act = format!(r#"{{"action":{action},"payload":{payload}}}"#).replace("{pad}", &padding);
        let chat = r#"{"action":"send_chat","payload":{"message":"loadtest {n}"}}"#;
        let document = serde_json::Value::from(traffic.document_action.as_deref().unwrap_or_default());
        let padding = "x".repeat(traffic.document_bytes);
        let document = format!(r#"{{"action":{document},"payload":{{"n":{{n}},"pad":"{padding}"}}}}"#);
        let laps = (0..LAP).map(|n| position(traffic.origin, n)).map(|(x, y)| (x.to_string(), y.to_string()));
        Self {
            origin: traffic.origin,
            answers_have_x: act.contains("{x}"),
            acts_are_chat: traffic.action == "send_chat",
            fail_every: traffic.fail_every,
            act: pieces(&act),
            chat: pieces(chat),
            document: pieces(&document),
            laps: laps.collect(),
        }
    }

    /// Appends the text of input number `n`.
    pub(crate) fn write(&self, deed: Deed, n: u32, out: &mut Vec<u8>) {
        let lap = &self.laps[(n % LAP) as usize];
        let pieces = match deed {
            Deed::Act => &self.act,
            Deed::Chat => &self.chat,
            Deed::Document => &self.document,
        };
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::X => out.extend_from_slice(lap.0.as_bytes()),
                Piece::Y => out.extend_from_slice(lap.1.as_bytes()),
                Piece::N => out.extend_from_slice(n.to_string().as_bytes()),
                Piece::Fail => {
                    let fails = self.fail_every > 0 && n.is_multiple_of(self.fail_every);
                    out.extend_from_slice(if fails { b"true" } else { b"false" });
                }
            }
        }
    }

    /// Appends the text of an input with this number, which its answer will name.
    pub(crate) fn write_numbered(&self, n: u32, out: &mut Vec<u8>) {
        self.write(Deed::Act, n, out);
        // The object's last bracket.
        out.pop();
        out.extend_from_slice(format!(r#","n":{n},"id":{n}}}"#).as_bytes());
    }

    /// Whether an event with this content may answer input number `n`.
    pub(crate) fn answers(&self, answer: Answer, deed: Deed, n: u32) -> bool {
        let is_chat = match deed {
            Deed::Act => self.acts_are_chat,
            Deed::Chat => true,
            Deed::Document => false,
        };
        if answer.chat != is_chat {
            return false;
        }
        if let Some(number) = answer.n {
            return number == f64::from(n);
        }
        let Some((x, y)) = answer.place.filter(|_| self.answers_have_x) else { return true };
        let expected = position(self.origin, n);
        (x - expected.0).abs() < 1e-6 && (y - expected.1).abs() < 1e-6
    }
}

/// The content of an event that answers a player's own input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    chat: bool,
    /// The input's number.
    pub n: Option<f64>,
    place: Option<(f64, f64)>,
}

impl Answer {
    /// `None` for an event that says something about a player that the player did not ask for.
    pub(crate) fn of(event: &Event<'_>) -> Option<Self> {
        let payload = &event.payload;
        let place = payload.x.zip(payload.y);
        match &*event.kind {
            "player_joined" | "player_left" | "player_away" | "player_back" => None,
            "chat" => {
                let text = payload.message.as_deref().unwrap_or("");
                let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
                Some(Self { chat: true, n: number.filter(|_| text.starts_with("loadtest ")), place: None })
            }
            _ => Some(Self { chat: false, n: payload.n, place }),
        }
    }
}

fn own_form(traffic: &Traffic) -> String {
    let padding = if traffic.padding_bytes == 0 { "" } else { r#","pad":"{pad}""# };
    match traffic.action.as_str() {
        "move_player" => format!(r#"{{"x":{{x}},"y":{{y}}{padding}}}"#),
        "endure" => format!(r#"{{"n":{{n}},"fail":{{fail}}{padding}}}"#),
        "send_chat" => r#"{"message":"loadtest {n} {pad}"}"#.to_owned(),
        _ => format!(r#"{{"n":{{n}}{padding}}}"#),
    }
}

fn pieces(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((at, name, piece)) =
        [("{x}", Piece::X), ("{y}", Piece::Y), ("{n}", Piece::N), ("{fail}", Piece::Fail)]
            .into_iter()
            .filter_map(|(name, piece)| rest.find(name).map(|at| (at, name, piece)))
            .min_by_key(|(at, _, _)| *at)
    {
        pieces.push(Piece::Text(rest[..at].to_owned()));
        pieces.push(piece);
        rest = &rest[at + name.len()..];
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::scan::scan;

    fn traffic(action: &str, payload: Option<&str>, padding_bytes: usize) -> Traffic {
        Traffic {
            action: action.into(),
            payload: payload.map(Into::into),
            padding_bytes,
            fail_every: 2,
            origin: (10.0, 10.0),
            document_action: Some("documents_save".into()),
            document_bytes: 3,
        }
    }

    fn written(traffic: &Traffic, deed: Deed, n: u32) -> String {
        let mut out = Vec::new();
        Writer::new(traffic).write(deed, n, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_way_is_closed_and_every_step_is_one_long() {
        let points: Vec<_> = (0..=LAP).map(|n| position((0.0, 0.0), n)).collect();
        assert_eq!(points[0], points[LAP as usize]);
        for pair in points.windows(2) {
            assert_eq!((pair[0].0 - pair[1].0).abs() + (pair[0].1 - pair[1].1).abs(), STEP, "{pair:?}");
        }
        let mut texts: Vec<String> = points[1..].iter().map(|point| format!("{point:?}")).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), LAP as usize, "no point twice in a lap");
    }

    #[test]
    fn inputs() {
        let check =
            |traffic: Traffic, deed, n, expected: &str| assert_eq!(written(&traffic, deed, n), expected);
        check(
            traffic("move_player", None, 0),
            Deed::Act,
            65,
            r#"{"action":"move_player","payload":{"x":10.015625,"y":10}}"#,
        );
        check(
            traffic("move_player", None, 3),
            Deed::Act,
            0,
            r#"{"action":"move_player","payload":{"x":10,"y":10,"pad":"xxx"}}"#,
        );
        check(traffic("set", None, 0), Deed::Act, 7, r#"{"action":"set","payload":{"n":7}}"#);
        check(
            traffic("move_player", None, 0),
            Deed::Chat,
            7,
            r#"{"action":"send_chat","payload":{"message":"loadtest 7"}}"#,
        );
        check(
            traffic("shoot", Some(r#"{"at":[{x},{y}],"n":{n},"junk":"{pad}"}"#), 2),
            Deed::Act,
            1,
            r#"{"action":"shoot","payload":{"at":[10.015625,10],"n":1,"junk":"xx"}}"#,
        );
    }

    #[test]
    fn numbered_inputs() {
        let writer = Writer::new(&traffic("endure", None, 0));
        let check = |n, expected: &str| {
            let mut out = Vec::new();
            writer.write_numbered(n, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(3, r#"{"action":"endure","payload":{"n":3,"fail":false},"n":3,"id":3}"#);
        check(4, r#"{"action":"endure","payload":{"n":4,"fail":true},"n":4,"id":4}"#);
    }

    #[test]
    fn answers_are_recognised_by_their_content() {
        let writer = Writer::new(&traffic("move_player", None, 0));
        let check = |event: &str, deed, n, expected| {
            let mut answer = None;
            scan(event.as_bytes(), |event| answer = Answer::of(&event)).unwrap();
            assert_eq!(answer.map(|answer| writer.answers(answer, deed, n)), expected, "{event}");
        };
        let moved = r#"{"type":"player_moved","payload":{"user_id":"a","x":10.015625,"y":10},"seq":1}"#;
        check(moved, Deed::Act, 1, Some(true));
        check(moved, Deed::Act, 65, Some(true));
        check(moved, Deed::Act, 2, Some(false));
        check(moved, Deed::Chat, 1, Some(false));
        let chat = r#"{"type":"chat","payload":{"user_id":"a","message":"loadtest 4"},"seq":1}"#;
        check(chat, Deed::Chat, 4, Some(true));
        check(chat, Deed::Chat, 5, Some(false));
        check(chat, Deed::Act, 4, Some(false));
        check(r#"{"type":"player_joined","payload":{"user_id":"a"},"seq":1}"#, Deed::Act, 4, None);
    }

    #[test]
    fn a_custom_event_without_marks_answers_by_order() {
        let writer = Writer::new(&traffic("shoot", Some("{}"), 0));
        let mut answer = None;
        scan(br#"{"type":"shot","payload":{"user_id":"a","x":1,"y":2},"seq":1}"#, |event| {
            answer = Answer::of(&event)
        })
        .unwrap();
        assert!(writer.answers(answer.unwrap(), Deed::Act, 3));
    }
}
