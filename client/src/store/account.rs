//! The client's own keys and places, and how they change: a prekey each third day, a mailbox's write
//! key after months and when a contact is blocked, another mailbox when one is lost
//! (`docs/delivery.md`).

use std::time::Duration;

use rand::RngExt;
use rand::seq::IndexedRandom;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{IdentitySecret, PREKEY_SEED_LEN, PrekeyId, PrekeySecret};
use rohrpost_proto::courier::{Account, OwnMailbox};
use rohrpost_proto::instruction::{MailboxKey, WriteKey};
use rohrpost_proto::mailbox::TTL;
use serde::{Deserialize, Serialize};

use super::record::Hex;
use crate::profile::{Profile, Replacement};
use crate::randomness;

/// Record of the client itself, but for its prekeys, which have a table of their own from which
/// what is removed is really gone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountRecord {
    version: u32,
    entry: u32,
    /// Relays through which the client enters when that one is gone.
    spare_entries: Vec<u32>,
    identity: Hex<32>,
    /// Incarnation of the client, the Unix second in which it was made or restored from a backup.
    incarnation: u32,
    /// Number of the address version, which rises with every change of prekey, write keys or
    /// mailboxes: the Unix second of the change in the upper half, or one more than the version
    /// before. Where the store goes on from an older copy the upper half rises in any case.
    pub(super) address_version: u64,
    /// Time at which the newest prekey was made, in Unix seconds.
    rolled: u64,
    /// Time at which the store went on last from an older copy, in Unix seconds; zero if it never did.
    pub(super) keys_since: u64,
    /// Time at which the store began anew last because of what a contact said, in Unix seconds.
    anew: u64,
    /// The time before that.
    anew_before: u64,
    mailboxes: Vec<MailboxRecord>,
    /// The next mailboxes, which contacts know before they are there.
    reserve: Vec<MailboxRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailboxRecord {
    relay: u32,
    key: Hex<32>,
    /// The write key that all are told: contacts, and who reads a card.
    write_key: Hex<32>,
    /// The write key before, which is accepted too; a random one where there is none.
    predecessor: Hex<32>,
    /// Time from which on the write key is to change, in Unix seconds.
    changes: u64,
    /// Treatment of the write key from its change on.
    then: OldKey,
}

/// A prekey of an address version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrekeyRecord {
    pub(super) address_version: u64,
    /// Time at which the prekey was made, in Unix seconds.
    made: u64,
    /// Time at which the next prekey took its place, in Unix seconds.
    pub(super) superseded: Option<u64>,
    seed: Hex<PREKEY_SEED_LEN>,
}

/// A last-resort prekey, which opens addresses alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastResortRecord {
    /// Time at which the prekey was made, in Unix seconds.
    pub(super) made: u64,
    seed: Hex<PREKEY_SEED_LEN>,
}

/// Treatment of a write key that another has replaced.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OldKey {
    /// The key is accepted until its successor is replaced too.
    Accept,
    /// The key is good for nothing any more: whoever knows no newer one is cut off.
    Refuse,
}

impl AccountRecord {
    pub(super) fn new(profile: &Profile, now: Duration) -> (Self, PrekeyRecord, LastResortRecord) {
        let account = &profile.account;
        let mailbox = |own: &OwnMailbox| {
            let mut mailbox = MailboxRecord::new(own.relay, now);
            mailbox.key = Hex(*own.key.to_seed());
            mailbox.write_key = Hex(*own.write_key.expose());
            mailbox.predecessor = Hex(*own.predecessor.expose());
            mailbox
        };
        let record = Self {
            version: 1,
            entry: profile.entry.get(),
            spare_entries: numbers(&profile.spare_entries),
            identity: Hex(*account.identity.to_seed()),
            incarnation: seconds(now),
            address_version: u64::from(seconds(now)) << 32,
            rolled: now.as_secs(),
            keys_since: 0,
            anew: 0,
            anew_before: 0,
            mailboxes: account.mailboxes.iter().map(mailbox).collect(),
            reserve: account.reserve.iter().map(mailbox).collect(),
        };
        let prekey = account.prekeys.first().expect("an account is made with a prekey");
        let last_resort = account.last_resort.first().expect("an account is made with one");
        let last_resort = LastResortRecord::of(last_resort, now);
        (record, PrekeyRecord::of(prekey, now.as_secs(), now), last_resort)
    }

    /// True if a prekey is to be made: the newest is three days old, or of a time when the machine's
    /// clock was ahead.
    pub(super) fn wants_prekey(&self, now: Duration) -> bool {
        let since = now.as_secs().saturating_sub(self.rolled);
        let ahead = self.rolled.saturating_sub(now.as_secs());
        since >= PREKEY_PERIOD.as_secs() || ahead > DAY.as_secs()
    }

