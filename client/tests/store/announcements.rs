//! Announcements: when contacts are told of a newer address.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_client::{Address, AddressKnown, Content, DeliveryStatus};
use rohrpost_packet::envelope::{KeyId, Kind};

use super::world::{Client, DAY, Folder, HOUR, PERIOD, START, body, carry, network};

const MINUTE: Duration = Duration::from_secs(60);
const CONTACTS: usize = 30;

/// A client with many contacts, all of whom have heard of its address.
fn popular(folder: &Folder) -> Client {
    let alice = Client::new(folder, "alice");
    for number in 0..CONTACTS {
        let name = format!("contact-{number}");
        let contact = Client::new(folder, &name);
        alice.store.add_contact(&name, contact.card(START), START).unwrap();
        carry(&alice, &contact, START);
    }
    alice
}

/// Minutes of a client that is online, as the agent passes them: gives the contacts that are told
/// of an address, which they acknowledge.
fn pass(alice: &Client, minutes: u64, now: Duration) -> Vec<KeyId> {
    let told = alice.store.announce(minutes, now).unwrap();
    for to in &told {
        let address = alice.announcement(*to).expect("whoever is due has something to hear");
        let known = alice.store.address_acknowledged(*to, address.sequence).unwrap();
        assert_eq!(known, AddressKnown::Newest);
    }
    told
}

fn pass_minute(alice: &Client, now: Duration) -> Vec<KeyId> {
    alice.store.roll(now).unwrap();
    pass(alice, 1, now)
}

/// Checks what a relay of all mailboxes could see over four weeks of office hours: after each roll,
/// and after each morning's start, hardly any contact gets a letter; all hear of an address within
/// two days of work.
#[test]
fn contacts_hear_of_a_new_address_at_times_spread_over_many_hours() {
    let folder = Folder::new("office-hours");
    let mut alice = popular(&folder);
    let (mut at_start, mut starts) = (0, 0);
    let mut per_minute: BTreeMap<u64, usize> = BTreeMap::new();
    let mut last_told: BTreeMap<[u8; 32], u32> = BTreeMap::new();
    let (mut workdays, mut rolls, mut rolled) = (0, 0, 0);
    for day in (1..29_u32).filter(|day| day % 7 < 5) {
        let morning = START + DAY * day;
        workdays += 1;
        starts += 1;
        alice = alice.reopen();
        // The link comes up, and the prekey is old.
        if alice.store.roll(morning).unwrap() {
            (rolls, rolled) = (rolls + 1, workdays);
        }
        assert!(pass(&alice, 0, morning).is_empty(), "nothing leaves with the roll");
        for minute in 1..=8 * 60 {
            let now = morning + MINUTE * minute;
            let told = pass_minute(&alice, now);
            at_start += if minute <= 1 { told.len() } else { 0 };
            *per_minute.entry(now.as_secs()).or_default() += told.len();
            for key in told {
                last_told.insert(*key.as_bytes(), workdays);
            }
        }
        assert!(
            rolls == 0
                || workdays <= rolled
                || last_told.values().filter(|told| **told >= rolled).count() == CONTACTS,
            "somebody has not been told for two days of work"
        );
    }
    // Every second start has some thirty contacts to tell in 720 minutes: among the first minutes of
    // twenty starts that is a letter or so.
    assert!(at_start <= 5, "{at_start} letters in the first minutes of {starts} starts");
    let most = per_minute.values().max().unwrap();
    assert!(*most <= 5, "{most} contacts in one minute");
    let all: usize = per_minute.values().sum();
    assert!(all >= CONTACTS * (rolls - 1), "{all} letters in all");
}

