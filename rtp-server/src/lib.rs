//! The media server: channels that relay, transcode, play, echo and hear digits, commanded over REST.
//!
//! [`engine`] is pure; what touches the world lives beside it. A request goes `rest → switchboard → worker → engine`, a
//! change back `engine → worker → server → control`.

pub mod cli;
pub mod engine;
pub mod metrics;
pub mod ports;
pub mod rest;
pub mod server;
pub mod sounds;
pub mod switchboard;
pub mod worker;
