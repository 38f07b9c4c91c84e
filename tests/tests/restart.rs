//! A mix dies and comes back: paths avoid it, and its old packets are not accepted again.

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::hop::Refusal;
use rohrpost_tests::{Conditions, NORTH, Toy, World};

const MIX: NodeNumber = NodeNumber::new(7);
const SOUTH: NodeNumber = NodeNumber::new(2);

#[test]
fn a_dead_mix_leaves_the_paths_within_35_seconds() {
    let mut world = World::<Toy>::new(4, Conditions::CALM);
    let (alice, bob) = (world.add_client(NORTH), world.add_client(SOUTH));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(30));
    assert!(world.view(NORTH).unwrap().key(MIX).is_some());
    world.kill(MIX);
    world.run_for(Duration::from_secs(35));
    assert!(world.view(NORTH).unwrap().key(MIX).is_none());
    world.run_for(Duration::from_secs(25));
    for number in 0..20 {
        world.post(alice, bob, number, &[number]);
    }
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.arrived(bob).len(), 20, "a minute after, all letters arrive");
}

#[test]
fn a_restarted_mix_has_new_keys_and_refuses_old_packets() {
    let mut world = World::<Toy>::new(6, Conditions::CALM);
    let (alice, bob) = (world.add_client(NORTH), world.add_client(SOUTH));
    world.introduce(alice, bob);
    world.capture = true;
    world.run_for(Duration::from_secs(30));
    let captured = std::mem::take(&mut world.captured);
    world.capture = false;
    let before = world.view(NORTH).unwrap().key(MIX).unwrap().generation();
    world.kill(MIX);
    world.run_for(Duration::from_secs(5));
    world.start(MIX);
    world.run_for(Duration::from_secs(15));
    let after = world.view(NORTH).unwrap().key(MIX).unwrap().generation();
    assert!(after > before);
    let refused = world.refused(MIX, Refusal::Generation);
    let old: Vec<_> = captured.into_iter().filter(|(_, to, _)| *to == MIX).collect();
    assert!(old.len() > 50);
    let count = u64::try_from(old.len()).unwrap();
    old.into_iter().for_each(|(from, to, bytes)| world.inject(from, to, bytes));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.refused(MIX, Refusal::Generation), refused + count);
    for number in 0..20 {
        world.post(alice, bob, number, &[number]);
    }
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.arrived(bob).len(), 20);
}
