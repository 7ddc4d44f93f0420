//! The figures of `/metrics`: datagrams in, out and dropped by reason, channels, and how busy the workers are.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::engine::Counters;
use crate::engine::counters::Drop;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Worker {
    worker: u32,
}

/// The figures that all workers share; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    received: Counter,
    sent: Counter,
    dropped: Family<Reason, Counter>,
    /// RTCP datagrams that came in.
    pub rtcp: Counter,
    /// Packets that the system would not take.
    pub unsent: Counter,
    /// Documents that found no room on their way to the notifier.
    pub untold: Counter,
    channels: Family<Worker, Gauge>,
    load: Family<Worker, Gauge<f64, AtomicU64>>,
}

/// One worker's access to them, without a look-up.
#[derive(Debug)]
pub struct Share {
    metrics: Metrics,
    dropped: [Counter; Drop::ALL.len()],
    channels: Gauge,
    load: Gauge<f64, AtomicU64>,
    before: Counters,
}

impl Metrics {
    /// Puts them among those of `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("rtp_received", "Datagrams that came in on RTP ports", self.received.clone());
        registry.register("rtp_sent", "RTP packets sent", self.sent.clone());
        registry.register("rtp_dropped", "Datagrams not used, by reason", self.dropped.clone());
        registry.register("rtp_unsent", "RTP packets that the system would not take", self.unsent.clone());
        registry.register("rtcp_received", "Datagrams that came in on RTCP ports", self.rtcp.clone());
        registry.register("documents_dropped", "Documents not told because too many wait", self.untold.clone());
        registry.register("channels", "Open channels by worker", self.channels.clone());
        registry.register("load", "Share of a worker's time that is used", self.load.clone());
    }

    /// What worker number `worker` counts with.
    pub fn share(&self, worker: usize) -> Share {
        let label = Worker { worker: worker as u32 };
        Share {
            metrics: self.clone(),
            dropped: Drop::ALL.map(|reason| self.dropped.get_or_create(&Reason { reason: reason.name() }).clone()),
            channels: self.channels.get_or_create(&label).clone(),
            load: self.load.get_or_create(&label).clone(),
            before: Counters::default(),
        }
    }
}

impl Share {
    /// Adds what was counted since the last call.
    pub fn add(&mut self, counters: &Counters) {
        if *counters == self.before {
            return;
        }
        self.metrics.received.inc_by(counters.received - self.before.received);
        self.metrics.sent.inc_by(counters.sent - self.before.sent);
        for (index, counter) in self.dropped.iter().enumerate() {
            let more = counters.dropped[index] - self.before.dropped[index];
            if more > 0 {
                counter.inc_by(more);
            }
        }
        self.before = *counters;
    }

    /// Datagrams on RTCP ports.
    pub fn rtcp(&self, count: u64) {
        self.metrics.rtcp.inc_by(count);
    }

    /// A packet could not be sent.
    pub fn unsent(&self) {
        self.metrics.unsent.inc();
    }

    /// A document could not be told.
    pub fn untold(&self) {
        self.metrics.untold.inc();
    }

    /// How many channels and how busy.
    pub fn occupied(&self, channels: usize, load: f64) {
        self.channels.set(channels as i64);
        self.load.set(load);
    }
}
