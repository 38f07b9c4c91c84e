//! Places of the links into a node: by its place a link has its quota of the replay memory, its share of
//! the pool and its counters. Rosters change while a node runs, and places stay (`docs/directory.md`,
//! A new roster).

use std::collections::HashSet;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rohrpost_packet::NodeNumber;

use crate::directory::consensus::rosters::Rosters;
use crate::directory::roster::{Role, Roster, RosterNode};
use crate::lock::Unpoison;
use crate::replay::{Ingress, SPARE_LINKS};

/// The nodes before and after one that runs, by the rosters in force. All its threads share it.
pub struct Places {
    role: Role,
    /// Changes so far.
    changes: AtomicU64,
    known: RwLock<Known>,
}

struct Known {
    /// The node before this one that has each place: as many as at the start, and [`SPARE_LINKS`] that
    /// were free then.
    before: Vec<Option<Neighbour>>,
    /// The nodes to which packets go on: as many as the rosters in force name.
    after: HashSet<NodeNumber>,
}

struct Neighbour {
    number: NodeNumber,
    operator: String,
    /// True if older rosters alone have it there.
    leaves: bool,
}

impl Neighbour {
    fn of(node: &RosterNode, newest: &Roster) -> Self {
        let leaves = newest.node(node.number).is_none_or(|newest| newest.role != node.role);
        Self { number: node.number, operator: node.operator.clone(), leaves }
    }
}

impl Places {
    /// Places for the links into a node of this role, which starts with this roster: those of the nodes
    /// before it, in their order, and [`SPARE_LINKS`] more.
    #[must_use]
    pub fn new(roster: &Roster, role: Role) -> Self {
        let before = roster.predecessors(role).map(|node| Some(Neighbour::of(node, roster)));
        let before = before.chain((0..SPARE_LINKS).map(|_| None)).collect();
        let after = roster.successors(role).map(|node| node.number).collect();
        let known = RwLock::new(Known { before, after });
        Self { role, changes: AtomicU64::new(0), known }
    }

    /// Goes by these rosters from now on: a node that none of them names leaves its place, and a new one
    /// takes one that is free. Gives the nodes before this one for which none is left.
    pub fn follow(&self, rosters: &Rosters) -> Vec<NodeNumber> {
        let newest = &rosters.newest().roster;
        let named = rosters.union(|roster| roster.predecessors(self.role));
        let after = rosters.union(|roster| roster.successors(self.role));
        let mut known = self.known.write().unpoison();
        known.after = after.into_iter().map(|node| node.number).collect();
        for place in &mut known.before {
            let node = place.as_ref().map(|held| held.number);
            let node = named.iter().find(|named| Some(named.number) == node);
            *place = node.map(|node| Neighbour::of(node, newest));
        }
        let mut without = Vec::new();
        for node in named {
            if known.place_of(node.number).is_some() {
                continue;
            }
            match known.before.iter_mut().find(|place| place.is_none()) {
                Some(free) => *free = Some(Neighbour::of(node, newest)),
                None => without.push(node.number),
            }
        }
        self.changes.fetch_add(1, Ordering::Release);
        without
    }

    /// The link into this node from another; none if that has no place before it.
    #[must_use]
    pub fn ingress(&self, from: NodeNumber) -> Option<Ingress> {
        self.known.read().unpoison().place_of(from).map(Ingress::new)
    }

    /// Number of changes so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The nodes to which packets go on.
    pub(crate) fn after(&self) -> HashSet<NodeNumber> {
        self.known.read().unpoison().after.clone()
    }

    /// The operator of each place's node; none for a place that is free, or whose node is not there any
    /// more by the newest roster.
    pub(crate) fn operators(&self) -> Vec<Option<String>> {
        let known = self.known.read().unpoison();
        let operator = |held: &Neighbour| (!held.leaves).then(|| held.operator.clone());
        known.before.iter().map(|place| place.as_ref().and_then(operator)).collect()
    }
}

