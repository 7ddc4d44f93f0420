//! The pure half of the media server: what becomes of samples and packets, without clock, socket, thread or lock.

pub mod codec;
pub mod player;
pub mod resample;
pub mod wav;
