//! SIP registrar and B2BUA edge: `core` is pure, everything beside it is the shell.

pub mod core;
pub mod driver;
pub mod figures;
pub mod net;
pub mod options;
mod rest;
pub mod server;
