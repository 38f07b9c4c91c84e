//! What a correspondent's letters say of this client's own messages.

use std::collections::BTreeMap;

use rohrpost_packet::envelope::{REPEATED, Standing};

use super::super::acknowledgement::{Acknowledged, Acknowledgement, Name, OlderCopy};
use super::super::event::Event;
use super::super::message::Lane;
use super::super::outgoing::{Flight, OutgoingMessage};
use super::super::retransmission::RetransmitTimer;
use super::Correspondent;
use crate::time::Steady;

impl Correspondent {
    /// Notes that this client goes on from an older copy of its store, as a letter with this standing
    /// has shown; gives what the application is to be told of that, once.
    pub(in super::super) fn surpass(&mut self, standing: &Standing) -> Option<Event> {
        let told = std::mem::replace(&mut self.surpassed, true);
        let (contact, heard_of) = (self.contact.identity.key_id(), standing.since);
        (!told).then_some(Event::OlderCopy { contact, heard_of })
    }

    /// Takes an acknowledgement. What left well before something that has come, and has not come
    /// itself, is lost and leaves again; what left after it for the same mailbox is behind it.
    pub(in super::super) fn acknowledged(
        &mut self,
        now: Steady,
        acknowledgement: &Acknowledgement,
        timer: RetransmitTimer,
    ) -> Result<Vec<Event>, OlderCopy> {
        let before = self.acknowledged;
        // Once the contact has shown an older copy, its numbers are of messages that are not here.
        if acknowledgement.since < before.since || self.surpassed {
            return Ok(Vec::new());
        }
        if self.is_surpassed_by(acknowledgement) {
            return Err(OlderCopy);
        }
        if acknowledgement.since > before.since && before.since != 0 {
            self.acknowledged = Acknowledged { since: before.since, ..Acknowledged::default() };
            self.outgoing.iter_mut().for_each(OutgoingMessage::count_anew);
        }
        let mut events: Vec<_> = self.raise(acknowledgement).into_iter().collect();
        events.extend(self.address_acknowledged(acknowledgement.address));
        let under_way = self.under_way();
        let mut newest = BTreeMap::new();
        for outgoing in &mut self.outgoing {
            outgoing.acknowledge(acknowledgement, &mut newest, timer);
        }
        if self.under_way() < under_way {
            self.presence.acknowledged(timer);
        }
        self.outgoing.retain(|outgoing| {
            if outgoing.is_delivered() {
                events.push(Event::Delivered { message: outgoing.message().id });
            }
            !outgoing.is_delivered()
        });
        let latest = newest.values().max().copied();
        let lost =
            |flight: &Flight| latest.is_some_and(|latest| flight.sent + timer.reorder() < latest);
        for outgoing in &mut self.outgoing {
            outgoing.mark_lost(now, timer, lost);
            outgoing.wait_behind(now, &newest, timer);
        }
        self.remind(now);
        Ok(events)
    }

    /// Takes what a letter repeats of acknowledgements: they may have been lost, with the memory of a
    /// relay, each week anew. What they name and this client does not know, or knows as another
    /// message, shows an older copy. Each is named by itself: a client that goes on from an older copy
    /// gives some numbers again, and others behind them that are as good as ever.
    pub(in super::super) fn hear_again(
        &mut self,
        now: Steady,
        standing: &Standing,
        timer: RetransmitTimer,
    ) -> Result<Vec<Event>, OlderCopy> {
        let &Standing { told, last, .. } = standing;
        let repeated = |name: &Name| {
            let before = last.checked_sub(name.sequence)?;
            let short = *told.get(usize::try_from(before).ok()?)?;
            (short != 0).then_some(short)
        };
        if told == [0; REPEATED] {
            return Ok(Vec::new());
        }
        // What is over is not known by its name any more.
        let own = self.outgoing.iter().map(OutgoingMessage::name);
        let named: Vec<_> = own.filter_map(|own| Some((own, repeated(&own)?))).collect();
        if last >= self.next || named.iter().any(|(own, short)| own.short() != *short) {
            return Err(OlderCopy);
        }
        let again = Acknowledgement {
            since: standing.incarnation,
            address: self.told,
            floor: self.standing().open,
            told: named.into_iter().map(|(own, _)| own).collect(),
            ..Acknowledgement::default()
        };
        if again.told.is_empty() {
            return Ok(Vec::new());
        }
        self.acknowledged(now, &again, timer)
    }

    /// Takes note of what an acknowledgement adds to what the contact has acknowledged.
    fn raise(&mut self, acknowledgement: &Acknowledgement) -> Option<Event> {
        let before = self.acknowledged;
        self.acknowledged.since = acknowledgement.since;
        acknowledgement.whole().for_each(|name| self.acknowledged.add(name.sequence));
        let (by, acknowledged) = (self.contact.identity.key_id(), self.acknowledged);
        (acknowledged != before).then_some(Event::Acknowledged { by, acknowledged })
    }

    /// Takes note of a letter of the contact that left at this time. If that shows that the contact is
    /// there, what was put off because nothing was heard of it is due as at first. True if it is the
    /// latest sign of life by an hour.
    pub(in super::super) fn hear(
        &mut self,
        now: Steady,
        left: Steady,
        timer: RetransmitTimer,
    ) -> bool {
        let news = self.presence.hear(now, left, timer);
        if self.presence.is_there(now, timer) {
            self.all_mut().for_each(|outgoing| outgoing.expedite(now, timer));
        }
        news
    }

    fn under_way(&self) -> usize {
        self.outgoing.iter().map(|outgoing| outgoing.flights().count()).sum()
    }

    /// Tells whether an acknowledgement names what this client does not know to have sent, or
    /// another message under a number of its own.
    fn is_surpassed_by(&self, acknowledgement: &Acknowledgement) -> bool {
        let other = |name: Name| {
            let mut outgoing = self.outgoing.iter().map(OutgoingMessage::name);
            outgoing.any(|own| own.sequence == name.sequence && own != name)
        };
        acknowledgement.floor > self.standing().open
            || acknowledgement.names().any(|name| name.sequence >= self.next || other(name))
    }

    fn address_acknowledged(&mut self, version: u64) -> impl Iterator<Item = Event> + use<> {
        self.address.take_if(|address| address.message().sequence <= version);
        let newer = version > self.told;
        self.told = self.told.max(version);
        let to = self.contact.identity.key_id();
        newer.then_some(Event::Told { to, version }).into_iter()
    }

    /// Has a letter leave if the contact waits for what is over: the first message of a lane has
    /// come to it, and it does not know that those before have been given up.
    pub(super) fn remind(&mut self, now: Steady) {
        for lane in [Lane::Short, Lane::Long] {
            let first = self.outgoing.iter_mut().find(|outgoing| outgoing.lane() == lane);
            if let Some(first) = first.filter(|first| first.has_arrived()) {
                first.remind(now);
            }
        }
    }
}
