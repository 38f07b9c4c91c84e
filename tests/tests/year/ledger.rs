//! The ledger: an independent account of what was sent and what has come, by the texts alone, of
//! which no two are the same, and the law that the stores at the end are held against.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use rohrpost_client::{DeliveryStatus, Store};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::time::Time;

use crate::calendar::{BEGIN, DAY, Kind};
use crate::machine::text;

/// Account of all that happens to messages and people in a run.
pub(crate) struct Ledger {
    kinds: Vec<Kind>,
    /// Messages in the order of sending.
    messages: Vec<Entry>,
    by_text: BTreeMap<String, usize>,
    /// Times for which each person's client had a link.
    online: Vec<Vec<Range<Time>>>,
    /// Contacts of whom each person was told that they know more than its store does.
    older_copies: BTreeSet<(usize, usize)>,
    /// Relays that are there to the end, but for upgrades.
    relays: BTreeSet<NodeNumber>,
    /// Times at which nodes lost their memory.
    losses: Vec<(Time, NodeNumber)>,
}

/// A message.
struct Entry {
    from: usize,
    to: usize,
    at: Time,
    expires: Time,
    text: String,
    /// Id by which the sender's client names the message.
    id: String,
    /// Times at which the reader was told of the message, by a store that is still there.
    arrived: Vec<Time>,
    /// True if the sender's client did not accept the message.
    refused: bool,
    /// True if the sender's store went back to a time before the message.
    forgotten: bool,
    /// If the message had come, and the reader's store went back to a time before that: how, and when.
    lost: Option<(Loss, Time)>,
}

/// The way in which a store went back in time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Its user restored a backup, and knows it.
    Restored,
    /// An older copy was put in its place, and nobody told the client.
    PutBack,
}

/// End of a run, in numbers.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) messages: usize,
    pub(crate) delivered: usize,
    pub(crate) expired: usize,
    pub(crate) undeliverable: usize,
    /// Messages that their sender's client did not accept.
    pub(crate) refused: usize,
    /// Messages that one of their ends lost with an older copy of its store.
    pub(crate) lost: usize,
    /// What breaks the law, in words.
    pub(crate) faults: Vec<String>,
}

/// Stores at the end of a run.
struct End {
    outboxes: Vec<BTreeMap<String, DeliveryStatus>>,
    /// Texts in each inbox, in order.
    inboxes: Vec<Vec<usize>>,
}

impl Ledger {
    /// An empty account of people, in a network where these relays are there to the end.
    pub(crate) fn new(kinds: Vec<Kind>, relays: BTreeSet<NodeNumber>) -> Self {
        let online = vec![Vec::new(); kinds.len()];
        Self {
            kinds,
            messages: Vec::new(),
            by_text: BTreeMap::new(),
            online,
            older_copies: BTreeSet::new(),
            relays,
            losses: Vec::new(),
        }
    }

    /// Enters a message that is about to be sent, and gives its text.
    pub(crate) fn post(&mut self, from: usize, to: usize, at: Time, expires: Time) -> String {
        let number = self.messages.len();
        let text = format!("message {number} of {from} to {to}");
        self.by_text.insert(text.clone(), number);
        self.messages.push(Entry {
            from,
            to,
            at,
            expires,
            text: text.clone(),
            id: String::new(),
            arrived: Vec::new(),
            refused: false,
            forgotten: false,
            lost: None,
        });
        text
    }

    /// Enters the id that the sender's client has given to a message.
    pub(crate) fn accepted(&mut self, text: &str, id: String) {
        self.messages[self.by_text[text]].id = id;
    }

    /// Enters that the sender's client has not accepted a message.
    pub(crate) fn refused(&mut self, text: &str) {
        self.messages[self.by_text[text]].refused = true;
    }

    /// Enters that a reader was told of a message.
    pub(crate) fn arrived(&mut self, text: &str, at: Time) {
        self.messages[self.by_text[text]].arrived.push(at);
    }

    /// Enters that a person's client has a link from now on.
    pub(crate) fn linked(&mut self, person: usize, now: Time) {
        self.online[person].push(now..Time::LATEST);
    }

    /// Enters that a person's client has no link any more.
    pub(crate) fn unlinked(&mut self, person: usize, now: Time) {
        if let Some(last) = self.online[person].last_mut().filter(|last| last.end > now) {
            last.end = now;
        }
    }

