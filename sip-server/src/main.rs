//! sip-server

fn main() {}
