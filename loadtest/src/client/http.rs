//! A small blocking HTTP/1.1 client: keep-alive, pipelined calls, bodies by length or in chunks.

use super::stream::Stream;
use super::tls::Tls;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(crate) struct Call<'a> {
    /// `GET` or `POST`.
    pub method: &'static str,
    pub path: &'a str,
    pub token: Option<&'a str>,
    pub body: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: u16,
    /// The body as text.
    pub body: String,
    /// `Retry-After`, if it says a number of seconds.
    pub retry_after_s: Option<u64>,
    /// The server closes the connection after it.
    pub closes: bool,
}

/// A connection for calls.
pub(crate) struct Http {
    stream: Stream<TcpStream>,
    host: String,
    inbound: Vec<u8>,
    timeout: Duration,
}

/// Calls sent before the first answer is waited for.
const PIPELINED: usize = 16;
const MAX_HEADERS: usize = 64;

impl Http {
    /// Connects; an answer that is not there in full `timeout` after it is waited for is an error (`TimedOut`).
    pub(crate) fn connect(
        target: SocketAddr,
        host: &str,
        tls: Option<&Tls>,
        timeout: Duration,
    ) -> io::Result<Self> {
        Self::connect_from(None, target, host, tls, timeout)
    }

    /// The same from an address of this machine.
    pub(crate) fn connect_from(
        source: Option<Ipv4Addr>,
        target: SocketAddr,
        host: &str,
        tls: Option<&Tls>,
        timeout: Duration,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        socket.connect_timeout(&target.into(), timeout)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        let stream = Stream::new(stream, tls)?;
        Ok(Self { stream, host: host.into(), inbound: Vec::new(), timeout })
    }

    pub(crate) fn call(&mut self, call: &Call<'_>) -> io::Result<Answer> {
        self.send(call)?;
        self.receive()
    }

    /// Makes many calls, several on their way at any time; the answers come in the same order.
    pub(crate) fn call_all(&mut self, calls: &[Call<'_>]) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(calls.len());
        for some in calls.chunks(PIPELINED) {
            some.iter().try_for_each(|call| self.send(call))?;
            for _ in some {
                answers.push(self.receive()?);
            }
        }
        Ok(answers)
    }

    fn send(&mut self, call: &Call<'_>) -> io::Result<()> {
        let Call { method, path, body, .. } = call;
        let bearer = call.token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let entity = match *method {
            "GET" => String::new(),
            _ => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
        };
        let text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{bearer}{entity}\r\n{body}", self.host);
        self.stream.write_all(text.as_bytes())
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some((answer, length)) = read_answer(&self.inbound)? {
                self.inbound.drain(..length);
                return Ok(answer);
            }
            let mut buffer = [0; 16 << 10];
            match self.read_until(deadline, &mut buffer)? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server closed in the middle of an answer",
                    ));
                }
                length => self.inbound.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// One read. What is left of the time is set anew for each, or a server that sends byte by byte could take for ever.
    fn read_until(&mut self, deadline: Instant, buffer: &mut [u8]) -> io::Result<usize> {
        let waited_s = self.timeout.as_secs_f64();
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {waited_s} s"));
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        self.stream.socket.set_read_timeout(Some(left))?;
        self.stream.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => late(),
            _ => error,
        })
    }
}

/// The answer at the front of `bytes` and its length, once it is all there.
pub(crate) fn read_answer(bytes: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let bad =
        |reason: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {reason}"));
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(|error| bad(&error.to_string()))?
    else {
        return Ok(None);
    };
    let status = response.code.unwrap_or(0);
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let retry_after_s = header("retry-after").and_then(|text| text.trim().parse().ok());
    let closes = header("connection").is_some_and(|text| text.eq_ignore_ascii_case("close"));
    let rest = &bytes[head..];
    let body = if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        read_chunks(rest).map_err(bad)?
    } else {
        let length = match header("content-length") {
            Some(text) => text.trim().parse().map_err(|_| bad("a bad Content-Length"))?,
            None => 0,
        };
        rest.get(..length).map(|body| (body.to_vec(), length))
    };
    Ok(body.map(|(body, length)| {
        let body = String::from_utf8_lossy(&body).into_owned();
        (Answer { status, body, retry_after_s, closes }, head + length)
    }))
}

fn read_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let (line, length) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((line, length))) => (line, length as usize),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a bad chunk"),
        };
        let start = at + line;
        let Some(chunk) = bytes.get(start..start + length + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk without its end");
        }
        body.extend_from_slice(&chunk[..length]);
        at = start + length + 2;
        if length == 0 {
            return Ok(Some((body, at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers() {
        let check = |text: &str, status: u16, body: &str| {
            let (answer, length) = read_answer(text.as_bytes()).unwrap().unwrap();
            assert_eq!((answer.status, answer.body.as_str(), length), (status, body, text.len()), "{text}");
            for cut in 0..text.len() {
                assert!(read_answer(&text.as_bytes()[..cut]).unwrap().is_none(), "{text} cut at {cut}");
            }
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}");
        check("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n",
            200,
            "abc0123456789",
        );
    }

    #[test]
    fn a_refusal_says_when_to_come_again() {
        let check = |headers: &str, expected: (Option<u64>, bool)| {
            let text = format!("HTTP/1.1 503 Service Unavailable\r\n{headers}\r\n");
            let (answer, _) = read_answer(text.as_bytes()).unwrap().unwrap();
            assert_eq!((answer.retry_after_s, answer.closes), expected, "{text}");
        };
        check("", (None, false));
        check("Retry-After: 5\r\nConnection: close\r\n", (Some(5), true));
        check("retry-after: 1\r\nConnection: keep-alive\r\n", (Some(1), false));
        check("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", (None, false));
    }

    #[test]
    fn a_server_that_sends_byte_by_byte_does_not_take_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let dripping = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
            while stream.write_all(&bytes).is_ok() {
                bytes = b"x".to_vec();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut http = Http::connect(target, "x", None, Duration::from_millis(200)).unwrap();
        let call = Call { method: "GET", path: "/", token: None, body: String::new() };
        let error = http.call(&call).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        drop(http);
        dripping.join().unwrap();
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(read_answer(text.as_bytes()).is_err(), "{text}");
        }
    }
}