    /// Time at which the newest prekey was made, in Unix seconds.
    pub(super) const fn rolled(&self) -> u64 {
        self.rolled
    }

    /// True if a write key is to change.
    pub(super) fn wants_write_key(&self, now: Duration) -> bool {
        self.mailboxes.iter().any(|mailbox| mailbox.is_due(now))
    }

    /// Begins a new address version. Its number is the date, so that a store that was put back, and does
    /// not know so yet, counts on above what the lost one has told.
    pub(super) fn begin_version(&mut self, now: Duration) {
        let above = self.address_version.saturating_add(1);
        self.address_version = above.max(u64::from(seconds(now)) << 32);
    }

    /// Begins versions above all that were told before, whatever their numbers: the store goes on from
    /// an older copy.
    pub(super) fn begin_versions_anew(&mut self, now: Duration) {
        let begin = (self.address_version >> 32).saturating_add(1).max(seconds(now).into());
        let above = self.address_version.saturating_add(1);
        self.address_version = above.max(begin.min(u32::MAX.into()) << 32);
    }

    /// True if what a contact says of an older copy may have this client begin anew with everybody:
    /// once a day, or a contact that lies would have it do so with each letter.
    pub(super) fn may_begin_anew(&self, now: Duration) -> bool {
        now.as_secs().abs_diff(self.anew) >= DAY.as_secs()
    }

    /// Begins anew because of what a contact says, with versions above the one that it knows. False if
    /// that is not to be believed: it is no newer one, or of a time to come that this store knows
    /// nothing of.
    pub(super) fn surpass(&mut self, known: u64, now: Duration) -> bool {
        let latest = u64::from(seconds(now)).max(self.address_version >> 32);
        if known <= self.address_version || known >> 32 > latest || !self.may_begin_anew(now) {
            return false;
        }
        self.address_version = known;
        self.begin_anew(now);
        true
    }

    /// Begins anew because of what a contact says.
    pub(super) fn begin_anew(&mut self, now: Duration) {
        self.anew_before = std::mem::replace(&mut self.anew, now.as_secs());
        self.begin_versions_anew(now);
    }

    /// True if the store began anew within the two weeks before it did so last.
    pub(super) fn began_anew_lately(&self) -> bool {
        self.anew.abs_diff(self.anew_before) < (DAY * 14).as_secs()
    }

    /// Begins a new incarnation, of a client that goes on elsewhere.
    pub(super) fn begin_incarnation(&mut self, now: Duration) {
        self.incarnation = seconds(now).max(self.incarnation.saturating_add(1));
    }

    /// Makes the next prekey, in a new address version.
    pub(super) fn roll_prekey(&mut self, now: Duration) -> PrekeyRecord {
        self.begin_version(now);
        self.rolled = now.as_secs();
        PrekeyRecord::of(&PrekeySecret::generate(&mut randomness::rng()), self.address_version, now)
    }

    /// Changes the write key of one mailbox whose time has come, in a new address version. Another
    /// mailbox whose time is near is put off: two mailboxes whose keys change together are seen to
    /// be of one client, and contacts shall hear of one new key before the other old one ends.
    pub(super) fn change_write_key(&mut self, now: Duration) {
        let due = self.mailboxes.iter_mut().filter(|mailbox| mailbox.is_due(now));
        let first = due.min_by_key(|mailbox| (mailbox.then == OldKey::Accept, mailbox.changes));
        let Some(first) = first else {
            return;
        };
        first.change(now);
        self.begin_version(now);
        for other in &mut self.mailboxes {
            if other.changes < (now + APART).as_secs() {
                other.changes = after(now, APART, APART + DAY);
            }
        }
    }

    /// Has the write keys change and the old ones refused from then on, because a blocked contact
    /// knows them: one drawn mailbox's as soon as the client is online, the other's half a day to
    /// one and a half after that ([`Self::change_write_key`]). Where the other waits for such a
    /// change already, it goes on waiting. No clock is asked, for the machine's may be ahead.
    pub(super) fn refuse_write_keys(&mut self) {
        let rest = |mailbox: &MailboxRecord| mailbox.then == OldKey::Accept;
        let resting: Vec<_> =
            (0..self.mailboxes.len()).filter(|at| rest(&self.mailboxes[*at])).collect();
        let first = resting.choose(&mut randomness::rng()).copied();
        for at in resting {
            let mailbox = &mut self.mailboxes[at];
            mailbox.then = OldKey::Refuse;
            mailbox.changes = u64::from(Some(at) != first);
        }
        for next in &mut self.reserve {
            *next = MailboxRecord::new(NodeNumber::new(next.relay), Duration::ZERO);
        }
    }

