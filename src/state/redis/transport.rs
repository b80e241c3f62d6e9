//! One connection to a store: opened, greeted, and checked for whether it can be worked with.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use redis::{Cmd, Parser, Value};

use super::address::Address;
use super::rights::{Rights, read_lacking};
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

/// The beginning of what is told of a refused command.
const DENIED: &str = "it answers NOPERM ";

/// Why a store cannot be worked with now, for the log.
#[derive(Debug)]
pub(super) struct Trouble(pub String);

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl Trouble {
    /// Says how a user gets the rights that it lacks.
    fn with_advice(self, rights: &Rights) -> Self {
        match self.0.strip_prefix(DENIED) {
            Some(details) => Self(rights.explain_refusal(details)),
            None => self,
        }
    }
}

impl Transport {
    /// Connects, logs in, chooses the database, and makes sure that scripts can run and write, and that the user has the rights
    /// for all that will be done: the node's lease is what is written. Gives also which rights some scripts lack.
    ///
    /// # Errors
    /// With the reason, when any of that fails or takes longer than a second.
    pub(super) fn open(
        address: &Address,
        node: &NodeKeys<'_>,
        rights: &Rights,
    ) -> Result<(Self, Vec<String>), Trouble> {
        let (transport, lacking) =
            Self::open_checked(address, node, rights).map_err(|trouble| trouble.with_advice(rights))?;
        transport.stream.set_read_timeout(None)?;
        transport.stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok((transport, lacking))
    }

    fn open_checked(
        address: &Address,
        node: &NodeKeys<'_>,
        rights: &Rights,
    ) -> Result<(Self, Vec<String>), Trouble> {
        let mut transport = Self::greet(address, PATIENCE)?;
        transport.check_busy()?;
        let lacking = transport.check_rights(rights)?;
        transport.demand(&upkeep::renew_lease(node))?;
        Ok((transport, lacking))
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
            greeting => check_greeting(&greeting)?,
        }
        if address.database > 0 {
            transport.demand(redis::cmd("SELECT").arg(address.database))?;
        }
        Ok(transport)
    }

    /// Before Redis 6 there is no HELLO.
    fn greet_old(&mut self, address: &Address) -> Result<(), Trouble> {
        if let Some(login) = &address.login {
            let mut auth = redis::cmd("AUTH");
            if login.user != "default" {
                auth.arg(&login.user);
            }
            self.demand(auth.arg(&login.password))?;
        }
        // Where ROLE is not known or not allowed, the first write will tell.
        match self.ask(&redis::cmd("ROLE"))? {
            Value::Array(role) => check_role(role.first()),
            _ => Ok(()),
        }
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

    fn check_rights(&mut self, rights: &Rights) -> Result<Vec<String>, Trouble> {
        let answer = self.demand(&rights.question)?;
        let Some(lacking) = read_lacking(&answer) else {
            self.demand(redis::cmd("SUBSCRIBE").arg(&rights.channel))?;
            self.demand(redis::cmd("UNSUBSCRIBE").arg(&rights.channel))?;
            return Ok(Vec::new());
        };
        if rights.is_barred(&lacking) { Err(Trouble(rights.explain(&lacking))) } else { Ok(lacking) }
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

/// What the answer to HELLO tells of the server: a map.
fn check_greeting(greeting: &Value) -> Result<(), Trouble> {
    let Value::Map(pairs) = greeting else { return Ok(()) };
    let named =
        |wanted: &str| pairs.iter().find(|(name, _)| is_text(Some(name), wanted)).map(|(_, value)| value);
    if is_text(named("mode"), "cluster") {
        return Err(Trouble(
            "it is a node of a Redis Cluster, which keeps the keys of a room on several nodes: name one or more servers that have \
             cluster-enabled no, with commas between them"
                .to_owned(),
        ));
    }
    if is_text(named("mode"), "sentinel") {
        return Err(Trouble(
            "it is a Sentinel, which keeps no data: name the primary, or a host name or proxy that follows it".to_owned(),
        ));
    }
    check_role(named("role"))
}

fn check_role(role: Option<&Value>) -> Result<(), Trouble> {
    if is_text(role, "slave") || is_text(role, "replica") {
        return Err(Trouble(
            "it is a replica, which refuses writes: name the primary, or a host name or proxy that follows it".to_owned(),
        ));
    }
    Ok(())
}

fn is_unknown_hello(code: &str) -> bool {
    matches!(code, "ERR" | "NOPROTO" | "ResponseError")
}

fn refused(error: &redis::ServerError) -> Trouble {
    let details = error.details().unwrap_or_default();
    match error.code() {
        "NOPERM" => Trouble(format!("{DENIED}{details}")),
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" => Trouble(format!(
            "it answers {} {details}, as a node of a Redis Cluster does, which is not supported",
            error.code()
        )),
        code => Trouble(format!("it answers {code} {details}")),
    }
}

fn is_text(value: Option<&Value>, text: &str) -> bool {
    match value {
        Some(Value::BulkString(bytes)) => bytes == text.as_bytes(),
        Some(Value::SimpleString(found)) => found == text,
        _ => false,
    }
}
