//! The documents that a mix follows, by the word of k agencies, from whichever relay they come.

use std::sync::Arc;

use rohrpost_node::{Handle, Node, Outlook, apart};
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::clocks::Clocks;
use rohrpost_proto::directory::control::ControlMessage;
use rohrpost_proto::directory::follower::{Follower, News};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::directory::views::{Turn, Views};
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::TOLERANCE;

use crate::job::CoverJob;

/// The task that takes documents, as long as the node runs.
pub(crate) struct Documents<S: Suite> {
    node: Node<S>,
    views: Views<S>,
    clocks: Clocks,
    outlook: Outlook<S>,
    cover: Handle<CoverJob<S>>,
    /// What the cover is to go by, until it has been told.
    owed: Option<Option<Arc<View<S>>>>,
}

impl<S: Suite> Documents<S> {
    pub(crate) fn new(node: Node<S>, cover: Handle<CoverJob<S>>) -> Self {
        let (trust, roster) = (Arc::clone(&node.prepared.trust), Arc::clone(&node.prepared.roster));
        let views = Views::new(Follower::new(trust, roster, S::ID));
        Self { outlook: node.outlook(), node, views, clocks: Clocks::default(), cover, owed: None }
    }

    /// Takes control messages and keeps the starts of documents until there are no more links, and
    /// gives the name of what failed.
    pub(crate) async fn run(mut self) -> &'static str {
        let mut news = News::None;
        loop {
            let until = self.views.due().since(self.network_time());
            tokio::select! {
                message = self.node.incoming.recv() => match message {
                    Some((from, message)) => {
                        (self, news) = apart(move || self.take(from, &message)).await;
                    }
                    None => return "control links",
                },
                () = tokio::time::sleep(until) => {}
            }
            self.turn();
            self.follow_rosters(std::mem::replace(&mut news, News::None));
        }
    }

    /// Keeps links to the nodes that the rosters in force name. The cover sees their places change.
    fn follow_rosters(&mut self, news: News) {
        let rosters = self.views.follower().rosters();
        self.node.neighbours.follow(rosters);
        self.outlook.tell_rosters(rosters, news);
    }

    /// Takes what a relay says, which may take many signatures. What is malformed, not genuine or old counts as not said.
    fn take(mut self, from: NodeNumber, message: &[u8]) -> (Self, News) {
        let (time, mut news) = (self.network_time(), News::None);
        match ControlMessage::decode(message) {
            Ok(ControlMessage::Clock(said)) => {
                let roster = &self.views.follower().rosters().newest().roster;
                self.clocks.hear(self.node.clock.now(), from, said, roster);
            }
            Ok(ControlMessage::Object(object)) => {
                news = self.views.take(time, object).unwrap_or(News::None);
            }
            Ok(_) | Err(_) => {}
        }
        (self, news)
    }

    /// Goes by what holds now.
    fn turn(&mut self) {
        let time = self.network_time();
        let turn = self.views.turn(time);
        match &turn {
            Turn::View(view) => self.owed = Some(Some(Arc::clone(view))),
            Turn::Stale => self.owed = Some(None),
            Turn::Same | Turn::Renewed => {}
        }
        // Its queue may be full: it is told at the next turn then.
        if let Some(view) = &self.owed
            && self.cover.try_send(CoverJob::View(view.clone())).is_ok()
        {
            self.owed = None;
        }
        self.outlook.tell(time, turn, self.views.follower().documents());
        self.outlook.tell_clock(self.relays_ahead());
    }

    fn relays_ahead(&self) -> Option<i64> {
        let roster = &self.views.follower().rosters().newest().roster;
        self.clocks.ahead(self.node.clock.now(), roster, roster.directory.timing.heard_within())
    }

    fn network_time(&self) -> Time {
        let roster = &self.views.follower().rosters().newest().roster;
        let fresh = roster.directory.timing.heard_within();
        self.clocks.network_time(self.node.clock.now(), roster, fresh, TOLERANCE)
    }
}
