//! `godra healthcheck`: asks a server whether it lives, for containers whose image has no other client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::http::Uri;

use crate::config::{self, Listening};
use crate::tls::AnyCertificate;

/// How long all of it may take: less than what those who ask wait by themselves.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of an answer's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// The subcommand.
pub(super) fn command() -> Command {
    let url = Arg::new("url").long("url").value_name("URL").help(
        "What must answer with 200, such as http://10.0.0.7:8080/ready [default: /health of the server that has these settings]",
    );
    config::with_flags(Command::new("healthcheck"))
        .about("Ask a server on this machine whether it lives; takes the same flags as the server")
        .arg(url)
}

/// Asks. Both results are one line.
pub(super) fn run(arguments: &ArgMatches) -> Result<String, String> {
    let target = match arguments.get_one::<String>("url") {
        // It is not shown: what cannot be told apart may be a password.
        Some(url) => {
            Target::of_url(url).map_err(|reason| format!("--url ({} bytes): {reason}", url.len()))?
        }
        None => Target::of_settings(&Listening::load(arguments).map_err(|error| error.to_string())?),
    };
    match ask(&target, Instant::now() + PATIENCE) {
        Ok(200) => Ok(format!("healthy url={}", target.url)),
        Ok(status) => Err(format!("not healthy url={} status={status}", target.url)),
        Err(reason) => Err(format!("not healthy url={} reason={reason:?}", target.url)),
    }
}

/// Whom to ask, and what.
#[derive(Debug)]
struct Target {
    /// Without its query, to be shown.
    url: String,
    /// As in the URL, a port among it if that has one.
    authority: String,
    host: String,
    port: u16,
    path: String,
    speaks_tls: bool,
    listening: Option<Listening>,
}

impl Target {
    fn of_settings(listening: &Listening) -> Self {
        let scheme = if listening.speaks_tls { "https" } else { "http" };
        let url = format!("{scheme}://{}/health", listening.address);
        let target = Self::of_url(&url).expect("an address and a path make a URL");
        Self { listening: Some(listening.clone()), ..target }
    }

    fn of_url(url: &str) -> Result<Self, String> {
        let expected = || "expected http://HOST:PORT/PATH, or https://".to_owned();
        let uri: Uri = url.parse().map_err(|_| expected())?;
        let speaks_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(expected()),
        };
        let authority =
            uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(expected)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(expected());
        }
        let has_no_port = authority.port_u16().is_none();
        if has_no_port && authority.as_str() != authority.host() {
            return Err(expected());
        }
        Ok(Self {
            url: url.split('?').next().unwrap_or_default().to_owned(),
            authority: authority.to_string(),
            host,
            port: authority.port_u16().unwrap_or(if speaks_tls { 443 } else { 80 }),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            speaks_tls,
            listening: None,
        })
    }
}

/// The status that is answered.
fn ask(target: &Target, deadline: Instant) -> Result<u16, String> {
    let mut stream = connect(target, deadline)?;
    let address = stream.get_ref().peer_addr().map_err(|error| error.to_string())?;
    stream.announce(target)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: godra-healthcheck\r\nConnection: close\r\n\r\n",
        target.path, target.authority
    );
    if !target.speaks_tls {
        return exchange(&mut stream, request.as_bytes());
    }
    let name = ServerName::try_from(target.host.clone()).map_err(|error| error.to_string())?;
    // Nobody stands between a server and its own machine, and its certificate is for the name by which players know it.
    let is_own = target.listening.is_some() || address.ip().to_canonical().is_loopback();
    let connection =
        ClientConnection::new(Arc::new(client(is_own)), name).map_err(|error| error.to_string())?;
    exchange(&mut StreamOwned::new(connection, stream), request.as_bytes())
}

fn client(takes_any_certificate: bool) -> ClientConfig {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider speaks the default versions");
    if takes_any_certificate {
        let any = Arc::new(AnyCertificate(provider));
        return builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth();
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    builder.with_root_certificates(roots).with_no_client_auth()
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Result<u16, String> {
    stream.write_all(request).map_err(|error| error.to_string())?;
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while head.len() < MAX_HEAD_BYTES {
        match stream.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => return Err("the connection ended before an answer".to_owned()),
            count => head.extend_from_slice(&buffer[..count]),
        }
        if let Some(status) = status_of(&head)? {
            return Ok(status);
        }
    }
    Err("the answer's head does not end".to_owned())
}

/// The status of an answer whose head is there; None while it is not.
fn status_of(head: &[u8]) -> Result<Option<u16>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(head).map_err(|error| format!("the answer is not HTTP: {error}"))?;
    Ok(if parsed.is_complete() { response.code } else { None })
}

/// A socket whose every wait ends at one deadline.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

fn connect(target: &Target, deadline: Instant) -> Result<Timed, String> {
    let addresses: Vec<SocketAddr> = match &target.listening {
        Some(listening) => vec![listening.address],
        None => {
            let found = (target.host.as_str(), target.port).to_socket_addrs();
            found.map_err(|error| error.to_string())?.collect()
        }
    };
    let mut reason = "the name has no address".to_owned();
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(Timed { stream, deadline }),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

impl Timed {
    fn get_ref(&self) -> &TcpStream {
        &self.stream
    }

    /// Says that it speaks for itself, where the server takes this machine for a proxy that must say for whom it speaks.
    fn announce(&mut self, target: &Target) -> Result<(), String> {
        let Some(listening) = &target.listening else { return Ok(()) };
        let own = self.stream.local_addr().map_err(|error| error.to_string())?.ip();
        if listening.demands_header_of.iter().any(|network| network.contains(own)) {
            self.write_all(b"PROXY UNKNOWN\r\n").map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn left(&self) -> std::io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(named_timeout)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes).map_err(named_timeout)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// A socket whose time is up says that it would block.
fn named_timeout(error: std::io::Error) -> std::io::Error {
    if error.kind() == std::io::ErrorKind::WouldBlock { std::io::ErrorKind::TimedOut.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |url: &str, host: &str, port: u16, path: &str| {
            let target = Target::of_url(url).unwrap();
            assert_eq!(
                (target.host.as_str(), target.port, target.path.as_str()),
                (host, port, path),
                "{url}"
            );
        };
        check("http://localhost:8080/ready", "localhost", 8080, "/ready");
        check("http://10.0.0.7", "10.0.0.7", 80, "/");
        check("https://game.example/health?x=1", "game.example", 443, "/health?x=1");
        check("http://[::1]:9000/health", "::1", 9000, "/health");
        for url in [
            "",
            "8080",
            "localhost:8080",
            "/health",
            "ftp://x/",
            "http://",
            "http://a:b/",
            "http://a:99999/",
            "http://u:p@a/",
        ] {
            assert!(Target::of_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn answers() {
        let check = |head: &str, expected: Result<Option<u16>, ()>| {
            assert_eq!(status_of(head.as_bytes()).map_err(|_| ()), expected, "{head:?}");
        };
        check("", Ok(None));
        check("HTTP/1.1 200 OK\r\nDate: x\r\n", Ok(None));
        check("HTTP/1.1 200 OK\r\nDate: x\r\n\r\nok", Ok(Some(200)));
        check("HTTP/1.1 503 \r\n\r\n", Ok(Some(503)));
        check("SSH-2.0-OpenSSH\r\n", Err(()));
    }
}
