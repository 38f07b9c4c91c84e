//! The directory's duty of a relay: it is an authority, and gives its clients what it knows.

use std::sync::Arc;

use rohrpost_node::{Handle, Node, Outlook, apart};
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::authority::{Authority, AuthorityConfig};
use rohrpost_proto::directory::board::{Audience, Board};
use rohrpost_proto::directory::control::ControlMessage;
use rohrpost_proto::directory::follower::News;
use rohrpost_proto::lock::Unpoison;
use rohrpost_proto::time::Time;
use tokio::sync::watch;

use crate::state::Shared;

/// The task that keeps the directory's time and takes control messages, as long as the node runs.
pub(crate) struct Directory<S: Suite> {
    node: Node<S>,
    authority: Authority<S>,
    outlook: Outlook<S>,
    board: watch::Sender<Board>,
    shared: Arc<Shared<S>>,
    /// Keeps the thread of the answers; it is given no jobs.
    _answers: Handle<()>,
}

impl<S: Suite> Directory<S> {
    pub(crate) fn new(
        node: Node<S>,
        board: watch::Sender<Board>,
        shared: Arc<Shared<S>>,
        answers: Handle<()>,
    ) -> Self {
        let prepared = &node.prepared;
        let config = AuthorityConfig {
            number: prepared.node.number,
            key: Arc::clone(&prepared.key),
            trust: Arc::clone(&prepared.trust),
            roster: Arc::clone(&prepared.roster),
            files: prepared.files.clone(),
        };
        let authority = Authority::begin(node.clock.now(), config);
        Self { outlook: node.outlook(), node, authority, board, shared, _answers: answers }
    }

    /// Keeps the duty until there are no more control links, and gives the name of what failed.
    pub(crate) async fn run(mut self) -> &'static str {
        let mut due = self.node.clock.now();
        let mut news = News::None;
        loop {
            tokio::select! {
                message = self.node.incoming.recv() => match message {
                    Some((from, message)) => (self, news) = self.handle(from, message).await,
                    None => return "control links",
                },
                changed = self.node.announcements.changed() => match changed {
                    Ok(()) => self.hear_own(),
                    Err(_) => return "announcer",
                },
                () = tokio::time::sleep(self.node.clock.until(due)) => {
                    let now = self.node.clock.now();
                    self.authority.step(now);
                    due = self.authority.due(now);
                }
            }
            self.publish(self.node.clock.now());
            self.follow_rosters(std::mem::replace(&mut news, News::None));
        }
    }

    /// Takes a message, which may take as many signatures as the network has nodes.
    async fn handle(mut self, from: NodeNumber, message: Vec<u8>) -> (Self, News) {
        apart(move || {
            let Ok(message) = ControlMessage::decode(&message) else { return (self, News::None) };
            let news = self.authority.handle(self.node.clock.now(), from, message);
            (self, news)
        })
        .await
    }

    /// Keeps links to the nodes that the rosters in force name.
    fn follow_rosters(&mut self, news: News) {
        let rosters = self.authority.follower().rosters();
        self.node.neighbours.follow(rosters);
        self.outlook.tell_rosters(rosters, news);
    }

    /// Hears the own announcement, as all relays do.
    fn hear_own(&mut self) {
        let own = self.node.announcements.borrow_and_update().after(0, Audience::All);
        if let Some(message) = own.and_then(|(_, bytes)| ControlMessage::decode(&bytes).ok()) {
            self.authority.handle(self.node.clock.now(), self.node.prepared.node.number, message);
        }
    }

    /// Goes by what holds now, and gives out what there is to say: to nodes by the board, to clients by
    /// the entry's carousel.
    fn publish(&mut self, now: Time) {
        let turn = self.authority.turn(now);
        let time = self.authority.time(now);
        self.outlook.tell(time, turn, self.authority.follower().documents());
        self.outlook.tell_clock(self.authority.ahead(now));
        if self.authority.has_posts() {
            self.board.send_modify(|board| self.authority.post_to(now, board));
            let contents = Arc::new(self.authority.contents());
            self.shared.entry.lock().unpoison().set_directory(contents);
        }
    }
}
