//! Health of the client's network: what the agent has seen of it, and what of that a person should
//! know. Time is an argument.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::view::Shortage;

use super::trouble::BOUND;
use crate::api::{Health, MailboxHealth};
use crate::session::SessionEvent;
use crate::store::StoreError;

/// Observations so far, which stay on the client's own machine.
pub(super) struct Watch {
    entry: String,
    nodes: usize,
    started: Instant,
    online: bool,
    trouble: Option<String>,
    /// Nodes that the newest document names.
    up: BTreeSet<NodeNumber>,
    document: Option<Instant>,
    stale: bool,
    /// Age at which a document is stale.
    stale_after: Duration,
    /// Version of the roster that this client goes by, and its first day without force.
    roster: u32,
    expires: String,
    /// True once that has come.
    expired: bool,
    /// Relays that it names; mailboxes elsewhere are lost.
    relays: BTreeSet<NodeNumber>,
    /// Version of the roster that the entry relay goes by, if it is another.
    other_roster: Option<u32>,
    /// What the newest document names too little of.
    shortage: Option<Shortage>,
    clock_ahead: Option<i64>,
    /// True once a document has come over this link: then the relay's clock is borne out.
    borne_out: bool,
    /// Loops that were sent and lost, since the last hour began and in the hour before.
    loops: [(u64, u64); 2],
    hour: Instant,
    total: (u64, u64),
    mailboxes: Vec<Mailbox>,
    /// Time up to which their silence is counted.
    counted: Instant,
    store: Option<String>,
    /// Damage that the last check of the whole store has found.
    damage: Option<String>,
    /// Time of the last loop of another copy of this client.
    twin: Option<Instant>,
    /// The disk's error, while the store cannot be written.
    disk: Option<String>,
    /// Contacts that have shown that the store is an older copy.
    surpassed: BTreeSet<String>,
}

struct Mailbox {
    number: NodeNumber,
    relay: String,
    answered: Option<Instant>,
    /// Time with a link since the mailbox answered last: no night counts, in which the machine slept.
    silent: Duration,
    /// The same, of which no document has named the relay.
    missing: Duration,
}

impl Watch {
    /// Begins to watch for a client that enters at a relay of this name, in a network of this roster.
    pub(super) fn new(entry: String, roster: &Roster, now: Instant) -> Self {
        Self {
            entry,
            nodes: roster.nodes().count(),
            roster: roster.version,
            expires: roster.expires.clone(),
            expired: false,
            relays: roster.relays().map(|relay| relay.number).collect(),
            other_roster: None,
            started: now,
            online: false,
            trouble: None,
            up: BTreeSet::new(),
            document: None,
            stale: false,
            stale_after: roster.directory.timing.stale_after(),
            shortage: None,
            clock_ahead: None,
            borne_out: false,
            loops: [(0, 0); 2],
            hour: now,
            total: (0, 0),
            mailboxes: Vec::new(),
            counted: now,
            store: None,
            damage: None,
            twin: None,
            disk: None,
            surpassed: BTreeSet::new(),
        }
    }

    /// Goes by a newer roster.
    pub(super) fn follow_roster(&mut self, roster: &Roster) {
        self.nodes = roster.nodes().count();
        self.roster = roster.version;
        self.expires.clone_from(&roster.expires);
        self.relays = roster.relays().map(|relay| relay.number).collect();
    }

    /// Watches a client that enters through the relay of this name from now on.
    pub(super) fn enter(&mut self, entry: String) {
        self.entry = entry;
        (self.online, self.trouble, self.other_roster) = (false, None, None);
    }

    /// Watches the mailboxes at these relays from now on.
    pub(super) fn follow(&mut self, relays: &[(NodeNumber, String)]) {
        self.mailboxes.retain(|known| relays.iter().any(|(number, _)| *number == known.number));
        for (number, relay) in relays {
            if self.mailboxes.iter().all(|mailbox| mailbox.number != *number) {
                let (number, relay) = (*number, relay.clone());
                let (silent, missing) = (Duration::ZERO, Duration::ZERO);
                self.mailboxes.push(Mailbox { number, relay, answered: None, silent, missing });
            }
        }
    }

