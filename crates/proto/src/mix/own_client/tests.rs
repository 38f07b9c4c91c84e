use std::collections::{BTreeMap, BTreeSet};

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::directory::roster::{Directory, Role, SuiteName, Traffic};
use crate::directory::signing::SigningKey;
use crate::directory::trust::{Agency, JoinKey, TrustRoot};
use crate::time::Time;

const BEGIN: Steady = Steady::of_clock(Time::from_micros(1_795_000_000_000_000));
const PATIENCE: Duration = Duration::from_secs(240);
const HOUR: Duration = Duration::from_secs(3_600);
const NAMES: [&str; 6] = ["north", "south", "east", "west", "up", "down"];

/// A relay of each of so many operators, and six mixes; a mix of `north` is to be served.
fn roster(operators: usize) -> Arc<Roster> {
    let key = |seed: usize| SigningKey::from_seed(&[u8::try_from(seed).unwrap(); 32]);
    let agency = |(seed, name): (usize, &&str)| Agency {
        name: (*name).into(),
        key: key(100 + seed).public(),
    };
    let agencies = NAMES.iter().enumerate().map(agency).collect();
    let trust = TrustRoot::new("test".into(), agencies, 5, JoinKey::new([1; 32])).unwrap();
    let layer = |index: usize| {
        if operators < 3 { index % 3 } else { index % operators * 3 / operators }
    };
    let node = |index: usize| RosterNode {
        number: NodeNumber::new(u32::try_from(index + 1).unwrap()),
        name: format!("node-{index}"),
        operator: NAMES[index % operators].into(),
        role: if index < operators { Role::Relay } else { Role::Mix { layer: layer(index) } },
        addresses: vec![([10, 0, 0, u8::try_from(index).unwrap()], 4433).into()],
        identity: key(index + 1).public(),
    };
    let nodes: Vec<_> = (0..operators + 6).map(node).collect();
    let traffic = Traffic::default();
    let text = Roster::render(
        "test",
        "2099-01-01",
        SuiteName::Classic,
        &traffic,
        &Directory::of(&traffic),
        &nodes,
    );
    let sign = |(seed, name): (usize, &&str)| Roster::sign(&text, &trust, name, &key(100 + seed));
    let signatures: Vec<_> = NAMES.iter().enumerate().map(sign).collect();
    Arc::new(Roster::verify(&text, &signatures, &trust, 0).unwrap())
}

fn client(operators: usize) -> OwnClient {
    OwnClient::new("north".into(), roster(operators))
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// Operators of a stay's mailboxes.
fn hosts<'a>(stay: &Stay, client: &'a OwnClient) -> Vec<&'a str> {
    let relays = stay.account.mailboxes.iter().map(|own| client.roster.node(own.relay).unwrap());
    relays.map(|relay| relay.operator.as_str()).collect()
}

/// Checks that mailboxes outlive sessions by far, as a person's do: over two years, most of the time
/// they are older than any session, and they end at times that no session sets.
#[test]
fn an_account_outlives_the_stays_at_its_entries() {
    let (mut client, mut rng, mut now) = (client(6), rng(1), BEGIN);
    let mut lives = BTreeMap::new();
    let (mut old, mut stays) = (Duration::ZERO, 0_u32);
    while now.since(BEGIN) < HOUR * 24 * 730 {
        let stay = client.begin(now, &mut rng).unwrap();
        let id = *stay.account.mailboxes[0].key.id().as_bytes();
        let (begun, entries) = lives.entry(id).or_insert_with(|| (now, BTreeSet::new()));
        entries.insert(stay.entry);
        let hosts = hosts(&stay, &client);
        let entry = client.roster.node(stay.entry).unwrap().operator.as_str();
        assert!(hosts.len() == 2 && hosts[0] != hosts[1] && !hosts.contains(&entry));
        assert!(!hosts.contains(&"north") && entry != "north");
        // The part of the stay in which the mailboxes are older than six hours.
        old += stay.until.since(now.max(*begun + HOUR * 6));
        (now, stays) = (stay.until, stays + 1);
        client.end(stay.account, Outcome::Served);
    }
    let all = now.since(BEGIN);
    assert!(old.as_secs_f64() > 0.95 * all.as_secs_f64(), "{old:?} of {all:?}");
    let accounts = u32::try_from(lives.len()).unwrap();
    // Three weeks each and a day each; five standard deviations of 35 and 730 of them.
    assert!((12..70).contains(&accounts), "{accounts}");
    assert!((600..900).contains(&stays), "{stays}");
    let wide = lives.values().filter(|(_, entries)| entries.len() > 1).count();
    assert!(wide * 2 > lives.len(), "stays of one account are at several entries");
}

