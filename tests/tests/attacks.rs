//! Attacks: replays, changed packets, stores without the right to. Nothing of them shows outside.

use std::cell::Cell;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rohrpost_packet::envelope::Envelope;
use rohrpost_packet::{NodeNumber, Route, Suite, wrap};
use rohrpost_proto::courier::{ContactMailbox, Event};
use rohrpost_proto::frame::{Frame, HEADER_LEN as FRAME_HEADER_LEN, OutgoingFrame};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::instruction::{MailboxId, Store, WriteKey};
use rohrpost_proto::path::Path;
use rohrpost_virtual::{Conditions, Kind, NORTH, Toy, World};

/// More than a mailbox holds that has earned nothing.
const STORES: u8 = 48;
const ALL: &[Kind] = &[Kind::Cell, Kind::Answer, Kind::Transit];

/// A network with two clients that know each other, warmed up.
fn world() -> (World<Toy>, usize, usize) {
    let mut world = World::new(11, Conditions::CALM);
    let (alice, bob) = (world.add_client(NORTH), world.add_client(NodeNumber::new(3)));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(30));
    (world, alice, bob)
}

/// A packet that an attacker has seen: sender, recipient, bytes.
type Captured = (NodeNumber, NodeNumber, Box<[u8]>);

/// The packets of a second between all nodes.
fn captured(world: &mut World<Toy>) -> Vec<Captured> {
    world.capture = true;
    world.run_for(Duration::from_secs(1));
    world.capture = false;
    std::mem::take(&mut world.captured)
}

/// The world after a second, with `attack` done to the packets captured in it.
fn after(attack: impl Fn(&mut World<Toy>, Vec<Captured>)) -> World<Toy> {
    let (mut world, ..) = world();
    let packets = captured(&mut world);
    assert!(!packets.is_empty());
    // All have arrived: a copy that overtakes its original would take its place.
    world.run_for(Duration::from_millis(100));
    attack(&mut world, packets);
    world.run_for(Duration::from_secs(10));
    world
}

#[test]
fn a_packet_replayed_on_any_link_is_dropped_and_nothing_else_happens() {
    let calm = after(|_, _| {});
    let replayed = Cell::new(0);
    let attacked = after(|world, packets| {
        replayed.set(u64::try_from(packets.len()).unwrap());
        packets.into_iter().for_each(|(from, to, bytes)| world.inject(from, to, bytes));
    });
    assert_eq!(calm.refused_anywhere(Refusal::Replay), 0);
    assert_eq!(attacked.refused_anywhere(Refusal::Replay), replayed.get());
    assert!(calm.observed(ALL) == attacked.observed(ALL));
}

#[test]
fn a_changed_header_is_dropped_and_nothing_else_happens() {
    let calm = after(|_, _| {});
    let changed = Cell::new(0);
    let attacked = after(|world, packets| {
        // Into the first layer, where the whole header is in use. What a deeper layer has zeroed
        // is not looked at: a change there is a replay.
        let fresh = packets.into_iter().filter(|(from, ..)| *from == NORTH);
        for (at, (from, to, mut bytes)) in fresh.enumerate() {
            bytes[FRAME_HEADER_LEN + at * 7 % Toy::HEADER_LEN] ^= 0x10;
            world.inject(from, to, bytes);
            changed.set(changed.get() + 1);
        }
    });
    assert_eq!(calm.refused_anywhere(Refusal::Header), 0);
    assert_eq!(attacked.refused_anywhere(Refusal::Header), changed.get());
    assert!(calm.observed(ALL) == attacked.observed(ALL));
}

