//! Address versions: a new prekey each third day, who is told, and what contacts tell.

use rohrpost_client::{Address, Completed};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{Fragment, Kind, MessageId};
use rohrpost_proto::courier::{Contact, Message};
use rohrpost_proto::instruction::WriteKey;
use rohrpost_proto::mailbox::TTL;
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::Agreement;

use super::world::{
    Client, DAY, Folder, HOUR, PERIOD, SECOND, START, announce, arrive, below, body, carry,
    complete, fragments, resumed,
};

/// The newest address that a client tells another.
fn told(from: &Client, to: &Client) -> Option<Address> {
    Some(Address::decode(body(&from.announcement(to.key())?)).unwrap())
}

#[test]
fn a_prekey_lasts_three_days_and_every_contact_is_told_of_the_next() {
    let folder = Folder::new("rolls");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("carol", carol.card(START), START).unwrap();
    carry(&alice, &carol, START);
    let before = alice.card(START);
    assert!(!alice.store.roll(START + PERIOD - SECOND).unwrap());
    announce(&alice, START + PERIOD - SECOND);
    assert!(told(&alice, &bob).is_none());

    assert!(alice.store.roll(START + PERIOD).unwrap());
    announce(&alice, START + PERIOD);
    let alice = alice.reopen();
    let [of_bob, of_carol] = [&bob, &carol].map(|to| told(&alice, to).unwrap());
    let version = alice.version();
    assert_eq!(version, (START + PERIOD).as_secs() << 32);
    assert_eq!((of_bob.version, of_carol.version), (version, version));
    let account = alice.store.profile().unwrap().account;
    assert!(of_bob.contact.prekey == *account.prekeys[0].public());
    assert!(of_bob.contact.prekey != before.prekey);
    assert!(before.prekey == *account.prekeys[1].public());
    assert!(
        of_bob.contact.mailboxes.iter().zip(&before.mailboxes).all(|(now, then)| now.id == then.id)
    );
}

#[test]
fn a_prekey_ends_when_its_time_is_over_though_no_version_begins() {
    let folder = Folder::new("ends");
    let alice = Client::new(&folder, "alice");
    let first = alice.store.profile().unwrap().account.prekeys[0].to_seed();
    let count = || alice.store.profile().unwrap().account.prekeys.len();
    // A client whose house is kept an hour later each time.
    (1..8).for_each(|time| assert!(alice.store.roll(START + (PERIOD + HOUR) * time).unwrap()));
    let end = START + PERIOD + TTL * 3;
    assert!(!alice.store.roll(end - SECOND).unwrap());
    let before = count();
    assert!(alice.store.roll(end).unwrap());
    assert_eq!(count(), before - 1);
    let left = alice.store.profile().unwrap().account.prekeys;
    assert!(left.iter().all(|prekey| prekey.to_seed() != first));
    assert!(!alice.store.roll(end).unwrap());
}

#[test]
fn a_prekey_that_was_told_of_until_lately_stays_for_an_envelopes_lifetime() {
    let folder = Folder::new("off");
    let alice = Client::new(&folder, "alice");
    let first = alice.store.profile().unwrap().account.prekeys[0].to_seed();
    // The machine was off for a month; others may have sealed to the old prekey all the while.
    let back = START + DAY * 30;
    assert!(alice.store.roll(back).unwrap());
    let has = || {
        let prekeys = alice.store.profile().unwrap().account.prekeys;
        prekeys.iter().any(|prekey| prekey.to_seed() == first)
    };
    for day in 1..7 {
        alice.store.roll(back + DAY * day).unwrap();
        assert!(has(), "day {day}");
    }
    alice.store.roll(back + TTL).unwrap();
    assert!(!has());
}

#[test]
fn a_contact_hears_of_the_next_version_and_writes_there() {
    let folder = Folder::new("hears");
    let [alice, bob] = Client::pair(&folder);
    alice.store.roll(START + PERIOD).unwrap();
    announce(&alice, START + PERIOD);
    let newest = told(&alice, &bob).unwrap();
    let heard = carry(&alice, &bob, START + PERIOD);
    let [Completed::Address(address)] = &heard[..] else { panic!("an address has come") };
    assert!(address.version == newest.version && same(&address.contact, &newest.contact));
    let bob = bob.reopen();
    assert!(same(&bob.store.contact("alice").unwrap().address.contact, &newest.contact));
    assert!(same(&bob.store.correspondents().unwrap()[0].contact, &newest.contact));
}

