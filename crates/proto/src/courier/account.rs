//! A courier's own keys, and its knowledge of others.

use std::time::Duration;

use rand_core::CryptoRng;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{IdentityPublic, IdentitySecret, PrekeyPublic, PrekeySecret};

use crate::instruction::{MailboxId, MailboxKey, WRITE_KEYS, WriteKey};
use crate::path::below;
use crate::time::{Steady, Time};
use crate::weakness::Weakness;

/// The secrets of one client. A client stores them in its encrypted vault by their `to_seed` and
/// restores them by `from_seed`; a virtual client makes new ones each time.
pub struct Account {
    /// The client's long-term identity.
    pub identity: IdentitySecret,
    /// The prekeys, at least one, newest first; older ones open what was sealed before.
    pub prekeys: Vec<PrekeySecret>,
    /// The last-resort prekeys, newest first. They live longer, and open nothing but addresses: so
    /// clients whose other keys for each other have ended find each other again. The newest is not
    /// told yet, unless it is the only one.
    pub last_resort: Vec<PrekeySecret>,
    /// Mailboxes, one or two, at relays of different operators; their keys are independent.
    pub mailboxes: Vec<OwnMailbox>,
    /// The client's next mailboxes, which it tells before it needs them, at most [`RESERVED`]. Two
    /// clients that lose all their mailboxes at once, and could tell each other of no new one, meet
    /// there. Each has keys of its own: a relay learns nothing of the other.
    pub reserve: Vec<OwnMailbox>,
    /// Incarnation of the client: it rises when the client goes on elsewhere, from a backup. Its
    /// loops say so, and by that a copy that was left behind notices.
    pub incarnation: u32,
}

/// A mailbox of one's own.
pub struct OwnMailbox {
    /// The relay that holds the mailbox.
    pub relay: NodeNumber,
    /// The mailbox's secret key.
    pub key: MailboxKey,
    /// The key with which all store who know the newest address, and nine of ten of the owner's
    /// loops.
    pub write_key: WriteKey,
    /// The key before, with which those store who have not heard of the newer one, and one of ten
    /// loops. A mailbox that has none, because it is new or because the key before is refused, has
    /// a random one that nobody else knows: pulls and loops show no difference.
    pub predecessor: WriteKey,
}

/// Knowledge of a correspondent, from its contact card: it has at least one mailbox.
#[derive(Clone)]
pub struct Contact {
    /// The correspondent's long-term identity.
    pub identity: IdentityPublic,
    /// The public prekey that seals envelopes to the correspondent.
    pub prekey: PrekeyPublic,
    /// The public prekey that seals addresses to the correspondent when the other may have ended; none
    /// where the card has no room for it.
    pub last_resort: Option<PrekeyPublic>,
    /// Time at which the correspondent's client gave itself this address, by its own clock; `None`
    /// if it did not say.
    pub made: Option<Time>,
    /// Time at which the correspondent's client went on last from an older copy of its store: prekeys
    /// that it had made before and told are lost, unless they are in that copy. `None` if it never
    /// did, or did not say.
    pub keys_since: Option<Time>,
    /// Mailboxes at which the correspondent can be reached; a sender uses any.
    pub mailboxes: Vec<ContactMailbox>,
    /// Where the correspondent's next mailboxes will be: a sender tries them when the relays of all its
    /// mailboxes are gone. At most [`RESERVED`].
    pub reserve: Vec<ContactMailbox>,
}

impl Contact {
    /// True if the correspondent may have no key any more for what is sealed to [`Contact::prekey`]
    /// now, when it fetches that.
    pub(super) fn may_have_erased_its_prekey(&self, now: Steady) -> bool {
        let made = self.made.map(Steady::of_clock);
        // A time to come is of a clock that was wrong.
        made.is_some_and(|made| made > now || now.since(made) >= LASTING)
    }

    /// All places at which the correspondent may be reached, its mailboxes first.
    pub(super) fn places(&self) -> impl Iterator<Item = &ContactMailbox> {
        self.mailboxes.iter().chain(&self.reserve)
    }

    /// True if what is under way to the correspondent by an `older` address of its reaches it as well: the
    /// mailboxes and their keys are the same, and so is about the age of the prekey, or of one of an
    /// address before that, which was `made` then, and no prekey was lost since.
    pub(super) fn is_reached_as(&self, older: &Self, made: Option<Time>) -> bool {
        let same = |(one, other): (&ContactMailbox, &ContactMailbox)| {
            (one.relay, one.id) == (other.relay, other.id) && one.write_key.fits(&other.write_key)
        };
        let mut mailboxes = self.mailboxes.iter().zip(&older.mailboxes);
        let lost = self.keys_since.is_some_and(|since| made.is_none_or(|made| made < since));
        let made = self.made.zip(made);
        self.mailboxes.len() == older.mailboxes.len()
            && mailboxes.all(same)
            && !lost
            && made.is_some_and(|(newer, older)| newer.since(older) < LASTING)
    }
}

