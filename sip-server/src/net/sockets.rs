//! Binding: UDP and TCP on one port, with large buffers.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};

const BUFFER_BYTES: usize = 4 << 20;
const BACKLOG: i32 = 1024;
const ATTEMPTS_AT_A_FREE_PORT: usize = 100;

/// Both sockets, on the same port.
pub(super) struct Pair {
    pub(super) udp: std::net::UdpSocket,
    pub(super) tcp: std::net::TcpListener,
}

/// Binds both; port 0 means one that is free for both.
pub(super) fn bind(address: SocketAddr) -> io::Result<Pair> {
    let mut attempts = if address.port() == 0 { ATTEMPTS_AT_A_FREE_PORT } else { 1 };
    loop {
        let udp = bind_udp(address)?;
        attempts -= 1;
        match bind_tcp(udp.local_addr()?) {
            Ok(tcp) => return Ok(Pair { udp, tcp }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

fn bind_udp(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    // The kernel caps these at net.core.rmem_max and wmem_max without an error.
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.set_send_buffer_size(BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // A restart must not wait for the connections of the former process to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// An address that nobody can be at.
pub(super) fn is_impossible(address: SocketAddr) -> bool {
    address.port() == 0 || address.ip().is_unspecified()
}

/// The address as the core knows it: an IPv4 peer of a dual-stack socket is an IPv4 peer.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// The address as a socket bound to `local` can reach it.
pub(super) fn reachable_from(local: SocketAddr, address: SocketAddr) -> SocketAddr {
    match (local, address.ip()) {
        (SocketAddr::V6(_), IpAddr::V4(ip)) => SocketAddrV6::new(ip.to_ipv6_mapped(), address.port(), 0, 0).into(),
        _ => address,
    }
}