#[test]
fn a_restart_does_not_draw_anew() {
    let folder = Folder::new("not-anew");
    let mut alice = popular(&folder);
    alice.store.roll(START + PERIOD).unwrap();
    // Restarts each minute: were times drawn at each start, the last contact would wait for days.
    let mut told = 0;
    for minute in 1..=12 * 60 {
        if minute % 20 == 0 {
            alice = alice.reopen();
        }
        let now = START + PERIOD + MINUTE * minute;
        told += pass(&alice, 1, now).len();
    }
    assert_eq!(told, CONTACTS);
    assert!(pass(&alice, 1, START + PERIOD + DAY).is_empty());
}

#[test]
fn hours_without_a_link_do_not_count() {
    let folder = Folder::new("do-not-count");
    let alice = popular(&folder);
    alice.store.roll(START + PERIOD).unwrap();
    // The machine was off for three days. All would be due at once by the clock on the wall.
    let back = START + PERIOD * 2;
    alice.store.roll(back).unwrap();
    let at_once = pass_minute(&alice, back + MINUTE).len();
    assert!(at_once <= 4, "{at_once} contacts in the first minute");
    let told: usize = (2..=12 * 60).map(|it| pass_minute(&alice, back + MINUTE * it).len()).sum();
    assert_eq!(told + at_once, CONTACTS);
}

/// Checks that commands of some seconds, each day or every second one and not at the same hour, tell
/// all contacts, and never all at one link.
#[test]
fn a_client_that_is_hardly_ever_online_tells_its_contacts_all_the_same() {
    for (test, days, most) in [("each-day", 1, 22), ("second-day", 2, 28)] {
        let folder = Folder::new(test);
        let alice = popular(&folder);
        let mut last: BTreeMap<[u8; 32], u32> = BTreeMap::new();
        let (mut counts, mut latest) = (Vec::new(), 0);
        for day in (1..60_u32).step_by(days) {
            let now = START + DAY * day + HOUR * (day * 7 % 5);
            alice.store.roll(now).unwrap();
            let told = pass(&alice, 0, now);
            counts.push(told.len());
            for key in told {
                latest = latest.max(day - last.insert(*key.as_bytes(), day).unwrap_or(0));
            }
        }
        assert!(counts.iter().all(|count| *count <= most), "{test}: {counts:?}");
        assert!(last.len() == CONTACTS && latest <= 14, "{test}: {latest} days, {counts:?}");
    }
}

/// Checks that a client that is back after a month tells nobody at its first links, but in hours online.
#[test]
fn whoever_is_back_has_hours_to_tell_everybody_in() {
    let folder = Folder::new("is-back");
    let alice = popular(&folder);
    alice.store.roll(START + PERIOD).unwrap();
    let back = START + DAY * 40;
    let told: usize = (0..24)
        .map(|hour| {
            let now = back + HOUR * hour;
            alice.store.roll(now).unwrap();
            pass(&alice, 0, now).len()
        })
        .sum();
    assert_eq!(told, 0);
}

#[test]
fn an_address_rides_on_a_message_that_goes_there_anyway() {
    let folder = Folder::new("rides");
    let [alice, bob] = Client::pair(&folder);
    let now = START + PERIOD;
    alice.store.roll(now).unwrap();
    assert!(alice.announcement(bob.key()).is_none(), "its time has not come");
    assert!(alice.store.announce_to("bob").unwrap() == Some(bob.key()));
    let address = alice.announcement(bob.key()).unwrap();
    assert!(alice.store.announce_to("bob").unwrap().is_none(), "once");
    let alice = alice.reopen();
    let again = alice.announcement(bob.key()).expect("it lasts until it is acknowledged");
    assert!(again.kind == Kind::Address && again.sequence == address.sequence);
    for hour in 1..24 {
        assert!(alice.store.announce(60, now + HOUR * hour).unwrap().is_empty());
    }
    alice.store.address_acknowledged(bob.key(), address.sequence).unwrap();
    assert!(alice.announcement(bob.key()).is_none());
}

