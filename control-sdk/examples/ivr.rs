//! The call script of the README as a program: ring, answer, a menu, and who is behind the digit.
//!
//! It takes the place of control-server: start sip-server and rtp-server, then `cargo run --example ivr`.

use control_sdk::{Control, Reason, secs, soup};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:9001").await?;
    let control =
        Control::new("http://127.0.0.1:9001", "http://127.0.0.1:9000", vec!["http://127.0.0.1:9002".to_owned()]);
    let shutdown = CancellationToken::new();

    control
        .on_new_call(async |call| {
            call.ring().await?;
            call.answer().await?;
            call.play(soup!["welcome.wav", "menu.wav"]).await?;
            match call.digits(1).within(secs(5)).await?.as_str() {
                "1" => call.new_call("1003").await?.ended().await,
                "2" => call.new_call(["1001", "1002"]).timeout(secs(20)).await?.ended().await,
                _ => call.hangup(Reason::NotFound).await,
            }
        })
        .run(listener, shutdown)
        .await;
    Ok(())
}
