//! rtp-server

fn main() {}
