//! rtp-server: reads the command line, serves until told to end, or does one small job with a WAV file.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::Parser;
use rtp_server::cli::Options;
use rtp_server::server::RtpServer;
use rtp_server::sounds;
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some([spec, file]) = options.tone.as_deref() {
        let ms = sounds::write_tone(spec, Path::new(file))?;
        return Ok(writeln!(std::io::stdout(), "Total time is {ms}mS")?);
    }
    if let Some(file) = &options.wavinfo {
        return Ok(writeln!(std::io::stdout(), "{}", sounds::wavinfo(file)?.trim_end())?);
    }
    options.common.start_logging();
    options.common.refuse_exposure()?;
    let tracker = TaskTracker::new();
    let shutdown = api::program::shutdown_on_signal(&tracker);
    let server = RtpServer::bind(&options, &tracker, &shutdown).await.context("cannot start")?;
    options.common.write_ready(&serde_json::json!({ "http": server.http_address()?.port() }))?;
    server.run(shutdown).await;
    tracker.close();
    tracker.wait().await;
    Ok(())
}
