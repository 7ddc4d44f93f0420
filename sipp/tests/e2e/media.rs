//! What is heard: two real softphones through the rtp-server, the services, and a load of calls with media.
//!
//! Tones are measured in the recordings of the phones; codecs bit by bit in the rtp-server's crate.

use std::time::Duration;

use anyhow::ensure;
use sipp::phone::Account;
use sipp::scratch::eventually;
use sipp::{Options, Phone, Sipp, World, tone};

use crate::{caller, in_world, in_world_with, phone_with};

const LENGTH: Duration = Duration::from_secs(1);

/// Registers two phones with their codecs, lets one call the other, and measures what each hears.
async fn exchange(world: &World, codecs: [&[&str]; 2]) -> anyhow::Result<(Phone, Phone)> {
    let server = world.sip_address();
    let mut one = Phone::with_codecs(Account::At(server, "1000"), 440.0, false, codecs[0]).await?;
    let mut two = Phone::with_codecs(Account::At(server, "1001"), 880.0, true, codecs[1]).await?;
    one.registered().await?;
    two.registered().await?;
    one.dial("sip:1001@demo").await?;
    one.established().await?;
    two.established().await?;
    for (phone, hertz) in [(&one, 880.0), (&two, 440.0)] {
        hears(phone, hertz).await?;
    }
    Ok((one, two))
}

/// Fails unless the phone soon hears a second of nothing but this tone.
async fn hears(phone: &Phone, hertz: f64) -> anyhow::Result<()> {
    let mut share = 0.0;
    let what = format!("to hear {hertz} Hz");
    let found = eventually(Duration::from_secs(10), &what, async || {
        let (heard, rate) = phone.heard(LENGTH).await.ok()?;
        share = tone::share(&heard, rate, hertz);
        (share > 0.95 && tone::loudness(&heard) > 1_000.0).then_some(())
    });
    found.await.map_err(|error| error.context(format!("share {share}\n{}", phone.log())))
}

#[tokio::test]
async fn two_phones_hear_each_other_and_the_caller_hangs_up() {
    in_world(async |world| {
        let (mut one, mut two) = exchange(world, [&["g711.so"], &["g711.so"]]).await?;
        one.hang_up().await?;
        two.closed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_phones_hear_each_other_and_the_callee_hangs_up() {
    in_world(async |world| {
        let (mut one, mut two) = exchange(world, [&["g711.so"], &["g711.so"]]).await?;
        two.hang_up().await?;
        one.closed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_wideband_phone_and_a_narrowband_phone_hear_each_other() {
    in_world(async |world| {
        let (mut one, mut two) = exchange(world, [&["g722.so"], &["g711.so"]]).await?;
        one.hang_up().await?;
        two.closed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_phone_holds_and_comes_back() {
    in_world(async |world| {
        let (mut one, mut two) = exchange(world, [&["g711.so"], &["g711.so"]]).await?;
        one.hold().await?;
        on_hold(world, 1).await?;
        one.resume().await?;
        on_hold(world, 0).await?;
        hears(&two, 440.0).await?;
        one.hang_up().await?;
        two.closed().await?;
        Ok(())
    })
    .await;
}

/// Waits until so many dialogs are on hold by their peer.
async fn on_hold(world: &World, expected: usize) -> anyhow::Result<()> {
    let url = format!("{}/dialog?full=1", world.sip.url());
    let what = format!("{expected} dialogs on hold");
    eventually(Duration::from_secs(5), &what, async || {
        let list = world.fetch(&url).await.ok()?;
        let held = list["dialogs"].as_array()?.iter().filter(|dialog| dialog["hold"] == true).count();
        (held == expected).then_some(())
    })
    .await
}

#[tokio::test]
async fn the_echo_is_heard() {
    in_world(async |world| {
        let mut one = Phone::start(Account::At(world.sip_address(), "1000"), 440.0, false).await?;
        one.registered().await?;
        one.dial("sip:9196@demo").await?;
        one.established().await?;
        hears(&one, 440.0).await?;
        one.hang_up().await?;
        one.closed().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_milliwatt_is_heard() {
    in_world(async |world| {
        let mut one = Phone::start(Account::At(world.sip_address(), "1000"), 440.0, false).await?;
        one.registered().await?;
        one.dial("sip:9197@demo").await?;
        one.established().await?;
        // 1004 Hz by custom, 1000 by the ITU: 50 ms blocks do not tell them apart.
        hears(&one, 1_002.0).await?;
        one.hang_up().await?;
        one.closed().await?;
        Ok(())
    })
    .await;
}

/// 1,000 calls at 50 a second, each a second long with RTP through the rtp-server.
#[tokio::test]
async fn a_thousand_calls_with_media_leave_nothing() {
    let options = Options { channels: 400, ..Options::default() };
    in_world_with(options, async |world| {
        let limit = Duration::from_secs(60);
        let answer = Sipp::new("uas_answer", world.sip_address())?.calls(1_000, 50).limit(limit).argument("-rtp_echo");
        let callee = phone_with(world, "1001", answer).await?;
        let calls = caller(world, "uac_media", "1001")?.calls(1_000, 50).limit(limit).start()?;
        let url = format!("{}/channel?full=1", world.rtp.url());
        eventually(Duration::from_secs(20), "RTP on both sides of a channel", async || {
            let list = world.fetch(&url).await.ok()?;
            let both = |stats: &serde_json::Value| {
                stats["in"]["packets"].as_u64() > Some(10) && stats["out"]["packets"].as_u64() > Some(10)
            };
            list["list"].as_array()?.iter().any(|channel| both(&channel["stats"])).then_some(())
        })
        .await?;
        let outcome = calls.succeed().await?;
        ensure!(outcome.successful == 1_000, "{} of 1000", outcome.successful);
        callee.succeed().await?;
        Ok(())
    })
    .await;
}
