//! One connection to a store: opened, greeted, and checked for whether it can be worked with.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use redis::{Cmd, Parser, Value};

use super::address::Address;
use super::upkeep::{self, NodeKeys};

/// For each step of opening a connection, and for a write that the store does not take.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same when a store is asked whether it is busy, while others wait for its answers.
const SHORT_PATIENCE: Duration = Duration::from_millis(150);
/// How long a write may block before the writer looks at what else there is.
const WRITE_PATIENCE: Duration = Duration::from_millis(100);

pub(super) struct Transport {
    pub stream: TcpStream,
    /// Whether pushes come on it, between the answers (RESP3); else they need a connection of their own.
    pub has_pushes: bool,
}

/// Why a store cannot be worked with now, for the log.
#[derive(Debug)]
pub(super) struct Trouble(pub String);

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl Transport {
    /// Connects, logs in, chooses the database, and makes sure that scripts can run and write: the node's lease is what is
    /// written.
    ///
    /// # Errors
    /// With the reason, when any of that fails or takes longer than a second.
    pub(super) fn open(address: &Address, node: &NodeKeys<'_>) -> Result<Self, Trouble> {
        let mut transport = Self::greet(address, PATIENCE)?;
        transport.check_state()?;
        let [lease, ..] = upkeep::renew_lease(node);
        transport.demand(&lease)?;
        transport.stream.set_read_timeout(None)?;
        transport.stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(transport)
    }

    /// A further connection to a store that has been checked, for subscriptions alone.
    ///
    /// # Errors
    /// As [`Transport::open`].
    pub(super) fn open_for_pushes(address: &Address) -> Result<Self, Trouble> {
        let transport = Self::greet(address, PATIENCE)?;
        transport.stream.set_read_timeout(None)?;
        Ok(transport)
    }

    /// Stops the script that keeps a store from answering, if there is one and the store says so. The answer to its call then
    /// tells of that.
    pub(super) fn stop_script(address: &Address) {
        // A store that says nothing now is not busy with a script, or not for long enough to say it.
        let Ok(mut transport) = Self::greet(address, SHORT_PATIENCE) else { return };
        if let Err(Trouble(trouble)) = transport.check_busy() {
            log::warn!("the store does not answer address={address} reason={trouble:?}");
        }
    }

    fn greet(address: &Address, patience: Duration) -> Result<Self, Trouble> {
        let mut transport = Self { stream: connect(address, patience)?, has_pushes: true };
        let mut hello = redis::cmd("HELLO");
        hello.arg(3);
        if let Some(login) = &address.login {
            hello.arg("AUTH").arg(&login.user).arg(&login.password);
        }
        match transport.ask(&hello)? {
            Value::ServerError(error) if is_unknown_hello(error.code()) => {
                transport.has_pushes = false;
                transport.greet_old(address)?;
            }
            Value::ServerError(error) => return Err(refused(&error)),
            _ => {}
        }
        if address.database > 0 {
            transport.demand(redis::cmd("SELECT").arg(address.database))?;
        }
        Ok(transport)
    }

    /// Before Redis 6 there is no HELLO.
    fn greet_old(&mut self, address: &Address) -> Result<(), Trouble> {
        let Some(login) = &address.login else { return Ok(()) };
        let mut auth = redis::cmd("AUTH");
        if login.user != "default" {
            auth.arg(&login.user);
        }
        self.demand(auth.arg(&login.password)).map(drop)
    }

    fn check_busy(&mut self) -> Result<(), Trouble> {
        match self.ask(&redis::cmd("PING"))? {
            Value::ServerError(error) if error.code() == "BUSY" => {
                let kill = self.ask(redis::cmd("SCRIPT").arg("KILL"))?;
                Err(Trouble(match kill {
                    Value::ServerError(error) => format!(
                        "it is busy with a script that cannot be stopped ({} {}): wait for it, or SHUTDOWN NOSAVE",
                        error.code(),
                        error.details().unwrap_or_default()
                    ),
                    _ => "it was busy with a script that ran too long, which has been stopped".to_owned(),
                }))
            }
            Value::ServerError(error) => Err(refused(&error)),
            _ => Ok(()),
        }
    }

    fn check_state(&mut self) -> Result<(), Trouble> {
        self.check_busy()?;
        // Where ROLE is not known or not allowed, the first write will tell.
        match self.ask(&redis::cmd("ROLE"))? {
            Value::Array(role) if is_text(role.first(), "slave") => {
                Err(Trouble("it is a replica, which refuses writes: name the primary".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn demand(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        match self.ask(command)? {
            Value::ServerError(error) => Err(refused(&error)),
            value => Ok(value),
        }
    }

    /// Sends a command and waits for its answer.
    fn ask(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        self.stream.write_all(&command.get_packed_command())?;
        // The parser reads ahead, but nothing comes before it is asked for.
        let answer = Parser::new().parse_value(OneAnswer(&mut self.stream));
        answer.map_err(|error| Trouble(format!("no answer to a command: {error}")))
    }
}

/// Reads a socket for a parser that is used for one answer.
struct OneAnswer<'a>(&'a mut TcpStream);

impl Read for OneAnswer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

fn connect(address: &Address, patience: Duration) -> Result<TcpStream, Trouble> {
    let places = (address.host.as_str(), address.port).to_socket_addrs()?;
    let mut last = Trouble("its name has no address".to_owned());
    for place in places {
        match TcpStream::connect_timeout(&place, patience) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn is_unknown_hello(code: &str) -> bool {
    matches!(code, "ERR" | "NOPROTO" | "ResponseError")
}

fn refused(error: &redis::ServerError) -> Trouble {
    Trouble(format!("it answers {} {}", error.code(), error.details().unwrap_or_default()))
}

fn is_text(value: Option<&Value>, text: &str) -> bool {
    match value {
        Some(Value::BulkString(bytes)) => bytes == text.as_bytes(),
        Some(Value::SimpleString(found)) => found == text,
        _ => false,
    }
}
