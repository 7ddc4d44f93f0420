//! `make bench`: what this machine carries, in one table.
//!
//! The three release binaries, sipp for signalling, a generator of our own for RTP. Everything is measured
//! [`ROUNDS`] times; the spread of the rounds stands beside the median, and a fixed piece of work shows how much of it
//! is the machine's own noise. Peers and servers share the machine, so rates are what remains beside the peers.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod media;
mod process;
mod signalling;

use anyhow::Context;
use sipp::{Options, World};
use tokio::time::Instant;

/// How often each figure is measured.
const ROUNDS: usize = 3;

/// Figures of one kind, one a round.
struct Figure {
    name: String,
    unit: &'static str,
    rounds: Vec<f64>,
}

impl Figure {
    fn new(name: impl Into<String>, unit: &'static str) -> Self {
        Self { name: name.into(), unit, rounds: Vec::new() }
    }

    /// One line of the table: median, and half the distance from least to most in percent of it.
    fn print(&self) {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return };
        let median = sorted[sorted.len() / 2];
        let spread = if median == 0.0 { 0.0 } else { (most - least) / 2.0 / median * 100.0 };
        println!("{:<52} {median:>10.2} {:<12} ±{spread:.0} %", self.name, self.unit);
    }
}

fn print(figures: &[Figure]) {
    figures.iter().for_each(Figure::print);
}

/// A fixed piece of work that nothing but the machine can make faster or slower.
fn noise() -> Figure {
    let mut figure = Figure::new("machine: fixed work, 10 rounds", "ms");
    for _ in 0..10 {
        let begun = Instant::now();
        let mut state = 1_u64;
        for _ in 0..100_000_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
        std::hint::black_box(state);
        figure.rounds.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    figure
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:<52} {:>10} {:<12} spread", "what", "median", "unit");
    print(&[noise()]);
    let mut world = World::with(Options { channels: 1_100, ..Options::default() }).await?;
    print(&signalling::registrations(&world).await.context("registrations")?);
    print(&signalling::calls(&world).await.context("calls")?);
    print(&[media::idle_channels(&world).await.context("idle channels")?]);
    for (name, codecs) in [
        ("relayed leg, PCMU to PCMU", [media::PCMU, media::PCMU]),
        ("transcoded leg, PCMU to PCMA", [media::PCMU, media::PCMA]),
        ("transcoded leg, PCMU to G.722", [media::PCMU, media::G722]),
    ] {
        print(&media::legs(&world, name, codecs).await.context(name)?);
    }
    world.assert_idle().await?;
    print(&[noise()]);
    Ok(())
}