    /// Puts another mailbox in the place of the one at `from`; false if there is none. One at a relay
    /// at which the next mailbox was to be is the one that contacts have been told of.
    pub(super) fn replace_mailbox(
        &mut self,
        from: NodeNumber,
        Replacement { to, reserve }: Replacement,
        now: Duration,
    ) -> bool {
        let lost = self.mailboxes.iter_mut().find(|mailbox| mailbox.relay == from.get());
        let Some(lost) = lost else {
            return false;
        };
        let new = MailboxRecord::new(to, now);
        let told = self.reserve.iter().position(|next| next.relay == to.get());
        *lost = match told.map(|at| self.reserve.swap_remove(at)) {
            Some(told) => MailboxRecord { changes: new.changes, ..told },
            None => new,
        };
        self.reserve_at(&reserve, now);
        true
    }

    /// Has the next mailboxes be at these relays; those that were to be there already keep their keys.
    pub(super) fn reserve_at(&mut self, relays: &[NodeNumber], now: Duration) {
        self.reserve.retain(|next| relays.contains(&NodeNumber::new(next.relay)));
        for relay in relays {
            if self.reserve.iter().all(|next| next.relay != relay.get()) {
                self.reserve.push(MailboxRecord::new(*relay, now));
            }
        }
    }

    /// Keys and places as the courier needs them; `prekeys` and last-resort prekeys are newest first.
    pub(super) fn profile(&self, prekeys: &[PrekeyRecord], last: &[LastResortRecord]) -> Profile {
        let mailbox = |mailbox: &MailboxRecord| OwnMailbox {
            relay: NodeNumber::new(mailbox.relay),
            key: MailboxKey::from_seed(&mailbox.key.0),
            write_key: WriteKey::new(mailbox.write_key.0),
            predecessor: WriteKey::new(mailbox.predecessor.0),
        };
        let account = Account {
            identity: IdentitySecret::from_seed(&self.identity.0),
            prekeys: prekeys.iter().map(|prekey| PrekeySecret::from_seed(&prekey.seed.0)).collect(),
            last_resort: last.iter().map(|last| PrekeySecret::from_seed(&last.seed.0)).collect(),
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
            reserve: self.reserve.iter().map(mailbox).collect(),
            incarnation: self.incarnation,
        };
        let spares = self.spare_entries.iter().map(|spare| NodeNumber::new(*spare));
        let (entry, spare_entries) = (NodeNumber::new(self.entry), spares.collect());
        Profile { entry, spare_entries, account }
    }

    /// Has the client enter through this relay, and through these when it is gone; true if that is another
    /// relay than before.
    pub(super) fn enter(&mut self, entry: NodeNumber, spares: &[NodeNumber]) -> bool {
        let before = std::mem::replace(&mut self.entry, entry.get());
        self.spare_entries = numbers(spares);
        before != self.entry
    }
}

impl MailboxRecord {
    /// Makes a mailbox whose write key changes at a time that is drawn for it alone, a day from now at
    /// the earliest.
    fn new(relay: NodeNumber, now: Duration) -> Self {
        let key = MailboxKey::generate(&mut randomness::rng());
        Self {
            relay: relay.get(),
            key: Hex(*key.to_seed()),
            write_key: random_write_key(),
            predecessor: random_write_key(),
            changes: after(now, DAY, LONGEST_WRITE_KEY),
            then: OldKey::Accept,
        }
    }

    /// True if the write key is to change: its time has come, or was drawn when the machine's clock
    /// was ahead.
    fn is_due(&self, now: Duration) -> bool {
        self.changes <= now.as_secs() || self.changes > (now + LONGEST_WRITE_KEY + DAY).as_secs()
    }

    /// Puts a new write key in the place of the old one.
    fn change(&mut self, now: Duration) {
        let old = std::mem::replace(&mut self.write_key, random_write_key());
        self.predecessor = match std::mem::replace(&mut self.then, OldKey::Accept) {
            OldKey::Accept => old,
            OldKey::Refuse => random_write_key(),
        };
        self.changes = after(now, WRITE_KEY_PERIOD, LONGEST_WRITE_KEY);
    }
}

impl PrekeyRecord {
    fn of(prekey: &PrekeySecret, address_version: u64, now: Duration) -> Self {
        Self {
            address_version,
            made: now.as_secs(),
            superseded: None,
            seed: Hex(*prekey.to_seed()),
        }
    }

    pub(super) fn id(&self) -> PrekeyId {
        PrekeySecret::from_seed(&self.seed.0).public().id()
    }

