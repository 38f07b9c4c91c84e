//! Links lose packets: as many messages as chance says.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_virtual::{Conditions, Memory, Setup, Toy, World, every_seed, seeds};

/// Probability that a link loses a frame.
const LOSS: f64 = 0.05;
/// Links on which a message can be lost for good: client, entry, three mixes, mailbox. From the
/// mailbox on it is served again until it is acknowledged.
const LINKS: i32 = 5;
const CLIENTS: u32 = 75;
/// As many as leave for a contact of which nothing is heard.
const LETTERS_EACH: u8 = 16;

/// The mean is (1 - p)^5, and the count lies within 3.3 standard deviations of it (once in a
/// thousand seeds it does not; seeds are fixed). Nothing is acknowledged and so nothing is sent
/// again in this time: what is lost on the way to the mailbox is; what is lost behind it is not.
#[test]
fn the_part_of_messages_that_arrives_is_the_product_over_the_links() {
    let arrived = AtomicU32::new(0);
    every_seed(seeds(), |seed| {
        let tally = lossy(seed).tally;
        assert_eq!(tally.sent, u64::from(CLIENTS) * u64::from(LETTERS_EACH));
        arrived.fetch_add(u32::try_from(tally.arrived).unwrap(), Ordering::Relaxed);
    });
    let arrived = f64::from(arrived.into_inner());
    let runs = f64::from(u32::try_from(seeds().count()).unwrap());
    let posted = runs * f64::from(CLIENTS) * f64::from(LETTERS_EACH);
    let expected = (1.0 - LOSS).powi(LINKS);
    let deviation = (expected * (1.0 - expected) / posted).sqrt();
    let part = arrived / posted;
    println!(
        "{arrived} of {posted} messages arrived: {part:.4}; expected {expected:.4} ± {deviation:.4}"
    );
    assert!((part - expected).abs() < 3.3 * deviation, "{part} of {expected} ± {deviation}");
}

/// Lossy network in which each client writes to the next one, a message every three seconds.
fn lossy(seed: u64) -> World<Toy> {
    let conditions = Conditions { lost_per_million: 50_000, ..Conditions::CALM };
    let memory = Memory::Digest;
    let setup = Setup { conditions, memory, acknowledges: false, ..Setup::new(seed) };
    let mut world = World::<Toy>::of(setup);
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| world.add_client(NodeNumber::new(1 + client % 4))).collect();
    let next = |at: usize| clients[(at + 1) % clients.len()];
    clients.iter().for_each(|client| world.introduce(*client, next(*client)));
    let reachable = world.run_until(Duration::from_secs(120), |world| {
        clients.iter().all(|client| world.is_reachable(*client))
    });
    assert!(reachable, "mailboxes answer after some pulls");
    for number in 0..LETTERS_EACH {
        clients.iter().for_each(|client| world.post(*client, next(*client), number, &[number]));
        world.run_for(Duration::from_secs(3));
    }
    // An envelope is served again every thirty seconds; five times are enough for nearly all.
    world.run_for(Duration::from_secs(130));
    world
}
