//! What happens when a part is full, gone or silent: the caller is told, and nothing leaks.

use std::time::Duration;

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};
use sipp::phone::Account;
use sipp::{Options, Phone};
use tokio::time::timeout;

use crate::{caller, in_world, in_world_with, phone};

#[tokio::test]
async fn a_caller_hears_503_when_there_are_no_channels() {
    let options = Options { channels: 2, ..Options::default() };
    in_world_with(options, async |world| {
        let channels = format!("{}/channel", world.rtp.url());
        for uuid in ["one", "two"] {
            world.send(Method::POST, &channels, &json!({"uuid": uuid})).await?;
        }
        ensure!(world.send(Method::POST, &channels, &json!({})).await.is_err_and(|e| e.to_string().contains("503")));
        let callee = phone(world, "1001", "uas_silent").await?;
        let outcome = caller(world, "uac_refused", "1001")?.succeed().await?;
        ensure!(outcome.logged.contains("refused 503"), "{}", outcome.logged);
        drop(callee);
        for uuid in ["one", "two"] {
            world.send(Method::DELETE, &format!("{channels}/{uuid}"), &Value::Null).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_new_call_is_unavailable_within_five_seconds_when_control_is_down() {
    in_world(async |world| {
        world.control.kill().await?;
        let call = caller(world, "uac_refused", "9196")?.succeed();
        let outcome = timeout(Duration::from_millis(5_500), call).await??;
        ensure!(outcome.logged.contains("refused 480"), "{}", outcome.logged);
        world.restart_control().await?;
        caller(world, "uac_call", "9196")?.succeed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_running_call_outlives_control() {
    in_world(async |world| {
        let (mut one, mut two) = connected(world).await?;
        world.control.kill().await?;
        let (heard, rate) = two.heard(Duration::from_secs(1)).await?;
        ensure!(sipp::tone::share(&heard, rate, 440.0) > 0.9);
        world.restart_control().await?;
        world.wait_counts(2, 2).await?;
        one.hang_up().await?;
        two.closed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn both_legs_end_when_the_rtp_server_dies() {
    in_world(async |world| {
        let (mut one, mut two) = connected(world).await?;
        world.rtp.kill().await?;
        one.closed_within(Duration::from_secs(60)).await?;
        two.closed_within(Duration::from_secs(60)).await?;
        world.restart_rtp().await
    })
    .await;
}

#[tokio::test]
async fn a_phone_that_vanishes_ends_the_call_within_a_minute() {
    in_world(async |world| {
        let (mut one, mut two) = connected(world).await?;
        one.vanish().await?;
        two.closed_within(Duration::from_secs(60)).await?;
        Ok(())
    })
    .await;
}

/// Two phones that hear each other.
async fn connected(world: &sipp::World) -> anyhow::Result<(Phone, Phone)> {
    let mut one = Phone::start(Account::At(world.sip_address(), "1000"), 440.0, false).await?;
    let mut two = Phone::start(Account::At(world.sip_address(), "1001"), 880.0, true).await?;
    one.registered().await?;
    two.registered().await?;
    one.dial("sip:1001@demo").await?;
    one.established().await?;
    two.established().await?;
    two.heard(Duration::from_millis(200)).await?;
    Ok((one, two))
}
