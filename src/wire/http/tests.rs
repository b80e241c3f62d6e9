use proptest::prelude::*;

use super::*;
use crate::wire::testing::{cut, cuttings};

const LIMITS: RequestLimits = RequestLimits { head_bytes: 300, headers: 5, body_bytes: 20 };

/// What a connection that sends these pieces comes to: a line for each request, `continue`, or the refusal.
fn outcomes(pieces: &[&[u8]], limits: &RequestLimits) -> Vec<String> {
    let mut decoder = RequestDecoder::new();
    let mut outcomes = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (consumed, decoded) = decoder.decode(rest, limits);
            rest = &rest[consumed..];
            // Of a head the target is kept in parts, too, and each header has a cost of its own.
            let most_of_head = 3 * limits.head_bytes + 64 * limits.headers;
            assert!(decoder.held_bytes() <= most_of_head + limits.body_bytes);
            match decoded {
                Decoded::NeedMore => {
                    assert!(rest.is_empty(), "what is needed was left");
                    break;
                }
                other => outcomes.push(summary(&other)),
            }
        }
    }
    outcomes.push(format!("{:?}", decoder.phase()));
    outcomes
}

fn summary(decoded: &Decoded) -> String {
    match decoded {
        Decoded::NeedMore => unreachable!("not an outcome"),
        Decoded::Continue => "continue".into(),
        Decoded::Malformed(refusal) => format!("{} {}", refusal.status, refusal.message),
        Decoded::Request(request) => {
            let Request { method, path, query, version_minor, keep_alive, .. } = &**request;
            let body = String::from_utf8_lossy(&request.body);
            let after = if *keep_alive { "keep" } else { "close" };
            format!("{} {path} {query:?} 1.{version_minor} {body:?} {after}", method.as_str())
        }
    }
}

fn check_with(limits: &RequestLimits, input: &[u8], expected: &[&str]) {
    for pieces in cuttings(input) {
        assert_eq!(outcomes(&pieces, limits), expected, "{}", input.escape_ascii());
    }
}

#[track_caller]
fn check(input: &str, expected: &[&str]) {
    check_with(&LIMITS, input.as_bytes(), expected);
}

/// The input is refused with that status, and `message` is in what is said about it.
fn refused(input: impl AsRef<[u8]>, status: u16, message: &str) {
    let input = input.as_ref();
    let whole = outcomes(&[input], &LIMITS);
    let [refusal, _] = &whole[..] else { panic!("{}: {whole:?}", input.escape_ascii()) };
    assert!(refusal.starts_with(&status.to_string()), "{}: {refusal}", input.escape_ascii());
    assert!(refusal.contains(message), "{}: {refusal}", input.escape_ascii());
    check_with(&LIMITS, input, &[refusal, "Idle"]);
}

/// A head whose last header line is `line`.
fn with_header(line: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")
}