impl Known {
    fn place_of(&self, node: NodeNumber) -> Option<usize> {
        self.before.iter().position(|place| place.as_ref().is_some_and(|held| held.number == node))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::roster::{Directory, SuiteName, Traffic};
    use crate::directory::signing::SigningKey;
    use crate::directory::trust::{Agency, JoinKey, TrustRoot};

    const ROLE: Role = Role::Mix { layer: 1 };

    /// A roster of this version: relay 1, mix 2 in the first layer and these beside it, mix 3 in the
    /// second, mix 4 in the third.
    fn roster(version: u32, before: &[u32]) -> Arc<Roster> {
        let key = |number: u32| {
            let mut seed = [9; 32];
            seed[..4].copy_from_slice(&number.to_be_bytes());
            SigningKey::from_seed(&seed).public()
        };
        let agency =
            |number: u32| Agency { name: format!("agency-{number}"), key: key(100 + number) };
        let trust = TrustRoot::new("test".into(), vec![agency(1)], 1, JoinKey::new([1; 32]));
        let node = |number: u32, role| RosterNode {
            number: NodeNumber::new(number),
            name: format!("node-{number}"),
            operator: "agency-1".into(),
            role,
            addresses: vec![([10, 0, 0, 1], u16::try_from(number).unwrap()).into()],
            identity: key(number),
        };
        let mut nodes: Vec<_> =
            before.iter().map(|number| node(*number, Role::Mix { layer: 0 })).collect();
        nodes.extend([
            node(1, Role::Relay),
            node(3, ROLE),
            node(4, Role::Mix { layer: 2 }),
            node(4 + version, Role::Mix { layer: 2 }),
        ]);
        let traffic = Traffic::default();
        let directory = Directory::of(&traffic);
        let suite = SuiteName::Classic;
        let text = Roster::render("test", "2999-01-01", suite, &traffic, &directory, &nodes);
        let text = text.replacen("version = 1", &format!("version = {version}"), 1);
        Arc::new(Roster::draft(&text, &trust.unwrap()).unwrap())
    }

    fn place(places: &Places, number: u32) -> Option<usize> {
        places.ingress(NodeNumber::new(number)).map(Ingress::place)
    }

    #[test]
    fn a_node_keeps_its_place_while_others_come_and_go() {
        let places = Places::new(&roster(1, &[20, 30]), ROLE);
        let mut rosters = Rosters::new(roster(1, &[20, 30]));
        assert_eq!([20, 30, 40].map(|node| place(&places, node)), [Some(0), Some(1), None]);
        rosters.take(roster(2, &[10, 30])).unwrap();
        assert_eq!(places.follow(&rosters), []);
        let found = [20, 30, 10].map(|node| place(&places, node));
        assert_eq!(found, [Some(0), Some(1), Some(2)], "both rosters are in force");
        let after: Vec<_> = [4, 5, 6, 7].map(NodeNumber::new).into();
        assert_eq!(after.iter().filter(|node| places.after().contains(node)).count(), 3);
        rosters.forget_before(2);
        assert_eq!(places.follow(&rosters), []);
        assert_eq!([20, 30, 10].map(|node| place(&places, node)), [None, Some(1), Some(2)]);
        assert!(!places.after().contains(&NodeNumber::new(5)));
        rosters.take(roster(3, &[10, 30, 50])).unwrap();
        assert_eq!(places.follow(&rosters), []);
        assert_eq!(place(&places, 50), Some(0), "a place that is free again");
        assert_eq!(places.changes(), 3);
    }

    #[test]
    fn who_finds_no_place_is_told_of() {
        let places = Places::new(&roster(1, &[20]), ROLE);
        let mut rosters = Rosters::new(roster(1, &[20]));
        let many: Vec<_> = (20..32).collect();
        rosters.take(roster(2, &many)).unwrap();
        let without = places.follow(&rosters);
        assert_eq!(without, [29, 30, 31].map(NodeNumber::new));
        assert_eq!(places.operators().into_iter().flatten().count(), 1 + SPARE_LINKS);
    }
}
