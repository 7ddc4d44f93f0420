//! Audio codecs, one file each. Every one is a value; the caller owns the buffers.

pub mod g711;
pub mod g722;

#[cfg(test)]
pub(crate) mod vectors;
