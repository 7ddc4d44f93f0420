//! The figures of the switch for `/metrics`.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::core::switch::{Counters, Switch};

/// What `/metrics` shows of the switch.
#[derive(Debug, Default)]
pub struct Figures {
    last: Counters,
    dropped: Counter<u64, AtomicU64>,
    challenged: Counter<u64, AtomicU64>,
    refused: Counter<u64, AtomicU64>,
    registered: Counter<u64, AtomicU64>,
    dialogs: Counter<u64, AtomicU64>,
    live_dialogs: Gauge,
    transactions: Gauge,
}

impl Figures {
    /// Puts them among those of `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("sip_dropped", "Messages that were not worth an answer", self.dropped.clone());
        registry.register("sip_challenged", "Requests answered with a challenge", self.challenged.clone());
        registry.register("sip_refused", "Requests answered statelessly", self.refused.clone());
        registry.register("sip_registered", "Registrations accepted, refreshes too", self.registered.clone());
        registry.register("sip_dialogs", "Dialogs ever created", self.dialogs.clone());
        registry.register("sip_live_dialogs", "Dialogs now", self.live_dialogs.clone());
        registry.register("sip_transactions", "Transactions now", self.transactions.clone());
    }

    /// Brings them up to date.
    pub fn publish(&mut self, switch: &Switch) {
        let new = switch.counters();
        self.dropped.inc_by(new.dropped - self.last.dropped);
        self.challenged.inc_by(new.challenged - self.last.challenged);
        self.refused.inc_by(new.refused - self.last.refused);
        self.registered.inc_by(new.registered - self.last.registered);
        self.dialogs.inc_by(new.dialogs - self.last.dialogs);
        self.last = new;
        let (transactions, legs) = switch.sizes();
        self.transactions.set(i64::try_from(transactions).unwrap_or(i64::MAX));
        self.live_dialogs.set(i64::try_from(legs).unwrap_or(i64::MAX));
    }
}
