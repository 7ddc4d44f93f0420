//! Callbacks to control: in order and one in flight per resource, the newest document instead of all of them.
//!
//! While a callback of a key is on its way or waits to be tried again, only the newest later one is kept: documents are
//! whole, so the newest says everything, and a DELETE after a PUT is all that need be said. A failure is tried again with
//! growing pauses until the patience of the callback is over. Nothing here outlives the process.
//!
//! A key has a task only while it has something to send:
//! `idle -post-> sending -2xx-> (newer? sending : idle)`, `sending -failure-> pausing -> sending (the newest)`.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::{Client, Failure};

const KEYS: usize = 100_000;
const IN_FLIGHT: usize = 512;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);

/// One document on its way to control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The resource: callbacks of one key keep their order.
    pub key: String,
    /// PUT or DELETE.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// JSON.
    pub body: Option<Bytes>,
    /// How long to go on trying.
    pub patience: Duration,
}

/// Sends callbacks. Clones share everything.
#[derive(Debug, Clone)]
pub struct Notifier {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    undelivered: mpsc::Sender<Callback>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    /// The keys that have a task, each with the newest callback that its task has not taken up.
    waiting: Mutex<HashMap<String, Option<Pending>>>,
    permits: Semaphore,
    jitter: RandomState,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    sent: Counter,
    failed: Counter,
    coalesced: Counter,
    undelivered: Counter,
    dropped: Counter,
    keys: Gauge,
}

#[derive(Debug)]
struct Pending {
    callback: Callback,
    deadline: Instant,
}

impl Notifier {
    /// A notifier whose tasks run on `tracker`. What could not be delivered is offered to `undelivered`. After
    /// `shutdown` each callback is tried once.
    pub fn new(
        client: Client,
        undelivered: mpsc::Sender<Callback>,
        tracker: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let shared = Shared {
            client,
            undelivered,
            tracker: tracker.clone(),
            shutdown,
            waiting: Mutex::default(),
            permits: Semaphore::new(IN_FLIGHT),
            jitter: RandomState::new(),
            counts: Counts::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Puts the figures of this notifier among those of `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        let counts = &self.shared.counts;
        registry.register("callbacks_sent", "Callbacks answered with a 2xx", counts.sent.clone());
        registry.register("callbacks_failed", "Attempts that failed", counts.failed.clone());
        registry.register("callbacks_coalesced", "Callbacks replaced by a newer one", counts.coalesced.clone());
        registry.register("callbacks_undelivered", "Callbacks given up", counts.undelivered.clone());
        registry.register("callbacks_dropped", "Callbacks refused because too many wait", counts.dropped.clone());
        registry.register("callbacks_pending", "Resources with something to send", counts.keys.clone());
    }

    /// Sends this callback after the ones of its key that are on their way. Never blocks. Must be called inside a
    /// runtime.
    pub fn post(&self, callback: Callback) {
        let shared = &self.shared;
        let pending = Pending { deadline: Instant::now() + callback.patience, callback };
        let mut waiting = shared.waiting();
        let keys = waiting.len();
        match waiting.entry(pending.callback.key.clone()) {
            Entry::Occupied(mut newest) => {
                if newest.get_mut().replace(pending).is_some() {
                    shared.counts.coalesced.inc();
                }
            }
            Entry::Vacant(_) if keys >= KEYS => {
                drop(waiting);
                shared.counts.dropped.inc();
                shared.give_up(pending.callback, "too many callbacks wait");
            }
            Entry::Vacant(vacant) => {
                vacant.insert(None);
                shared.counts.keys.inc();
                shared.tracker.spawn(deliver(shared.clone(), pending));
            }
        }
    }
}

/// The life of one key.
async fn deliver(shared: Arc<Shared>, first: Pending) {
    let mut next = Some(first);
    while let Some(pending) = next {
        let key = pending.callback.key.clone();
        shared.see_through(pending).await;
        next = shared.next(&key);
    }
}

impl Shared {
    /// Tries until this callback or a newer one of its key is delivered or given up.
    async fn see_through(&self, mut pending: Pending) {
        let mut failures = 0;
        loop {
            let Err(failure) = self.attempt(&pending).await else {
                self.counts.sent.inc();
                return;
            };
            self.counts.failed.inc();
            failures += 1;
            tracing::debug!(key = pending.callback.key, %failure, failures, "a callback failed");
            let is_last = self.shutdown.is_cancelled() || Instant::now() >= pending.deadline;
            if !is_last {
                self.pause(failures, &pending).await;
            }
            if let Some(newer) = self.newer(&pending.callback.key) {
                self.counts.coalesced.inc();
                pending = newer;
            } else if is_last {
                return self.give_up(pending.callback, &failure.to_string());
            }
        }
    }

    async fn attempt(&self, pending: &Pending) -> Result<(), Failure> {
        let Callback { method, url, body, .. } = &pending.callback;
        let limit = pending.deadline.max(Instant::now() + SHORTEST_ATTEMPT);
        let attempt = async {
            let _permit = self.permits.acquire().await;
            self.client.exchange(method.clone(), url, body.clone()).await
        };
        match timeout_at(limit, attempt).await {
            Ok(outcome) => outcome.map(drop),
            Err(_) => Err(Failure::Unreachable("no reply in time".to_owned())),
        }
    }

    async fn pause(&self, failures: u32, pending: &Pending) {
        let pause = pause_after(failures, self.jitter.hash_one((&pending.callback.key, failures)));
        tokio::select! {
            () = sleep_until(pending.deadline.min(Instant::now() + pause)) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    fn newer(&self, key: &str) -> Option<Pending> {
        self.waiting().get_mut(key).and_then(Option::take)
    }

    /// What the key has to send next; the key is forgotten when that is nothing.
    fn next(&self, key: &str) -> Option<Pending> {
        let mut waiting = self.waiting();
        let next = waiting.get_mut(key).and_then(Option::take);
        if next.is_none() && waiting.remove(key).is_some() {
            self.counts.keys.dec();
        }
        next
    }

    fn give_up(&self, callback: Callback, reason: &str) {
        self.counts.undelivered.inc();
        tracing::warn!(key = callback.key, url = callback.url, reason, "a callback is given up");
        let _ = self.undelivered.try_send(callback);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Option<Pending>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Doubles from 100 ms to 5 s; the upper half of it is up to chance, so that callbacks that failed together spread.
fn pause_after(failures: u32, chance: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let share = u32::try_from(chance % 1024).unwrap_or(0);
    whole / 2 + whole / 2 * share / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds() {
        for (failures, shortest, longest) in [(0, 50, 100), (1, 50, 100), (2, 100, 200), (6, 1600, 3200)] {
            assert_eq!(pause_after(failures, 0).as_millis(), shortest);
            assert!(pause_after(failures, u64::MAX).as_millis() <= longest);
        }
        for failures in [7, 8, 40, u32::MAX] {
            assert_eq!(pause_after(failures, 0), LONGEST_PAUSE / 2);
            assert!(pause_after(failures, 1023) < LONGEST_PAUSE);
        }
    }
}
