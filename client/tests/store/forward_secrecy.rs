//! Forward secrecy: whoever records everything at a mailbox relay, and later seizes the recipient's
//! whole store and its passphrase, opens nothing that is older than the time for which a
//! prekey is told and three lifetimes of an envelope.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use rohrpost_client::{Address, Profile, Store};
use rohrpost_packet::Classic;
use rohrpost_packet::envelope::{
    Envelope, Fragment, FragmentPosition, IdentitySecret, Kind, MessageId, PREKEY_SEED_LEN,
    PrekeyPublic, PrekeySecret, Standing, seal,
};
use rohrpost_proto::courier::Contact;
use rohrpost_proto::mailbox::TTL;
use zeroize::Zeroizing;

use super::world::{Client, DAY, Folder, PERIOD, START, announce, body, network, unlock};

/// The day on which the store is seized.
const LAST: u32 = 30;
/// Cards hold for six days.
const CARD_DAYS: usize = 5;

/// An envelope that the relay has recorded.
struct Recorded {
    day: u32,
    by: &'static str,
    envelope: Envelope<Classic>,
}

/// The recipient, those who write to it, and the relay's record.
struct Story {
    folder: Folder,
    alice: Client,
    bob: IdentitySecret,
    stranger: IdentitySecret,
    cards: Vec<Contact>,
    /// The address that the contact knows.
    known: Option<Contact>,
    record: Vec<Recorded>,
    seeds: Vec<Zeroizing<[u8; PREKEY_SEED_LEN]>>,
}

impl Story {
    fn begin(test: &str) -> Self {
        let folder = Folder::new(test);
        let (alice, bob) = (Client::new(&folder, "alice"), Client::new(&folder, "bob"));
        alice.store.add_contact("bob", bob.card(START), START).unwrap();
        Self {
            bob: bob.store.profile().unwrap().account.identity,
            stranger: IdentitySecret::generate(&mut rand::rng()),
            cards: Vec::new(),
            known: None,
            record: Vec::new(),
            seeds: Vec::new(),
            folder,
            alice,
        }
    }

    /// A day of the recipient's days. It tells its contact each newer address; the contact
    /// writes to that, one stranger to the newest card and another to one that has almost expired.
    /// Gives the file as it is right after the new address version: whatever that removed lies in
    /// it untouched.
    fn live(&mut self, day: u32) -> Vec<u8> {
        let now = START + DAY * day;
        self.alice.store.roll(now).unwrap();
        let image = fs::read(self.alice.file()).unwrap();
        let prekeys = self.alice.store.profile().unwrap().account.prekeys;
        self.seeds.push(prekeys[0].to_seed());
        self.cards.push(self.alice.card(now));
        let told = self.tell(now);
        let old = &self.cards[self.cards.len().saturating_sub(1 + CARD_DAYS)];
        for (by, writer, prekey) in [
            ("contact", &self.bob, &told.prekey),
            ("stranger", &self.stranger, &self.cards.last().unwrap().prekey),
            ("late stranger", &self.stranger, &old.prekey),
        ] {
            let envelope = self.seal(writer, prekey, day);
            self.record.push(Recorded { day, by, envelope });
        }
        image
    }

    /// The newest address that the contact was told; all of it is delivered.
    fn tell(&mut self, now: Duration) -> Contact {
        announce(&self.alice, now);
        let bob = self.bob.public().key_id();
        if let Some(told) = self.alice.announcement(bob) {
            self.alice.store.address_acknowledged(bob, told.sequence).unwrap();
            self.known = Some(Address::decode(body(&told)).unwrap().contact);
        }
        self.known.clone().unwrap()
    }

    fn seal(&self, writer: &IdentitySecret, prekey: &PrekeyPublic, day: u32) -> Envelope<Classic> {
        let fragment = Fragment {
            message: MessageId::random(&mut rand::rng()),
            kind: Kind::Content,
            sequence: u64::from(day),
            position: FragmentPosition::WHOLE,
            minutes: 0,
            standing: Standing::default(),
            body: Zeroizing::new(text(day)),
        };
        let recipient = &self.cards[0].identity;
        let id = &self.alice.network.roster.network_id;
        seal(writer, recipient, prekey, id, &fragment, &mut rand::rng()).unwrap()
    }

    /// The file's bytes at this moment, in a home of their own.
    fn seize(&self, name: &str, image: &[u8]) -> PathBuf {
        let home = self.folder.path(name);
        fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
        fs::write(home.join("store.vault"), image).unwrap();
        home
    }

