//! Bob: what reaches his mailbox, when it is handed out, and his acknowledgements.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rand::RngExt;
use rand::rngs::StdRng;
use rohrpost_proto::time::{Slot, Time};

use super::model::{Knowledge, Model, Place};
use super::stream::{Loops, Poisson};

/// Alice's number among the users.
pub(super) const ALICE: usize = 0;

/// Bob's client and his mailbox, block by block.
pub(super) struct Recipient {
    place: Place,
    loops: Loops,
    from_alice: Poisson,
    from_others: Poisson,
    acknowledgements: Poisson,
    /// Envelopes on their way to the mailbox or in it, earliest first. Bounded by the rates: what
    /// comes in a block and the seconds before.
    coming: BinaryHeap<Reverse<(Time, Content)>>,
    next_answer: Time,
    /// Time at which the acknowledgement leaves that answers all that has come before, by sender.
    leaving: HashMap<usize, Time>,
}

/// Content of an envelope.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Content {
    Message { from: usize },
    Loop,
    Acknowledgement,
}

/// Events of a block of time.
#[derive(Default)]
pub(super) struct Handed {
    /// Answers that the attacker takes for messages.
    pub(super) marks: Vec<Time>,
    /// Acknowledgements and replies by the user in whose mailbox they are stored, and when.
    pub(super) acknowledgements: Vec<(Time, usize)>,
    /// Messages of Alice handed out.
    pub(super) messages: u32,
}

impl Recipient {
    pub(super) fn new(model: &Model, rng: &mut StdRng) -> Self {
        let place = Place::draw(&model.traffic, rng);
        Self {
            place,
            loops: Loops::new(model, place, rng),
            from_alice: Poisson::new(model.rate(), rng),
            from_others: Poisson::new(model.mail_rate(), rng),
            acknowledgements: Poisson::new(model.mail_rate() * model.view(), rng),
            coming: BinaryHeap::new(),
            next_answer: Time::from_micros(0) + model.traffic.answer_period(),
            leaving: HashMap::new(),
        }
    }

    /// Everything up to `end`.
    pub(super) fn advance(&mut self, model: &Model, end: Time, rng: &mut StdRng) -> Handed {
        let mut handed = Handed::default();
        self.arrive(model, end, &mut handed, rng);
        // One envelope per common tick, the oldest first. A tick without a reply block would put an
        // answer off by a whole period, which tells the attacker no less: he sees it all the same.
        while self.next_answer < end {
            let at = self.next_answer;
            self.next_answer = at + model.traffic.answer_period();
            if self.coming.peek().is_some_and(|Reverse((stored, _))| *stored <= at)
                && let Some(Reverse((_, content))) = self.coming.pop()
            {
                if let Content::Message { from } = content {
                    handed.messages += u32::from(from == ALICE);
                    handed.marks.push(at);
                    self.receive(model, at, from, &mut handed, rng);
                } else if model.knowledge == Knowledge::Times {
                    handed.marks.push(at);
                }
            }
        }
        handed
    }

    /// Alice's messages come as a Poisson process however long each was on its way, and so do those
    /// of all others together (displacement theorem).
    fn arrive(&mut self, model: &Model, end: Time, handed: &mut Handed, rng: &mut StdRng) {
        while let Some(at) = self.loops.next(model, end, rng) {
            self.coming.push(Reverse((at, Content::Loop)));
        }
        while let Some(at) = self.from_alice.next(end, rng) {
            self.coming.push(Reverse((at, Content::Message { from: ALICE })));
        }
        while let Some(at) = self.acknowledgements.next(end, rng) {
            self.coming.push(Reverse((at, Content::Acknowledgement)));
        }
        while let Some(at) = self.from_others.next(end, rng) {
            let from = rng.random_range(1..model.users);
            if rng.random_bool(model.view()) {
                self.coming.push(Reverse((at, Content::Message { from })));
            } else {
                let answered = at.next_multiple(model.traffic.answer_period());
                self.receive(model, answered, from, handed, rng);
            }
        }
    }

    /// A message handed out at `at`: unless an acknowledgement that is still to leave covers it,
    /// one is drawn.
    fn receive(
        &mut self,
        model: &Model,
        at: Time,
        from: usize,
        handed: &mut Handed,
        rng: &mut StdRng,
    ) {
        let received = self.place.next_tick(at + model.transit(rng));
        if let Some(wait) = model.replies.and_then(|replies| replies.draw(rng)) {
            let slot = self.place.payload_slot(received + wait, rng);
            self.send(model, slot, from, handed, rng);
        }
        if self.leaving.get(&from).is_some_and(|leaves| received <= *leaves) {
            return;
        }
        let due = received + model.acknowledgement_delay(rng);
        let slot = self.place.payload_slot(due, rng);
        self.leaving.insert(from, self.place.sends(slot));
        self.send(model, slot, from, handed, rng);
    }

    /// Sends an acknowledgement or a reply to a user in this slot.
    fn send(&self, model: &Model, slot: Slot, to: usize, handed: &mut Handed, rng: &mut StdRng) {
        let leaves = self.place.leaves(slot);
        let stored = leaves + model.transit(rng);
        if to == ALICE || rng.random_bool(model.view()) {
            handed.acknowledgements.push((stored, to));
        }
    }
}
