//! The sip-server program.

use clap::Parser;
use sip_server::options::Options;
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.common.start_logging();
    let tracker = TaskTracker::new();
    let shutdown = api::program::shutdown_on_signal(&tracker);
    let result = sip_server::server::run(options, tracker.clone(), shutdown.clone()).await;
    shutdown.cancel();
    tracker.close();
    tracker.wait().await;
    result
}
