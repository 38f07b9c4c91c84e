//! The documents that a mix follows: those of all relays, each verified, merged and handed to the
//! cover as a view.

use rohrpost_node::{Follower, Handle, Node};
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::control::ControlMessage;

use crate::job::CoverJob;

/// The task that takes documents, as long as the node runs.
pub(crate) struct Documents<S: Suite> {
    node: Node<S>,
    follower: Follower<S>,
    cover: Handle<CoverJob<S>>,
}

impl<S: Suite> Documents<S> {
    pub(crate) fn new(node: Node<S>, cover: Handle<CoverJob<S>>) -> Self {
        Self { follower: node.follower(), node, cover }
    }

    /// Takes control messages until there are no more links, and gives the name of what failed.
    pub(crate) async fn run(mut self) -> &'static str {
        while let Some((from, message)) = self.node.incoming.recv().await {
            self.take(from, &message);
        }
        "control links"
    }

    /// Adopts a relay's own document if it is newer than its last; other messages are left.
    fn take(&mut self, from: NodeNumber, message: &[u8]) {
        let Ok(ControlMessage::Document(signed)) = ControlMessage::decode(message) else {
            return;
        };
        let Ok(document) = signed.verify(&self.node.prepared.roster, from) else { return };
        if !self.follower.adopt(from, &document) {
            return;
        }
        let view = self.node.view.borrow().clone();
        if let Some(view) = view {
            let _ = self.cover.try_send(CoverJob::View(view));
        }
    }
}