#[test]
fn requests() {
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[r#"GET / "" 1.1 "" keep"#, "Idle"]);
    check("GET /a%20b?x=1&y HTTP/1.1\r\nHost: a\r\n\r\n", &[r#"GET /a b "x=1&y" 1.1 "" keep"#, "Idle"]);
    check("get / HTTP/1.1\r\nHost:a\r\n\r\n", &[r#"get / "" 1.1 "" keep"#, "Idle"]);
    check("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &[r#"OPTIONS * "" 1.1 "" keep"#, "Idle"]);
    check("GET http://a:80?q HTTP/1.1\r\nHost: a\r\n\r\n", &[r#"GET / "q" 1.1 "" keep"#, "Idle"]);
    check("GET HTTPS://[::1]/x HTTP/1.1\r\nHost: a\r\n\r\n", &[r#"GET /x "" 1.1 "" keep"#, "Idle"]);
}

#[test]
fn requests_follow_each_other() {
    check(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HT",
        &[r#"POST /1 "" 1.1 "abc" keep"#, r#"GET /2 "" 1.1 "" keep"#, "Head"],
    );
    check(
        "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabc",
        &[r#"POST /1 "" 1.1 "abc" keep"#, "Body"],
    );
    check("", &["Idle"]);
}

#[test]
fn nothing_after_a_refusal_is_decoded() {
    let mut decoder = RequestDecoder::new();
    let (_, decoded) = decoder.decode(b"bad\r\n\r\n", &LIMITS);
    assert!(matches!(decoded, Decoded::Malformed(_)), "{decoded:?}");
    let next = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(decoder.decode(next, &LIMITS), (next.len(), Decoded::NeedMore));
}

#[test]
fn a_decoder_takes_two_words_and_gives_memory_back() {
    assert!(size_of::<RequestDecoder>() <= 16);
    let mut decoder = RequestDecoder::new();
    _ = decoder.decode(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n", &LIMITS);
    assert!(decoder.held_bytes() > 0);
    _ = decoder.decode(b"\r\nabc", &LIMITS);
    assert_eq!((decoder.held_bytes(), decoder.phase()), (0, Phase::Idle));
}

#[test]
fn empty_lines_before_a_request() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    check(
        &format!("\r\n{request}\r\n\r\n{request}"),
        &[r#"GET / "" 1.1 "" keep"#, r#"GET / "" 1.1 "" keep"#, "Idle"],
    );
    check("\r\n\r", &["Idle"]);
    refused("\r\n\r\n\r\n\r\n\r\n", 400, "empty lines");
    refused("\rGET", 400, "carriage return");
    refused("\n", 400, "line feed");
}

#[test]
fn request_lines() {
    refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "");
    refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "white space");
    refused("GET /\r\n\r\n", 400, "");
    refused("GET\r\n\r\n", 400, "");
    refused("GET / \r\n\r\n", 400, "");
    refused("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "");
    refused("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "");
    refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "");
    refused("GET /\0 HTTP/1.1\r\n", 400, "control character");
    refused(b"\x16\x03\x01\x02\x00\x01\x00", 400, "control character");
}

#[test]
fn versions() {
    refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP/1.1");
    refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "HTTP/1.1");
    refused("GET / HTTP/0.9\r\n\r\n", 505, "HTTP/1.1");
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1");
    refused("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "version");
    refused("GET / HTTP/1.1 HTTP/2.0\r\nHost: a\r\n\r\n", 400, "");
    refused("GET / HTTP/11\r\n\r\n", 400, "version");
    refused("GET / http/1.1\r\nHost: a\r\n\r\n", 400, "version");
    refused("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400, "");
}

#[test]
fn targets() {
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    check(&target("//"), &[r#"GET // "" 1.1 "" keep"#, "Idle"]);
    for bad in
        ["*", "a", "a:80", "ftp://a/", "http:///x", "http://u@a/", "http://a:b/", "/#x", "/é", "/%", "/%4"]
    {
        refused(target(bad), 400, "");
    }
    refused(target("/%g0"), 400, "path");
    refused(target("/%00"), 400, "path");
    refused(target("/%0a"), 400, "path");
    refused(target("/%ff"), 400, "path");
    refused(target("/?%"), 400, "query");
    refused(target("/?%ff"), 400, "query");
    refused(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "");
}

#[test]
fn lines() {
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "line feed");
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "line feed");
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "line feed");
    refused("GET / HTTP/1.1\rHost: a\r\n\r\n", 400, "carriage return");
    refused("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, "carriage return");
    refused("GET / HTTP/1.1\r\nHost: a\r\n\rx", 400, "carriage return");
    refused("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400, "carriage return");
    refused(with_header("A: b\r\n c"), 400, "white space");
    refused(with_header("A: b\r\n\tc"), 400, "white space");
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "white space");
}

#[test]
fn headers() {
    refused(with_header("A : b"), 400, "header name");
    refused(with_header("A\t: b"), 400, "header name");
    refused(with_header(": b"), 400, "header name");
    refused(with_header("A"), 400, "header name");
    refused(with_header("Ä: b"), 400, "header name");
    refused(with_header("A(: b"), 400, "header name");
    for control in [0, 1, 8, 11, 12, 27, 31, 127] {
        refused(with_header(&format!("A: b{}", char::from(control))), 400, "control character");
    }
    let mut decoder = RequestDecoder::new();
    let head = "GET / HTTP/1.1\r\nHOST: a\r\nA:\t b\tc \t\r\nB:\r\nC: é\r\nA: d, ,E\r\n\r\n";
    let (_, Decoded::Request(request)) = decoder.decode(head.as_bytes(), &LIMITS) else { panic!("refused") };
    assert_eq!(request.header("host"), Some("a"));
    assert_eq!(request.header("a"), Some("b\tc"));
    assert_eq!(request.header("b"), Some(""));
    assert_eq!(request.header("c"), None);
    assert_eq!(request.header_values("c").next(), Some("é".as_bytes()));
    assert_eq!(request.header("d"), None);
    assert_eq!(request.header_list("a").collect::<Vec<_>>(), [&b"b\tc"[..], b"d", b"E"]);
    assert!(request.has_token("a", "e") && !request.has_token("a", "b"));
    assert_eq!(&*request.target, "/");
}

#[test]
fn hosts() {
    let host = |value: &str| format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n");
    for good in ["", "a", "a.b:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "a:", "xn--a-b_c", "a%20"] {
        check(&host(good), &[r#"GET / "" 1.1 "" keep"#, "Idle"]);
    }
    for bad in
        ["a b", "a,b", "a/b", "u@a", "a:b", "a:65536", "a:1:2", ":80", "[::1", "[x]", "[::1]x", "a%2", "é"]
    {
        refused(host(bad), 400, "Host");
    }
    refused("GET / HTTP/1.1\r\n\r\n", 400, "missing");
    refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than one");
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "more than one");
    refused("GET http://a/ HTTP/1.1\r\n\r\n", 400, "missing");
    check("GET / HTTP/1.0\r\n\r\n", &[r#"GET / "" 1.0 "" close"#, "Idle"]);
}

#[test]
fn persistence() {
    let version = |version: &str, line: &str, after: &str| {
        let expected = format!(r#"GET / "" {version} "" {after}"#);
        check(&format!("GET / HTTP/{version}\r\nHost: a\r\n{line}\r\n\r\n"), &[&expected, "Idle"]);
    };
    version("1.1", "A: b", "keep");
    version("1.1", "Connection: close", "close");
    version("1.1", "connection: Upgrade , CLOSE", "close");
    version("1.1", "Connection: closed", "keep");
    version("1.0", "A: b", "close");
    version("1.0", "Connection: Keep-Alive", "keep");
    version("1.0", "Connection: keep-alive, close", "close");
    version("1.0", "Connection: keep-alive\r\nConnection: close", "close");
}

#[test]
fn content_lengths() {
    let length = |value: &str| with_header(&format!("Content-Length: {value}"));
    check(&length("0"), &[r#"POST / "" 1.1 "" keep"#, "Idle"]);
    check(
        &(length("20") + "12345678901234567890"),
        &[r#"POST / "" 1.1 "12345678901234567890" keep"#, "Idle"],
    );
    check(&(length("003") + "abc"), &[r#"POST / "" 1.1 "abc" keep"#, "Idle"]);
    for bad in ["", "+1", "-1", "1 1", "0x1", "1a", "1,1", "1, 1", "1.0", "٣", "18446744073709551616"] {
        refused(length(bad), 400, "Content-Length");
    }
    refused(length("21"), 413, "longer than 20");
    refused(length("18446744073709551615"), 413, "longer than 20");
    refused(with_header("Content-Length: 1\r\nContent-Length: 1"), 400, "more than one");
    refused(with_header("Content-Length: 1\r\ncontent-length: 2"), 400, "more than one");
    refused(with_header("Content-Length : 1"), 400, "");
}

#[test]
fn transfer_codings() {
    let coding = |value: &str| with_header(&format!("Transfer-Encoding: {value}"));
    check(&(coding("Chunked") + "0\r\n\r\n"), &[r#"POST / "" 1.1 "" keep"#, "Idle"]);
    for bad in [
        "",
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked;a=b",
        "xchunked",
        "\"chunked\"",
    ] {
        refused(coding(bad), 400, "transfer coding");
    }
    refused(with_header("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, "transfer coding");
    refused(with_header("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 400, "transfer coding");
    refused(with_header("Transfer-Encoding: chunked\r\nContent-Length: 1"), 400, "both");
    refused(with_header("Content-Length: 1\r\nTransfer-Encoding: x"), 400, "both");
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0");
}

#[test]
fn chunks() {
    let chunked = |body: &str| with_header("Transfer-Encoding: chunked") + body;
    let good = |body: &str, expected: &str| {
        check(&chunked(body), &[&format!(r#"POST / "" 1.1 {expected:?} keep"#), "Idle"]);
    };
    good("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde");
    good("00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789");
    good("1;a\r\nx\r\n1 ;a=\"b;c\"\r\ny\r\n0;z\r\n\r\n", "xy");
    good("2\r\n\r\n\r\n0\r\n\r\n", "\r\n");
    good("0\r\nA: b\r\nC: d\r\n\r\n", "");
    for bad in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        ";a\r\n",
        "1 \r\n",
        "1 1\r\n",
        "1\n",
        "1\r\r",
        "1\rx",
        "1\r\nxy",
        "1\r\nx\n",
        "1\r\nx\rx",
        "1;a\n",
        "1;a\0",
        "1;\x7f",
        "00000000000000001\r\n",
        "10000000000000000\r\n",
    ] {
        refused(chunked(bad), 400, "chunk");
    }
    refused(chunked("15\r\n"), 413, "longer than 20");
    refused(chunked("14\r\n12345678901234567890\r\n1\r\n"), 413, "longer than 20");
    refused(chunked("ffffffffffffffff\r\n"), 413, "longer than 20");
    refused(chunked(&format!("1;{}", "a".repeat(1025))), 413, "extensions");
    refused(chunked(&format!("1;{}\r\nx\r\n", "a".repeat(60)).repeat(19)), 413, "extensions");
}

#[test]
fn trailers() {
    let trailer = |lines: &str| with_header("Transfer-Encoding: chunked") + "0\r\n" + lines;
    let kept = outcomes(&[trailer("Host: evil\r\nContent-Length: 9\r\n\r\n").as_bytes()], &LIMITS);
    assert_eq!(kept, [r#"POST / "" 1.1 "" keep"#, "Idle"], "trailers are dropped");
    refused(trailer("A : b\r\n\r\n"), 400, "trailer");
    refused(trailer("A\r\n\r\n"), 400, "trailer");
    refused(trailer("A: b\r\n c\r\n\r\n"), 400, "white space");
    refused(trailer("A: b\n\r\n"), 400, "line feed");
    refused(trailer("A: b\r\n\n"), 400, "line feed");
    refused(trailer("\n"), 400, "line feed");
    refused(trailer(&"A: b\r\n".repeat(6)), 431, "headers");
    refused(trailer(&format!("A: {}", "b".repeat(300))), 431, "longer than 300");
}

#[test]
fn expectations() {
    let expect = |value: &str, rest: &str| with_header(&format!("Expect: {value}\r\n{rest}"));
    check(
        &(expect("100-continue", "Content-Length: 2") + "ab"),
        &["continue", r#"POST / "" 1.1 "ab" keep"#, "Idle"],
    );
    check(
        &(expect("100-Continue", "Transfer-Encoding: chunked") + "1\r\na\r\n0\r\n\r\n"),
        &["continue", r#"POST / "" 1.1 "a" keep"#, "Idle"],
    );
    check(&expect("100-continue", "Content-Length: 0"), &[r#"POST / "" 1.1 "" keep"#, "Idle"]);
    check(&expect("100-continue", "Content-Length: 2"), &["continue", "Body"]);
    refused(expect("200-ok", "Content-Length: 2"), 417, "100-continue");
    refused(expect("100-continue, x", "Content-Length: 2"), 417, "100-continue");
    refused(expect("100-continue", "Content-Length: 21"), 413, "longer than 20");
    check("GET / HTTP/1.0\r\nExpect: x\r\n\r\n", &[r#"GET / "" 1.0 "" close"#, "Idle"]);
}

#[test]
fn limits() {
    let head_of = |len: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
        format!("{start}{}\r\n\r\n", "b".repeat(len - start.len() - 4))
    };
    check(&head_of(300), &[r#"GET / "" 1.1 "" keep"#, "Idle"]);
    refused(head_of(301), 431, "longer than 300");
    refused(format!("GET /{}", "a".repeat(300)), 414, "longer than 300");
    let lines = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    check(&lines(5), &[r#"GET / "" 1.1 "" keep"#, "Idle"]);
    refused(lines(6), 431, "too many");
    let default = RequestLimits::default();
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "b".repeat(default.head_bytes));
    let message = format!("431 the head is longer than {} bytes", default.head_bytes);
    check_with(&default, large.as_bytes(), &[&message, "Idle"]);
}

#[derive(Clone, Debug)]
struct Generated {
    bytes: Vec<u8>,
    summary: String,
}

/// A valid request in any of the ways to write it.
fn any_request() -> impl Strategy<Value = Generated> {
    let body = (prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(1..40_usize, 1..5));
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "x-y"]);
    let framing = 0..3_u8;
    (method, "/[a-z/.~]{0,20}", "[a-z=&+]{0,20}", "[ -~é]{0,20}", framing, body).prop_map(
        |(method, path, query, value, framing, (body, chunks))| {
            let value = value.trim();
            let mut head = format!("{method} {path}?{query} HTTP/1.1\r\nhost: a\r\nX-Any:  {value}\t\r\n");
            let mut written = Vec::new();
            match framing {
                0 => {}
                1 => {
                    head += &format!("Content-Length: {}\r\n", body.len());
                    written.extend(&body);
                }
                _ => {
                    head += "Transfer-Encoding: chunked\r\n";
                    for chunk in cut(&body, &chunks) {
                        written.extend(format!("{:x};e=1\r\n", chunk.len()).bytes());
                        written.extend(chunk);
                        written.extend(b"\r\n");
                    }
                    written.extend(b"0\r\nX-Trailer: 1\r\n\r\n");
                }
            }
            let body = if framing == 0 { "".into() } else { String::from_utf8_lossy(&body) };
            let summary = format!("{method} {path} {query:?} 1.1 {body:?} keep");
            let mut bytes = (head + "\r\n").into_bytes();
            bytes.extend(written);
            Generated { bytes, summary }
        },
    )
}

proptest! {
    #[test]
    fn valid_requests_come_out_however_they_are_cut(
        requests in prop::collection::vec(any_request(), 1..4),
        lengths in prop::collection::vec(1..200_usize, 1..6),
    ) {
        let input: Vec<u8> = requests.iter().flat_map(|request| request.bytes.clone()).collect();
        let mut expected: Vec<String> = requests.into_iter().map(|request| request.summary).collect();
        expected.push("Idle".into());
        prop_assert_eq!(outcomes(&cut(&input, &lengths), &RequestLimits::default()), expected);
    }

    #[test]
    fn damaged_requests_come_to_the_same_however_they_are_cut(
        request in any_request(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        lengths in prop::collection::vec(1..50_usize, 1..6),
    ) {
        let mut input = request.bytes;
        for (at, byte) in damage {
            *at.get_mut(&mut input) = byte;
        }
        prop_assert_eq!(outcomes(&cut(&input, &lengths), &LIMITS), outcomes(&[&input], &LIMITS));
    }

    #[test]
    fn any_bytes_come_to_the_same_however_they_are_cut(
        input in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\r\n :;GET/HTP1.0"[..])], 0..400),
        lengths in prop::collection::vec(1..50_usize, 1..6),
    ) {
        prop_assert_eq!(outcomes(&cut(&input, &lengths), &LIMITS), outcomes(&[&input], &LIMITS));
    }
}
