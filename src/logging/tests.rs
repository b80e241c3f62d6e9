use std::time::{Duration, UNIX_EPOCH};

use super::*;

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiNyJ9.c2lnbmF0dXJl";

fn with_line(message: &str, pairs: &[(&str, Value<'_>)], read: impl Fn(Line)) {
    let arguments = format_args!("{message}");
    let record =
        Record::builder().level(Level::Info).target("godra::room").args(arguments).key_values(&pairs).build();
    read(Line::new(&record, UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)));
}

fn check_text(message: &str, pairs: &[(&str, Value<'_>)], expected: &str) {
    with_line(message, pairs, |line| {
        assert_eq!(line.text(), format!("2026-01-02T03:04:05.678Z INFO  godra::room {expected}"));
    });
}

fn check_json(message: &str, pairs: &[(&str, Value<'_>)], expected: &str) {
    with_line(message, pairs, |line| {
        let parsed: Json = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(parsed, serde_json::from_str::<Json>(expected).unwrap());
        assert_eq!(line.json().lines().count(), 1);
    });
}

#[test]
fn text_lines() {
    check_text("opened", &[], "opened");
    check_text("opened room=arena", &[], "opened room=arena");
    check_text("opened", &[("room", "arena".into()), ("members", 3.into())], "opened room=arena members=3");
    check_text("x", &[("name", "two words".into())], r#"x name="two words""#);
    check_text("x", &[("name", "".into())], r#"x name="""#);
    check_text("x", &[("name", "a=b".into())], r#"x name="a=b""#);
    check_text("x", &[("name", "a\"b".into())], r#"x name="a\"b""#);
    check_text("x", &[("name", "a\nb".into())], r#"x name="a\nb""#);
    check_text("x", &[("ok", true.into()), ("ratio", 0.5.into())], "x ok=true ratio=0.5");
}

#[test]
fn a_message_cannot_start_a_line_of_its_own() {
    check_text("bad\n2026 INFO forged", &[], r"bad\n2026 INFO forged");
    check_text("\u{1b}[31mred\r\n\t", &[], r"\u{1b}[31mred\r\n\t");
    check_text("trailing\n", &[], r"trailing\n");
    check_text("\u{9b}31m\u{7f}\u{2028}\u{202e}end", &[], r"\u{9b}31m\u{7f}\u{2028}\u{202e}end");
    for c in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{202e}', '\u{2066}'] {
        let text = format!("a{c}b");
        with_line(&text, &[("name", text.as_str().into())], |line| {
            let (plain, json) = (line.text(), line.json());
            assert!(!plain.contains(c) && !json.contains(c), "{plain} {json}");
            let parsed: Json = serde_json::from_str(&json).unwrap();
            assert_eq!((&parsed["message"], &parsed["name"]), (&Json::from(&*text), &Json::from(&*text)));
        });
    }
}

#[test]
fn json_lines() {
    let frame = r#""ts":"2026-01-02T03:04:05.678Z","level":"info","target":"godra::room""#;
    check_json("opened", &[], &format!(r#"{{{frame},"message":"opened"}}"#));
    check_json(
        "a \"b\"\n",
        &[("room", "arena x".into()), ("members", 3.into()), ("delta", (-1).into()), ("ok", false.into())],
        &format!(r#"{{{frame},"message":"a \"b\"\n","room":"arena x","members":3,"delta":-1,"ok":false}}"#),
    );
    check_json(
        "x",
        &[("ratio", f64::INFINITY.into())],
        &format!(r#"{{{frame},"message":"x","ratio":"inf"}}"#),
    );
    check_json("x", &[("level", "error".into())], &format!(r#"{{{frame},"message":"x"}}"#));
}

#[test]
fn tokens_never_appear() {
    check_text(&format!("GET /ws?token={TOKEN}"), &[], "GET /ws?token=[token]");
    check_text("x", &[("header", TOKEN.into())], "x header=[token]");
    with_line(TOKEN, &[("t", TOKEN.into())], |line| assert!(!line.json().contains("eyJ"), "{}", line.json()));
}

#[test]
fn other_crates_say_only_what_concerns_people() {
    struct All;
    impl Log for All {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn log(&self, _: &Record<'_>) {}
        fn flush(&self) {}
    }
    let check = |target: &str, level: Level, expected: bool| {
        let metadata = Metadata::builder().target(target).level(level).build();
        assert_eq!(Discreet(All).enabled(&metadata), expected, "{target} {level}");
    };
    check("godra::room", Level::Trace, true);
    check("godra_engine::lua", Level::Debug, true);
    check("tokio_postgres::query", Level::Debug, false);
    check("mio::poll", Level::Trace, false);
    check("tokio_postgres::connection", Level::Info, true);
    check("redis", Level::Error, true);
}