/// An attacker who changes a payload on the way finds nothing changed: the packet goes its way, and
/// is garbage where it ends.
#[test]
fn a_changed_payload_travels_on_as_garbage() {
    let send = |change: bool| {
        let (mut world, _, bob) = world();
        let mailbox = world.contact(bob).mailboxes[0].clone();
        let mut outgoing = store(&mut world, &mailbox, 1);
        if change {
            let mut bytes = outgoing.frame.packet.as_bytes().to_vec();
            bytes[Toy::HEADER_LEN + 1_000] ^= 1;
            outgoing.frame.packet =
                rohrpost_packet::Packet::from_bytes(&bytes).expect("the length is the same");
        }
        world.send(NORTH, outgoing, Kind::Transit);
        world.run_for(Duration::from_secs(20));
        world
    };
    let (whole, changed) = (send(false), send(true));
    assert_eq!(whole.refused_anywhere(Refusal::Payload), 0);
    assert_eq!(changed.refused_anywhere(Refusal::Payload), 1);
    assert_eq!(dropped(&whole), 1, "the envelope itself is random bytes");
    assert_eq!(dropped(&changed), 0);
    assert!(whole.observed(ALL) == changed.observed(ALL));
}

/// A packet that stores random bytes, over the same path and with the same delays every time.
fn store(world: &mut World<Toy>, mailbox: &ContactMailbox, number: u8) -> OutgoingFrame<Toy> {
    let view = world.view(NORTH).expect("the relay has a document");
    let mut rng = ChaCha20Rng::from_seed([number; 32]);
    let path = Path::to_relay(&view, 0, mailbox.relay, &mut rng).expect("all nodes are up");
    let envelope = vec![number; Toy::ENVELOPE_LEN];
    let store = Store {
        mailbox: mailbox.id,
        write_key: mailbox.write_key.clone(),
        envelope: Envelope::<Toy>::from_bytes(&envelope).expect("the length is right"),
    };
    let hops = path.hops(&view, Route::deliver()).expect("all nodes are up");
    let packet = wrap(0, &hops, &store.encode(), &mut rng).expect("the path is whole");
    let generation = hops[0].key.generation().short();
    OutgoingFrame { to: path.first(), frame: Frame { generation, packet } }
}

fn dropped(world: &World<Toy>) -> usize {
    world.events.iter().filter(|told| matches!(told.event, Event::Dropped)).count()
}

/// World after stores, one after the other, into a mailbox of bob's with `change` made to it.
fn flood(change: impl Fn(&mut ContactMailbox)) -> World<Toy> {
    let (mut world, _, bob) = world();
    let mut mailbox = world.contact(bob).mailboxes[0].clone();
    change(&mut mailbox);
    for number in 0..STORES {
        let outgoing = store(&mut world, &mailbox, number);
        world.send(NORTH, outgoing, Kind::Transit);
        world.run_for(Duration::from_millis(20));
    }
    world.run_for(Duration::from_secs(60));
    world
}

#[test]
fn unknown_mailbox_full_mailbox_and_wrong_key_look_alike_from_outside() {
    let full = flood(|_| {});
    let unknown = flood(|mailbox| mailbox.id = MailboxId::new([1; 32]));
    let wrong = flood(|mailbox| mailbox.write_key = WriteKey::new([1; 32]));
    // Loops that came before their mailbox was registered are refused in any case.
    let (calm, ..) = world();
    let before = calm.refused_anywhere(Refusal::Refused);
    let refused = |world: &World<Toy>| world.refused_anywhere(Refusal::Refused) - before;
    assert_eq!(refused(&unknown), u64::from(STORES));
    assert_eq!(refused(&wrong), u64::from(STORES));
    // Room for thirty-two, less the owner's own loops that wait there.
    assert!((8..STORES.into()).contains(&refused(&full)), "{} did not fit", refused(&full));
    assert_eq!(dropped(&unknown), 0);
    assert_eq!(dropped(&wrong), 0, "nothing is stored with a wrong key");
    let stored = usize::from(STORES) - usize::try_from(refused(&full)).unwrap();
    // An envelope whose acknowledgement takes longer than thirty seconds is served once more.
    assert!(dropped(&full) >= stored, "what was stored was served");
    assert!(unknown.observed(ALL) == wrong.observed(ALL));
    assert!(unknown.observed(ALL) == full.observed(ALL));
}
