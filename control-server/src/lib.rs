//! The default call script, and the supervisor of the three servers. Uses only what any user of the SDK could.

pub mod config;
pub mod options;
pub mod plan;
pub mod prompts;
mod rest;
pub mod server;
mod supervisor;
mod terminal;
