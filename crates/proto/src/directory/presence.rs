//! Presence: which nodes a relay hears, and by which keys. Its votes say so.

use std::collections::BTreeMap;

use rohrpost_packet::NodeNumber;

use crate::directory::consensus::vote::{Heard, Key, Keys};
use crate::directory::control::Announcement;
use crate::directory::descriptor::DescriptorHash;
use crate::directory::roster::Roster;
use crate::directory::timing::Timing;
use crate::time::Time;

/// What a relay hears of the nodes, over their own control links, and how often new keys come.
pub struct Presence {
    timing: Timing,
    /// Nodes that were heard: as many as the rosters in force name.
    nodes: BTreeMap<NodeNumber, Record>,
    /// Nodes of which new keys came: as many as the rosters in force name.
    quotas: BTreeMap<NodeNumber, Quota>,
}

struct Record {
    heard: Time,
    stays: bool,
    keys: Keys,
    /// Time at which the newest key was heard of first.
    changed: Time,
}

/// New keys that a node may announce: [`BURST`] at once, and one more with each slot.
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

    /// Tells whether another key than the last, which a node announces on its own link, is taken now. Else one that makes
    /// keys without end would have relays check them, and forget those that it was voted for.
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

    /// True if a node has announced this key last.
    #[must_use]
    pub fn is_newest(&self, node: NodeNumber, hash: &DescriptorHash) -> bool {
        self.nodes.get(&node).is_some_and(|record| record.keys.newest.descriptor == *hash)
    }

    /// Takes an announcement that a node has made on its own link, and that was verified.
    ///
    /// What comes there is of now, so the newest key is the one that came last: that of a node whose
    /// clock was set back, or that started twice in a second, is of no higher generation than the one
    /// before, and that is gone.
    pub fn hear(&mut self, now: Time, announcement: &Announcement) {
        let Announcement { stays, descriptor } = announcement;
        let (node, hash) = (descriptor.descriptor().node, descriptor.hash());
        let newest = Key { generation: descriptor.descriptor().generation, descriptor: hash };
        let before = self.nodes.get(&node);
        let record = match before {
            Some(Record { keys, changed, .. }) if keys.newest == newest => {
                Record { heard: now, stays: *stays, keys: *keys, changed: *changed }
            }
            _ => {
                // Who has not heard of it for long does not know which key it had meanwhile.
                let lately =
                    |record: &&Record| now.since(record.heard) <= self.timing.heard_within();
                let before = before.filter(lately).map(|record| record.keys.newest);
                let before = before.filter(|before| before.generation < newest.generation);
                let keys = Keys { newest, before };
                Record { heard: now, stays: *stays, keys, changed: now }
            }
        };
        self.nodes.insert(node, record);
    }

    /// Forgets nodes that no roster names any more.
    pub fn forget(&mut self, is_named: impl Fn(NodeNumber) -> bool) {
        self.nodes.retain(|node, _| is_named(*node));
        self.quotas.retain(|node, _| is_named(*node));
    }

    /// What is to be said of all nodes of a roster that were heard.
    #[must_use]
    pub fn heard(&self, now: Time, roster: &Roster) -> Vec<Heard> {
        let known = self.nodes.iter().filter(|(node, _)| roster.node(**node).is_some());
        let heard = known.map(|(node, record)| {
            let both = now.since(record.changed) <= self.timing.both_for();
            let Keys { newest, before } = record.keys;
            Heard {
                node: *node,
                up: record.stays && now.since(record.heard) <= self.timing.heard_within(),
                keys: Keys { newest, before: before.filter(|_| both) },
            }
        });
        heard.collect()
    }
}

/// Keys of a node that may come at once: those that documents name and a new one.
const BURST: u32 = 3;
