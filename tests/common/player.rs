//! A player's WebSocket, spoken by an implementation that is not the server's.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::client::{ClientHandshake, Request, Response as HandshakeResponse};
use tungstenite::{HandshakeError, Message, WebSocket};

use crate::common::PATIENCE;
use crate::common::http::Response;

/// A connected player. Batches are unpacked.
pub struct Player {
    socket: WebSocket<TcpStream>,
    /// Unpacked from a batch, not yet received.
    waiting: VecDeque<Value>,
    /// Everything that was received, for the message of a test that fails.
    seen: Vec<Value>,
    /// The first message.
    pub welcome: Value,
}

/// Who has asked to be let in, and has not read the answer.
pub struct Knock(MidHandshake<ClientHandshake<TcpStream>>);

impl Knock {
    /// Connects, and sends the request. The server must be one that does not answer yet.
    pub fn send(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let request = format!("ws://{address}{path}").into_client_request().unwrap();
        match tungstenite::client(request, stream) {
            Err(HandshakeError::Interrupted(handshake)) => Self(handshake),
            Ok(_) => panic!("the server was not to answer yet"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads the answer, and the welcome.
    pub fn finish(self) -> Result<Player, Response> {
        let stream = self.0.get_ref().get_ref();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut player = Player::after(self.0.handshake())?;
        player.welcome = player.receive();
        assert_eq!(player.welcome["type"], "welcome", "{}", player.welcome);
        Ok(player)
    }
}

impl Player {
    /// Connects, and reads the welcome. The error is the server's answer instead of the upgrade.
    pub fn connect(address: SocketAddr, path: &str) -> Result<Self, Response> {
        let mut player = Self::connect_without_welcome(address, path, &[])?;
        player.welcome = player.receive();
        assert_eq!(player.welcome["type"], "welcome", "{}", player.welcome);
        Ok(player)
    }

    /// Connects to anything, with further headers.
    pub fn connect_without_welcome(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Response> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request: Request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Self::after(tungstenite::client(request, stream))
    }

    fn after(
        handshake: Result<
            (WebSocket<TcpStream>, HandshakeResponse),
            HandshakeError<ClientHandshake<TcpStream>>,
        >,
    ) -> Result<Self, Response> {
        match handshake {
            Ok((socket, _)) => {
                Ok(Self { socket, waiting: VecDeque::new(), seen: Vec::new(), welcome: Value::Null })
            }
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => Err(response_from(*response)),
            Err(error) => panic!("{error}"),
        }
    }

    /// All that it has received.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Sends `{"action", "payload"}`.
    pub fn send(&mut self, action: &str, payload: Value) {
        self.send_text(&json!({"action": action, "payload": payload}).to_string());
    }

    /// Sends `{"action", "payload", "id"}`, and waits for the answer to that id.
    pub fn call(&mut self, action: &str, payload: Value, id: u64) -> Value {
        self.send_text(&json!({"action": action, "payload": payload, "id": id}).to_string());
        self.receive_until(|message| message["id"] == id)
    }

    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).unwrap();
    }

    /// The socket itself, for what the other methods do not do.
    pub fn socket(&mut self) -> &mut WebSocket<TcpStream> {
        &mut self.socket
    }

    /// The next event or answer.
    #[track_caller]
    pub fn receive(&mut self) -> Value {
        let message = self.receive_within(PATIENCE);
        message.unwrap_or_else(|| panic!("nothing came within {PATIENCE:?}; before: {}", self.history()))
    }

    /// The next event or answer for which `is_it` holds; those before it are dropped.
    #[track_caller]
    pub fn receive_until(&mut self, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receive_within(left) {
                Some(message) if is_it(&message) => return message,
                Some(_) => {}
                None => panic!("it did not come within {PATIENCE:?}; what came: {}", self.history()),
            }
        }
    }

    /// The next event of that type.
    #[track_caller]
    pub fn receive_type(&mut self, event_type: &str) -> Value {
        self.receive_until(|message| message["type"] == event_type)
    }

    /// The next event or answer, if one comes within the time.
    #[track_caller]
    pub fn receive_within(&mut self, limit: Duration) -> Option<Value> {
        let deadline = Instant::now() + limit;
        while self.waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.get_ref().set_read_timeout(Some(left)).unwrap();
            match self.socket.read() {
                Ok(Message::Text(text)) => self.unpack(&text),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("{other:?}; before: {}", self.history()),
                Err(tungstenite::Error::Io(error)) if is_timeout(&error) => return None,
                Err(tungstenite::Error::Io(error)) if is_interrupted(&error) => {}
                Err(error) => panic!("{error}; before: {}", self.history()),
            }
        }
        let message = self.waiting.pop_front()?;
        self.seen.push(message.clone());
        Some(message)
    }

    /// Takes in what has come, without waiting for more: so that the server's pings are answered.
    pub fn listen(&mut self) {
        self.socket.get_ref().set_nonblocking(true).unwrap();
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => self.unpack(&text),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("{other:?}; before: {}", self.history()),
                Err(tungstenite::Error::Io(error)) if is_timeout(&error) => break,
                Err(tungstenite::Error::Io(error)) if is_interrupted(&error) => {}
                Err(error) => panic!("{error}; before: {}", self.history()),
            }
        }
        self.socket.get_ref().set_nonblocking(false).unwrap();
    }

    fn unpack(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        match message["events"].as_array().filter(|_| message["type"] == "batch") {
            Some(events) => self.waiting.extend(events.iter().cloned()),
            None => self.waiting.push_back(message),
        }
    }

    /// Waits for the server's close frame, dropping what comes before; returns its code and reason.
    #[track_caller]
    pub fn expect_close(&mut self) -> (u16, String) {
        self.socket.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        loop {
            match self.socket.read() {
                Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(Message::Close(None)) => return (1005, String::new()),
                Ok(Message::Text(text)) => {
                    self.unpack(&text);
                    self.seen.extend(self.waiting.drain(..));
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if is_interrupted(&error) => {}
                Err(error) => panic!("no close frame but {error}; before: {}", self.history()),
            }
        }
    }

    /// Begins to leave.
    pub fn close(&mut self) {
        self.socket.close(None).unwrap();
        self.socket.flush().unwrap();
    }

    fn history(&self) -> String {
        let lines: Vec<String> = self.seen.iter().map(Value::to_string).collect();
        format!("[{}]", lines.join("\n "))
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// A read with a time limit is not taken up again by the kernel when the process was stopped meanwhile, as by a
/// machine that is paused (signal(7)).
fn is_interrupted(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Interrupted
}

fn response_from(response: tungstenite::http::Response<Option<Vec<u8>>>) -> Response {
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
    Response {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: response.into_body().unwrap_or_default(),
    }
}
