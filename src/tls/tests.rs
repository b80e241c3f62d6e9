//! Channels in memory, with rustls's client at the other end.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, HandshakeKind, RootCertStore,
    SupportedProtocolVersion,
};
use tempfile::TempDir;

use super::reload::Looks;
use super::server::Look;
use super::*;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A folder with a certificate and its key.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.renew(&PKCS_ECDSA_P256_SHA256);
        files
    }

    fn renew(&self, algorithm: &'static SignatureAlgorithm) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        self.write("cert.pem", &certificate.pem());
        self.write("key.pem", &key.serialize_pem());
    }

    /// With the mark of an editor in front of both.
    fn mark(&self) {
        for file in [self.paths().certificate, self.paths().key] {
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, format!("\u{feff}{text}")).unwrap();
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn paths(&self) -> CertificateFiles {
        CertificateFiles { certificate: self.0.path().join("cert.pem"), key: self.0.path().join("key.pem") }
    }

    fn server(&self) -> TlsServer {
        TlsServer::load(self.paths()).unwrap()
    }

    fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.paths().certificate).unwrap()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        client
    }
}

/// A channel and its peer.
struct Pair {
    client: ClientConnection,
    channel: Box<Channel>,
    /// How many bytes come at once.
    step: usize,
    /// What the channel has read.
    read: Vec<u8>,
}

impl Pair {
    fn new(server: &TlsServer, client: &ClientConfig) -> Self {
        let client =
            ClientConnection::new(Arc::new(client.clone()), "localhost".try_into().unwrap()).unwrap();
        Self { client, channel: server.accept().unwrap(), step: usize::MAX, read: Vec::new() }
    }

    /// Takes both sides' bytes to the other until nothing moves.
    fn talk(&mut self) -> Result<(), Failure> {
        loop {
            let (to_server, to_client) = (self.client_sends(), self.channel.unsent().to_vec());
            if to_server.is_empty() && to_client.is_empty() {
                return Ok(());
            }
            self.channel.advance(to_client.len());
            for mut piece in to_client.chunks(self.step.min(to_client.len().max(1))) {
                while !piece.is_empty() {
                    self.client.read_tls(&mut piece).unwrap();
                    // What is wrong, a test asks the client itself.
                    let _ = self.client.process_new_packets();
                }
            }
            let step = self.step.min(to_server.len().max(1));
            to_server.chunks(step).try_for_each(|piece| self.give(piece))?;
        }
    }