    /// Enters that a node loses its memory.
    pub(crate) fn lost_memory(&mut self, node: NodeNumber, now: Time) {
        self.losses.push((now, node));
    }

    /// Enters that a person's store goes back now to what it was then.
    pub(crate) fn went_back(&mut self, person: usize, [then, now]: [Time; 2], loss: Loss) {
        for entry in &mut self.messages {
            entry.forgotten |= entry.from == person && entry.at >= then;
            if entry.to == person && entry.arrived.iter().any(|at| *at >= then) {
                entry.arrived.retain(|at| *at < then);
                entry.lost = Some((loss, now));
            }
        }
    }

    /// Enters that a person was told that a contact knows more than its store does.
    pub(crate) fn told_of_older_copy(&mut self, person: usize, contact: usize) {
        self.older_copies.insert((person, contact));
    }

    /// Holds the stores of all people against the account.
    pub(crate) fn judge(&self, stores: &[Store]) -> Summary {
        assert_eq!(stores.len(), self.kinds.len(), "one store each");
        let end = End {
            outboxes: stores.iter().map(statuses).collect(),
            inboxes: stores.iter().map(|store| self.inbox(store)).collect(),
        };
        let mut summary = Summary { messages: self.messages.len(), ..Summary::default() };
        for (number, entry) in self.messages.iter().enumerate() {
            if let Err(fault) = self.judge_entry(number, entry, &end, &mut summary) {
                let (at, expires) = (day(entry.at), day(entry.expires));
                let came: Vec<_> = entry.arrived.iter().map(|at| day(*at)).collect();
                let text = &entry.text;
                let words = format!("{text}: {fault}; sent {at}, expires {expires}, came {came:?}");
                summary.faults.push(words);
            }
        }
        self.judge_outboxes(&end, &mut summary);
        for (reader, inbox) in end.inboxes.iter().enumerate() {
            self.judge_order(reader, inbox, &mut summary);
        }
        summary
    }

    /// Judges one message by its status at the sender and its copies at the reader.
    fn judge_entry(
        &self,
        number: usize,
        entry: &Entry,
        end: &End,
        summary: &mut Summary,
    ) -> Result<(), String> {
        let came = end.inboxes[entry.to].iter().filter(|other| **other == number).count();
        if came > 1 || entry.arrived.len() > 1 {
            return Err(format!("{came} copies in the inbox"));
        }
        if entry.refused {
            summary.refused += 1;
            return if came == 0 { Ok(()) } else { Err("refused, and there".into()) };
        }
        let status = end.outboxes[entry.from].get(&entry.id).copied();
        match status {
            Some(DeliveryStatus::Delivered) => summary.delivered += 1,
            Some(DeliveryStatus::Expired) => summary.expired += 1,
            Some(DeliveryStatus::Undeliverable) => summary.undeliverable += 1,
            _ => {}
        }
        if entry.forgotten {
            summary.lost += 1;
            return Ok(());
        }
        let told = |since| {
            // A letter of the sender tells it, if one comes.
            self.older_copies.contains(&(entry.to, entry.from))
                || self.rounds([entry.from, entry.to], since..Time::from_micros(u64::MAX)) < ENOUGH
        };
        match (status, entry.lost) {
            (Some(DeliveryStatus::Delivered), _) if came == 1 => Ok(()),
            (Some(DeliveryStatus::Delivered), Some((Loss::PutBack, at))) if !told(at) => {
                Err("lost with an older copy, of which the reader was not told".into())
            }
            (Some(DeliveryStatus::Delivered), Some(_)) => {
                summary.lost += 1;
                Ok(())
            }
            (Some(DeliveryStatus::Delivered), None) => Err("delivered, and not there".into()),
            (Some(DeliveryStatus::Expired), _) => {
                match self.rounds([entry.from, entry.to], entry.at..entry.expires) {
                    ..ENOUGH => Ok(()),
                    rounds => Err(format!("expired, with {rounds} occasions to arrive")),
                }
            }
            (Some(status), _) if self.kinds[entry.from] != Kind::Departed => {
                Err(format!("still {status:?}"))
            }
            (None, _) => Err("not in the outbox".into()),
            _ => Ok(()),
        }
    }

