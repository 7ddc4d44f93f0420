//! The table of the legs that we hold, by Call-ID and by the name of the channel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::leg::Leg;

/// More legs than any of our servers can carry.
const LEGS: usize = 100_000;

/// All legs that are not over, and those that are being cleared away.
#[derive(Default)]
pub(crate) struct Table {
    legs: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    callids: HashMap<String, Arc<Leg>>,
    channels: HashMap<String, Arc<Leg>>,
}

impl Table {
    pub(crate) fn leg(&self, callid: &str) -> Option<Arc<Leg>> {
        self.index().callids.get(callid).cloned()
    }

    pub(crate) fn leg_of_channel(&self, uuid: &str) -> Option<Arc<Leg>> {
        self.index().channels.get(uuid).cloned()
    }

    /// Enters a leg under its names: the new one, or the one that stands there already and is not over.
    pub(crate) fn enter(&self, leg: Leg) -> Entry {
        let mut index = self.index();
        match index.callids.get(&leg.callid) {
            Some(known) if !known.over() => return Entry::Known(known.clone()),
            _ if index.callids.len() >= LEGS => return Entry::Full,
            _ => {}
        }
        let leg = Arc::new(leg);
        index.callids.insert(leg.callid.clone(), leg.clone());
        index.channels.insert(leg.uuid.clone(), leg.clone());
        Entry::New(leg)
    }

    /// Forgets a leg, unless another has taken its names.
    pub(crate) fn remove(&self, leg: &Arc<Leg>) {
        let mut index = self.index();
        if index.callids.get(&leg.callid).is_some_and(|known| Arc::ptr_eq(known, leg)) {
            index.callids.remove(&leg.callid);
            index.channels.remove(&leg.uuid);
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Leg>> {
        self.index().callids.values().cloned().collect()
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of entering a leg.
pub(crate) enum Entry {
    /// It was entered.
    New(Arc<Leg>),
    /// This one stands there.
    Known(Arc<Leg>),
    /// There is no room.
    Full,
}
