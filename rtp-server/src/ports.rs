//! The pool of RTP ports: even ones, each with its RTCP port above (RFC 3550 §11), lent to one channel at a time.
//!
//! First in, first out: a port that came back rests for as long as possible, so that late packets of its last call do not
//! reach the next one. A port that somebody else has bound is passed over.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::channel::Channels;
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

/// Expedited forwarding (RFC 4594 §4.1).
const DSCP_EF: u32 = 46 << 2;
/// Ports that are tried for one channel when others have bound them.
const ATTEMPTS: usize = 500;

/// First and last port of the pool, as `A-B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u16,
    last: u16,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').ok_or("two ports with a dash between them are wanted")?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| format!("{text:?} is no port"));
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first == 0 || range.even().next().is_none() {
            return Err("there is no even port with another one above it".to_owned());
        }
        Ok(range)
    }
}

impl Range {
    fn even(self) -> impl Iterator<Item = u16> {
        (self.first..self.last).filter(|port| port % 2 == 0)
    }
}

/// Lends ports.
#[derive(Debug, Clone)]
pub struct Pool {
    bind: IpAddr,
    size: usize,
    free: Arc<Mutex<VecDeque<u16>>>,
}

/// A port on loan; comes back when this is dropped.
#[derive(Debug)]
struct Lease {
    port: u16,
    free: Arc<Mutex<VecDeque<u16>>>,
}

/// The two sockets of a channel.
#[derive(Debug)]
pub struct Sockets {
    /// RTP.
    pub rtp: UdpSocket,
    /// RTCP.
    pub rtcp: UdpSocket,
    // Dropped after the sockets are closed.
    lease: Lease,
}

impl Pool {
    /// All even ports of the range, on this address.
    pub fn new(bind: IpAddr, range: Range) -> Self {
        let free: VecDeque<u16> = range.even().collect();
        Self { bind, size: free.len(), free: Arc::new(Mutex::new(free)) }
    }

    /// Binds the port that has rested longest; nothing when there is none.
    pub fn take(&self) -> Option<Sockets> {
        for _ in 0..ATTEMPTS.min(self.size) {
            let port = locked(&self.free).pop_front()?;
            let lease = Lease { port, free: self.free.clone() };
            let pair = bind(self.bind, port).and_then(|rtp| Ok((rtp, bind(self.bind, port + 1)?)));
            match pair {
                Ok((rtp, rtcp)) => return Some(Sockets { rtp, rtcp, lease }),
                Err(error) => tracing::debug!(port, %error, "an RTP port is passed over"),
            }
        }
        None
    }

    /// How many are lent and free.
    pub fn channels(&self) -> Channels {
        let available = locked(&self.free).len();
        Channels { active: self.size - available, available }
    }
}

impl Sockets {
    /// The RTP port.
    pub fn port(&self) -> u16 {
        self.lease.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        locked(&self.free).push_back(self.port);
    }
}

fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if ip.is_ipv4() {
        // Without it the packets still arrive.
        let _ = socket.set_tos_v4(DSCP_EF);
    }
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn locked(free: &Mutex<VecDeque<u16>>) -> MutexGuard<'_, VecDeque<u16>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_range_needs_a_pair() {
        let count = |text: &str| text.parse::<Range>().map(|range| range.even().count());
        assert_eq!(count("10000-19999"), Ok(5000));
        assert_eq!(count("10001-10003"), Ok(1));
        assert_eq!(count("65534-65535"), Ok(1));
        for bad in ["", "1", "0-9", "7-7", "9-2", "10001-10002", "a-b", "1-70000"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_rests_and_one_in_use_is_passed_over() {
        let pool = Pool::new(LOCALHOST, "42100-42107".parse().unwrap());
        let other = std::net::UdpSocket::bind((LOCALHOST, 42103)).unwrap();
        let first = pool.take().unwrap();
        assert_eq!((first.port(), pool.channels()), (42100, Channels { active: 1, available: 3 }));
        drop(first);
        let second = pool.take().unwrap();
        let third = pool.take().unwrap();
        let fourth = pool.take().unwrap();
        assert_eq!([second.port(), third.port(), fourth.port()], [42104, 42106, 42100]);
        assert!(pool.take().is_none());
        drop((other, second, third, fourth));
        assert_eq!(pool.channels().active, 0);
    }
}
