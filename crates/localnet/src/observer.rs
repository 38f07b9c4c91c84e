//! The observer of a local network: a capture from before its nodes start to their end, and the
//! manifest to read it by.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rohrpost_measure::output::tell;
use rohrpost_network::{Network, unix_now};
use rohrpost_packet::{Classic, Hybrid, NodeNumber};
use rohrpost_proto::directory::roster::{Role, Roster, SuiteName};
use rohrpost_proto::frame::frame_len;
use rohrpost_proto::time::Slot;
use serde_json::Value;
use tokio::time::sleep;

use crate::capture::{
    Capture, CaptureError, Manifest, ManifestClient, ManifestLink, ManifestNode, Sniffer,
    own_udp_ports,
};
use crate::error::LocalnetError;
use crate::message::MESSAGES_PERIOD;
use crate::plan::Plan;
use crate::report;

/// Watches one network.
pub(crate) struct Observer {
    capture: Capture,
    manifest: Manifest,
    roster: Arc<Roster>,
    messages_from: OnceLock<Duration>,
    /// The writing clients, with the slots of their letters: a few hundred in ten minutes.
    clients: Mutex<Vec<ManifestClient>>,
}

impl Observer {
    /// Begins to watch the nodes of the roster.
    pub(crate) fn start(sniffer: Sniffer, network: &Network) -> Result<Self, CaptureError> {
        let manifest = manifest(network);
        let capture = sniffer.start(manifest.nodes.iter().map(|node| node.address).collect())?;
        let (roster, messages_from) = (Arc::clone(&network.roster), OnceLock::new());
        Ok(Self { capture, manifest, roster, messages_from, clients: Mutex::default() })
    }

    /// Notes that messages of these clients of this process, each with its entry relay, and cover
    /// alone take turns from now on.
    pub(crate) fn messages_begin(&self, clients: [(&str, NodeNumber); 2]) {
        let ports = own_udp_ports();
        let client = |(name, entry): (&str, NodeNumber)| ManifestClient {
            name: name.to_owned(),
            entry: self.roster.node(entry).map(|node| node.name.clone()).unwrap_or_default(),
            ports: ports.clone(),
            letters: Vec::new(),
        };
        *self.clients.lock().unwrap_or_else(PoisonError::into_inner) = clients.map(client).into();
        let _ = self.messages_from.set(unix_now());
    }

    /// Notes that a letter of the client with this index left in this slot.
    pub(crate) fn note_letter(&self, client: usize, slot: Slot) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get_mut(client) {
            client.letters.push(slot.number());
        }
    }

    /// Asks the nodes, which still run, what their packet links have carried. A link on which half
    /// a frame is on its way just then is asked again; one that carries anything but whole frames
    /// stays as it is, and shows in the manifest.
    pub(crate) async fn note_links(&mut self, plan: &Plan) {
        for _ in 0..ATTEMPTS {
            for link in links(&report::gather(plan).await) {
                let known = self.manifest.links.iter_mut();
                let known = known.into_iter().find(|it| it.from == link.from && it.to == link.to);
                match known {
                    Some(known) if !is_whole(known, self.manifest.frame_len) => *known = link,
                    Some(_) => {}
                    None => self.manifest.links.push(link),
                }
            }
            if self.manifest.links.iter().all(|link| is_whole(link, self.manifest.frame_len)) {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Ends the capture and writes the manifest.
    pub(crate) fn finish(mut self) -> Result<(), LocalnetError> {
        let path = self.capture.path().to_owned();
        let counts = self.capture.finish()?;
        self.manifest.missed = counts.missed;
        self.manifest.messages_from =
            self.messages_from.get().and_then(|at| u64::try_from(at.as_micros()).ok());
        self.manifest.clients = self.clients.into_inner().unwrap_or_else(PoisonError::into_inner);
        Capture::write_manifest(&path, &self.manifest)?;
        let path = path.display();
        tell(&format!(
            "captured {} datagrams to {path} ({} missed); what they show:\n  \
             rohrpost-adversary wire {path}",
            counts.kept, counts.missed
        ));
        Ok(())
    }
}

fn manifest(network: &Network) -> Manifest {
    let roster = &network.roster;
    let frame_len = match roster.suite {
        SuiteName::Hybrid => frame_len::<Hybrid>(),
        SuiteName::Classic => frame_len::<Classic>(),
    };
    let node = |node: &rohrpost_proto::directory::roster::RosterNode| {
        let layer = match node.role {
            Role::Relay => None,
            Role::Mix { layer } => Some(layer + 1),
        };
        let entry = |address| ManifestNode { name: node.name.clone(), layer, address };
        node.addresses.iter().copied().map(entry).collect::<Vec<_>>()
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let frame_len = u64::try_from(frame_len).unwrap_or(u64::MAX);
    Manifest {
        messages_period_ms: millis(MESSAGES_PERIOD),
        nodes: roster.nodes().flat_map(node).collect(),
        ..Manifest::new(roster.suite.as_str(), millis(roster.traffic.slot), frame_len)
    }
}

/// Both ends of each packet link, by what the nodes show.
fn links(parties: &[(String, Value)]) -> Vec<ManifestLink> {
    let received = |from: &str, to: &str| {
        let receiver = parties.iter().find(|(name, _)| name == to);
        receiver.and_then(|(_, saw)| saw["bytes_from"][from].as_u64()).unwrap_or(0)
    };
    let sent = parties.iter().flat_map(|(from, saw)| {
        let to = saw["bytes_to"].as_object().into_iter().flatten();
        to.map(move |(to, bytes)| (from, to, bytes.as_u64().unwrap_or(0)))
    });
    sent.map(|(from, to, sent_bytes)| ManifestLink {
        from: from.clone(),
        to: to.clone(),
        sent_bytes,
        received_bytes: received(from, to),
    })
    .collect()
}

const fn is_whole(link: &ManifestLink, frame_len: u64) -> bool {
    link.sent_bytes.is_multiple_of(frame_len) && link.received_bytes.is_multiple_of(frame_len)
}

/// Times that links are asked, and the pause between.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_ends_of_a_link_are_joined() {
        let parties = [
            ("a".to_owned(), json!({ "bytes_to": { "b": 30 }, "bytes_from": {} })),
            ("b".to_owned(), json!({ "bytes_to": {}, "bytes_from": { "a": 20 } })),
        ];
        let link = |sent_bytes, received_bytes| ManifestLink {
            from: "a".to_owned(),
            to: "b".to_owned(),
            sent_bytes,
            received_bytes,
        };
        assert_eq!(links(&parties), [link(30, 20)]);
        assert!(is_whole(&link(30, 20), 10));
        assert!(!is_whole(&link(30, 21), 10));
        assert!(!is_whole(&link(31, 20), 10));
    }
}
