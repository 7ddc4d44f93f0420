//! The sip-server program.

fn main() {}
