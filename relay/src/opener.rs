//! A worker of a relay: it opens the last layer of every packet and follows the command that it
//! finds, to a mailbox or to a client's session.

use std::sync::Arc;

use rohrpost_node::{Node, Work};
use rohrpost_packet::{Buffer, Command, Suite};
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::{Hop, Refusal};
use rohrpost_proto::instruction::{Instruction, RelayContext};
use rohrpost_proto::lock::Unpoison;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::Time;

use crate::state::Shared;

/// A frame off a packet link.
pub(crate) struct Sealed {
    pub(crate) from: Ingress,
    pub(crate) frame: Buffer,
}

pub(crate) struct Opener<S: Suite> {
    hop: Arc<Hop<S>>,
    context: RelayContext,
    shared: Arc<Shared<S>>,
}

impl<S: Suite> Opener<S> {
    pub(crate) fn new(node: &Node<S>, shared: Arc<Shared<S>>) -> Self {
        let context = RelayContext {
            network: node.prepared.roster.network_id,
            relay: node.prepared.node.number,
            join_key: node.prepared.trust.join_key().clone(),
        };
        Self { hop: Arc::clone(&node.hop), context, shared }
    }

    fn open(&self, now: Time, job: Sealed) -> Result<(), Refusal> {
        let frame = Frame::decode(job.frame).map_err(|_| Refusal::Frame)?;
        let opened = self.hop.open(job.from, frame)?;
        let route = *opened.route();
        match route.command {
            Command::Deliver => {
                let body = opened.deliver().map_err(|_| Refusal::Payload)?;
                self.shared.mailboxes.handle(now, Instruction::decode(&body, &self.context)?)
            }
            Command::Reply => {
                let (id, payload) = opened.reply();
                let mut entry = self.shared.entry.lock().unpoison();
                entry.handle_reply(route.session, id, payload)
            }
            Command::Forward | Command::Loop => Err(Refusal::Command),
        }
    }
}

impl<S: Suite> Work for Opener<S> {
    type Job = Sealed;

    fn handle(&mut self, now: Time, job: Sealed) {
        if let Err(reason) = self.open(now, job) {
            self.shared.metrics.drop_packet(reason);
        }
    }

    fn due(&self) -> Option<Time> {
        None
    }

    fn run_due(&mut self, _: Time) {}
}