    /// Notes that the next prekey takes the place of this one. Times that the machine's clock showed
    /// when it was ahead come down to `now`, or the prekey would stay until then.
    /// True if anything changed.
    pub(super) fn supersede(&mut self, now: Duration) -> bool {
        let now = now.as_secs();
        let before = (self.made, self.superseded);
        self.made = self.made.min(now);
        self.superseded = Some(self.superseded.map_or(now, |then| then.min(now)));
        (self.made, self.superseded) != before
    }

    /// True if nothing that may still be opened was sealed to this prekey: its lifetime is over, and for
    /// one of an envelope nobody was told to seal to it.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        let since = |then: u64| Duration::from_secs(now.as_secs().saturating_sub(then));
        since(self.made) >= PREKEY_LIFETIME
            && self.superseded.is_some_and(|then| since(then) >= TTL)
    }
}

impl LastResortRecord {
    pub(super) fn of(prekey: &PrekeySecret, now: Duration) -> Self {
        Self { made: now.as_secs(), seed: Hex(*prekey.to_seed()) }
    }

    /// Makes the next one.
    pub(super) fn next(now: Duration) -> Self {
        Self::of(&PrekeySecret::generate(&mut randomness::rng()), now)
    }

    pub(super) fn id(&self) -> PrekeyId {
        PrekeySecret::from_seed(&self.seed.0).public().id()
    }

    /// True if another is to take its place.
    pub(super) fn is_old(&self, now: Duration) -> bool {
        now.as_secs().saturating_sub(self.made) >= LAST_RESORT_PERIOD.as_secs()
    }

    /// True if nobody seals to it any more.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now.as_secs().saturating_sub(self.made) >= LAST_RESORT_LIFETIME.as_secs()
    }
}

fn numbers(relays: &[NodeNumber]) -> Vec<u32> {
    relays.iter().map(|relay| relay.get()).collect()
}

fn seconds(now: Duration) -> u32 {
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}

fn random_write_key() -> Hex<32> {
    Hex(*WriteKey::generate(&mut randomness::rng()).expose())
}

/// Draws a time, in Unix seconds, from `least` until `most` after `now`.
fn after(now: Duration, least: Duration, most: Duration) -> u64 {
    let drawn = randomness::rng().random_range(least.as_secs()..most.as_secs());
    now.as_secs().saturating_add(drawn)
}

const DAY: Duration = Duration::from_secs(86_400);
/// Time after which the next last-resort prekey is made.
const LAST_RESORT_PERIOD: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Time for which a last-resort prekey opens addresses: it is told in its second period, as late as at
/// the end of it, and is the last that somebody knows who hears nothing then.
const LAST_RESORT_LIFETIME: Duration =
    Duration::from_secs(2 * LAST_RESORT_PERIOD.as_secs() + LONGEST_APART.as_secs());
/// Time for which two people may hear nothing of each other and still find each other by themselves: both
/// are on leave of 60 days, one as the other is back (`docs/delivery.md`, Address versions).
pub const LONGEST_ABSENCE: Duration = Duration::from_secs(2 * 60 * DAY.as_secs());
/// The same with the four weeks that part-timers who work on different days of the week need until each
/// has heard. What is told at its begin and what leaves at its end is under way for as long as a
/// mailbox keeps it.
const LONGEST_APART: Duration =
    Duration::from_secs(LONGEST_ABSENCE.as_secs() + 28 * DAY.as_secs() + 2 * TTL.as_secs());
/// Time after which the next prekey is made. Were it a day, an address of which one fragment did not
/// come would be another the next day, and whoever has a mailbox that loses letters would hear of
/// none.
const PREKEY_PERIOD: Duration = Duration::from_secs(3 * DAY.as_secs());
/// Least time for which a write key is current, and for which it is accepted after that: whoever was
/// told it just before it changes may be away for the longest time. How much longer is drawn, so that
/// mailboxes whose keys once changed within a day, after a long absence or when a contact was
/// blocked, do not go on in step.
const WRITE_KEY_PERIOD: Duration = LONGEST_APART;
/// Longest time for which a write key is current, if the client is online then.
const LONGEST_WRITE_KEY: Duration =
    Duration::from_secs(WRITE_KEY_PERIOD.as_secs() + 30 * DAY.as_secs());
/// Least time between changes in the two mailboxes: as long as an address waits at most before it
/// is told, so that whoever is online can reach one mailbox all the while.
const APART: Duration = Duration::from_secs(DAY.as_secs() / 2);
/// The time for which a prekey is told, and three lifetimes of an envelope: one for the address on its
/// way to whoever writes, one in which he is away between reading it and writing, one for what he
/// writes. Whoever seizes a client opens nothing that is older.
pub(super) const PREKEY_LIFETIME: Duration =
    Duration::from_secs(PREKEY_PERIOD.as_secs() + 3 * TTL.as_secs());
