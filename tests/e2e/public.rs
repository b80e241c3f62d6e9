//! A game's own page and files, from a folder.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use flate2::read::GzDecoder;

use crate::common::http::{Connection, Response};
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

const MIB: usize = 1 << 20;

/// A folder with stock scripts and a page.
fn folder() -> Folder {
    let folder = Folder::new();
    write(&folder, "index.html", "<p>my game");
    folder
}

fn write(folder: &Folder, name: &str, body: impl AsRef<[u8]>) {
    let path = folder.path().join("public").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, body).unwrap();
}

/// Bytes that do not repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn get_with(server: &Server, path: &str, header: (&str, &str)) -> Response {
    server.request("GET", path, &[header], b"")
}

fn served(server: &Server, path: &str) -> String {
    let answer = server.get(path);
    if answer.status == 200 { answer.text() } else { answer.status.to_string() }
}

#[test]
fn a_folder_is_served_in_the_demos_place() {
    let folder = folder();
    write(&folder, "game.wasm", noise(100_000));
    write(&folder, "level/index.html", "<p>level");
    write(&folder, "404.html", "<p>lost?");
    write(&folder, "health", "not me");
    let server = Server::start_in(folder, &[]);
    let page = server.get("/");
    assert_eq!(
        (page.text().as_str(), page.header("content-type")),
        ("<p>my game", Some("text/html; charset=utf-8"))
    );
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(page.header("content-security-policy").unwrap().contains("'wasm-unsafe-eval'"));
    let wasm = server.get("/game.wasm");
    assert_eq!(wasm.header("content-type"), Some("application/wasm"));
    assert!(wasm.body == noise(100_000));
    let head = server.request("HEAD", "/game.wasm", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("100000")));
    assert_eq!(server.get("/level").header("location"), Some("/level/"));
    assert_eq!(served(&server, "/level/"), "<p>level");
    // Nothing of the demo, but the SDK.
    assert_eq!(server.get("/demo/demo.css").status, 404);
    assert!(server.get("/godra.js").body.len() > 10_000);
    // A route's path is the route's, which the log says.
    assert_eq!(served(&server, "/health"), r#"{"status":"ok"}"#);
    server.output().wait_for_line(&["WARN", "/health", "the server's own route has this path"]);
    server.output().wait_for_line(&["to play", "localhost"]);
    let lost = get_with(&server, "/nowhere", ("Accept", "text/html"));
    assert_eq!((lost.status, lost.text().as_str()), (404, "<p>lost?"));
    assert_eq!(server.get("/nowhere").error_code(), "not_found");
    assert_eq!(server.post("/", &serde_json::json!({})).status, 405);
}

#[test]
fn a_page_that_is_known_is_not_sent_again() {
    let folder = folder();
    let text = "let answer = 42;\n".repeat(1000);
    write(&folder, "game.js", &text);
    let server = Server::start_in(folder, &[]);
    // It is packed once the server has begun.
    let packed = || get_with(&server, "/game.js", ("Accept-Encoding", "gzip"));
    wait_until("the script to be packed", || packed().header("content-encoding") == Some("gzip"));
    let answer = packed();
    let mut unpacked = String::new();
    GzDecoder::new(&*answer.body).read_to_string(&mut unpacked).unwrap();
    assert_eq!((unpacked.as_str(), answer.header("vary")), (text.as_str(), Some("Accept-Encoding")));
    assert!(answer.body.len() < 1000);
    let plain = server.get("/game.js");
    assert_eq!((plain.text(), plain.header("content-encoding")), (text, None));
    for answer in [&answer, &plain] {
        let tag = answer.header("etag").unwrap();
        let again = get_with(&server, "/game.js", ("If-None-Match", tag));
        assert_eq!((again.status, again.header("etag").is_some()), (304, true), "{tag}");
    }
    write(server.folder(), "game.js", "let answer = 43;");
    wait_until("the change", || {
        get_with(&server, "/game.js", ("If-None-Match", plain.header("etag").unwrap())).status == 200
    });
    assert_eq!(served(&server, "/game.js"), "let answer = 43;");
}

#[test]
fn nothing_else_is_served() {
    let folder = folder();
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    write(&folder, ".env", "secret");
    write(&folder, ".git/config", "secret");
    write(&folder, "game/.hidden/a.js", "secret");
    write(&folder, "a\\b.js", "secret");
    let link = |target: &str, name: &str| symlink(target, folder.path().join("public").join(name)).unwrap();
    link("../secret.txt", "out.txt");
    link("/etc/passwd", "passwd");
    link("..", "parent");
    link("../scripts", "scripts");
    let server = Server::start_in(folder, &[]);
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/./../secret.txt",
        "/game/../../secret.txt",
        "/....//secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/game/.hidden/a.js",
        "/a%5cb.js",
        "/out.txt",
        "/passwd",
        "/parent/secret.txt",
        "/parent/public/index.html",
        "/scripts/create_lobby.lua",
        "/index.html%20",
        "/index.html/",
        "/index.html/.",
        "/INDEX.html",
        "/?/../secret.txt#",
        "/*",
    ] {
        let answer = server.get(path);
        let is_page = path.starts_with("/?") && answer.status == 200;
        assert!(matches!(answer.status, 400 | 404) || is_page, "{path}: {answer:?}");
        assert!(!answer.text().contains("secret\n") && answer.text() != "secret", "{path}: {answer:?}");
    }
    for path in ["/a%00", "/index.html%00.js", "/%c0%ae%c0%ae/secret.txt", "/%"] {
        assert_eq!(server.get(path).status, 400, "{path}");
    }
    server.output().wait_for_line(&["WARN", "out.txt", "leads out of the folder"]);
    assert_eq!(served(&server, "/index.html"), "<p>my game");
}

