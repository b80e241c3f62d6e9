//! Listeners: one a shard on the same port, between which the kernel spreads connections (SO_REUSEPORT).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

/// Why a listener could not be made.
#[derive(Debug)]
pub struct ListenError {
    address: SocketAddr,
    /// The flag that names the port.
    flag: &'static str,
    error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, flag, error } = self;
        write!(f, "cannot listen on {address}: {error}")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "; another process has this port: choose another with --{flag}")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "; ports below 1024 need a privilege: choose another with --{flag}")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("; --host must be an address of this machine"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ListenError {}

/// Makes `count` listeners on one address; port 0 lets the kernel choose one port for all of them. `flag` named the port.
///
/// # Errors
/// The port is taken, or the address is not this machine's.
pub(crate) fn listen(
    host: IpAddr,
    (port, flag): (u16, &'static str),
    count: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), ListenError> {
    let mut address = SocketAddr::new(host, port);
    // Another process's listeners with SO_REUSEPORT would silently share the port: a first bind without it tells.
    let probe = bind(address, false).map_err(|error| ListenError { address, flag, error })?;
    let bound = probe.local_addr().map_err(|error| ListenError { address, flag, error })?;
    // The socket was made for an IP address, so that it has one; the port is what is new.
    address.set_port(bound.as_socket().map_or(port, |bound| bound.port()));
    drop(probe);
    let listeners: io::Result<Vec<TcpListener>> = (0..count)
        .map(|_| {
            let socket = bind(address, true)?;
            socket.listen(BACKLOG)?;
            Ok(TcpListener::from_std(socket.into()))
        })
        .collect();
    let listeners = listeners.map_err(|error| ListenError { address, flag, error })?;
    Ok((address, listeners))
}

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier run in TIME_WAIT do not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    if let SocketAddr::V6(v6) = address
        && v6.ip().is_unspecified()
    {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_share_a_port_that_others_cannot_take() {
        let (address, listeners) = listen([127, 0, 0, 1].into(), (0, "port"), 3).unwrap();
        assert_ne!(address.port(), 0);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
        let error = listen(address.ip(), (address.port(), "https-redirect"), 1);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("--https-redirect"), "{error}");
    }
}
