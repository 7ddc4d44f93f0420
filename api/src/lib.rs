//! What crosses the REST wire between the three servers: documents, paths and problems, and how they travel.
//!
//! A reply about a resource and a callback about it carry the same full document, with `seq`, which grows by one with
//! each change, and `event`, which names what changed last. A receiver that missed ten documents and gets the eleventh
//! is up to date. Keys that a receiver does not know are ignored; none is ever renamed.

pub mod channel;
pub mod dialog;
pub mod directory;
pub mod http;
pub mod notify;
pub mod problem;
pub mod program;
pub mod registration;
pub mod sdp;

pub use channel::Channel;
pub use dialog::Dialog;
pub use problem::{Code, Problem};
pub use sdp::Sdp;
