//! What nodes show to whoever comes as a client: that they answer under their keys, and of a relay its
//! clock, its newest roster and its newest document. Nothing is sent but cells that carry nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rohrpost_measure::progress::{BAR, bar};
use rohrpost_network::{Network, machine_time};
use rohrpost_packet::{Classic, Hybrid, NodeNumber, SessionId, Suite};
use rohrpost_proto::directory::carousel::object::{Object, RosterFiles};
use rohrpost_proto::directory::carousel::receiver::Receiver;
use rohrpost_proto::directory::carousel::room::Room;
use rohrpost_proto::directory::consensus::document::{Document, DocumentHash};
use rohrpost_proto::directory::follower::{Follower, News};
use rohrpost_proto::directory::roster::{Role, RosterNode, SuiteName};
use rohrpost_proto::frame::{DownCell, UpCell, frame_len};
use rohrpost_proto::time::{Slot, Time};
use rohrpost_transport::{ClientLink, PeerAddress, Segmentation, connect, reach};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

/// What was seen of one node.
pub(crate) struct Sight {
    /// The node, by the files at hand.
    pub(crate) node: RosterNode,
    /// Time of a handshake, or why there was none.
    pub(crate) reached: Result<Duration, String>,
    /// What it shows as a relay, as far as it came in time.
    pub(crate) shown: Shown,
}

/// What a relay has shown.
#[derive(Default)]
pub(crate) struct Shown {
    /// Milliseconds by which its clock is ahead of this machine's.
    pub(crate) ahead: Option<i64>,
    /// Its newest roster, if that is another than the one at hand and the agencies have signed it.
    pub(crate) newer: Option<(u32, RosterFiles)>,
    /// True once its roster has come, newer or not.
    pub(crate) has_roster: bool,
    /// Its newest document that holds.
    pub(crate) newest: Option<Newest>,
    /// All documents of it that hold.
    pub(crate) documents: BTreeMap<Slot, DocumentHash>,
}

/// The newest document of a relay.
pub(crate) struct Newest {
    pub(crate) slot: Slot,
    /// Time since that slot began, by the machine's clock.
    pub(crate) age: Duration,
    /// The nodes that it names.
    pub(crate) nodes: BTreeSet<NodeNumber>,
}

/// Looks at nodes of a network, at all of them at once.
pub(crate) async fn look(network: &Arc<Network>, nodes: Vec<RosterNode>) -> Vec<Sight> {
    let (mut looks, count) = (JoinSet::new(), nodes.len());
    let quiet = !std::io::IsTerminal::is_terminal(&std::io::stderr());
    let bar = bar(quiet, u64::try_from(count).unwrap_or(0), BAR);
    bar.set_message("nodes");
    for node in nodes {
        let network = Arc::clone(network);
        looks.spawn(async move {
            match network.roster.suite {
                SuiteName::Hybrid => look_at::<Hybrid>(&network, node).await,
                SuiteName::Classic => look_at::<Classic>(&network, node).await,
            }
        });
    }
    let mut all = Vec::new();
    while let Some(seen) = looks.join_next().await {
        bar.inc(1);
        all.extend(seen.ok());
    }
    bar.finish_and_clear();
    all.sort_by_key(|sight| sight.node.number);
    all
}

async fn look_at<S: Suite>(network: &Network, node: RosterNode) -> Sight {
    let peer = PeerAddress::from(&node);
    let reached = reach(&peer, frame_len::<S>()).await.map_err(|error| error.to_string());
    let mut shown = Shown::default();
    if node.role == Role::Relay && reached.is_ok() {
        shown = listen::<S>(network, &peer).await;
    }
    Sight { node, reached, shown }
}

/// Takes what a relay gives to any client, until all has come or it has had its time.
async fn listen<S: Suite>(network: &Network, peer: &PeerAddress) -> Shown {
    let (mut shown, slot) = (Shown::default(), network.roster.traffic.slot);
    let linked = connect(peer, frame_len::<S>(), Segmentation::default()).await;
    let Ok(ClientLink { mut sender, mut receiver }) = linked else { return shown };
    let mut follower =
        Follower::new(Arc::clone(&network.trust), Arc::clone(&network.roster), S::ID);
    let mut carousel = Receiver::default();
    let patience = Room::of(&network.roster).patience().max(LEAST);
    let (end, mut next) = (Instant::now() + patience, Instant::now());
    let mut name = [0; 16];
    rand::rng().fill_bytes(&mut name);
    let mut cell = UpCell::<S>::Hello(SessionId::new(name));
    while !shown.is_complete() && Instant::now() < end {
        let bytes = cell.encode(&mut rand::rng());
        if sender.send(&bytes).await.is_err() {
            break;
        }
        cell = UpCell::Idle;
        next += slot;
        // A cell that is half read when the slot is over is read on in the next.
        let Ok(received) = timeout_at(end, receiver.recv()).await else { break };
        let Ok(Some(bytes)) = received else { break };
        if let Ok(down) = DownCell::<S>::decode(&bytes) {
            shown.take(&mut follower, &mut carousel, down);
        }
        sleep_until(next).await;
    }
    sender.close();
    shown
}

impl Shown {
    const fn is_complete(&self) -> bool {
        self.ahead.is_some() && self.has_roster && self.newest.is_some()
    }

    fn take<S: Suite>(
        &mut self,
        follower: &mut Follower,
        carousel: &mut Receiver,
        cell: DownCell<S>,
    ) {
        let machine = machine_time();
        self.ahead = Some(millis_ahead(cell.time, machine));
        let object = cell.chunk.and_then(|chunk| carousel.take(chunk).ok().flatten());
        let Some(object) = object else { return };
        let files = match &object {
            Object::Roster(files) => Some(files.clone()),
            _ => None,
        };
        // By the relay's time: whether its clock is right is seen apart.
        let news = follower.take(cell.time, object);
        if let Some(files) = files {
            self.has_roster = true;
            if let Ok(News::Roster { version } | News::Unfollowed { version, .. }) = news {
                self.newer = Some((version, files.essential(follower.trust())));
            }
        }
        let documents = follower.documents();
        self.documents
            .extend(documents.iter().map(|signed| (signed.document.slot, signed.document.hash())));
        self.newest = documents.newest().map(|signed| {
            let Document { slot, members, .. } = &signed.document;
            let nodes = members.iter().map(|member| member.node).collect();
            Newest { slot: *slot, age: machine.since(documents.timing().begin_of(*slot)), nodes }
        });
    }
}

/// Milliseconds by which a time is ahead of another.
fn millis_ahead(time: Time, of: Time) -> i64 {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    millis(time.since(of)) - millis(of.since(time))
}

/// Least time that a relay has to show all: a round of the carousel of a small network.
const LEAST: Duration = Duration::from_secs(60);