/// A mailbox of a correspondent.
#[derive(Clone)]
pub struct ContactMailbox {
    /// The relay that holds the mailbox.
    pub relay: NodeNumber,
    /// The mailbox's name at its relay.
    pub id: MailboxId,
    /// The write key that the mailbox accepts.
    pub write_key: WriteKey,
}

impl OwnMailbox {
    fn generate(relay: NodeNumber, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self {
            relay,
            key: MailboxKey::generate(rng),
            write_key: WriteKey::generate(rng),
            predecessor: WriteKey::generate(rng),
        }
    }

    /// The write keys that the mailbox is to accept. They stand in the order of their bytes, which
    /// are random: so the order does not tell which is the newer.
    pub(super) fn accepted(&self) -> [&WriteKey; WRITE_KEYS] {
        let mut keys = [&self.write_key, &self.predecessor];
        keys.sort_by_key(|key| *key.expose());
        keys
    }

    /// Draws the write key of a loop: under a key without loops whatever comes would be mail.
    pub(super) fn loop_key(&self, rng: &mut (impl CryptoRng + ?Sized)) -> &WriteKey {
        let under_predecessor = below(LOOPS_PER_PREDECESSOR, rng) == 0;
        let one_key = Weakness::LoopsUnderOneKey.is_active() || cards_have_keys();
        if under_predecessor && !one_key { &self.predecessor } else { &self.write_key }
    }
}

impl Account {
    /// Makes a new account with one prekey of each kind and a mailbox at each of these relays.
    pub fn generate(
        relays: impl IntoIterator<Item = NodeNumber>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        Self {
            identity: IdentitySecret::generate(rng),
            prekeys: vec![PrekeySecret::generate(rng)],
            last_resort: vec![PrekeySecret::generate(rng)],
            mailboxes: relays.into_iter().map(|relay| OwnMailbox::generate(relay, rng)).collect(),
            reserve: Vec::new(),
            incarnation: 0,
        }
    }

    /// Draws the keys of the next mailboxes, at these relays.
    pub fn reserve(
        &mut self,
        relays: impl IntoIterator<Item = NodeNumber>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        self.reserve = relays.into_iter().map(|relay| OwnMailbox::generate(relay, rng)).collect();
    }

    /// Contact card that others need to write to this account.
    ///
    /// # Panics
    /// If the account has no prekey.
    #[must_use]
    pub fn contact(&self) -> Contact {
        let mailbox = |own: &OwnMailbox| ContactMailbox {
            relay: own.relay,
            id: own.key.id(),
            write_key: if cards_have_keys() { &own.predecessor } else { &own.write_key }.clone(),
        };
        let prekey = self.prekeys.first().expect("an account is made with a prekey");
        Contact {
            identity: self.identity.public().clone(),
            prekey: prekey.public().clone(),
            last_resort: self.told_last_resort().map(|prekey| prekey.public().clone()),
            made: None,
            keys_since: None,
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
            reserve: self.reserve.iter().take(RESERVED).map(mailbox).collect(),
        }
    }

    /// The last-resort prekey that contacts are told: the second newest. A client that goes back to an
    /// older copy loses the keys that it has made since, and two of them would never find each other
    /// again if each knew of the other such a key alone.
    fn told_last_resort(&self) -> Option<&PrekeySecret> {
        self.last_resort.get(1).or_else(|| self.last_resort.first())
    }
}

/// True while cards name another write key than loops do; see the weakness.
fn cards_have_keys() -> bool {
    Weakness::CardsHaveKeysOfTheirOwn.is_active()
}

/// Age to which an address's prekey is lasting: clients keep one for twenty-four days at least
/// after they made it, what is sealed to it waits in a mailbox for up to a week, and an address may be
/// newer by some days than its prekey.
const LASTING: Duration = Duration::from_hours(12 * 24);
/// Next mailboxes that a client tells.
pub const RESERVED: usize = 2;
/// One of so many loops is stored under the predecessor of the write key. Most mail comes under the
/// current key, and so do most loops.
const LOOPS_PER_PREDECESSOR: usize = 10;

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn one_of_ten_loops_is_stored_under_the_predecessor() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let own = OwnMailbox::generate(NodeNumber::new(1), &mut rng);
        let draws = 40_000_u32;
        let under = (0..draws).filter(|_| own.loop_key(&mut rng).fits(&own.predecessor)).count();
        let expected = f64::from(draws) / 10.0;
        let deviation = (expected * 0.9).sqrt();
        let under = f64::from(u32::try_from(under).expect("no more than the draws"));
        assert!((under - expected).abs() < 5.0 * deviation, "{under} of {draws}");
    }

    /// Checks that the first of the keys of a pull is the newer one in half of all mailboxes, and
    /// that a mailbox's order stays.
    #[test]
    fn the_order_of_write_keys_does_not_tell_which_is_newer() {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let newer_first = |_: &u32| {
            let own = OwnMailbox::generate(NodeNumber::new(1), &mut rng);
            let [first, second] = own.accepted();
            assert!(own.accepted()[0].fits(first) && !first.fits(second));
            own.write_key.fits(first)
        };
        let count = (0..1_000).filter(newer_first).count();
        // Five standard deviations are 79.
        assert!((421..=579).contains(&count), "{count} of 1000");
    }
}