/// Checks that an address takes no number, and that whatever has become of the messages to a contact
/// changes nothing for it.
#[test]
fn an_address_waits_behind_nothing_and_takes_no_number() {
    let folder = Folder::new("no-number");
    let [alice, bob] = Client::pair(&folder);
    let accept = || alice.store.accept("bob", &Content::text("x"), HOUR, START).unwrap().id;
    let posted: Vec<_> = (0..400).map(|_| accept()).collect();
    for time in 1..8 {
        alice.store.roll(START + PERIOD * time).unwrap();
        alice.store.announce_to("bob").unwrap();
    }
    let numbers = alice.numbers(bob.key());
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) && numbers.len() == 400);
    let told = alice.announcement(bob.key()).unwrap();
    let address = Address::decode(body(&told)).unwrap();
    let newest = alice.store.profile().unwrap().account;
    assert!(address.contact.prekey == *newest.prekeys[0].public(), "the newest alone");
    posted.iter().for_each(|id| {
        alice.store.settle(*id, DeliveryStatus::Expired, START + DAY).unwrap();
    });
    assert!(alice.announcement(bob.key()).is_some());
}

/// Checks that a contact that knows of a version that this store does not shows an older copy, and
/// that no number that it invents is believed.
#[test]
fn a_version_that_only_the_contact_knows_shows_an_older_copy() {
    let folder = Folder::new("only-the-contact");
    let [alice, bob] = Client::pair(&folder);
    let now = START + DAY * 3;
    let lost = alice.version() + (DAY * 2).as_secs();
    let known = alice.store.address_acknowledged(bob.key(), lost).unwrap();
    assert_eq!(known, AddressKnown::Newer);
    assert!(alice.store.surpass_version(lost, now).unwrap());
    alice.store.announce_to("bob").unwrap();
    let newest = alice.announcement(bob.key()).unwrap().sequence;
    assert!(newest > lost);
    for invented in [u64::MAX, (now + DAY * 4).as_secs() << 32] {
        assert!(!alice.store.surpass_version(invented, now + DAY * 2).unwrap());
    }
    assert_eq!(alice.announcement(bob.key()).unwrap().sequence, newest);
}

/// Checks that a contact that invents newer versions, or shows an older copy, in each letter has a
/// client make one prekey a day, and not one for each letter.
#[test]
fn a_contact_that_lies_in_each_letter_is_believed_once_a_day() {
    let folder = Folder::new("invented");
    let [alice, _bob] = Client::pair(&folder);
    let prekeys = || alice.store.profile().unwrap().account.prekeys.len();
    let hour = |hour: u32| START + Duration::from_secs(3600) * hour;
    let version = || alice.version() + 1;
    let surpass = |at| alice.store.surpass_version(version(), hour(at)).unwrap();
    let times: Vec<_> = (0..49).filter(|at| surpass(*at)).collect();
    assert_eq!((times, prekeys()), (vec![0, 24, 48], 4));
    assert!(!alice.store.begin_keys_anew(hour(49)).unwrap());
    let begin = |at: &u32| alice.store.begin_keys_anew(hour(*at)).unwrap();
    assert_eq!((49..97).filter(begin).collect::<Vec<_>>(), [72, 96]);
    assert!(surpass(2), "a clock that was ahead");
    assert!(!surpass(3));
}

/// Checks that a version's number and the date of its prekey are apart: a client whose versions are
/// ahead has prekeys of today.
#[test]
fn a_version_says_when_its_prekey_was_made() {
    let folder = Folder::new("made");
    let [alice, _bob] = Client::pair(&folder);
    let made = || {
        let address = alice.store.card(&network(), START).unwrap().address;
        Address::decode(&address.encode()).unwrap().contact.made.unwrap().seconds()
    };
    assert_eq!(made(), START.as_secs());
    let ahead = (START + DAY).as_secs() << 32;
    assert!(alice.store.surpass_version(ahead, START + DAY * 2).unwrap());
    assert_eq!(made(), (START + DAY * 2).as_secs());
}
