//! What the agent has seen of the network, and what of that a person should know.

use std::time::{Duration, Instant};

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;

use crate::api::{Health, MailboxHealth};
use crate::session::SessionEvent;
use crate::store::StoreError;
use crate::{Network, Profile};

/// What has been seen so far. It stays on the client's own machine.
pub(super) struct Watch {
    entry: String,
    nodes: usize,
    started: Instant,
    online: bool,
    trouble: Option<String>,
    nodes_up: usize,
    document: Option<Instant>,
    stale: bool,
    clock_ahead: Option<i64>,
    /// Since the last hour began, and in the hour before: sent and lost.
    loops: [(u64, u64); 2],
    hour: Instant,
    total: (u64, u64),
    mailboxes: Vec<Mailbox>,
    store: Option<String>,
}

struct Mailbox {
    number: NodeNumber,
    relay: String,
    /// Since when it is watched.
    since: Instant,
    answered: Option<Instant>,
}

impl Watch {
    pub(super) fn new(network: &Network, profile: &Profile) -> Self {
        let now = Instant::now();
        let mut watch = Self {
            entry: name(network, profile.entry),
            nodes: network.roster.nodes().count(),
            started: now,
            online: false,
            trouble: None,
            nodes_up: 0,
            document: None,
            stale: false,
            clock_ahead: None,
            loops: [(0, 0); 2],
            hour: now,
            total: (0, 0),
            mailboxes: Vec::new(),
            store: None,
        };
        watch.replace(network, profile);
        watch
    }

    /// Mailboxes may have changed.
    pub(super) fn replace(&mut self, network: &Network, profile: &Profile) {
        let relays = || profile.account.mailboxes.iter().map(|own| own.relay);
        self.mailboxes.retain(|mailbox| relays().any(|relay| relay == mailbox.number));
        for number in relays() {
            if self.mailboxes.iter().all(|mailbox| mailbox.number != number) {
                let (relay, since) = (name(network, number), Instant::now());
                self.mailboxes.push(Mailbox { number, relay, since, answered: None });
            }
        }
    }

    pub(super) fn hear(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Connected { clock_ahead } => {
                (self.online, self.trouble) = (true, None);
                self.clock_ahead = Some(*clock_ahead);
            }
            SessionEvent::Disconnected(error) => {
                (self.online, self.trouble) = (false, Some(error.to_string()));
            }
            SessionEvent::View(up) => {
                (self.nodes_up, self.document, self.stale) = (*up, Some(Instant::now()), false);
            }
            SessionEvent::Stale => self.stale = true,
            SessionEvent::Courier(event) => self.hear_courier(event),
        }
    }

    fn hear_courier(&mut self, event: &Event) {
        if self.hour.elapsed() >= HOUR {
            self.loops = [(0, 0), self.loops[0]];
            self.hour = Instant::now();
        }
        match event {
            Event::LoopSent => {
                self.loops[0].0 += 1;
                self.total.0 += 1;
            }
            Event::LoopLost => {
                self.loops[0].1 += 1;
                self.total.1 += 1;
            }
            Event::PullAnswered { relay, .. } => {
                let mut all = self.mailboxes.iter_mut();
                if let Some(mailbox) = all.find(|mailbox| mailbox.number == *relay) {
                    mailbox.answered = Some(Instant::now());
                }
            }
            _ => {}
        }
    }

    /// The store could not be read or written; said until the client is started again.
    pub(super) fn store_trouble(&mut self, error: &StoreError) {
        self.store = Some(error.to_string());
    }

    /// The relay of a mailbox that has not answered for [`LOST`] while another did all the time.
    pub(super) fn lost_mailbox(&self) -> Option<NodeNumber> {
        let silent =
            |mailbox: &&Mailbox| mailbox.answered.unwrap_or(mailbox.since).elapsed() >= LOST;
        let alive = |mailbox: &Mailbox| {
            mailbox.answered.is_some_and(|then| then.elapsed() < Duration::from_secs(60))
        };
        let any_alive = self.mailboxes.iter().any(alive);
        self.mailboxes.iter().find(silent).filter(|_| any_alive).map(|mailbox| mailbox.number)
    }

    pub(super) fn health(&self) -> Health {
        let age = |then: Instant| then.elapsed().as_secs();
        Health {
            online: self.online,
            entry: self.entry.clone(),
            nodes_up: self.nodes_up,
            nodes: self.nodes,
            document_age: self.document.map(age),
            clock_ahead: self.clock_ahead,
            loops_sent: self.total.0,
            loops_lost: self.total.1,
            mailboxes: self
                .mailboxes
                .iter()
                .map(|mailbox| MailboxHealth {
                    relay: mailbox.relay.clone(),
                    answered: mailbox.answered.map(age),
                })
                .collect(),
            problems: self.problems(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.store.clone());
        if let Some(trouble) = self.trouble.as_ref().filter(|_| !self.online) {
            problems.push(format!("no link to {}: {trouble}; it is tried again", self.entry));
        }
        if self.online && self.document.is_none() && self.started.elapsed() >= FIRST_DOCUMENT {
            problems.push(format!(
                "{} has sent no network document; nothing can leave until it does",
                self.entry
            ));
        }
        if self.stale {
            problems.push(
                "the network document is older than 120 s: nothing leaves and nothing is lost until \
                 there is a newer one; ask the operators whether the relays reach each other"
                    .to_owned(),
            );
        }
        if let Some(off) = self.clock_ahead.filter(|off| off.abs() >= CLOCK_OFF_MS) {
            let (minutes, way) = (off.abs() / 60_000, if off > 0 { "ahead" } else { "behind" });
            problems.push(format!(
                "this machine's clock is {minutes} minutes {way}; set it right, or the times of \
                 messages are wrong"
            ));
        }
        let (sent, lost) = (self.loops[0].0 + self.loops[1].0, self.loops[0].1 + self.loops[1].1);
        if lost >= LOOPS_LOST && lost * 10 >= sent {
            problems.push(format!(
                "{lost} of {sent} own loops did not come back: packets are being lost, or a node \
                 drops them; tell the operators"
            ));
        }
        for mailbox in &self.mailboxes {
            let silent = mailbox.answered.unwrap_or(mailbox.since).elapsed();
            if self.online && silent >= SILENT {
                problems.push(format!(
                    "the mailbox at {} has not answered for {} minutes; mail comes over the other, \
                     and after six hours a new one takes its place",
                    mailbox.relay,
                    silent.as_secs() / 60
                ));
            }
        }
        problems
    }
}

fn name(network: &Network, number: NodeNumber) -> String {
    let node = network.roster.node(number);
    node.map_or_else(|| number.to_string(), |node| node.name.clone())
}

const HOUR: Duration = Duration::from_secs(3600);
const FIRST_DOCUMENT: Duration = Duration::from_secs(30);
/// Five minutes, as clients' clocks may be off by that.
const CLOCK_OFF_MS: i64 = 300_000;
/// So many missing loops are no accident.
const LOOPS_LOST: u64 = 10;
const SILENT: Duration = Duration::from_secs(180);
/// A mailbox that does not answer for so long is given up. Longer than any maintenance; shorter than
/// the time that messages wait.
const LOST: Duration = Duration::from_secs(6 * 3600);
