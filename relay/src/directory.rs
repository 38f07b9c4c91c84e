//! The directory's duty of a relay: it gathers descriptors and makes the document, on a fixed
//! schedule.

use std::sync::Arc;

use rohrpost_node::{Follower, Handle, Node};
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::control::ControlMessage;
use rohrpost_proto::directory::descriptor::DescriptorBook;
use rohrpost_proto::directory::document::{NetworkDocument, SignedDocument};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::lock::Unpoison;
use rohrpost_proto::time::Time;
use tokio::sync::watch;

use crate::state::Shared;

/// The task that takes descriptors and keeps the directory's time, as long as the node runs.
pub(crate) struct Directory<S: Suite> {
    pub(crate) node: Node<S>,
    pub(crate) gatherer: Gatherer<S>,
    pub(crate) shared: Arc<Shared<S>>,
    /// Keeps the thread of the answers; it is given no jobs.
    pub(crate) _answers: Handle<()>,
}

impl<S: Suite> Directory<S> {
    /// Gathers and publishes until there are no more control links, and gives the name of what
    /// failed.
    pub(crate) async fn run(mut self) -> &'static str {
        loop {
            let due = self.node.clock.until(self.gatherer.due());
            tokio::select! {
                message = self.node.incoming.recv() => match message {
                    Some((from, message)) => {
                        self.gatherer.handle_message(self.node.clock.now(), from, &message);
                    }
                    None => return "control links",
                },
                () = tokio::time::sleep(due) => self.publish(),
            }
        }
    }

    /// Makes the document that is due, and gives it to the entry for the clients.
    fn publish(&mut self) {
        let own = self.node.descriptor.borrow().clone();
        let published = self.gatherer.publish(self.node.clock.now(), own.as_deref());
        if let Some((number, bytes)) = published {
            let mut entry = self.shared.entry.lock().unpoison();
            entry.set_document(number, &bytes);
        }
    }
}

/// Gathers the descriptors of all nodes and makes documents of them.
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

    /// Time at which the next document is to be made.
    pub(crate) const fn due(&self) -> Time {
        self.due
    }

    /// Takes a control message: descriptors are stored; other relays' documents are theirs.
    pub(crate) fn handle_message(&mut self, now: Time, from: NodeNumber, message: &[u8]) {
        if let Ok(ControlMessage::Descriptor(signed)) = ControlMessage::decode(message) {
            let _ = self.book.insert(now, from, signed, &self.roster, S::ID);
        }
    }

    /// Makes the document that is due, follows it, and hands it out. Its number and bytes are for
    /// the clients.
    pub(crate) fn publish(&mut self, now: Time, own: Option<&[u8]>) -> Option<(u64, Vec<u8>)> {
        let start = self.due;
        self.due = now.next_multiple(self.roster.directory.document_interval);
        if let Some(own) = own {
            self.handle_message(now, self.number, own);
        }
        let document = NetworkDocument::of(&self.roster, &mut self.book, start, now);
        if document.descriptors.is_empty() {
            return None;
        }
        self.follower.adopt(self.number, &document);
        let signed = SignedDocument::sign(document, self.number, &self.key);
        let (number, bytes) = (signed.number(), signed.encode());
        let message = ControlMessage::Document(signed).encode();
        self.documents.send_replace(Some(message.into()));
        Some((number, bytes))
    }
}
