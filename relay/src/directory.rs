//! The directory's duty: gathers descriptors and makes the document, on a fixed schedule.

use std::sync::Arc;

use rohrpost_node::{Follower, Node};
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::control::ControlMessage;
use rohrpost_proto::descriptor::DescriptorBook;
use rohrpost_proto::document::{Document, SignedDocument};
use rohrpost_proto::roster::Roster;
use rohrpost_proto::signing::SigningKey;
use rohrpost_proto::time::Time;
use tokio::sync::watch;

pub(crate) struct Gatherer<S: Suite> {
    number: NodeNumber,
    key: Arc<SigningKey>,
    roster: Arc<Roster>,
    book: DescriptorBook,
    follower: Follower<S>,
    documents: watch::Sender<Option<Arc<[u8]>>>,
    due: Time,
}

impl<S: Suite> Gatherer<S> {
    pub(crate) fn new(node: &Node<S>, documents: watch::Sender<Option<Arc<[u8]>>>) -> Self {
        let roster = Arc::clone(&node.prepared.roster);
        let due = node.clock.now().next_multiple(roster.directory.document_interval);
        Self {
            number: node.prepared.node.number,
            key: Arc::clone(&node.prepared.key),
            book: DescriptorBook::default(),
            follower: node.follower(),
            roster,
            documents,
            due,
        }
    }

    /// When the next document is to be made.
    pub(crate) const fn due(&self) -> Time {
        self.due
    }

    /// A control message: descriptors are kept; other relays' documents are theirs.
    pub(crate) fn hear(&mut self, now: Time, from: NodeNumber, message: &[u8]) {
        if let Ok(ControlMessage::Descriptor(signed)) = ControlMessage::decode(message) {
            let _ = self.book.insert(now, from, signed, &self.roster, S::ID);
        }
    }

    /// Makes the document that is due, follows it, and hands it out. Its number and bytes are for
    /// the clients.
    pub(crate) fn publish(&mut self, now: Time, own: Option<&[u8]>) -> Option<(u64, Vec<u8>)> {
        let interval = self.roster.directory.document_interval;
        let (start, number) = (self.due, self.due.slot(interval).number());
        self.due = now.next_multiple(interval);
        if let Some(own) = own {
            self.hear(now, self.number, own);
        }
        let document = Document {
            roster_version: self.roster.version,
            roster_hash: self.roster.hash,
            number,
            start,
            made: now,
            descriptors: self.book.current(now, &self.roster),
        };
        if document.descriptors.is_empty() {
            return None;
        }
        self.follower.adopt(&document);
        let signed = SignedDocument::sign(document, self.number, &self.key);
        let bytes = signed.encode();
        let message = ControlMessage::Document(signed).encode();
        self.documents.send_replace(Some(message.into()));
        Some((number, bytes))
    }
}