/// Checks that a contact for whom the newest address has left is told that in the next run as well,
/// though its turn in the round has not come: else a program that is started each day would go back
/// to telling nothing.
#[test]
fn an_address_that_has_left_once_is_told_in_the_next_run() {
    let folder = Folder::new("left-once");
    let [alice, bob] = Client::pair(&folder);
    carry(&alice, &bob, START);
    alice.store.roll(START + PERIOD).unwrap();
    assert!(told(&alice, &bob).is_none(), "its turn has not come");
    let newest = alice.store.address().unwrap().version;
    alice.store.announced(bob.key(), newest, 1, START + PERIOD).unwrap();
    let alice = alice.reopen();
    assert_eq!(told(&alice, &bob).map(|address| address.version), Some(newest));
}

/// A message of a contact that tells this address.
fn telling(address: &Address) -> Message {
    Message {
        id: MessageId::random(&mut rand::rng()),
        kind: Kind::Address,
        sequence: address.version,
        minutes: 0,
        expires: Time::from_micros(0) + START + DAY,
        left: None,
        body: address.encode().into(),
    }
}

#[test]
fn an_older_address_and_that_of_somebody_else_are_not_taken() {
    let folder = Folder::new("not-taken");
    let [alice, bob] = Client::pair(&folder);
    let eve = Client::new(&folder, "eve");
    let known = bob.store.contact("alice").unwrap().address;
    let marked = |newer, mark: u8| {
        let mut address = Address { version: known.version + newer, ..known.clone() };
        address.contact.mailboxes[0].write_key = WriteKey::new([mark; 32]);
        address
    };
    let foreign = Address { version: known.version + 9, contact: eve.card(START) };
    let not_an_address = Message { body: vec![1, 2, 3].into(), ..telling(&marked(10, 0)) };
    let cases = [
        (telling(&marked(5, 1)), 1, true),
        (telling(&marked(5, 2)), 1, false),
        (telling(&marked(4, 3)), 1, false),
        (telling(&foreign), 1, false),
        (not_an_address, 1, false),
        (telling(&marked(6, 4)), 4, true),
    ];
    for (message, expected, taken) in cases {
        let told = arrive(alice.key(), &message, &bob, START + HOUR);
        let address = bob.store.contact("alice").unwrap().address;
        let mark = address.contact.mailboxes[0].write_key.expose()[0];
        assert_eq!(mark, expected, "version {}", message.sequence);
        assert_eq!(told.len(), usize::from(taken));
        assert!(address.contact.identity.key_id() == alice.key());
    }
}

#[test]
fn a_lost_mailbox_is_replaced_and_contacts_are_told() {
    let folder = Folder::new("replaced");
    let [alice, bob] = Client::pair(&folder);
    let profile = alice.store.profile().unwrap();
    let lost = profile.account.mailboxes[0].relay;
    let next = || profile.replacement(&alice.network.roster, |_| true).unwrap();
    let spare = next().to;
    let reserved = bob.store.contact("alice").unwrap().address.contact.reserve;
    assert!(reserved[0].relay == spare, "the contact knows it before it is needed");
    alice.store.replace_mailbox(lost, next(), START + HOUR).unwrap();
    announce(&alice, START + HOUR);
    carry(&alice, &bob, START + HOUR);
    let known = bob.store.contact("alice").unwrap().address;
    let relays: Vec<_> = known.contact.mailboxes.iter().map(|mailbox| mailbox.relay).collect();
    assert_eq!(relays, [spare, profile.account.mailboxes[1].relay]);
    let [old, new] = [&profile.account.mailboxes[0].key.id(), &known.contact.mailboxes[0].id];
    assert!(new != old && *new == reserved[0].id, "contacts may write there already");
    assert!(known.contact.mailboxes[0].write_key.fits(&reserved[0].write_key));
    let later = known.contact.reserve;
    assert!(reserved[1..].iter().all(|other| later.iter().any(|place| place.id == other.id)));
    assert!(later.iter().all(|place| place.id != *new && !relays.contains(&place.relay)));
    assert!(known.contact.mailboxes[1].id == profile.account.mailboxes[1].key.id());
    alice.store.replace_mailbox(NodeNumber::new(99), next(), START + HOUR).unwrap();
    announce(&alice, START + HOUR);
    assert!(told(&alice, &bob).is_none(), "nothing was lost there, so nobody is told");
}

fn same(one: &Contact, other: &Contact) -> bool {
    let mailboxes = |contact: &Contact| -> Vec<_> {
        let all = contact.mailboxes.iter();
        all.map(|it| (it.relay, *it.id.as_bytes(), *it.write_key.expose())).collect()
    };
    one.identity.key_id() == other.identity.key_id()
        && one.prekey == other.prekey
        && mailboxes(one) == mailboxes(other)
}

