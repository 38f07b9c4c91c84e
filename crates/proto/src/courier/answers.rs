//! Answers of the own mailboxes: opened, acknowledged, and their envelopes taken in.

use rohrpost_packet::envelope::{
    Envelope, EnvelopeMark, Fragment, IdentityPublic, KeyId, Kind, Standing,
};
use rohrpost_packet::{NodeNumber, Suite};
use zeroize::Zeroizing;

use super::Courier;
use super::acknowledgement::{Acknowledgement, OlderCopy};
use super::event::{Event, Trip};
use super::hour;
use super::pending::{Arrived, PendingReply};
use super::reassembly::{Part, Taken};
use super::receipt::Receipt;
use crate::instruction::Answer;
use crate::time::{Steady, Time};

/// An envelope that was opened.
struct Letter {
    identity: IdentityPublic,
    sender: KeyId,
    fragment: Fragment,
    mark: EnvelopeMark,
}

impl<S: Suite> Courier<S> {
    /// Opens what has come, [`OPENED`] at most: what is left waits for the next slot, as all does
    /// while the application leaves no room for events.
    pub(super) fn open_replies(&mut self) {
        for _ in 0..OPENED {
            if !self.events.has_room() {
                return;
            }
            let Some(arrived) = self.arrived.pop_front() else {
                return;
            };
            self.receive(arrived);
        }
    }

    /// Opens an answer. All that it carries is acknowledged after a while, also what cannot be read:
    /// the mailbox would serve it again for a week.
    fn receive(&mut self, arrived: Arrived<S>) {
        let Arrived { reply, mut payload, now, document } = arrived;
        let PendingReply { opener, mailbox, registration, relay, pull, path } = reply;
        let trip = Trip { path, at: document };
        let body = opener.open(&mut payload).ok();
        let Some(answer) = body.and_then(|body| Answer::<S>::decode(&body).ok()) else {
            self.events.push(Event::PullLost { relay });
            return;
        };
        let Answer { wait, envelope } = answer;
        self.inbox.answer_came(mailbox, registration);
        self.events.push(Event::PullAnswered { relay, pull, wait, trip: trip.clone() });
        let Some((id, envelope)) = envelope else {
            self.loops.found_empty(mailbox, trip.at - trip.drawn());
            return;
        };
        self.inbox.acknowledge(mailbox, id, self.counted(now));
        let Some(letter) = self.read(&envelope) else {
            self.events.push(Event::Dropped);
            return;
        };
        let own = self.account.identity.public().key_id();
        if letter.sender == own && self.loop_returned(now, &trip, &letter.fragment) {
            return;
        }
        if self.correspondents.contains_key(&letter.sender) {
            self.admit(now, trip, relay, letter);
        } else {
            self.meet(letter);
        }
    }

    /// Takes a letter from somebody who is no contact, as far as it concerns whether he is to be
    /// one. Nothing is owed for it, and nothing is remembered of it here.
    fn meet(&mut self, Letter { identity, mut fragment, .. }: Letter) {
        match fragment.kind {
            Kind::Content => fragment.body = Zeroizing::default(),
            Kind::Address => {}
            Kind::Acknowledgement | Kind::Loop => return self.events.push(Event::Dropped),
        }
        self.events.push(Event::Stranger { identity, fragment: Box::new(fragment) });
    }

