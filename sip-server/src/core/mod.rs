//! The pure half: SIP by its RFCs, as values without clock, socket, task or lock.

pub mod message;
pub mod transaction;
pub mod transport;
