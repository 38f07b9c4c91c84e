//! Life of a mix's own client: at which relays it is, under which keys, and for how long
//! (`docs/traffic.md`, Mixes).
//!
//! A mailbox relay that drops envelopes and wants no mix to notice has to know which mailboxes are
//! mixes'. So these must look like persons': they last for weeks, and pull without a break for a
//! day or so. Account and stay at an entry are drawn apart, from distributions without memory, so
//! that no age and no time online is a mix's for certain, or certainly none's.

use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand_core::CryptoRng;
use rohrpost_packet::NodeNumber;

use crate::courier::Account;
use crate::delay::means;
use crate::directory::roster::{Roster, RosterNode};
use crate::time::Steady;
use crate::weakness::Weakness;

/// The own client of a mix, between its stays. The order of calls: [`Self::begin`], and
/// [`Self::end`] when the stay is over, with the account that it gave.
pub struct OwnClient {
    /// Operator of the mix, whose relays the client avoids.
    operator: String,
    roster: Arc<Roster>,
    /// Keys and mailboxes; `None` during a stay, and where there is none yet.
    account: Option<Account>,
    /// Time at which the account is over; `None` before there is one.
    ends: Option<Steady>,
    /// Entry of the last stay.
    entry: Option<NodeNumber>,
    /// Outcome of the last stay.
    outcome: Outcome,
}

/// A stay at an entry relay: sessions under one account.
pub struct Stay {
    /// Relay at which the sessions of the stay end.
    pub entry: NodeNumber,
    /// Keys and mailboxes of the client.
    pub account: Account,
    /// Time at which the stay ends, if the relay can be reached until then.
    pub until: Steady,
}

/// Course of a stay, which tells whether it goes on. The order of calls: one of
/// [`Self::handle_close`] and [`Self::handle_loss`] after each try, then [`Self::goes_on`].
pub struct Course {
    begun: Steady,
    until: Steady,
    /// Time for which a relay is tried that does not serve.
    patience: Duration,
    /// True once a link of the stay brought a document.
    served: bool,
    /// True if the last link served until the stay was over.
    held: bool,
}

/// Outcome of a stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The stay's time came, and the relay served until then.
    Served,
    /// The relay was never reached, or was of no use: the next stay is at another, if there is one.
    Unreached,
    /// The relay served, and did so no more when the stay's time came: the account is over.
    Lost,
}

impl OwnClient {
    /// Makes the client of a mix of this operator, which has no account yet.
    #[must_use]
    pub fn new(operator: String, roster: Arc<Roster>) -> Self {
        let outcome = Outcome::Served;
        Self { operator, roster, account: None, ends: None, entry: None, outcome }
    }

    /// Goes by a newer roster from the next stay on.
    pub fn follow(&mut self, roster: &Arc<Roster>) {
        self.roster = Arc::clone(roster);
    }

    /// Begins a stay; `None` if the network has no relay. The account goes on while its time has
    /// not come and there is an entry for it: of another operator than the mix's and its mailboxes'
    /// and not the relay that was not reached; in a network that has no such operators, of fewer.
    ///
    /// It does not outlive a loss of its entry. A person has one entry for good: mailboxes that fell
    /// silent with a relay and were pulled again while it is still down would be a mix's for
    /// certain.
    pub fn begin(&mut self, now: Steady, rng: &mut (impl CryptoRng + ?Sized)) -> Option<Stay> {
        let goes_on = self.ends.is_some_and(|ends| now < ends);
        let goes_on = goes_on && !Weakness::MixesChangeMailboxes.is_active();
        let goes_on = goes_on && self.outcome != Outcome::Lost;
        let has_relays = |account: &Account| {
            account.mailboxes.iter().all(|own| self.roster.relay(own.relay).is_some())
        };
        let account = self.account.take().filter(|account| goes_on && has_relays(account));
        let kept = account.and_then(|account| Some((self.entry_for(&account, rng)?, account)));
        let (entry, account) = match kept {
            Some(kept) => kept,
            None => self.found(now, rng)?,
        };
        self.entry = Some(entry);
        let until = now + STAY.mul_f64(means(rng));
        let ends = self.ends.unwrap_or(until);
        Some(Stay { entry, account, until: until.min(ends) })
    }

    /// Ends a stay; its account is there for the next.
    pub fn end(&mut self, account: Account, outcome: Outcome) {
        self.account = Some(account);
        self.outcome = outcome;
    }

