//! Bounds of a relay's own memory, and the share that they come to; `docs/operating.md` has the
//! price of each default.

use rohrpost_node::{RoleLimits, Share};
use rohrpost_packet::{Suite, Surb};
use rohrpost_proto::mailbox::SURB_STOCK;

/// Bounds that only relays have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Sessions of clients at most.
    pub sessions: usize,
    /// Registered mailboxes at most.
    pub mailboxes: usize,
    /// Envelopes in all mailboxes at most.
    pub envelopes: usize,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self { sessions: 10_000, mailboxes: 16_384, envelopes: 65_536 }
    }
}

impl From<RoleLimits> for RelayLimits {
    fn from(given: RoleLimits) -> Self {
        let default = Self::default();
        Self {
            sessions: given.sessions.unwrap_or(default.sessions),
            mailboxes: given.mailboxes.unwrap_or(default.mailboxes),
            envelopes: given.envelopes.unwrap_or(default.envelopes),
        }
    }
}

impl RelayLimits {
    /// Buffers of all sessions; mailboxes when all are full, and the connections of all sessions.
    pub(crate) const fn share<S: Suite>(&self) -> Share {
        let surbs = self.mailboxes * SURB_STOCK * (Surb::<S>::ENCODED_LEN + MAP_ENTRY);
        let envelopes = self.envelopes * (S::ENVELOPE_LEN + MAP_ENTRY);
        Share {
            packets: self.sessions * PER_SESSION,
            bytes: surbs + envelopes + self.sessions * CONNECTION,
        }
    }
}

/// Buffers for each session: two cells up, two down.
const PER_SESSION: usize = 4;
/// Bytes that a map and its allocator take beside each entry.
const MAP_ENTRY: usize = 128;
/// Bytes of a connection of quinn under load, without what it sends.
const CONNECTION: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use rohrpost_packet::Hybrid;

    use super::*;

    #[test]
    fn each_session_has_four_buffers_and_an_absent_key_its_default() {
        let given = RoleLimits { sessions: Some(250), ..RoleLimits::default() };
        let limits = RelayLimits::from(given);
        assert_eq!(limits, RelayLimits { sessions: 250, ..RelayLimits::default() });
        let share = limits.share::<Hybrid>();
        assert_eq!(share.packets, 4 * limits.sessions);
        assert!(share.bytes > limits.envelopes * Hybrid::ENVELOPE_LEN);
    }
}
