//! Two clients that lose all their mailboxes at once: neither can tell the other where its next ones
//! are, so both know it before.

use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::{Account, Message};
use rohrpost_proto::directory::roster::Traffic;

use super::arrivals;
use super::world::{START, World, account, message, steady};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_hours(1);
/// Seeds of the two clients' accounts. Both have the same two relays for their next mailboxes: of each
/// one is that at which the other client enters.
const CLIENTS: [u8; 2] = [81, 82];

/// A client's account, with the keys of its next mailboxes. Once it has moved, one of those is there.
fn client(seed: u8, moved: Option<usize>) -> Account {
    let mut own = account(seed, &[3, 4]);
    let relays = [1, 2].map(NodeNumber::new);
    own.reserve(relays, &mut ChaCha20Rng::from_seed([seed; 32]));
    if let Some(at) = moved {
        own.mailboxes[0] = own.reserve.remove(at);
    }
    own
}

/// Posts a message that is tried for a day.
fn post(world: &mut World, [from, to]: [usize; 2], text: &str) {
    let to = world.key_id(to);
    let number = world.couriers[from].next_sequence(to);
    let message = Message { expires: START + HOUR * 24, ..message(text, number) };
    world.couriers[from].post(to, message).unwrap();
}

/// The messages that come to each, if both lose the relays of all their mailboxes, move hours later, the
/// one to `moved` of its next mailboxes and the other to the other, and write to each other then. They
/// `know` or do not know before where those will be.
fn exchanged(know: bool, moved: usize) -> [usize; 2] {
    let mut world = World::of(&Traffic { slot: Duration::from_secs(10), ..Traffic::default() });
    let both = [(81, 1), (82, 2)].map(|(seed, entry)| world.client(seed, entry, &[3, 4]));
    for (at, seed) in CLIENTS.into_iter().enumerate() {
        let mut card = client(seed, None).contact();
        if !know {
            card.reserve.clear();
        }
        world.couriers[both[1 - at]].add_contact(card);
    }
    world.run(START + HOUR);
    for one in both {
        let view = world.view(&[3, 4]);
        world.couriers[one].handle_view(steady(START + HOUR), view);
    }
    // A relay that is away for less than hours comes back with its mailboxes.
    post(&mut world, both, "at once");
    world.run(START + HOUR * 2);
    assert!(arrivals(&world, both[1]).is_empty());
    world.run(START + HOUR * 5);
    for ((one, seed), moved) in both.into_iter().zip(CLIENTS).zip([moved, 1 - moved]) {
        let view = world.view(&[3, 4]);
        world.couriers[one].handle_view(steady(START + HOUR * 5), view);
        world.couriers[one].renew_account(client(seed, Some(moved)));
    }
    world.run(START + HOUR * 5 + MINUTE * 20);
    post(&mut world, both, "later");
    post(&mut world, [both[1], both[0]], "and back");
    world.run(START + HOUR * 9);
    both.map(|one| arrivals(&world, one).len())
}

#[test]
fn clients_that_lose_all_mailboxes_at_once_find_each_other() {
    // Also at the relay of the operator through whom the other enters.
    for moved in [0, 1] {
        assert_eq!(exchanged(true, moved), [1, 2]);
    }
    assert_eq!(exchanged(false, 0), [0, 0], "but for what they know before, they would not");
}
