//! The neighbours of a node: packet links to the nodes after it, control links to the relays, and the
//! right of the nodes before it to open some. They follow the rosters in force while the node runs
//! (`docs/directory.md`, A new roster).

use std::collections::BTreeMap;
use std::sync::Arc;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::consensus::rosters::Rosters;
use rohrpost_proto::directory::roster::{Role, RosterNode};
use rohrpost_proto::directory::signing::IdentityKey;
use rohrpost_proto::places::Places;
use rohrpost_proto::replay::SPARE_LINKS;
use rohrpost_transport::{ControlChannels, ControlDialer, NodeEndpoint, PeerAddress, Peers};
use tokio::sync::watch;

use crate::links::Outboxes;
use crate::log::Event;
use crate::prepared::Prepared;
use crate::readiness::{LinkSort, LinkWatch};

/// All that a node holds open to other nodes, or lets them open.
pub struct Neighbours {
    own: RosterNode,
    endpoint: Arc<NodeEndpoint>,
    outboxes: Arc<Outboxes>,
    places: Arc<Places>,
    /// Control links to the other relays: as many as at the start, and [`SPARE_LINKS`], at most.
    control: BTreeMap<NodeNumber, (IdentityKey, ControlDialer)>,
    most_control: usize,
    channels: ControlChannels,
    watch: LinkWatch,
    /// The rosters in force, for whoever asks.
    rosters: watch::Sender<Rosters>,
}

impl Neighbours {
    /// Dials the neighbours that a node has by the roster that it starts with.
    pub(crate) fn connect(
        prepared: &Prepared,
        endpoint: Arc<NodeEndpoint>,
        channels: ControlChannels,
        watch: LinkWatch,
    ) -> Self {
        let (roster, own) = (&prepared.roster, prepared.node.clone());
        let rosters = Rosters::new(Arc::clone(roster));
        let (after, bound) =
            (roster.successors(own.role).count(), prepared.config.limits.queue_packets);
        let mut neighbours = Self {
            places: Arc::new(Places::new(roster, own.role)),
            own,
            endpoint,
            outboxes: Arc::new(Outboxes::new(after, bound, Arc::clone(&watch.metrics))),
            control: BTreeMap::new(),
            most_control: roster.relays().count() + SPARE_LINKS,
            channels,
            watch,
            rosters: watch::channel(rosters.clone()).0,
        };
        neighbours.dial(&rosters);
        neighbours
    }

    /// Goes by these rosters from now on, if they are others than before.
    pub fn follow(&mut self, rosters: &Rosters) {
        if *self.rosters.borrow() == *rosters {
            return;
        }
        let before = self.rosters.borrow().newest().roster.version;
        let mut without = self.places.follow(rosters);
        self.endpoint.follow(peers(rosters, self.own.role));
        without.extend(self.dial(rosters));
        self.rosters.send_replace(rosters.clone());
        let newest = &rosters.newest().roster;
        if newest.version != before {
            self.watch.log.write(&Event::Roster { version: newest.version });
            self.tell_place(rosters);
        }
        for node in without.into_iter().filter_map(|node| rosters.node(node)) {
            self.watch.log.write(&Event::NoRoom(&node.name));
        }
    }

    /// The rosters in force, and their changes.
    #[must_use]
    pub fn rosters(&self) -> watch::Receiver<Rosters> {
        self.rosters.subscribe()
    }

    /// Outboxes to the nodes after this one.
    #[must_use]
    pub const fn outboxes(&self) -> &Arc<Outboxes> {
        &self.outboxes
    }

    /// Places of the links into the node.
    #[must_use]
    pub const fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Dials whoever is new, and gives up the links to those who are gone or elsewhere. Gives the nodes
    /// for which there is no room.
    fn dial(&mut self, rosters: &Rosters) -> Vec<NodeNumber> {
        let after = rosters.union(|roster| roster.successors(self.own.role));
        let mut without = self.outboxes.follow(&self.endpoint, &after, &self.watch);
        let mut relays = rosters.union(|roster| roster.relays());
        relays.retain(|relay| relay.number != self.own.number);
        let Self { control, watch, .. } = self;
        control.retain(|number, (identity, dialer)| {
            let relay = watch.keep(LinkSort::Control, *number, identity, &relays);
            relay.inspect(|relay| dialer.readdress(&relay.addresses)).is_some()
        });
        for relay in relays {
            if control.contains_key(&relay.number) {
                continue;
            }
            if control.len() >= self.most_control {
                without.push(relay.number);
                continue;
            }
            let changed = watch.link(LinkSort::Control, relay);
            let (peer, channels) = (PeerAddress::from(relay), self.channels.clone());
            let dialer = ControlDialer::connect(&self.endpoint, peer, channels, changed);
            control.insert(relay.number, (relay.identity, dialer));
        }
        without
    }

    /// Says so if the newest roster has no place for this node any more, or another one.
    fn tell_place(&self, rosters: &Rosters) {
        let newest = &rosters.newest().roster;
        let version = newest.version;
        let event = match newest.node(self.own.number) {
            None => Event::Retired { version },
            Some(node) if node.role != self.own.role || node.identity != self.own.identity => {
                Event::Moved { version }
            }
            Some(_) => return,
        };
        self.watch.log.write(&event);
    }
}

/// The nodes from which one of this role accepts links: each under the key that the newest roster has for
/// it.
pub(crate) fn peers(rosters: &Rosters, role: Role) -> Peers {
    let newest = &rosters.newest().roster;
    // Last the nodes of the newest: a key may have come to another number.
    let (nodes, older): (Vec<_>, Vec<_>) = rosters
        .union(|roster| roster.nodes())
        .into_iter()
        .partition(|node| newest.node(node.number).is_some());
    let nodes = older.into_iter().chain(nodes);
    let before = rosters.union(|roster| roster.predecessors(role));
    Peers {
        nodes: nodes.map(|node| (node.identity, node.number)).collect(),
        predecessors: before.into_iter().map(|node| node.number).collect(),
    }
}
