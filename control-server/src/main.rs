//! control-server

fn main() {}
