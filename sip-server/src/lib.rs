//! SIP registrar and B2BUA edge: `core` is pure, everything beside it is the shell.

pub mod core;
pub mod net;
