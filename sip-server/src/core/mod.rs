//! The pure half: SIP by its RFCs, as values without clock, socket, task or lock.

pub mod dialog;
pub mod digest;
pub mod directory;
pub mod framing;
pub mod message;
pub mod registrar;
pub mod sdp;
pub mod switch;
pub mod transaction;
pub mod transport;
