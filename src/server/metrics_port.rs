//! `/metrics` on a listener of its own, for `--metrics-addr`: one thread that answers one connection after the other, each once.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::service::unix_ms;
use crate::session::Services;
use crate::threads;
use crate::wire::ErrorCode;
use crate::wire::http::{
    Decoded, Method, Request, RequestDecoder, RequestLimits, Response, encode_response, error_body, http_date,
};

/// What a connection has for all of it: the others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long accepting rests when the process is out of files.
const PAUSE: Duration = Duration::from_millis(100);
const LIMITS: RequestLimits = RequestLimits { head_bytes: 8 * 1024, headers: 64, body_bytes: 0 };

/// Listens, and answers from then on. Gives the address, as port 0 takes any.
///
/// # Errors
/// It cannot listen there, or start a thread.
pub(super) fn start(address: SocketAddr, services: Arc<dyn Services>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    threads::lasting("metrics").spawn(move || {
        let mut was_failing = false;
        for stream in listener.incoming() {
            match stream {
                // Who asks and does not read is of no concern.
                Ok(stream) => drop(answer(stream, &*services)),
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) =>
                {
                    continue;
                }
                Err(error) => {
                    if !was_failing {
                        log::error!("connections for metrics cannot be accepted, and wait error={error}");
                    }
                    was_failing = true;
                    std::thread::sleep(PAUSE);
                    continue;
                }
            }
            was_failing = false;
        }
    })?;
    Ok(address)
}

fn answer(mut stream: TcpStream, services: &dyn Services) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let bytes = match read_request(&mut stream, deadline)? {
        Ok(request) => response(&request, services),
        Err(status) => refusal(status, ErrorCode::BadRequest, "this is no request for /metrics", false),
    };
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        let count = stream.write(rest)?;
        rest = &rest[count..];
    }
    stream.shutdown(Shutdown::Write)?;
    // What the peer has sent behind its request would reset the connection before it has read the answer.
    let mut rest = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        if stream.read(&mut rest)? == 0 {
            return Ok(());
        }
    }
}

/// The request, or the status that says that it is none.
fn read_request(stream: &mut TcpStream, deadline: Instant) -> io::Result<Result<Box<Request>, u16>> {
    let (mut decoder, mut buffer) = (RequestDecoder::default(), [0; 2048]);
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match decoder.decode(&buffer[..count], &LIMITS).1 {
            Decoded::NeedMore => {}
            Decoded::Request(request) => return Ok(Ok(request)),
            Decoded::Continue => return Ok(Err(400)),
            Decoded::Malformed(error) => return Ok(Err(error.status)),
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn response(request: &Request, services: &dyn Services) -> Vec<u8> {
    let head_only = request.method == Method::Head;
    if &*request.path != "/metrics" {
        return refusal(404, ErrorCode::NotFound, "here is /metrics, and nothing else", head_only);
    }
    if !matches!(request.method, Method::Get | Method::Head) {
        return refusal(405, ErrorCode::BadRequest, "/metrics takes GET and HEAD", head_only);
    }
    let (content_type, text) = services.metrics(false);
    encode(200, content_type, &text, head_only)
}

fn refusal(status: u16, code: ErrorCode, message: &str, head_only: bool) -> Vec<u8> {
    encode(status, "application/json", &error_body(code.name(), message), head_only)
}

fn encode(status: u16, content_type: &str, body: &[u8], head_only: bool) -> Vec<u8> {
    let (mut bytes, date) = (Vec::new(), http_date(unix_ms() / 1000));
    let allow = [("Content-Type", content_type), ("Cache-Control", "no-store"), ("Allow", "GET, HEAD")];
    let headers = if status == 405 { &allow[..] } else { &allow[..2] };
    encode_response(
        &mut bytes,
        &Response { status, headers, body, keep_alive: false, head_only, date: &date },
    );
    bytes
}
