//! Call scripts: what callers hear, in async Rust.
//!
//! A script is a function of a [`Call`]. Its verbs wait for their effect, not for their acceptance. Script and call live
//! and die together: when the script returns, the call is hung up; when the call is over, the next `.await` yields
//! [`Error::Hungup`] and `?` unwinds.
//!
//! ```no_run
//! # async fn example(listener: tokio::net::TcpListener, shutdown: tokio_util::sync::CancellationToken) {
//! use control_sdk::{Control, Reason, secs, soup};
//!
//! Control::new("http://127.0.0.1:9001", "http://127.0.0.1:9000", vec!["http://127.0.0.1:9002".into()])
//!     .on_new_call(async |call| {
//!         call.ring().await?;
//!         call.answer().await?;
//!         call.play(soup!["welcome.wav", "menu.wav"]).await?;
//!         match call.digits(1).within(secs(5)).await?.as_str() {
//!             "1" => call.new_call("1003").await?.ended().await,
//!             "2" => call.new_call(["1001", "1002"]).timeout(secs(20)).await?.ended().await,
//!             _ => call.hangup(Reason::NotFound).await,
//!         }
//!     })
//!     .run(listener, shutdown)
//!     .await;
//! # }
//! ```

mod call;
mod callbacks;
mod control;
mod desk;
mod dial;
mod keeper;
mod leg;
pub mod negotiate;
mod patrol;
mod reason;
mod servers;
mod session;
mod table;

pub use call::{Call, Digits, soup, soup_forever};
pub use control::{Application, Control, Registered};
pub use dial::{Dial, Target, Targets};
pub use reason::{Error, Reason};

/// So many seconds.
pub fn secs(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}