    /// Takes a letter from a contact. One that was opened before is no news, and none of its
    /// sender's doing.
    fn admit(&mut self, now: Steady, trip: Trip, relay: NodeNumber, letter: Letter) {
        if self.opened.knows(&letter.mark) {
            return;
        }
        let Letter { sender, fragment, mark, .. } = letter;
        let others = fragment.kind == Kind::Loop;
        let Some(other) = self.correspondents.get_mut(&sender).filter(|_| !others) else {
            self.events.push(Event::Dropped);
            return;
        };
        let left = hour::departure(now, trip.at, fragment.standing.hour);
        if other.hear(now, left, self.timer) {
            let ago = now.since(left);
            self.events.push_mail(Event::Heard { of: sender, ago });
        }
        if other.reassembly.has_forgotten(&fragment.standing) {
            let older = other.surpass(&fragment.standing);
            older.into_iter().for_each(|event| self.events.push_mail(event));
        }
        let events = other.hear_again(now, &fragment.standing, self.timer);
        let events = events
            .unwrap_or_else(|OlderCopy| other.surpass(&fragment.standing).into_iter().collect());
        events.into_iter().for_each(|event| self.events.push_mail(event));
        let (before, disputed) = (other.reassembly.below(), other.reassembly.disputed());
        let complete = other.reassembly.hear(&fragment.standing, left);
        if disputed.is_some() && other.reassembly.disputed().is_none() {
            self.events.push_mail(Event::Disputed { sender, number: None });
        }
        self.tell(sender, before, complete);
        if fragment.kind == Kind::Acknowledgement {
            self.acknowledged(now, sender, &fragment);
            return;
        }
        let Some(other) = self.correspondents.get_mut(&sender) else {
            return;
        };
        let Fragment { kind, sequence, position, .. } = fragment;
        let before = other.reassembly.disputed();
        let Standing { behind, after, .. } = fragment.standing;
        let taken = other.reassembly.take_behind(&Part::of(&fragment), behind, after);
        let number = other.reassembly.disputed();
        if number != before {
            self.events.push_mail(Event::Disputed { sender, number });
        }
        let new = taken == Taken::New;
        let receipt = Receipt { sender, kind, sequence, fragment: position.index, new, mark };
        match taken {
            Taken::New => {
                let fragment = Box::new(fragment);
                let last = other.reassembly.has_all(kind, sequence);
                self.events.push_mail(Event::Arrived { fragment, receipt, last, relay, trip });
            }
            Taken::Known => self.events.push_mail(Event::Repeated { receipt }),
            Taken::Silent => {}
        }
    }

    /// Takes a contact's acknowledgement.
    fn acknowledged(&mut self, now: Steady, sender: KeyId, fragment: &Fragment) {
        let timer = self.timer;
        let Some(other) = self.correspondents.get_mut(&sender) else {
            return;
        };
        let Ok(acknowledgement) = Acknowledgement::decode(&fragment.body) else {
            self.events.push(Event::Dropped);
            return;
        };
        let events = other.acknowledged(now, &acknowledgement, timer);
        let events = events
            .unwrap_or_else(|OlderCopy| other.surpass(&fragment.standing).into_iter().collect());
        events.into_iter().for_each(|event| self.events.push_mail(event));
    }

    /// Opens an envelope, of whomever it is.
    fn read(&self, envelope: &Envelope<S>) -> Option<Letter> {
        let (prekeys, network) = (&self.account.prekeys, &self.roster.network_id);
        let opened = envelope.open(&prekeys.iter().collect::<Vec<_>>(), network);
        let last_resort = || self.account.last_resort.iter().collect::<Vec<_>>();
        let addresses_alone = opened.is_err();
        let opened = opened.or_else(|_| envelope.open(&last_resort(), network)).ok()?;
        let (identity, mark) = (opened.sender().clone(), opened.mark());
        let fragment = opened.fragment(self.account.identity.public(), &identity).ok()?;
        let fits = !addresses_alone || fragment.kind == Kind::Address;
        fits.then(|| Letter { sender: identity.key_id(), identity, fragment, mark })
    }

    /// Latest time at which a mailbox answers with what it stored at `stored_by`. It answers at
    /// multiples of the period by its own relay's clock. That is apart from the entry's by any part
    /// of a period, so the next answer may be a whole one away.
    fn answered_by(&self, stored_by: Time) -> Time {
        stored_by + self.roster.traffic.answer_period()
    }

    /// Tells whether this fragment from oneself is a loop: one that was expected, one that is long
    /// given up or served twice, or one of another run. Anything else is a note to oneself.
    fn loop_returned(&mut self, now: Steady, trip: &Trip, fragment: &Fragment) -> bool {
        if fragment.kind != Kind::Loop {
            return false;
        }
        let Some(flying) = self.loops.returned(fragment.message) else {
            if let Some(twin) = self.loops.run.twin(fragment) {
                self.events.push(Event::Twin(twin));
            }
            return true;
        };
        let answered_by = self.answered_by(flying.stored_by);
        let expected = answered_by + trip.drawn() + self.entry_wait();
        self.events.push(Event::LoopReturned {
            mailbox: flying.mailbox,
            after: now.since(flying.sent),
            lateness: trip.at.since(expected),
        });
        true
    }
}

/// Replies that are opened for one slot. It takes some 1.3 ms to try nine prekeys on each.
const OPENED: usize = 4;