    fn client_sends(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// The channel is given bytes as the event loop gives them.
    fn give(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let held = self.channel.held_bytes();
        let mut input = [vec![0; held].as_slice(), bytes].concat();
        let mut plain = vec![0; input.len()];
        let count = self.channel.receive(&mut input, &mut plain)?;
        self.read.extend_from_slice(&plain[..count]);
        Ok(())
    }

    fn client_reads(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.client.reader().read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            _ => bytes,
        }
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_byte_order_mark_in_front_of_pem_is_passed_over() {
    let files = Files::new();
    let client = files.client(&TLS13);
    files.mark();
    Pair::new(&files.server(), &client).talk().unwrap();
}

#[test]
fn bytes_go_both_ways_however_they_are_cut() {
    let files = Files::new();
    let server = files.server();
    for version in VERSIONS {
        for step in [1, 7, 1000, usize::MAX] {
            let mut pair = Pair::new(&server, &files.client(version));
            pair.step = step;
            pair.talk().unwrap();
            assert!(pair.channel.is_open() && !pair.client.is_handshaking(), "{version:?} {step}");
            for count in [1, RECORD_BYTES, RECORD_BYTES + 1] {
                pair.client.writer().write_all(&bytes(count)).unwrap();
                pair.channel.seal(&bytes(count)).unwrap();
                pair.talk().unwrap();
                assert!(std::mem::take(&mut pair.read) == bytes(count), "{version:?} {step} {count}");
                assert!(pair.client_reads() == bytes(count), "{version:?} {step} {count}");
            }
            assert_eq!(
                (pair.channel.held_bytes(), pair.channel.unsent().len()),
                (0, 0),
                "idle, it holds nothing"
            );
        }
    }
}

#[test]
fn an_end_is_told_in_either_direction() {
    let files = Files::new();
    let server = files.server();
    for version in VERSIONS {
        let mut pair = Pair::new(&server, &files.client(version));
        pair.talk().unwrap();
        pair.client.writer().write_all(b"the last").unwrap();
        pair.client.send_close_notify();
        pair.talk().unwrap();
        assert_eq!((pair.read.as_slice(), pair.channel.has_ended()), (&b"the last"[..], true));
        pair.channel.seal(b"an answer all the same").unwrap();
        assert!(pair.channel.close());
        assert!(!pair.channel.close(), "once is enough");
        pair.talk().unwrap();
        let mut answer = Vec::new();
        pair.client.reader().read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"an answer all the same", "and an end in order");
    }
}

#[test]
fn nothing_is_sent_before_the_handshake() {
    let files = Files::new();
    let mut pair = Pair::new(&files.server(), &files.client(&TLS13));
    assert!(pair.channel.seal(b"too soon").is_err());
    assert!(!pair.channel.close() && pair.channel.unsent().is_empty());
    pair.talk().unwrap();
    pair.channel.seal(b"now").unwrap();
    pair.talk().unwrap();
    assert_eq!(pair.client_reads(), b"now");
}

#[test]
fn sessions_are_resumed_also_when_the_certificate_changes() {
    let files = Files::new();
    let server = files.server();
    for version in VERSIONS {
        let mut client = files.client(version);
        client.resumption = Resumption::in_memory_sessions(8);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut pair = Pair::new(&server, &client);
            pair.talk().unwrap();
            assert_eq!(pair.channel.handshake_kind(), pair.client.handshake_kind());
            kinds.push(pair.client.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{version:?}");
        files.renew(&PKCS_ED25519);
        assert_eq!(Looks::default().again(&server, true), Look::Replaced);
        let mut pair = Pair::new(&server, &client);
        pair.talk().unwrap();
        assert_eq!(pair.client.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        files.renew(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(Looks::default().again(&server, true), Look::Replaced);
    }
}

#[test]
fn a_client_without_tickets_resumes_by_its_sessions_name() {
    let files = Files::new();
    let server = files.server();
    let mut client = files.client(&TLS12);
    client.resumption =
        Resumption::in_memory_sessions(8).tls12_resumption(rustls::client::Tls12Resumption::SessionIdOnly);
    let kinds = [(); 2].map(|()| {
        let mut pair = Pair::new(&server, &client);
        pair.talk().unwrap();
        pair.client.handshake_kind().unwrap()
    });
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
}

/// The alert that a client gets which offers these protocols.
fn alert_to(protocols: &[&str]) -> Option<AlertDescription> {
    let files = Files::new();
    let mut client = files.client(&TLS13);
    client.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut pair = Pair::new(&files.server(), &client);
    let failure = pair.talk().err()?;
    let Failure::Tls(_) = failure else { panic!("{failure}") };
    let alert = pair.channel.unsent().to_vec();
    pair.client.read_tls(&mut alert.as_slice()).unwrap();
    match pair.client.process_new_packets() {
        Err(Error::AlertReceived(alert)) => Some(alert),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_http_1_1_is_spoken() {
    assert_eq!(alert_to(&[]), None);
    assert_eq!(alert_to(&["http/1.1"]), None);
    assert_eq!(alert_to(&["h2", "http/1.1"]), None);
    assert_eq!(alert_to(&["h2"]), Some(AlertDescription::NoApplicationProtocol));
}

#[test]
fn a_peer_that_does_not_speak_tls_is_told_so_if_it_speaks_http() {
    let server = Files::new().server();
    let first_answer = |input: &[u8]| {
        let mut channel = server.accept().unwrap();
        let failure = channel.receive(&mut input.to_vec(), &mut vec![0; input.len()]).unwrap_err();
        assert!(channel.has_ended() && !channel.is_open() && !channel.is_handshaking(), "{failure}");
        assert!(!channel.close(), "nothing more is said");
        channel.unsent().to_vec()
    };
    let answer = String::from_utf8(first_answer(b"GET / HTTP/1.1\r\n")).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("\r\nConnection: close"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert_eq!(String::from_utf8(first_answer(b"P")).unwrap(), answer, "one byte tells");
    let alert = first_answer(b"\x00\x01garbage and more");
    assert_eq!((alert[0], alert.len()), (21, 7), "an alert");
}

/// Half of a message is kept back by rustls, and asked for again when something is sent.
#[test]
fn a_message_that_has_not_come_whole_does_not_keep_from_sending() {
    let files = Files::new();
    for version in VERSIONS {
        let mut pair = Pair::new(&files.server(), &files.client(version));
        pair.talk().unwrap();
        pair.client.writer().write_all(&bytes(100)).unwrap();
        let record = pair.client_sends();
        for byte in &record {
            pair.give(&[*byte]).unwrap();
            pair.channel.seal(b"meanwhile").unwrap();
        }
        assert_eq!(pair.read, bytes(100));
        pair.talk().unwrap();
        assert_eq!(pair.client_reads(), b"meanwhile".repeat(record.len()));
    }
}

#[test]
fn keys_are_updated_when_the_peer_wants_it_and_not_for_ever() {
    let files = Files::new();
    let mut pair = Pair::new(&files.server(), &files.client(&TLS13));
    pair.talk().unwrap();
    for _ in 0..20 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.talk().unwrap();
        pair.channel.seal(b"x").unwrap();
        pair.talk().unwrap();
        pair.client.writer().write_all(b"y").unwrap();
        pair.talk().unwrap();
    }
    assert_eq!((pair.client_reads().len(), pair.read.len()), (20, 20));
    let failure = (0..100).find_map(|_| {
        pair.client.refresh_traffic_keys().unwrap();
        let update = pair.client_sends();
        pair.give(&update).err()
    });
    assert!(matches!(failure, Some(Failure::Tls(Error::PeerMisbehaved(_)))), "{failure:?}");
}

#[test]
fn changed_bytes_end_the_connection() {
    let files = Files::new();
    for version in VERSIONS {
        let mut pair = Pair::new(&files.server(), &files.client(version));
        pair.talk().unwrap();
        pair.client.writer().write_all(b"hello").unwrap();
        let mut record = pair.client_sends();
        *record.last_mut().unwrap() ^= 1;
        assert!(pair.give(&record).is_err());
        assert!(pair.read.is_empty() && pair.channel.seal(b"x").is_err());
        let alert = pair.channel.unsent().to_vec();
        pair.client.read_tls(&mut alert.as_slice()).unwrap();
        let told = pair.client.process_new_packets().unwrap_err();
        assert_eq!(told, Error::AlertReceived(AlertDescription::BadRecordMac), "{version:?}");
    }
}

/// What a peer sends that says anything never ends the process, and is answered with an end.
#[test]
fn a_hello_in_bits_is_not_kept_without_end() {
    let server = Files::new().server();
    let mut pair = Pair::new(&server, &Files::new().client(&TLS13));
    // A handshake message of 16 MiB, in records of 100 bytes (RFC 8446, section 4).
    let first = [&[22, 3, 1, 0, 100, 1, 0xff, 0xff, 0xff][..], &[0; 96]].concat();
    let next = [&[22, 3, 1, 0, 100][..], &[0; 100]].concat();
    let failure = pair.give(&first).err().or_else(|| (0..1000).find_map(|_| pair.give(&next).err()));
    assert!(failure.is_some(), "it goes on");
}

#[test]
fn files_that_are_of_no_use_are_refused_with_a_reason() {
    let check = |change: &dyn Fn(&Files), expected: [&str; 2]| {
        let files = Files::new();
        change(&files);
        let error = TlsServer::load(files.paths()).err().unwrap().to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    };
    let remove =
        |name: &'static str| move |files: &Files| fs::remove_file(files.0.path().join(name)).unwrap();
    check(&remove("cert.pem"), ["--tls-cert", "cert.pem: it cannot be read: there is no such file"]);
    check(&remove("key.pem"), ["--tls-key", "key.pem: it cannot be read: there is no such file"]);
    check(&|files| files.write("cert.pem", "hello"), ["cert.pem", "there is no certificate in it"]);
    check(&|files| files.write("key.pem", ""), ["key.pem", "there is no private key in it"]);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check(&|files| files.write("key.pem", encrypted), ["key.pem", "is encrypted"]);
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    check(&|files| files.write("cert.pem", cut), ["cert.pem", "it is not PEM"]);
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(&|files| files.write("cert.pem", nonsense), ["cert.pem", "the certificate is malformed"]);
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check(&|files| files.write("key.pem", nonsense), ["key.pem", "the key cannot be used"]);
    check(
        &|files| files.write("key.pem", &KeyPair::generate().unwrap().serialize_pem()),
        ["--tls-key", "it is not the key of the certificate in"],
    );
}

#[test]
fn a_certificate_is_warned_of_when_it_ends() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2030, 1, 10);
    files.write("cert.pem", &params.self_signed(&key).unwrap().pem());
    files.write("key.pem", &key.serialize_pem());
    fs::set_permissions(files.paths().key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let server = files.server();
    let ends_s = 1_893_456_000 + 9 * 86_400;
    assert_eq!(server.ends_s(), ends_s);
    assert_eq!(server.warnings(ends_s - 30 * 86_400), Vec::<String>::new());
    let check = |now_s, expected: &str| {
        let warnings = server.warnings(now_s);
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    };
    check(ends_s - 86_400, "expires soon: clients refuse it from Thu, 10 Jan 2030 00:00:00 GMT on");
    check(ends_s, "has expired");
    fs::set_permissions(files.paths().key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    check(ends_s - 30 * 86_400, "can be read by everybody");
}

#[test]
fn a_change_counts_when_it_is_found_twice_and_a_broken_one_changes_nothing() {
    let files = Files::new();
    let server = files.server();
    let (mut looks, before) = (Looks::default(), files.client(&TLS13));
    assert_eq!(looks.again(&server, false), Look::Unchanged);
    let old = fs::read(files.paths().certificate).unwrap();

    files.renew(&PKCS_ED25519);
    assert_eq!(looks.again(&server, false), Look::Unchanged, "it may be half of a change");
    Pair::new(&server, &before).talk().unwrap();
    assert_eq!(looks.again(&server, false), Look::Replaced);
    let after = files.client(&TLS13);
    let is_trusted = |client: &ClientConfig| {
        let mut pair = Pair::new(&server, client);
        pair.talk().is_ok() && pair.channel.is_open()
    };
    assert!(is_trusted(&after) && !is_trusted(&before));

    let certificate = fs::read_to_string(files.paths().certificate).unwrap();
    fs::write(files.paths().certificate, old).unwrap();
    assert_eq!(looks.again(&server, false), Look::Unchanged);
    assert!(matches!(looks.again(&server, false), Look::Refused(_)), "it is not this key's");
    assert_eq!(looks.again(&server, false), Look::Unchanged, "that is said once");
    assert!(is_trusted(&after));

    fs::remove_file(files.paths().certificate).unwrap();
    assert!(matches!(looks.again(&server, false), Look::Refused(_)));
    assert_eq!(looks.again(&server, false), Look::Unchanged, "that is said once");
    assert!(matches!(looks.again(&server, true), Look::Refused(_)), "but to whoever asks");
    files.write("cert.pem", &certificate);
    assert_eq!(looks.again(&server, true), Look::Replaced);
    assert!(is_trusted(&after));
}
