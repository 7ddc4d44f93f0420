//! Tests of the message layer as a whole: how bad input is refused, the torture set, properties, and an oracle.

mod malformed;
mod oracle;
mod property;
mod torture;
