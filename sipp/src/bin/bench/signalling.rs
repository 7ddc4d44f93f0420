//! Registrations and calls, made by sipp in a closed loop: the next begins when one ends, so nothing is lost and
//! retransmitted, and the rate is what server and peers together reach on this machine.

use std::fmt::Write;
use std::time::Duration;

use anyhow::ensure;
use hyper::Method;
use serde_json::json;
use sipp::{Sipp, World};
use tokio::time::Instant;

use crate::process::{cpu_seconds, resident_kib};
use crate::{Figure, ROUNDS};

const USERS: u32 = 10_000;
const CALLS: u32 = 1_000;
const LIMIT: Duration = Duration::from_secs(60);

/// Digest registrations of 10,000 users: the first round makes the bindings, the others refresh them.
pub async fn registrations(world: &World) -> anyhow::Result<Vec<Figure>> {
    let users: Vec<_> = (0..USERS).map(|n| json!({"username": format!("u{n}"), "secret": "s"})).collect();
    // No control answers there: what callbacks cost is in the figures of the calls.
    let domain = json!({"control": "http://127.0.0.1:9", "users": users});
    world.send(Method::PUT, &format!("{}/dir/bench", world.sip.url()), &domain).await?;
    let mut records = "SEQUENTIAL\n".to_owned();
    for n in 0..USERS {
        writeln!(records, "u{n};bench;[authentication username=u{n} password=s]")?;
    }
    let file = world.scratch().join("bench.csv");
    std::fs::write(&file, records)?;

    let mut rate = Figure::new("digest REGISTER, 401 and 200", "per s");
    let mut cpu = Figure::new("  sip-server, CPU per 1,000", "ms");
    let mut memory = Figure::new("  sip-server, memory per 10,000 registrations", "MiB");
    memory.rounds.push(-resident_kib(&world.sip)? / 1_024.0);
    for round in 0..ROUNDS {
        let begun = (Instant::now(), cpu_seconds(&world.sip)?);
        let register = Sipp::new("registerclient", world.sip_address())?.calls(USERS, 50_000).limit(LIMIT).at_once(100);
        let outcome = register.argument("-inf").argument(&file.to_string_lossy()).succeed().await?;
        ensure!(outcome.successful == USERS, "{} of {USERS}", outcome.successful);
        rate.rounds.push(f64::from(USERS) / begun.0.elapsed().as_secs_f64());
        cpu.rounds.push((cpu_seconds(&world.sip)? - begun.1) * 1e6 / f64::from(USERS));
        if round == 0 {
            memory.rounds[0] += resident_kib(&world.sip)? / 1_024.0;
        }
    }
    let registered = world.fetch(&format!("{}/reg/bench", world.sip.url())).await?;
    ensure!(registered["registered"] == USERS, "{}", registered["registered"]);
    world.send(Method::DELETE, &format!("{}/dir/bench", world.sip.url()), &json!(null)).await?;
    Ok(vec![rate, cpu, memory])
}

/// Calls from 1000 to 1001 through all three processes, hung up as soon as they are answered.
pub async fn calls(world: &World) -> anyhow::Result<Vec<Figure>> {
    let servers = [("sip-server", &world.sip), ("rtp-server", &world.rtp), ("control-server", &world.control)];
    let mut rate = Figure::new("calls through all three, answered and ended", "per s");
    let mut cpu = servers.map(|(name, _)| Figure::new(format!("  {name}, CPU per 1,000 calls"), "ms"));
    let mut memory = servers.map(|(name, _)| Figure::new(format!("  {name}, memory grown by 1,000 calls"), "MiB"));
    let port = sipp::scratch::free_ports(2)?;
    for _ in 0..ROUNDS {
        Sipp::new("register", world.sip_address())?.user("1001").port(port).succeed().await?;
        let answer = Sipp::new("uas_answer", world.sip_address())?.user("1001").port(port).calls(CALLS, 1_000);
        let callee = answer.limit(LIMIT).pause(Duration::ZERO).argument("-aa").listen().await?;
        let mut before = Vec::new();
        for (_, server) in servers {
            before.push((cpu_seconds(server)?, resident_kib(server)?));
        }
        let begun = Instant::now();
        let call = Sipp::new("uac_call", world.sip_address())?.user("1000").dial("1001").calls(CALLS, 1_000);
        call.limit(LIMIT).pause(Duration::ZERO).at_once(40).succeed().await?;
        rate.rounds.push(f64::from(CALLS) / begun.elapsed().as_secs_f64());
        callee.succeed().await?;
        world.wait_counts(0, 0).await?;
        for (index, (_, server)) in servers.iter().enumerate() {
            cpu[index].rounds.push((cpu_seconds(server)? - before[index].0) * 1e6 / f64::from(CALLS));
            memory[index].rounds.push((resident_kib(server)? - before[index].1) / 1_024.0);
        }
    }
    Ok(std::iter::once(rate).chain(cpu).chain(memory).collect())
}