/// Checks that a contact who has acknowledged none of the addresses is told each new one at once, not
/// the one before for as long as the program runs.
#[test]
fn who_has_no_address_hears_of_each_new_one() {
    let folder = Folder::new("untold");
    let [alice, bob] = ["alice", "bob"].map(|name| Client::new(&folder, name));
    alice.store.add_contact("bob", bob.card(START), START).unwrap();
    assert_eq!(told(&alice, &bob).unwrap().version, START.as_secs() << 32);
    assert!(alice.store.roll(START + PERIOD).unwrap());
    assert_eq!(alice.store.announce(0, START + PERIOD).unwrap(), [bob.key()]);
    assert_eq!(told(&alice, &bob).unwrap().version, (START + PERIOD).as_secs() << 32);
}

/// Links show a date every few seconds; the disk is written when it is another by minutes, and what is
/// older counts only where all clocks agree.
#[test]
fn a_date_that_hardly_differs_is_not_written() {
    let folder = Folder::new("dates");
    let alice = Client::new(&folder, "alice");
    let note = |date, agreement| alice.store.note_date(date, agreement).unwrap();
    assert!(note(START + DAY, Agreement::Machine));
    let before = std::fs::read(alice.file()).unwrap();
    for second in 0..500 {
        assert!(note(START + DAY + SECOND * second, Agreement::Machine));
    }
    assert!(std::fs::read(alice.file()).unwrap() == before, "written for a few seconds");
    assert!(!note(START, Agreement::Machine) && note(START, Agreement::All));
    assert!(std::fs::read(alice.file()).unwrap() != before, "a date of a day before is another");
}

/// Checks that a last-resort prekey is told a month after it was made, so that whoever goes back to a
/// copy of the last month has it, opens addresses for seven months, and is then really gone.
#[test]
fn a_last_resort_prekey_is_told_after_a_month_and_lasts_seven() {
    let folder = Folder::new("last-resort");
    let mut alice = Client::new(&folder, "alice");
    let ids = |client: &Client| -> Vec<_> {
        let all = client.store.profile().unwrap().account.last_resort;
        all.iter().map(|prekey| prekey.public().id()).collect()
    };
    let first = ids(&alice);
    let mut days = vec![first.clone()];
    let mut told = Vec::new();
    for day in 1..=230 {
        alice.store.roll(START + DAY * day).unwrap();
        let all = ids(&alice);
        assert_eq!(all.contains(&first[0]), day < 222, "day {day}");
        assert!(all.len() <= 8, "day {day}");
        let contact = alice.card(START + DAY * day);
        told.push(contact.last_resort.unwrap().id());
        let month_ago = &days[days.len().saturating_sub(29)];
        assert!(month_ago.contains(told.last().unwrap()), "day {day}");
        days.push(all);
    }
    told.dedup();
    assert_eq!(told.len(), 7, "one a month, but for the second");
    alice = alice.reopen();
    assert!(!ids(&alice).contains(&first[0]));
}

/// Checks that a last-resort prekey that was made while the machine's clock was ahead ends like others.
#[test]
fn a_last_resort_prekey_of_a_clock_that_was_ahead_is_replaced_in_time() {
    let folder = Folder::new("last-resort-ahead");
    let alice = Client::new(&folder, "alice");
    let count = || alice.store.profile().unwrap().account.last_resort.len();
    alice.store.roll(START + DAY * 4000).unwrap();
    for day in 1..=300 {
        alice.store.roll(START + DAY * day).unwrap();
        assert!((1..=9).contains(&count()), "{} on day {day}", count());
    }
}

/// Checks that an address comes whole of whose fragments one came in each of several runs, and that
/// fragments of no more versions than two are kept.
#[test]
fn an_address_whose_fragments_leave_in_several_runs_comes_whole() {
    let folder = Folder::new("in-pieces");
    let [mut alice, bob] = Client::pair(&folder);
    for time in 1..5 {
        alice.store.roll(START + PERIOD * time).unwrap();
        announce(&alice, START + PERIOD * time);
        let message = alice.announcement(bob.key()).unwrap();
        keep(&alice, &bob, &fragments(&message)[..1]);
    }
    let parts = resumed(&bob, alice.key()).unwrap().memory.parts;
    assert_eq!(parts.len(), 2, "of the last two versions");
    let count = fragments(&alice.announcement(bob.key()).unwrap()).len();
    let mut last = None;
    for index in 0..count {
        alice = alice.reopen();
        let message = alice.announcement(bob.key()).unwrap();
        keep(&alice, &bob, &fragments(&message)[index..=index]);
        last = Some(message);
    }
    let message = last.unwrap();
    let told = bob.store.complete(alice.key(), &[complete(&message)], below(0), START).unwrap();
    let [Completed::Address(address)] = &*told else { panic!("no address") };
    assert_eq!(address.version, message.sequence);
}

fn keep(from: &Client, to: &Client, fragments: &[Fragment]) {
    let fragments = fragments.iter().map(|fragment| (from.key(), fragment));
    assert!(to.store.store_letters(fragments, [], START).unwrap().is_empty());
}