    pub(super) fn handle_event(&mut self, event: &SessionEvent, now: Instant) {
        match event {
            SessionEvent::Connected { clock_ahead } => {
                (self.online, self.trouble) = (true, None);
                (self.clock_ahead, self.borne_out) = (Some(*clock_ahead), false);
                self.counted = now;
            }
            SessionEvent::Disconnected(error) => {
                (self.online, self.trouble) = (false, Some(error.to_string()));
            }
            SessionEvent::View { up, shortage, .. } => {
                self.count_silence(up, now);
                (self.document, self.stale, self.expired) = (Some(now), false, false);
                self.other_roster = None;
                self.borne_out = true;
                self.shortage = *shortage;
            }
            SessionEvent::Stale => self.stale = true,
            SessionEvent::Expired => self.expired = true,
            SessionEvent::Roster { .. } => self.other_roster = None,
            SessionEvent::OtherRoster { version } => self.other_roster = Some(*version),
            SessionEvent::Written(_) => {}
            SessionEvent::Courier(event) => self.handle_courier_event(event, now),
        }
    }

    /// Counts for how long mailboxes have been silent, and their relays missing in documents.
    fn count_silence(&mut self, up: &BTreeSet<NodeNumber>, now: Instant) {
        let linked = now.duration_since(self.counted);
        for mailbox in &mut self.mailboxes {
            mailbox.silent += linked;
            let missing = mailbox.missing + linked;
            mailbox.missing = if up.contains(&mailbox.number) { Duration::ZERO } else { missing };
        }
        self.counted = now;
        self.up.clone_from(up);
    }

    fn handle_courier_event(&mut self, event: &Event, now: Instant) {
        if now.duration_since(self.hour) >= HOUR {
            self.loops = [(0, 0), self.loops[0]];
            self.hour = now;
        }
        match event {
            Event::LoopSent => {
                self.loops[0].0 += 1;
                self.total.0 += 1;
            }
            Event::LoopLost { .. } => {
                self.loops[0].1 += 1;
                self.total.1 += 1;
            }
            Event::PullAnswered { relay, .. } => self.answered(*relay, now),
            _ => {}
        }
    }

    fn answered(&mut self, relay: NodeNumber, now: Instant) {
        let mut all = self.mailboxes.iter_mut();
        if let Some(mailbox) = all.find(|mailbox| mailbox.number == relay) {
            (mailbox.answered, mailbox.silent) = (Some(now), Duration::ZERO);
        }
    }

    /// Notes that something could not be done with the store. Where the disk has failed,
    /// [`Self::disk_trouble`] tells of it.
    pub(super) fn store_trouble(&mut self, error: &StoreError) {
        if !error.is_of_the_disk() && !matches!(error, StoreError::Unavailable(_)) {
            self.store = Some(error.to_string());
        }
    }

    /// Notes that the disk has failed and the client has no link, or that all is well again.
    pub(super) fn disk_trouble(&mut self, error: Option<String>) {
        if error.is_some() {
            (self.online, self.trouble) = (false, None);
        }
        self.disk = error;
    }

    /// Notes the result of a check of the whole store: damage is a problem until a check finds none.
    /// A disk that fails is told of elsewhere, and says nothing of what is on it.
    pub(super) fn store_checked(&mut self, result: &Result<(), StoreError>) {
        match result {
            Ok(()) => self.damage = None,
            Err(error) if error.is_damage() => {
                self.damage = Some(format!("the daily check: {error}"));
            }
            Err(_) => {}
        }
    }

    /// Notes a loop of another copy of this client, which is to stop.
    pub(super) const fn twin(&mut self, now: Instant) {
        self.twin = Some(now);
    }

    /// Notes that a contact has shown that the store is an older copy.
    pub(super) fn older_copy(&mut self, contact: &str) {
        self.surpassed.insert(contact.to_owned());
    }

    /// The relay of a mailbox that is not in the roster any more, or has not answered for [`LOST`]
    /// while another mailbox did all the time, or while no document has named the relay. If the
    /// relays are there and none answers it is the client that is cut off.
    pub(super) fn lost_mailbox(&self, now: Instant) -> Option<NodeNumber> {
        let mut retired = self.mailboxes.iter().filter(|mailbox| !self.is_listed(mailbox));
        if let Some(retired) = retired.next() {
            return Some(retired.number);
        }
        let answers = |mailbox: &Mailbox| {
            mailbox.answered.is_some_and(|then| now.duration_since(then) < ANSWERS)
        };
        let any_answers = self.mailboxes.iter().any(answers);
        let mut silent = self.mailboxes.iter().filter(|mailbox| mailbox.silent >= LOST);
        let lost = silent.find(|mailbox| any_answers || mailbox.missing >= LOST);
        lost.map(|mailbox| mailbox.number)
    }

