//! The pure half: SIP by its RFCs, as values without clock, socket, task or lock.

pub mod digest;
pub mod directory;
pub mod message;
pub mod registrar;
pub mod sdp;
pub mod transport;
