//! Calls between two sipp phones: answered, refused, cancelled, held; over UDP and TCP (RFC 3261 §9, §13–15).
//!
//! Whether anything is heard is asked in `media.rs`.

use std::time::Duration;

use anyhow::ensure;
use sipp::{Outcome, Sipp, World};

use crate::{caller, in_world, phone, phone_with};

/// User 1000 calls 1001, who behaves as `callee`; both must go as their scenarios say.
async fn pair(world: &World, scenario: &str, callee: &str) -> anyhow::Result<Outcome> {
    let callee = phone(world, "1001", callee).await?;
    let outcome = caller(world, scenario, "1001")?.succeed().await?;
    callee.succeed().await?;
    Ok(outcome)
}

/// User 1000 calls a number and is refused; the SIP status code.
async fn refusal(world: &World, number: &str) -> anyhow::Result<u16> {
    let outcome = caller(world, "uac_refused", number)?.succeed().await?;
    let code = outcome.logged.split("refused ").nth(1).and_then(|text| text.get(..3));
    code.and_then(|code| code.parse().ok()).ok_or_else(|| anyhow::anyhow!("no code: {}", outcome.logged))
}

#[tokio::test]
async fn the_caller_hangs_up() {
    in_world(async |world| pair(world, "uac_call", "uas_answer").await.map(drop)).await;
}

#[tokio::test]
async fn the_callee_hangs_up() {
    in_world(async |world| pair(world, "uac_waits", "uas_bye").await.map(drop)).await;
}

#[tokio::test]
async fn the_offer_may_come_late() {
    in_world(async |world| pair(world, "uac_late_offer", "uas_answer").await.map(drop)).await;
}

#[tokio::test]
async fn a_caller_holds_and_comes_back() {
    in_world(async |world| pair(world, "uac_hold", "uas_answer").await.map(drop)).await;
}

#[tokio::test]
async fn a_call_is_cancelled_before_it_rings() {
    in_world(async |world| pair(world, "uac_cancel_before_ringing", "uas_silent").await.map(drop)).await;
}

#[tokio::test]
async fn a_call_is_cancelled_while_it_rings() {
    in_world(async |world| pair(world, "uac_cancel_after_ringing", "uas_ring_forever").await.map(drop)).await;
}

#[tokio::test]
async fn a_busy_phone_is_heard_as_busy() {
    in_world(async |world| {
        let callee = phone(world, "1001", "uas_busy").await?;
        ensure!(refusal(world, "1001").await? == 486);
        callee.succeed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nobody_answers() {
    in_world(async |world| {
        let patience = Duration::from_secs(90);
        let silent = Sipp::new("uas_ring_forever", world.sip_address())?.limit(patience);
        let callee = phone_with(world, "1001", silent).await?;
        let outcome = caller(world, "uac_refused", "1001")?.limit(patience).succeed().await?;
        ensure!(["408", "480"].iter().any(|code| outcome.logged.contains(code)), "{}", outcome.logged);
        callee.succeed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_number_that_nobody_has_is_not_found() {
    in_world(async |world| {
        ensure!(refusal(world, "5555").await? == 404);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_user_without_a_phone_is_unavailable() {
    in_world(async |world| {
        ensure!(refusal(world, "1002").await? == 480);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_caller_with_a_wrong_password_is_refused() {
    in_world(async |world| {
        let outcome = caller(world, "uac_refused", "9196")?.password("wrong").run().await?;
        // A second 401 ends the scenario as a failure, a 403 as a logged refusal.
        ensure!(outcome.logged.contains("403") || outcome.messages.matches("SIP/2.0 401").count() > 1, "{outcome:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn both_phones_may_use_tcp() {
    in_world(async |world| {
        let callee = Sipp::new("uas_answer", world.sip_address())?.tcp();
        let port = sipp::scratch::free_ports(2)?;
        Sipp::new("register", world.sip_address())?.user("1001").tcp().port(port).succeed().await?;
        let callee = callee.user("1001").port(port).argument("-aa").listen().await?;
        caller(world, "uac_call", "1001")?.tcp().succeed().await?;
        callee.succeed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_tcp_phone_calls_a_udp_phone() {
    in_world(async |world| {
        let callee = phone(world, "1001", "uas_answer").await?;
        caller(world, "uac_call", "1001")?.tcp().succeed().await?;
        callee.succeed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_services_answer() {
    in_world(async |world| {
        for number in ["9196", "9197"] {
            caller(world, "uac_call", number)?.succeed().await?;
        }
        // The prompt hangs up by itself.
        caller(world, "uac_waits", "9198")?.limit(Duration::from_secs(40)).succeed().await?;
        Ok(())
    })
    .await;
}
