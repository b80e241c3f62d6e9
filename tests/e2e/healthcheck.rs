//! `godra healthcheck` beside a server, as a container runs it.

use std::io::Write;
use std::net::TcpListener;
use std::time::Instant;

use crate::common::server::{Ended, Folder, Server, run_to_end};
use crate::common::tls::make_certificate;

fn healthcheck(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    run_to_end(folder, &[&["healthcheck"], arguments].concat(), environment)
}

#[track_caller]
fn is_healthy(ended: &Ended, url: &str) {
    let expected = (Some(0), format!("healthy url={url}\n"), "");
    assert_eq!((ended.code, ended.stdout.clone(), ended.stderr.as_str()), expected);
}

#[track_caller]
fn is_not(ended: &Ended, words: &[&str]) {
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
        (Some(1), "", 1),
        "{ended:?}"
    );
    assert!(words.iter().all(|word| ended.stderr.contains(word)), "{ended:?}");
}

#[test]
fn it_finds_the_server_by_the_same_settings() {
    let server = Server::start(&[]);
    let port = server.address().port().to_string();
    let url = format!("http://127.0.0.1:{port}/health");
    let folder = Folder::empty();
    is_healthy(&healthcheck(&folder, &["--port", &port], &[]), &url);
    is_healthy(&healthcheck(&folder, &[], &[("GODRA_PORT", &port)]), &url);
    std::fs::write(folder.path().join(".env"), format!("PORT={port}\n")).unwrap();
    is_healthy(&healthcheck(&folder, &[], &[]), &url);
    let url = format!("http://localhost:{port}/ready");
    is_healthy(&healthcheck(&folder, &["--url", &url], &[]), &url);
    let url = format!("http://127.0.0.1:{port}/nothing");
    is_not(&healthcheck(&folder, &["--url", &url], &[]), &[&url, "status=404"]);
}

#[test]
fn it_speaks_tls_and_says_that_it_is_no_proxy() {
    let folder = Folder::new();
    let (certificate, key) = make_certificate(folder.path());
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let flags = [&files[..], &["--trusted-proxy", "127.0.0.1", "--proxy-protocol"]].concat();
    let server = Server::start_in(folder, &flags);
    let port = server.address().port().to_string();
    let flags = [&["--port", &port], &flags[..]].concat();
    let folder = Folder::empty();
    is_healthy(&healthcheck(&folder, &flags, &[]), &format!("https://127.0.0.1:{port}/health"));
    let plain = format!("http://127.0.0.1:{port}/health");
    is_not(&healthcheck(&folder, &["--url", &plain], &[]), &["not healthy"]);
}

#[test]
fn nobody_is_not_healthy() {
    let folder = Folder::empty();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let began = Instant::now();
    // The kernel takes the connection, and nobody answers.
    is_not(&healthcheck(&folder, &["--port", &port], &[]), &["timed out"]);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            // The first is the connection that was given up.
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    is_not(&healthcheck(&folder, &["--port", &port], &[]), &["not HTTP"]);
    answering.join().unwrap();
    is_not(&healthcheck(&folder, &["--port", &port], &[]), &["refused"]);
    is_not(&healthcheck(&folder, &["--port", "0"], &[]), &["--url"]);
    is_not(&healthcheck(&folder, &["--port", "x"], &[]), &["--port x"]);
    is_not(&healthcheck(&folder, &["--url", "localhost"], &[]), &["expected http://HOST:PORT/PATH"]);
}
