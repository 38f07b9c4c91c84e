//! Presence: which nodes a relay hears, and by which keys. Its votes say so.

use std::collections::BTreeMap;

use rohrpost_packet::NodeNumber;

use crate::directory::consensus::vote::{Heard, Key, Keys};
use crate::directory::control::Announcement;
use crate::directory::roster::Roster;
use crate::directory::timing::Timing;
use crate::time::Time;

/// What a relay hears of the nodes, over their own control links, and how often new keys come.
pub struct Presence {
    timing: Timing,
    /// Nodes that were heard: as many as the roster has.
    nodes: BTreeMap<NodeNumber, Record>,
    /// Nodes of which new keys came: as many as the roster has.
    quotas: BTreeMap<NodeNumber, Quota>,
}

struct Record {
    heard: Time,
    stays: bool,
    keys: Keys,
}

/// New keys that a node may have others take: [`BURST`] at once, and one more with each slot.
struct Quota {
    left: u32,
    since: Time,
}

impl Presence {
    /// Nobody was heard yet.
    #[must_use]
    pub const fn new(timing: Timing) -> Self {
        Self { timing, nodes: BTreeMap::new(), quotas: BTreeMap::new() }
    }

    /// Tells whether another key of a node is taken now, whoever brings it. Else a node that makes keys
    /// without end would have all others check and carry them.
    pub fn admit(&mut self, now: Time, node: NodeNumber) -> bool {
        let interval = self.timing.interval();
        let quota = self.quotas.entry(node).or_insert(Quota { left: BURST, since: now });
        let slots = now.since(quota.since).as_micros() / interval.as_micros();
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        quota.since = quota.since + interval.saturating_mul(slots);
        quota.left = quota.left.saturating_add(slots).min(BURST);
        let admitted = quota.left > 0;
        quota.left -= u32::from(admitted);
        admitted
    }

    /// Takes a node's announcement, which was verified.
    pub fn hear(&mut self, now: Time, announcement: &Announcement) {
        let Announcement { stays, descriptor } = announcement;
        let (node, hash) = (descriptor.descriptor().node, descriptor.hash());
        let key = Key { generation: descriptor.descriptor().generation, descriptor: hash };
        let keys = Keys { newest: key, before: None };
        let record = self.nodes.entry(node).or_insert(Record { heard: now, stays: *stays, keys });
        (record.heard, record.stays) = (now, *stays);
        let Keys { newest, .. } = record.keys;
        if key.generation > newest.generation {
            record.keys = Keys { newest: key, before: Some(newest) };
        }
    }

    /// What is to be said of all nodes of a roster that were heard.
    #[must_use]
    pub fn heard(&self, now: Time, roster: &Roster) -> Vec<Heard> {
        let known = self.nodes.iter().filter(|(node, _)| roster.node(**node).is_some());
        let heard = known.map(|(node, record)| Heard {
            node: *node,
            up: record.stays && now.since(record.heard) <= self.timing.heard_within(),
            keys: record.keys,
        });
        heard.collect()
    }

    /// Forgets the nodes that a roster does not have.
    pub fn forget_others(&mut self, roster: &Roster) {
        self.nodes.retain(|node, _| roster.node(*node).is_some());
        self.quotas.retain(|node, _| roster.node(*node).is_some());
    }
}

/// Keys of a node that may come at once: those that documents name and a new one.
const BURST: u32 = 3;
