//! Registering: with the right password, with a wrong one, and leaving (RFC 3261 §10).
//!
//! Timers, several contacts and 423 are tested in the registrar itself.

use anyhow::ensure;
use sipp::Sipp;

use crate::in_world;

#[tokio::test]
async fn a_phone_registers_and_leaves() {
    in_world(async |world| {
        let port = sipp::scratch::free_ports(2)?;
        let run = |scenario| anyhow::Ok(Sipp::new(scenario, world.sip_address())?.user("1003").port(port));
        let outcome = run("register")?.succeed().await?;
        ensure!(outcome.logged.contains(&format!("1003@127.0.0.1:{port}")), "not our contact: {}", outcome.logged);
        let user = world.fetch(&format!("{}/reg/demo/1003", world.sip.url())).await?;
        ensure!(user["users"]["1003"]["registered"] == true, "{user}");
        ensure!(user["users"]["1003"]["remote"]["port"] == port, "{user}");
        ensure!(world.registered().await? == 1);
        run("deregister")?.succeed().await?;
        ensure!(world.registered().await? == 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_phone_registers_over_tcp() {
    in_world(async |world| {
        Sipp::new("register", world.sip_address())?.user("1003").tcp().succeed().await?;
        let user = world.fetch(&format!("{}/reg/demo/1003", world.sip.url())).await?;
        ensure!(user["users"]["1003"]["contacts"][0]["transport"] == "tcp", "{user}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    in_world(async |world| {
        let register = Sipp::new("register_refused", world.sip_address())?.user("1003").password("wrong");
        let outcome = register.succeed().await?;
        ensure!(outcome.logged.contains("refused 403") || outcome.logged.contains("refused 401"), "{outcome:?}");
        ensure!(world.registered().await? == 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_unknown_user_is_refused() {
    in_world(async |world| {
        let outcome = Sipp::new("register_refused", world.sip_address())?.user("nobody").succeed().await?;
        ensure!(outcome.logged.contains("refused 40"), "{outcome:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nobody_can_remove_a_binding_without_the_password() {
    in_world(async |world| {
        Sipp::new("register", world.sip_address())?.user("1003").succeed().await?;
        Sipp::new("deregister_unauthenticated", world.sip_address())?.user("1003").succeed().await?;
        ensure!(world.registered().await? == 1);
        Ok(())
    })
    .await;
}
