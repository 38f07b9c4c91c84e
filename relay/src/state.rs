//! State that the threads and tasks of a relay share.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

use rohrpost_node::{Metrics, Node};
use rohrpost_packet::Suite;
use rohrpost_proto::entry::Entry;
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};

use crate::limits::RelayLimits;
use crate::metrics::RelayMetrics;

/// Entry, mailboxes and counters of one relay.
pub(crate) struct Shared<S: Suite> {
    pub(crate) entry: Mutex<Entry<S>>,
    pub(crate) mailboxes: Mailboxes<S>,
    pub(crate) counts: SessionCounts,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) own_metrics: RelayMetrics,
}

/// Sums over all sessions since the start.
#[derive(Default)]
pub(crate) struct SessionCounts {
    pub(crate) sessions: AtomicUsize,
    pub(crate) cells_up: AtomicU64,
    pub(crate) cells_down: AtomicU64,
}

impl<S: Suite> Shared<S> {
    /// The empty state of a relay that has just started.
    pub(crate) fn new(node: &Node<S>, limits: RelayLimits) -> Self {
        Self {
            entry: Mutex::new(Entry::new(node.prepared.roster.traffic.slot, limits.sessions)),
            mailboxes: Mailboxes::new(MailboxLimits {
                mailboxes: limits.mailboxes,
                envelopes: limits.envelopes,
                ..MailboxLimits::of(&node.prepared.roster.traffic)
            }),
            counts: SessionCounts::default(),
            metrics: Arc::clone(&node.metrics),
            own_metrics: RelayMetrics::of_node(),
        }
    }
}