    /// Judges the outboxes: nothing is in them that the clients have not accepted.
    fn judge_outboxes(&self, end: &End, summary: &mut Summary) {
        let accepted: BTreeSet<&str> = self.messages.iter().map(|entry| &*entry.id).collect();
        for (sender, outbox) in end.outboxes.iter().enumerate() {
            let strange = outbox.keys().filter(|id| !accepted.contains(&***id));
            summary.faults.extend(strange.map(|id| format!("{id} of {sender}: never accepted")));
        }
    }

    /// Judges an inbox: the messages of each sender are in the order of sending.
    fn judge_order(&self, reader: usize, inbox: &[usize], summary: &mut Summary) {
        let mut last: BTreeMap<usize, usize> = BTreeMap::new();
        for number in inbox {
            let entry = &self.messages[*number];
            if entry.to != reader {
                summary.faults.push(format!("{}: it came to {reader}", entry.text));
            }
            if last.insert(entry.from, *number).is_some_and(|before| before >= *number) {
                summary.faults.push(format!("{}: it came after a later one", entry.text));
            }
        }
    }

    fn inbox(&self, store: &Store) -> Vec<usize> {
        let inbox = store.inbox(0).expect("an inbox that can be read");
        let read = |number| store.read(number).expect("a message that can be read").1;
        inbox.iter().map(|incoming| self.by_text[&text(&read(incoming.number))]).collect()
    }

    /// Number of times within these that a letter could have come, and its acknowledgement too, then
    /// or with a later letter.
    fn rounds(&self, [sender, reader]: [usize; 2], within: Range<Time>) -> u32 {
        let (mut rounds, mut from) = (0, within.start);
        loop {
            let sent = self.after_hours_online(sender, from);
            let read = sent.and_then(|sent| self.arrives(sent, [sender, reader]));
            let heard = read.and_then(|read| self.arrives(read, [reader, sender]));
            let Some(heard) = heard.filter(|heard| *heard <= within.end) else { return rounds };
            rounds += 1;
            from = heard;
        }
    }

    /// Time at which a letter could be read that left at `sent`, or else on a later day: its reader was
    /// online for some hours within the week for which mailboxes keep a letter, and had pulled a
    /// mailbox whose relay kept its memory until then.
    fn arrives(&self, sent: Time, [sender, reader]: [usize; 2]) -> Option<Time> {
        let mut sent = sent;
        loop {
            let read = self.after_hours_online(reader, sent)?;
            if read.since(sent) < KEPT && self.is_kept(self.last_online(reader, sent)?..read) {
                return Some(read);
            }
            sent = self.after_hours_online(sender, sent + DAY)?;
        }
    }

    /// Tells whether any relay kept its memory all the while.
    fn is_kept(&self, times: Range<Time>) -> bool {
        let lost = self.losses.iter().filter(|(at, _)| times.contains(at)).map(|(_, node)| *node);
        !self.relays.is_subset(&lost.collect())
    }

    /// The last time until `now` at which a person was online.
    fn last_online(&self, person: usize, now: Time) -> Option<Time> {
        let last = self.online[person].iter().rfind(|times| times.start <= now)?;
        Some(last.end.min(now))
    }

    /// The time at which a person has been online for [`HOURS`], counted from `from`.
    fn after_hours_online(&self, person: usize, from: Time) -> Option<Time> {
        let mut left = HOURS;
        for times in self.online[person].iter().filter(|times| times.end > from) {
            let begin = times.start.max(from);
            let lasts = times.end.since(begin);
            if lasts >= left {
                return Some(begin + left);
            }
            left -= lasts;
        }
        None
    }
}

/// Status of each message of a store's outbox, by the id's digits.
fn statuses(store: &Store) -> BTreeMap<String, DeliveryStatus> {
    let outbox = store.outbox().expect("an outbox that can be read");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    outbox.iter().map(|one| (hex(one.id.as_bytes()), one.status)).collect()
}

/// A time in words: day of the run, hour and minute.
pub(crate) fn day(time: Time) -> String {
    let minutes = time.since(BEGIN).as_secs() / 60;
    format!("day {} {:02}:{:02}", minutes / 1_440, minutes / 60 % 24, minutes % 60)
}

/// Time online in which a letter leaves again and is fetched: first time-outs are under two hours
/// in a network with slots of a minute.
const HOURS: Duration = Duration::from_secs(3 * 3_600);
/// Time for which a mailbox keeps a letter, less a day.
const KEPT: Duration = Duration::from_secs(6 * 86_400);
/// Occasions of which at least one is used unless something is wrong: each letter and each
/// acknowledgement may be lost.
const ENOUGH: u32 = 3;