    /// Draws an entry for an account that goes on. A relay that was not reached is not drawn again;
    /// where it is the only one that fits, the account is over.
    fn entry_for(
        &self,
        account: &Account,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<NodeNumber> {
        let mailboxes = account.mailboxes.iter();
        let relays = mailboxes.filter_map(|mailbox| self.roster.node(mailbox.relay));
        let own = [self.operator.as_str()];
        let taken: Vec<_> =
            own.into_iter().chain(relays.map(|relay| relay.operator.as_str())).collect();
        match self.outcome {
            Outcome::Served => Some(self.draw(&taken, rng)?.number),
            Outcome::Unreached | Outcome::Lost => Some(self.draw_of_none(&taken, rng)?.number),
        }
    }

    /// Draws an entry, and makes an account whose mailboxes are at relays of yet other operators,
    /// where there are such. The first account of a process is short: whoever sees the mix start
    /// sees it come.
    fn found(
        &mut self,
        now: Steady,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<(NodeNumber, Account)> {
        let own = self.operator.as_str();
        let entry = self.draw(&[own], rng)?;
        let first = self.draw(&[own, &entry.operator], rng);
        let taken = first.map_or(own, |first| first.operator.as_str());
        let second = self.draw(&[own, &entry.operator, taken], rng);
        let mut mailboxes: Vec<_> =
            [first, second].into_iter().flatten().map(|relay| relay.number).collect();
        mailboxes.dedup();
        let (entry, account) = (entry.number, Account::generate(mailboxes, rng));
        let life = match self.ends {
            None => LEAST_FIRST + FIRST.mul_f64(means(rng)),
            Some(_) => LEAST_ACCOUNT + ACCOUNT.mul_f64(means(rng)),
        };
        self.ends = Some(now + life);
        Some((entry, account))
    }

    /// Draws a relay that is of none of these operators; if there is none, of none but the last,
    /// and so on, and of any at all at last.
    fn draw(&self, taken: &[&str], rng: &mut (impl CryptoRng + ?Sized)) -> Option<&RosterNode> {
        let some = (0..=taken.len()).rev().find_map(|len| self.draw_of_none(&taken[..len], rng));
        some.or_else(|| self.roster.relays().next())
    }

    /// Draws a relay that is of none of these operators, and not the one that was not reached last.
    fn draw_of_none(
        &self,
        taken: &[&str],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<&RosterNode> {
        let failed = self.entry.filter(|_| self.outcome != Outcome::Served);
        let fits = |relay: &&RosterNode| {
            !taken.contains(&relay.operator.as_str()) && Some(relay.number) != failed
        };
        self.roster.relays().filter(fits).collect::<Vec<_>>().choose(rng).copied()
    }
}

impl Course {
    /// The course of a stay that begins now. A relay that does not serve is tried for `patience`.
    #[must_use]
    pub const fn new(begun: Steady, until: Steady, patience: Duration) -> Self {
        Self { begun, until, patience, served: false, held: false }
    }

    /// Takes note that the client has closed a link, which brought a document or did not.
    pub fn handle_close(&mut self, now: Steady, served: bool) {
        self.served |= served;
        self.held = served && now >= self.until;
    }

    /// Takes note that there was no link, or that one was lost which brought a document or did not.
    pub const fn handle_loss(&mut self, served: bool) {
        self.served |= served;
        self.held = false;
    }

    /// Tells whether the client tries the relay again. One that has served is tried until the stay's
    /// time comes, as people do; no mailbox was pulled by one that has not, so nothing shows if it
    /// is left.
    #[must_use]
    pub fn goes_on(&self, now: Steady) -> bool {
        now < self.until && (self.served || now.since(self.begun) < self.patience)
    }

    /// Outcome of the stay, once it does not go on.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match (self.served, self.held) {
            (_, true) => Outcome::Served,
            (true, false) => Outcome::Lost,
            (false, false) => Outcome::Unreached,
        }
    }
}

/// Mean of a stay at one entry: a person's machine sleeps, changes its network or starts anew once
/// a day or so.
const STAY: Duration = Duration::from_secs(DAY);
/// Least life of an account, and mean of what it lasts beyond: three weeks in all. Whoever finds
/// out which mailboxes are a mix's has use of it for no longer.
const LEAST_ACCOUNT: Duration = Duration::from_secs(3 * DAY);
const ACCOUNT: Duration = Duration::from_secs(18 * DAY);
/// The same for the first account of a process: a day in all. Documents show when a mix starts
/// anew, and a mailbox that is born then is likely the mix's.
const LEAST_FIRST: Duration = Duration::from_secs(DAY / 4);
const FIRST: Duration = Duration::from_secs(DAY / 4 * 3);
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests;
