//! A planned stop: the node says that it leaves, and stays until no packet is on its way to it.
//!
//! Documents that are made after that do not name the node, and everybody goes by them from the same
//! moment on. What was built before arrives within the longest way of a packet. For one way more those go
//! on who have a mailbox at a relay or enter there, and what they build arrives within another. So a
//! planned stop loses nothing but what a relay holds for people who are away.

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::consensus::document::Member;
use rohrpost_proto::directory::consensus::documents::Documents;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::time::{Slot, Time};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What the documents say of this node.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// Slot of the newest document at hand; none before the first.
    newest: Option<Slot>,
    /// Slot of the document that is in force, if one is.
    in_force: Option<Slot>,
    /// True if that one names this node.
    named: bool,
}

impl Standing {
    /// The standing of a node at a moment of the network's time.
    pub(crate) fn of(node: NodeNumber, documents: &Documents, time: Time) -> Self {
        let current = documents.current(time).map(|signed| &signed.document);
        let named = |members: &[_]| members.iter().any(|member: &Member| member.node == node);
        Self {
            newest: documents.newest().map(|signed| signed.document.slot),
            in_force: current.map(|document| document.slot),
            named: current.is_some_and(|document| named(&document.members)),
        }
    }

    /// True once a document is in force that was made when all had heard that the node leaves, and that
    /// is without it. `newest` was the newest document when the node said so: the votes for the one
    /// after that may have been on their way.
    fn has_left(&self, newest: Slot) -> bool {
        let made_later = |slot: Slot| slot.number() > newest.number() + 1;
        !self.named && self.in_force.is_some_and(made_later)
    }
}

/// A planned stop of a node.
pub(crate) struct PlannedStop {
    leaving: watch::Sender<bool>,
    standing: watch::Receiver<Standing>,
    /// Longest time to wait for a document without the node.
    patience: Duration,
    /// Time for which it is needed yet when there is one.
    linger: Duration,
}

impl PlannedStop {
    /// A stop of a node by the rules of a roster, which sets `leaving` when it begins.
    pub(crate) fn new(
        roster: &Roster,
        leaving: watch::Sender<bool>,
        standing: watch::Receiver<Standing>,
    ) -> Self {
        let timing = roster.directory.timing;
        let patience = timing.lead() + timing.interval() * SLOTS;
        Self { leaving, standing, patience, linger: roster.way() * 2 }
    }

    /// Longest time that the stop takes.
    pub(crate) fn longest(&self) -> Duration {
        self.patience + self.linger
    }

    /// Announces that the node leaves, and waits until nothing is on its way to it: not at all if no
    /// document has come since its start.
    pub(crate) async fn run(mut self) {
        self.leaving.send_replace(true);
        let Some(newest) = self.standing.borrow_and_update().newest else { return };
        // Where no documents are made any more, nobody builds packets either.
        let left = self.standing.wait_for(|standing| standing.has_left(newest));
        let _ = timeout(self.patience, left).await;
        sleep(self.linger).await;
    }
}

/// Slots to wait for a document without the node, beside the time from a document's slot to its start:
/// the one under way, the one after, and two that give none.
const SLOTS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(30);
    const PATIENCE: Duration = Duration::from_secs(100);

    const fn standing(newest: u64, in_force: u64, named: bool) -> Standing {
        let (newest, in_force) = (Some(Slot::new(newest)), Some(Slot::new(in_force)));
        Standing { newest, in_force, named }
    }

    struct Scene {
        documents: watch::Sender<Standing>,
        leaving: watch::Receiver<bool>,
        stop: tokio::task::JoinHandle<()>,
        begun: tokio::time::Instant,
    }

    impl Scene {
        /// A node that is told to stop at this standing.
        async fn new(standing: Standing) -> Self {
            let (documents, receiver) = watch::channel(standing);
            let (leaving, hears) = watch::channel(false);
            let stop =
                PlannedStop { leaving, standing: receiver, patience: PATIENCE, linger: LINGER };
            let (stop, begun) = (tokio::spawn(stop.run()), tokio::time::Instant::now());
            tokio::task::yield_now().await;
            Self { documents, leaving: hears, stop, begun }
        }

        /// Goes on to the end; gives the time that it took in all.
        async fn end(self) -> Duration {
            self.stop.await.unwrap();
            assert!(*self.leaving.borrow());
            self.begun.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_stays_until_a_document_without_it_holds_and_its_packets_are_there() {
        let scene = Scene::new(standing(16, 10, true)).await;
        assert!(*scene.leaving.borrow(), "it says so at once");
        for slot in 11..18 {
            sleep(Duration::from_secs(10)).await;
            scene.documents.send_replace(standing(slot + 6, slot, true));
        }
        sleep(Duration::from_secs(10)).await;
        assert!(!scene.stop.is_finished());
        scene.documents.send_replace(standing(24, 18, false));
        assert_eq!(scene.end().await, Duration::from_secs(80) + LINGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_was_just_started_waits_for_the_documents_that_name_it() {
        // The one in force is of before its start; those from 12 on name it.
        let scene = Scene::new(standing(16, 10, false)).await;
        for slot in 11..18 {
            sleep(Duration::from_secs(10)).await;
            scene.documents.send_replace(standing(slot + 6, slot, slot >= 12));
            assert!(!scene.stop.is_finished());
        }
        scene.documents.send_replace(standing(24, 18, false));
        assert_eq!(scene.end().await, Duration::from_secs(70) + LINGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_does_not_wait_for_ever_where_no_documents_are_made() {
        assert_eq!(Scene::new(standing(16, 10, true)).await.end().await, PATIENCE + LINGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_has_seen_no_document_ends_at_once() {
        assert_eq!(Scene::new(Standing::default()).await.end().await, Duration::ZERO);
    }
}
