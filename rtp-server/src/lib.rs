//! rtp-server
//!
//! The media server: `engine` is pure, what touches the world lives beside it.

pub mod engine;
pub mod sounds;
