//! What an engine counts over all its channels.

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drop {
    /// No RTP.
    Malformed,
    /// RTCP on the RTP port.
    Rtcp,
    /// From somebody else than the peer.
    Foreign,
    /// A payload type that was not negotiated.
    Payload,
    /// It came before.
    Duplicate,
    /// Too late to be of use.
    Late,
    /// A sequence number out of the blue.
    Wild,
    /// Its channel is no more.
    Closed,
}

impl Drop {
    /// All of them, in the order of [`Counters::dropped`].
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Rtcp,
        Self::Foreign,
        Self::Payload,
        Self::Duplicate,
        Self::Late,
        Self::Wild,
        Self::Closed,
    ];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Rtcp => "rtcp",
            Self::Foreign => "foreign",
            Self::Payload => "payload",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Wild => "wild",
            Self::Closed => "closed",
        }
    }
}

/// Counts since the engine began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that came.
    pub received: u64,
    /// Packets that went out.
    pub sent: u64,
    /// Datagrams not used, by reason.
    pub dropped: [u64; Drop::ALL.len()],
}

impl Counters {
    pub(super) fn drop_one(&mut self, reason: Drop) {
        self.dropped[reason as usize] += 1;
    }
}
