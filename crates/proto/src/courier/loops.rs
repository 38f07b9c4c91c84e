//! Own loops on their way: cover that also tells whether the network delivers.

use std::collections::VecDeque;
use std::time::Duration;

use rohrpost_packet::envelope::MessageId;

use super::twins::Run;
use crate::directory::roster::Traffic;
use crate::time::{Steady, Time};

/// Loops that have left, oldest first; at most [`BOUND`], the oldest is given up as lost.
pub(super) struct Loops {
    /// The run of the client that its loops name.
    pub(super) run: Run,
    flying: VecDeque<Flying>,
    lost_after: Duration,
    /// Outcomes of the loops into each mailbox, the late ones more than those before.
    outcomes: Vec<Outcomes>,
    /// Latest document time at which each mailbox was seen to be empty.
    emptied: Vec<Time>,
}

/// Weights of the loops that came back, and of those that were lost.
#[derive(Clone, Copy, Default)]
struct Outcomes {
    all: f64,
    lost: f64,
}

/// A loop that has left.
pub(super) struct Flying {
    message: MessageId,
    /// Index of the own mailbox that it is for.
    pub(super) mailbox: usize,
    pub(super) sent: Steady,
    /// Latest document time at which the loop is at the mailbox, if every hop holds to what was drawn.
    pub(super) stored_by: Time,
    /// True if the client's own link was lost meanwhile: then the network has not lost the loop.
    excused: bool,
}

impl Loops {
    pub(super) fn new(run: Run, traffic: &Traffic, mailboxes: usize) -> Self {
        Self {
            run,
            flying: VecDeque::new(),
            lost_after: (traffic.mix_delay * 6 + traffic.slot * 7) * LOST_AFTER,
            outcomes: vec![Outcomes::default(); mailboxes],
            emptied: vec![Time::from_micros(0); mailboxes],
        }
    }

    /// Notes a loop; gives the mailbox of another that had to be given up for it.
    pub(super) fn sent(
        &mut self,
        message: MessageId,
        mailbox: usize,
        sent: Steady,
        stored_by: Time,
    ) -> Option<usize> {
        let full = self.flying.len() == BOUND;
        let lost = self.flying.pop_front_if(|_| full);
        self.flying.push_back(Flying { message, mailbox, sent, stored_by, excused: false });
        lost.map(|lost| self.lose(&lost))
    }

    /// Takes note that the client's own link was lost: it says nothing of the network what becomes
    /// of the loops on their way.
    pub(super) fn excuse(&mut self) {
        self.flying.iter_mut().for_each(|flying| flying.excused = true);
    }

    /// Notes that a mailbox has answered that it holds nothing, at a document time.
    pub(super) fn found_empty(&mut self, mailbox: usize, at: Time) {
        if let Some(emptied) = self.emptied.get_mut(mailbox) {
            *emptied = at.max(*emptied);
        }
    }

    /// Takes the loop with this message, if it was still expected.
    pub(super) fn returned(&mut self, message: MessageId) -> Option<Flying> {
        let place = self.flying.iter().position(|flying| flying.message == message)?;
        let flying = self.flying.remove(place)?;
        self.count(flying.mailbox, 0.0);
        Some(flying)
    }

    /// Gives up the loops that have been away for too long, each with its mailbox.
    pub(super) fn expire(&mut self, now: Steady) -> Vec<usize> {
        let lost = |flying: &&Flying| now.since(flying.sent) > self.lost_after;
        let count = self.flying.iter().take_while(lost).count();
        let lost: Vec<_> = self.flying.drain(..count).collect();
        lost.iter().map(|lost| self.lose(lost)).collect()
    }

    /// Counts a loop that was given up, and gives its mailbox. One that may still wait behind others,
    /// in a mailbox that was not empty since, is none that the network has lost: else whoever comes
    /// back to a full mailbox would send everybody more copies.
    fn lose(&mut self, lost: &Flying) -> usize {
        let emptied = self.emptied.get(lost.mailbox).is_some_and(|at| *at >= lost.stored_by);
        if emptied && !lost.excused {
            self.count(lost.mailbox, 1.0);
        }
        lost.mailbox
    }

    /// Part of the letters that the network loses, by the loops into those mailboxes that bring back
    /// the half of them: the relay of another may be down.
    pub(super) fn loss(&self) -> f64 {
        let up = self.outcomes.iter().filter(|of| of.lost <= of.all / 2.0);
        let (all, lost) = up.fold((0.0, 0.0), |(all, lost), of| (all + of.all, lost + of.lost));
        if all > 0.0 { lost / all } else { 0.0 }
    }

    fn count(&mut self, mailbox: usize, lost: f64) {
        if let Some(of) = self.outcomes.get_mut(mailbox) {
            of.all += 1.0 - of.all / LATELY;
            of.lost += lost - of.lost / LATELY;
        }
    }
}

/// Usual ways that a loop may take before it is lost (59 s by the default rates). A loop's usual
/// way is six mixes, two ticks of an entry, one common tick of the mailboxes and a slot more.
const LOST_AFTER: u32 = 20;
/// Loops on their way at most. By the default rates thirty are on their way when all are lost; the
/// rest is for rosters with long delays. 48 bytes each.
const BOUND: usize = 256;
/// Loops over which outcomes are counted, about.
const LATELY: f64 = 64.0;
