//! The whole server in one process: REST through a real client, media through real UDP sockets, control played by a
//! server of our own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod channels;
mod control;
mod phone;
mod relay;
mod rig;
