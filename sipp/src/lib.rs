//! The end-to-end harness: starts the three real servers on free ports, calls them with real peers, and asks
//! afterwards whether anything was left behind.
//!
//! [`World`] holds the servers, [`Sipp`] runs a scenario of `scenarios/`, [`Phone`] is a headless baresip that plays
//! one tone and records what it hears, [`tone`] measures that recording, [`wire`] sends raw datagrams.
//! Nothing here knows what the servers should do: that stands in `tests/e2e`.

pub mod phone;
pub mod scenario;
pub mod scratch;
pub mod tone;
pub mod wire;
pub mod world;

pub use phone::Phone;
pub use scenario::{Outcome, Running, Sipp};
pub use world::{Options, World};