#[test]
fn changes_are_served_while_it_runs() {
    let server = Server::start_in(folder(), &[]);
    write(server.folder(), "index.html", "<p>my better game");
    write(server.folder(), "new.js", "1");
    wait_until("the change", || served(&server, "/") == "<p>my better game");
    assert_eq!(served(&server, "/new.js"), "1");
    fs::remove_file(server.folder().path().join("public/new.js")).unwrap();
    wait_until("the file to be gone", || served(&server, "/new.js") == "404");
    // What cannot be served leaves the old files, and says why.
    let large = fs::File::create(server.folder().path().join("public/large.bin")).unwrap();
    large.set_len(65 << 20).unwrap();
    write(server.folder(), "index.html", "<p>my best game");
    server.output().wait_for_line(&["ERROR", "the old ones serve on", "large.bin", "at most 64 MiB"]);
    assert_eq!(served(&server, "/"), "<p>my better game");
    large.set_len(10).unwrap();
    wait_until("what is mended", || served(&server, "/") == "<p>my best game");
    assert_eq!(server.get("/large.bin").body, [0; 10]);
    fs::rename(server.folder().path().join("public"), server.folder().path().join("aside")).unwrap();
    server.output().wait_for_line(&["ERROR", "the old ones serve on", "cannot be read"]);
    assert_eq!(served(&server, "/"), "<p>my best game");
    write(server.folder(), "index.html", "<p>another game");
    server.signal("HUP");
    wait_until("the folder that came", || served(&server, "/") == "<p>another game");
    assert_eq!(server.get("/large.bin").status, 404);
}

#[test]
fn a_folder_that_is_too_large_stops_the_start() {
    let folder = folder();
    for number in 0..1000 {
        write(&folder, &format!("{number}.txt"), "");
    }
    let ended = crate::common::server::run_to_end(&folder, &["--port", "0"], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("--public-dir: ") && ended.stderr.contains("more than 1000 files"),
        "{ended:?}"
    );
}

#[test]
fn flags_name_the_folder_or_none() {
    let server = Server::start_in(folder(), &["--public-dir", "off"]);
    assert!(served(&server, "/").contains("<title>"), "the demo");
    let folder = folder();
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::write(folder.path().join("site/a.html"), "a").unwrap();
    let flags = ["--public-dir", "site", "--public-csp", "default-src 'none'", "--public-isolation", "off"];
    let server = Server::start_in(folder, &flags);
    let page = server.get("/a.html");
    assert_eq!(page.header("content-security-policy"), Some("default-src 'none'"));
    assert_eq!(page.header("cross-origin-embedder-policy"), None);
    assert_eq!(server.get("/").status, 404);
    server.output().wait_for_line(&["WARN", "no index.html"]);
}

/// A file is in memory once, however many are being sent it, and none of them is closed for what the others have not read.
#[test]
fn readers_that_are_slow_hold_nothing_of_a_file() {
    const READERS: usize = 60;
    let folder = folder();
    let file = noise(8 * MIB);
    write(&folder, "game.ogg", &file);
    let server = Server::start_in(folder, &["--buffer-memory", "16m", "--threads", "2"]);
    let before = server.resident_bytes();
    let ask = |_| {
        let mut connection = server.connect();
        connection.send("GET /game.ogg HTTP/1.1\r\nHost: test\r\n\r\n");
        connection
    };
    let mut slow: Vec<Connection> = (0..READERS).map(ask).collect();
    let fast = server.get("/game.ogg");
    assert!(fast.body == file);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 48 * MIB, "{} MiB", grown / MIB);
    let unread = slow.split_off(1);
    let answer = slow[0].read_response();
    assert!(answer.status == 200 && answer.body == file, "one that was slow gets all of it");
    assert_eq!(server.metric(r#"godra_refusals_total{reason="buffer_memory"}"#), 0.0);
    // Those that are being sent an old file hold it: it counts, and they go when it is too much.
    write(server.folder(), "game.ogg", noise(9 * MIB));
    wait_until("the change", || server.get("/game.ogg").body.len() == 9 * MIB);
    wait_until("room to be made", || {
        server.get("/game.ogg");
        server.metric(r#"godra_refusals_total{reason="buffer_memory"}"#) >= 30.0
    });
    assert_eq!(server.get("/health").status, 200);
    drop(unread);
}
