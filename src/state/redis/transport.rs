//! One connection to a store: opened, greeted, and checked for whether it can be worked with.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use redis::{Cmd, Parser, Value};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::address::{Address, Place, Security};
use super::rights::{Rights, read_lacking};
use super::stream::{Stream, TlsStream};
use super::tls::{self, TlsFiles};
use super::upkeep::{self, NodeKeys};

/// For each step of opening a connection, and for a write that the store does not take.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same when a store is asked whether it is busy, while others wait for its answers.
const SHORT_PATIENCE: Duration = Duration::from_millis(150);
/// How long a write may block before the writer looks at what else there is.
const WRITE_PATIENCE: Duration = Duration::from_millis(100);

/// Where a store is, and what it takes to get there.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub address: &'a Address,
    pub tls: &'a TlsFiles,
}

pub(super) struct Transport {
    pub stream: Stream,
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
        at: &At<'_>,
        node: &NodeKeys<'_>,
        rights: &Rights,
    ) -> Result<(Self, Vec<String>), Trouble> {
        let (transport, lacking) =
            Self::open_checked(at, node, rights).map_err(|trouble| trouble.with_advice(rights))?;
        transport.stream.set_timeouts(None, Some(WRITE_PATIENCE))?;
        Ok((transport, lacking))
    }

    fn open_checked(
        at: &At<'_>,
        node: &NodeKeys<'_>,
        rights: &Rights,
    ) -> Result<(Self, Vec<String>), Trouble> {
        let mut transport = Self::greet(at, PATIENCE)?;
        transport.check_busy()?;
        let lacking = transport.check_rights(rights)?;
        transport.demand(&upkeep::renew_lease(node))?;
        Ok((transport, lacking))
    }

    /// A further connection to a store that has been checked, for subscriptions alone.
    ///
    /// # Errors
    /// As [`Transport::open`].
    pub(super) fn open_for_pushes(at: &At<'_>) -> Result<Self, Trouble> {
        let transport = Self::greet(at, PATIENCE)?;
        transport.stream.set_timeouts(None, Some(PATIENCE))?;
        Ok(transport)
    }

    /// Stops the script that keeps a store from answering, if there is one and the store says so. The answer to its call then
    /// tells of that.
    pub(super) fn stop_script(at: &At<'_>) {
        // A store that says nothing now is not busy with a script, or not for long enough to say it.
        let Ok(mut transport) = Self::greet(at, SHORT_PATIENCE) else { return };
        if let Err(Trouble(trouble)) = transport.check_busy() {
            log::warn!("the store does not answer address={} reason={trouble:?}", at.address);
        }
    }

    fn greet(at: &At<'_>, patience: Duration) -> Result<Self, Trouble> {
        let address = at.address;
        let mut transport = Self { stream: connect(at, patience)?, has_pushes: true };
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
        self.stream.flush()?;
        // The parser reads ahead, but nothing comes before it is asked for.
        let answer = Parser::new().parse_value(self.stream.reader()?);
        answer.map_err(|error| Trouble(format!("no answer to a command: {error}")))
    }
}

fn connect(at: &At<'_>, patience: Duration) -> Result<Stream, Trouble> {
    let stream = match &at.address.place {
        Place::Unix(path) => {
            let stream = UnixStream::connect(path);
            Stream::Unix(stream.map_err(|error| Trouble(format!("{}: {error}", path.display())))?)
        }
        Place::Tcp { host, port } => Stream::Tcp(connect_tcp(host, *port, patience)?),
    };
    stream.set_timeouts(Some(patience), Some(patience))?;
    match (stream, &at.address.place, at.address.security) {
        (Stream::Tcp(socket), Place::Tcp { host, .. }, Security::Tls | Security::Unchecked) => {
            let is_unchecked = at.address.security == Security::Unchecked;
            let config = at.tls.load(is_unchecked).map_err(Trouble)?;
            let name = ServerName::try_from(host.clone());
            let name = name.map_err(|_| Trouble(format!("TLS: {host} is no name that a certificate has")))?;
            let session =
                ClientConnection::new(config, name).map_err(|error| Trouble(format!("TLS: {error}")))?;
            let stream =
                TlsStream::connect(socket, session).map_err(|error| Trouble(tls::explain(&error)))?;
            Ok(Stream::Tls(stream))
        }
        (stream, ..) => Ok(stream),
    }
}

/// The name is looked up for each connection, as it may lead elsewhere after a failover.
fn connect_tcp(host: &str, port: u16, patience: Duration) -> Result<TcpStream, Trouble> {
    let mut last = Trouble("its name has no address".to_owned());
    for place in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&place, patience) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
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