    /// Relays of the mailboxes.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = NodeNumber> {
        self.mailboxes.iter().map(|mailbox| mailbox.number)
    }

    /// Tells whether the newest document names a node.
    pub(super) fn is_up(&self, node: NodeNumber) -> bool {
        self.up.contains(&node)
    }

    fn is_listed(&self, mailbox: &Mailbox) -> bool {
        self.relays.contains(&mailbox.number)
    }

    pub(super) fn health(&self, now: Instant) -> Health {
        let age = |then: Instant| now.duration_since(then).as_secs();
        let mailbox = |mailbox: &Mailbox| MailboxHealth {
            relay: mailbox.relay.clone(),
            answered: mailbox.answered.map(age),
        };
        Health {
            online: self.online,
            entry: self.entry.clone(),
            nodes_up: self.up.len(),
            nodes: self.nodes,
            roster: self.roster,
            document_age: self.document.map(age),
            clock_ahead: self.clock_ahead,
            daily_bytes: 0,
            loops_sent: self.total.0,
            loops_lost: self.total.1,
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
            problems: self.problems(now),
        }
    }

    fn problems(&self, now: Instant) -> Vec<String> {
        let one = [
            self.disk_problem(),
            self.store.clone(),
            self.damage.clone(),
            self.copy_problem(),
            self.twin_problem(now),
            self.roster_problem(),
            self.expiry_problem(),
            self.link_problem(now),
            self.document_problem(),
            self.shortage_problem(),
            self.clock_problem(),
            self.loops_problem(),
        ];
        let listed = |mailbox: &&Mailbox| self.online && self.is_listed(mailbox);
        let mailboxes = self.mailboxes.iter().filter(listed);
        one.into_iter()
            .flatten()
            .chain(self.mailboxes.iter().filter_map(|mailbox| self.retired_problem(mailbox)))
            .chain(mailboxes.filter_map(Mailbox::problem))
            .collect()
    }

    fn disk_problem(&self) -> Option<String> {
        let error = self.disk.as_ref()?;
        Some(format!(
            "{error}: what comes could not be stored, so the client is off the network, and what is \
             at its mailboxes stays there; it goes on by itself as soon as it can write, and ends \
             if it cannot within {} minutes. See that the disk has room and is sound",
            BOUND.as_secs() / 60
        ))
    }

    fn copy_problem(&self) -> Option<String> {
        let contacts: Vec<_> = self.surpassed.iter().map(String::as_str).collect();
        (!contacts.is_empty()).then(|| {
            let contacts = contacts.join(", ");
            format!(
                "{contacts}: they know of messages that this client's files do not have, because \
                 the files were put back from an older copy or could not be written; what is \
                 missing has to be sent again by hand. New messages are not affected"
            )
        })
    }

    fn twin_problem(&self, now: Instant) -> Option<String> {
        let last = self.twin.filter(|last| now.duration_since(*last) < HOUR)?;
        let minutes = now.duration_since(last).as_secs() / 60;
        Some(format!(
            "another copy of this client ran {minutes} minutes ago, and got a part of the mail: its \
             files were copied. The other one stops when it notices; run one of them only, and to \
             move a client, use backup and restore"
        ))
    }

    /// The roster of the relay is another one: that says why there is no document, or an old one.
    fn roster_problem(&self) -> Option<String> {
        let (own, theirs) = (self.roster, self.other_roster.filter(|_| self.online)?);
        let begin =
            format!("{} goes by roster {theirs}, and this client by roster {own}", self.entry);
        Some(match theirs.cmp(&own) {
            Ordering::Greater => format!(
                "{begin}, which is out of date: nothing leaves and nothing is lost until it has the \
                 newer one. Ask your agency for the network's files, install them with `rohrpost \
                 network install DIR`, and start the daemon again"
            ),
            Ordering::Less => format!(
                "{begin}: nothing leaves and nothing is lost until the relay has the newer one; tell \
                 its operator"
            ),
            Ordering::Equal => format!(
                "{begin}, but another one of that number: somebody was given other files than the \
                 rest. Nothing leaves and nothing is lost; compare the network's files with those of \
                 your agency"
            ),
        })
    }

    fn expiry_problem(&self) -> Option<String> {
        self.expired.then(|| {
            format!(
                "roster {} holds until {}, and that day is over: nothing leaves and nothing is lost \
                 until there is a newer one. It comes over the network as soon as the agencies have \
                 signed it; or install it with `rohrpost network install DIR`",
                self.roster, self.expires
            )
        })
    }

    fn retired_problem(&self, mailbox: &Mailbox) -> Option<String> {
        (!self.is_listed(mailbox)).then(|| {
            format!(
                "the mailbox at node {} is lost, for roster {} does not name that relay any more: a \
                 new one takes its place within minutes online, if the roster has a relay for it, and \
                 contacts are told. What was in it is sent again",
                mailbox.number, self.roster
            )
        })
    }

    fn link_problem(&self, now: Instant) -> Option<String> {
        if self.online {
            let overdue = now.duration_since(self.started) >= FIRST_DOCUMENT
                && self.other_roster.is_none()
                && !self.expired;
            return (self.document.is_none() && overdue).then(|| {
                format!(
                    "{} has sent no network document; nothing can leave until it does",
                    self.entry
                )
            });
        }
        let trouble = self.trouble.as_ref()?;
        Some(format!("no link to {}: {trouble}; it is tried again", self.entry))
    }

    fn document_problem(&self) -> Option<String> {
        (self.stale && self.other_roster.is_none()).then(|| {
            format!(
                "the network document is older than {} s: nothing leaves and nothing is lost \
                 until there is a newer one; ask the operators whether the relays reach each other",
                self.stale_after.as_secs()
            )
        })
    }

    fn shortage_problem(&self) -> Option<String> {
        let shortage = self.shortage.filter(|_| self.online && !self.stale)?;
        let entry = &self.entry;
        Some(format!(
            "the network document of {entry} names {shortage}: nothing leaves and nothing is lost \
             until it names more, for too few could follow all packets; ask the operators whether \
             the others are down, or {entry} leaves them out"
        ))
    }

    fn clock_problem(&self) -> Option<String> {
        let off = self.clock_ahead.filter(|off| self.online && off.abs() >= CLOCK_OFF_MS)?;
        let (minutes, way) = (off.abs() / 60_000, if off > 0 { "ahead" } else { "behind" });
        Some(if self.borne_out {
            format!(
                "this machine's clock is {minutes} minutes {way}; set it right, or the times of \
                 messages are wrong"
            )
        } else {
            format!(
                "this machine's clock is {minutes} minutes {way} when compared with that of {}; a \
                 network document will show which is wrong",
                self.entry
            )
        })
    }

    fn loops_problem(&self) -> Option<String> {
        let (sent, lost) = (self.loops[0].0 + self.loops[1].0, self.loops[0].1 + self.loops[1].1);
        (lost >= LOOPS_LOST && lost * 10 >= sent).then(|| {
            format!(
                "{lost} of {sent} own loops did not come back: packets are being lost, or a node \
                 drops them; tell the operators"
            )
        })
    }
}

impl Mailbox {
    fn problem(&self) -> Option<String> {
        (self.silent >= SILENT).then(|| {
            format!(
                "the mailbox at {} has not answered for {} minutes; mail comes over the other, and \
                 after six hours a new one takes its place",
                self.relay,
                self.silent.as_secs() / 60
            )
        })
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const FIRST_DOCUMENT: Duration = Duration::from_secs(30);
/// Milliseconds by which a clock is off: five minutes, as clients' clocks may be off by that
/// ([`TOLERANCE`](rohrpost_proto::time::agreement::TOLERANCE)).
const CLOCK_OFF_MS: i64 = 300_000;
/// Lost loops that are no accident any more.
const LOOPS_LOST: u64 = 10;
const SILENT: Duration = Duration::from_secs(180);
/// A mailbox answers if it has done so within this time: some dozens of answers by the default
/// rates.
const ANSWERS: Duration = Duration::from_secs(60);
/// Time without an answer after which a mailbox is given up. Longer than any maintenance; shorter
/// than the time that messages wait.
const LOST: Duration = Duration::from_secs(6 * 3600);

#[cfg(test)]
mod tests;
