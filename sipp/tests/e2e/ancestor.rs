//! The scenarios that users of the ancestor bring along, as its README told them to run these.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use hyper::Method;
use serde_json::json;
use sipp::{Options, Sipp};

use crate::{in_world, in_world_with};

#[tokio::test]
async fn registerclient_registers() {
    in_world(async |world| {
        let control = world.control.url();
        let domain = json!({"control": control, "users": [{"username": "1003", "secret": "1123654789"}]});
        let url = format!("{}/dir/bling.babblevoice.com", world.sip.url());
        world.send(Method::PUT, &url, &domain).await?;
        let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testfiles/registerclient.csv");
        let register = Sipp::new("registerclient", world.sip_address())?;
        register.argument("-inf").argument(&records.to_string_lossy()).succeed().await?;
        let user = world.fetch(&format!("{}/reg/bling.babblevoice.com/1003", world.sip.url())).await?;
        ensure!(user["users"]["1003"]["registered"] == true, "{user}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn uaclateoffer_is_answered_without_a_challenge() {
    let trust = ["--trust", "127.0.0.1/32"].map(str::to_owned).to_vec();
    in_world_with(Options { sip: trust, ..Options::default() }, async |world| {
        let call = Sipp::new("uaclateoffer", world.sip_address())?.dial("9196");
        call.limit(Duration::from_secs(20)).succeed().await.map(drop)
    })
    .await;
}
