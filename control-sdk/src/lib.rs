//! Call scripts: what callers hear, in async Rust.

pub mod negotiate;