/// Checks that the account with which a process begins is over after a day or so: whoever sees a
/// mix start anew has use of the mailbox that comes then for no longer.
#[test]
fn the_first_account_of_a_process_is_short() {
    let lives: Vec<_> = (0..100)
        .map(|seed| {
            let (mut client, mut rng) = (client(6), rng(seed));
            client.begin(BEGIN, &mut rng).unwrap();
            client.ends.unwrap().since(BEGIN).as_secs_f64() / HOUR.as_secs_f64()
        })
        .collect();
    let mean = lives.iter().sum::<f64>() / 100.0;
    assert!((15.0..33.0).contains(&mean), "{mean} h");
    assert!(lives.iter().all(|life| (6.0..24.0 * 21.0).contains(life)));
}

/// Checks that an entry that cannot be reached costs the mailboxes only where no other entry is
/// left for them.
#[test]
fn an_entry_that_is_not_reached_is_left() {
    for (operators, kept) in [(6, true), (4, false)] {
        for seed in 0..20 {
            let (mut client, mut rng) = (client(operators), rng(seed));
            let first = client.begin(BEGIN, &mut rng).unwrap();
            let id = *first.account.mailboxes[0].key.id().as_bytes();
            client.end(first.account, Outcome::Unreached);
            let next = client.begin(BEGIN + HOUR / 60, &mut rng).unwrap();
            assert_ne!(next.entry, first.entry);
            assert_eq!(*next.account.mailboxes[0].key.id().as_bytes() == id, kept);
            let entry = &client.roster.node(next.entry).unwrap().operator;
            assert!(!hosts(&next, &client).contains(&entry.as_str()));
        }
    }
}

/// Checks that an entry that fails while it serves is kept until the stay is over, and that the
/// mailboxes are over with it unless it is back by then: no mailbox that fell silent with a relay is
/// pulled by way of another.
#[test]
fn an_entry_that_fails_while_it_serves_is_not_left_with_the_same_mailboxes() {
    for back in [false, true] {
        for seed in 0..20 {
            let (mut client, mut rng) = (client(6), rng(seed));
            let first = client.begin(BEGIN, &mut rng).unwrap();
            let id = *first.account.mailboxes[0].key.id().as_bytes();
            let mut course = Course::new(BEGIN, first.until, PATIENCE);
            let (mut now, mut served) = (BEGIN, true);
            while course.goes_on(now) {
                course.handle_loss(served);
                (now, served) = (now + HOUR / 60, false);
            }
            assert!(now >= first.until, "left after {:?}", now.since(BEGIN));
            if back {
                course.handle_close(now, true);
            }
            client.end(first.account, course.outcome());
            // The account's own time may have come with the stay's.
            client.ends = Some(now + HOUR);
            let next = client.begin(now, &mut rng).unwrap();
            assert_eq!(*next.account.mailboxes[0].key.id().as_bytes() == id, back);
            assert!(back || next.entry != first.entry);
        }
    }
}

/// Checks that an entry that does not serve in the first minutes is left, and one that served until
/// the stay was over was not lost.
#[test]
fn an_entry_that_never_serves_is_left_in_minutes() {
    let until = BEGIN + HOUR;
    let mut course = Course::new(BEGIN, until, PATIENCE);
    course.handle_loss(false);
    assert!(course.goes_on(BEGIN + PATIENCE - HOUR / 60));
    // A link without a document, which the client closes.
    course.handle_close(BEGIN + PATIENCE, false);
    assert!(!course.goes_on(BEGIN + PATIENCE));
    assert_eq!(course.outcome(), Outcome::Unreached);
    course.handle_close(until - HOUR / 60, true);
    assert_eq!(course.outcome(), Outcome::Lost, "no fresh document came any more");
    course.handle_close(until, true);
    assert!(!course.goes_on(until));
    assert_eq!(course.outcome(), Outcome::Served);
}

/// Checks that there is a client wherever there is a relay, be it the mix's own operator's.
#[test]
fn a_small_network_has_an_entry_all_the_same() {
    for operators in 1..4 {
        let (mut client, mut rng, mut now) = (client(operators), rng(9), BEGIN);
        for outcome in [Outcome::Served, Outcome::Unreached, Outcome::Unreached, Outcome::Served] {
            let stay = client.begin(now, &mut rng).unwrap();
            assert!(!stay.account.mailboxes.is_empty());
            now = stay.until;
            client.end(stay.account, outcome);
        }
    }
}
