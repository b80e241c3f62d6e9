//! Files that are served as they are.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::session::pages::{Found, Page, PageSet};

const BROWSER: &str = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

/// `/` is packed, `/game/` a folder, `/large` longer than what is copied, and `/login` has a route's path.
fn pages() -> Arc<PageSet> {
    let page = |body: &'static str| Page::new("text/html", body.into(), Arc::new([("A", "b".into())]));
    let mut pages = PageSet::default();
    let packed = Page { gzip: Bytes::from_static(b"packed"), ..page("<p>hello") };
    pages.insert("/", Found::Page(Arc::new(packed)));
    pages.insert("/login", Found::Page(Arc::new(page("not me"))));
    pages.insert("/a folder/", Found::Page(Arc::new(page("inside"))));
    pages.insert("/a folder", Found::Folder);
    let large = Page::new("font/ttf", vec![b'x'; 20_000].into(), Arc::new([]));
    pages.insert("/large", Found::Page(Arc::new(large)));
    let in_itself = Page { coding: Some("br"), ..page("brotli") };
    pages.insert("/game.wasm.br", Found::Page(Arc::new(in_itself)));
    pages.set_not_found(Arc::new(page("lost?")));
    Arc::new(pages)
}

fn peer() -> Peer {
    let mut peer = Peer::new();
    peer.services.pages = pages();
    peer
}

fn answer(request: impl AsRef<[u8]>) -> String {
    let mut peer = peer();
    peer.send(request);
    peer.last_response().to_owned()
}

#[test]
fn what_is_asked_for_is_found_by_its_exact_path() {
    check_peer(peer, get("/%61%20folder/").as_bytes(), &["page 200 inside"]);
    for path in
        ["/../large", "/%2e%2e/large", "/.%2E/large", "//large", "/large/", "/./large", "/LARGE", "/large%5c"]
    {
        let nothing =
            r#"unknown 404 {"error":{"code":"not_found","message":"there is nothing at this path"}}"#;
        check_peer(peer, get(path).as_bytes(), &[nothing]);
    }
    check_peer(peer, get("/large%00").as_bytes(), &["unknown 400 … (close)", "finish"]);
}

/// What is asked for with a few bytes is not all kept for somebody who may never read it.
#[test]
fn large_answers_are_sent_before_more_is_asked_for() {
    let mut peer = peer();
    let (request, requests) = (get("/large"), get("/large").repeat(8));
    assert_eq!(peer.receive_once(&requests), 4 * request.len(), "80 kB are enough at once");
}

#[test]
fn a_route_goes_before_a_page_of_its_path() {
    check_peer(peer, get("/login").as_bytes(), &["login 405 …"]);
}

#[test]
fn a_page_is_gzipped_for_those_who_name_that() {
    let check = |header_line: &str, is_packed: bool| {
        let answer = answer(request("GET /", &[header_line]));
        assert_eq!(header(&answer, "vary"), Some("Accept-Encoding"), "{header_line}");
        assert_eq!(header(&answer, "content-encoding"), is_packed.then_some("gzip"), "{header_line}");
        assert!(answer.ends_with(if is_packed { "packed" } else { "<p>hello" }), "{header_line}: {answer}");
    };
    check("Accept-Encoding: gzip, deflate, br", true);
    check("accept-encoding: br;q=1.0, GZip ; q=0.8", true);
    check("Accept-Encoding: x-gzip", true);
    check("Accept-Encoding: gzip;q=0.001", true);
    check("Accept-Encoding: gzip;q=0", false);
    check("Accept-Encoding: gzip; Q=0.000, *", false);
    check("Accept-Encoding: deflate, br", false);
    check("Accept-Encoding: *", false);
    check("Accept-Encoding: gzippy", false);
    check("Accept-Encoding:", false);
    check("X: y", false);
    let plain = response(request("GET /", &["Accept-Encoding: gzip"]));
    assert_eq!((header(&plain, "vary"), header(&plain, "content-encoding")), (None, None));
    let packed = answer(request("HEAD /", &["Accept-Encoding: gzip"]));
    assert_eq!(header(&packed, "content-length"), Some("6"));
    let in_itself = answer(get("/game.wasm.br"));
    assert_eq!(header(&in_itself, "content-encoding"), Some("br"));
}

#[test]
fn who_has_a_page_is_not_sent_it_again() {
    let tag_of = |headers: &[&str]| header(&answer(request("GET /", headers)), "etag").unwrap().to_owned();
    let (plain, packed) = (tag_of(&[]), tag_of(&["Accept-Encoding: gzip"]));
    assert!(plain != packed && plain.starts_with('"') && plain.ends_with('"'), "{plain} {packed}");
    let check = |line: &str, status: &str| {
        let answer = answer(request("GET /", &[line]));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(header(&answer, "etag").is_some() && header(&answer, "a") == Some("b"), "{answer}");
        assert_eq!(header(&answer, "content-length").is_some(), status == "200");
    };
    check(&format!("If-None-Match: {plain}"), "304");
    check(&format!("If-None-Match: {packed}"), "304");
    check(&format!("If-None-Match: \"x\", W/{plain}"), "304");
    check("If-None-Match: *", "304");
    check(&format!("If-None-Match: {}", plain.trim_matches('"')), "200");
    check("If-None-Match: \"\", W/, \"", "200");
    let known = request("GET /", &[&format!("If-None-Match: {plain}")]);
    check_peer(peer, known.as_bytes(), &["page 304"]);
    check_peer(
        peer,
        (known.clone() + &get("/health")).as_bytes(),
        &["page 304", r#"health 200 {"status":"ok"}"#],
    );
}

#[test]
fn a_long_page_is_sent_from_where_it_is_kept() {
    check_peer(peer, get("/large").as_bytes(), &["page 200 [20000]", "body [20000]"]);
    check_peer(peer, request("HEAD /large", &[]).as_bytes(), &["page 200 [20000]"]);
    let closing = request("GET /large", &["Connection: close"]);
    check_peer(peer, closing.as_bytes(), &["page 200 [20000] (close)", "body [20000]", "finish"]);
}

#[test]
fn a_folder_is_asked_for_with_its_slash() {
    let check = |target: &str, expected: &str| {
        let answer = answer(get(target));
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        assert_eq!(header(&answer, "location"), Some(expected), "{target}");
    };
    check("/a%20folder", "/a%20folder/");
    check("/a%20folder?room=a%20b", "/a%20folder/?room=a%20b");
    check("http://elsewhere/%61%20folder", "/a%20folder/");
}

#[test]
fn people_who_are_lost_get_a_page_and_programs_an_error() {
    let lost = request("GET /nowhere", &[BROWSER]);
    check_peer(peer, lost.as_bytes(), &["unknown 404 lost?"]);
    check_peer(peer, request("HEAD /nowhere", &[BROWSER]).as_bytes(), &["unknown 404 [5]"]);
    for not_people in
        [get("/nowhere"), request("GET /nowhere", &["Accept: */*"]), post("/nowhere", &[BROWSER], "")]
    {
        check_peer(peer, not_people.as_bytes(), &[r#"unknown 404 {"error":…}"#]);
    }
    check(request("GET /nowhere", &[BROWSER]), &[r#"unknown 404 {"error":…}"#]);
}
