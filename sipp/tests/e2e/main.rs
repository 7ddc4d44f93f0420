//! End to end: the three real servers with real peers, one behaviour a test, and nothing left behind after each.
//!
//! The peers are sipp (scenarios of `sipp/scenarios` and `testfiles`), baresip, and plain datagrams.
//! What one machine of a server does by itself is tested in that server's crate, in virtual time.

mod ancestor;
mod calls;
mod failures;
mod media;
mod readme;
mod registration;
mod torture;

use std::time::Duration;

use sipp::{Options, Running, Sipp, World};

/// Runs `body` against the usual servers and asserts that it leaves nothing behind.
async fn in_world<F>(body: F)
where
    F: AsyncFnOnce(&mut World) -> anyhow::Result<()>,
{
    in_world_with(Options::default(), body).await;
}

/// Runs `body` against servers started with these options and asserts that it leaves nothing behind.
async fn in_world_with<F>(options: Options, body: F)
where
    F: AsyncFnOnce(&mut World) -> anyhow::Result<()>,
{
    let mut world = World::with(options).await.unwrap_or_else(|error| panic!("{error:?}"));
    // A panic while the world lives prints the servers' logs.
    if let Err(error) = body(&mut world).await {
        panic!("{error:?}");
    }
    if let Err(error) = world.assert_idle().await {
        panic!("{error:?}");
    }
}

/// A sipp phone: registers `user` and then waits for calls with `scenario`, both on one port.
async fn phone(world: &World, user: &str, scenario: &str) -> anyhow::Result<Running> {
    phone_with(world, user, Sipp::new(scenario, world.sip_address())?).await
}

/// As [`phone`], with a prepared run that waits for the calls.
async fn phone_with(world: &World, user: &str, calls: Sipp) -> anyhow::Result<Running> {
    let port = sipp::scratch::free_ports(2)?;
    Sipp::new("register", world.sip_address())?.user(user).port(port).succeed().await?;
    calls.user(user).port(port).argument("-aa").listen().await
}

/// User 1000 calls a number with `scenario`.
fn caller(world: &World, scenario: &str, number: &str) -> anyhow::Result<Sipp> {
    Ok(Sipp::new(scenario, world.sip_address())?.user("1000").dial(number).limit(Duration::from_secs(20)))
}
