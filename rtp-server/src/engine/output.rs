//! What the engine wants done: datagrams to send, documents to tell, sockets to close. One value, filled over and over.

use std::net::SocketAddr;

use super::Key;
use super::packet::Packet;

/// Effects of the calls since it was cleared.
#[derive(Debug, Default)]
pub struct Output {
    /// To be sent, in order.
    pub transmits: Vec<Transmit>,
    /// To be told, in order.
    pub documents: Vec<Document>,
    /// Channels that are no more.
    pub closed: Vec<Key>,
    bytes: Vec<u8>,
}

/// A datagram to send; its bytes are with [`Output::bytes`].
#[derive(Debug, Clone, Copy)]
pub struct Transmit {
    /// The channel whose socket sends it.
    pub channel: Key,
    /// Where to.
    pub to: SocketAddr,
    start: usize,
    end: usize,
}

/// A change that control is to hear of.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Callback base, where one was given.
    pub control: Option<String>,
    /// The channel, whole.
    pub channel: api::Channel,
}

impl Output {
    /// The bytes of a datagram.
    pub fn bytes(&self, transmit: &Transmit) -> &[u8] {
        self.bytes.get(transmit.start..transmit.end).unwrap_or_default()
    }

    /// Forgets everything but the room that it takes.
    pub fn clear(&mut self) {
        self.transmits.clear();
        self.documents.clear();
        self.closed.clear();
        self.bytes.clear();
    }

    pub(super) fn transmit(&mut self, channel: Key, to: SocketAddr, packet: &Packet) {
        let start = self.bytes.len();
        packet.write(&mut self.bytes);
        self.transmits.push(Transmit { channel, to, start, end: self.bytes.len() });
    }
}