    /// Every prekey that can be had from a seized home: those that the store uses, and whatever
    /// looks like the seed of one in anything that can be decrypted anywhere in the file.
    fn loot(&self, home: &Path) -> Vec<PrekeySecret> {
        let remnants = Store::danger_remnants(home, &unlock()).unwrap();
        let mut seeds: Vec<[u8; PREKEY_SEED_LEN]> = Vec::new();
        for remnant in &remnants {
            let runs = remnant.split(|byte| !byte.is_ascii_hexdigit());
            for run in runs.filter(|run| run.len() == 2 * PREKEY_SEED_LEN) {
                seeds.push(HEXLOWER.decode(run).unwrap().try_into().unwrap());
            }
            // In another form than hex nobody has a reason to store one.
            let raw = |seed: &[u8]| remnant.windows(seed.len()).any(|bytes| bytes == seed);
            assert!(!self.seeds.iter().any(|seed| raw(&seed[..])));
        }
        seeds.sort_unstable();
        seeds.dedup();
        let mut prekeys: Vec<_> = seeds.iter().map(PrekeySecret::from_seed).collect();
        let store = Store::open(home, &unlock(), &network()).unwrap();
        prekeys.extend(store.profile().unwrap().account.prekeys);
        prekeys
    }

    /// True if an envelope opens with any of these prekeys, and then says what was written.
    fn opens(&self, recorded: &Recorded, prekeys: &[PrekeySecret]) -> bool {
        let prekeys: Vec<_> = prekeys.iter().collect();
        let id = &self.alice.network.roster.network_id;
        let Ok(opened) = recorded.envelope.open(&prekeys, id) else {
            return false;
        };
        let writer = if recorded.by == "contact" { &self.bob } else { &self.stranger };
        let fragment = opened.fragment(&self.cards[0].identity, writer.public()).unwrap();
        assert!(*fragment.body == text(recorded.day));
        true
    }

    /// Writers to a prekey of this very day who can be read.
    fn readable(&self, day: u32, prekeys: &[PrekeySecret]) -> Vec<&'static str> {
        let of_day = self.record.iter().filter(|recorded| recorded.day == day);
        of_day.filter(|recorded| self.opens(recorded, prekeys)).map(|it| it.by).collect()
    }
}

fn text(day: u32) -> Vec<u8> {
    format!("written on day {day}").into_bytes()
}

#[test]
fn a_seized_store_opens_no_envelope_that_is_older_than_a_prekeys_life() {
    let mut story = Story::begin("seized");
    (0..LAST - 1).for_each(|day| drop(story.live(day)));
    let [yesterday, today] = [LAST - 1, LAST].map(|day| story.live(day));
    let life = PERIOD + 3 * TTL;
    assert_eq!(life, DAY * 24);

    let prekeys = story.loot(&story.seize("today", &today));
    for recorded in &story.record {
        let Recorded { day, by, .. } = recorded;
        let age = DAY * (LAST - day);
        let opens = story.opens(recorded, &prekeys);
        assert!(!(opens && age >= life), "day {day}: the {by}'s envelope can be read");
        assert!(opens || age > 2 * TTL, "day {day}: the {by}'s envelope is lost to its recipient");
    }

    // The day before, the oldest of those could still be read, so it is not for want of skill.
    let oldest = LAST - 24;
    assert!(story.readable(oldest, &prekeys).is_empty());
    let before = story.loot(&story.seize("yesterday", &yesterday));
    assert_eq!(story.readable(oldest, &before), ["contact", "stranger"]);
    assert!(story.readable(oldest - 1, &before).is_empty());

    // And its prekey's record is still in the file: had the erasure key not been overwritten, the
    // search would find it.
    let mut kept = today;
    kept[SLOT].copy_from_slice(&yesterday[SLOT]);
    let removed = story.loot(&story.seize("kept", &kept));
    assert_eq!(story.readable(oldest, &removed), ["contact", "stranger"]);
}

/// Place of one of the two copies of the erasure key (docs/store.md, "The file").
const SLOT: std::ops::Range<usize> = 1024..1104;

/// Checks that a client that was made while its machine's clock was a year ahead rolls and erases
/// its prekeys all the same, once it goes by the right date.
#[test]
fn prekeys_roll_and_end_although_they_were_made_by_a_clock_that_was_ahead() {
    let folder = Folder::new("secrecy-ahead");
    let network = network();
    let profile = Profile::create(&network.roster, Some("north")).unwrap();
    let ahead = START + DAY * 365;
    let home = folder.path("alice");
    let store = Store::create(&home, &unlock(), &network, &profile, ahead).unwrap();
    let first = store.profile().unwrap().account.prekeys[0].public().id();
    let has_first = || {
        let prekeys = store.profile().unwrap().account.prekeys;
        prekeys.iter().any(|prekey| prekey.public().id() == first)
    };
    for day in 1..=24 {
        let rolled = store.roll(START + DAY * day).unwrap();
        assert!(rolled || day % 3 != 1, "day {day}");
        assert!(has_first(), "day {day}");
    }
    store.roll(START + DAY * 25).unwrap();
    assert!(!has_first());
}
