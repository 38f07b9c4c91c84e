//! A mix refuses what does not belong to it, and passes on what does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rohrpost_packet::{
    Classic, Generation, Hop as PathHop, HopPublicKey, NodeNumber, Packet, Route,
    ShortGeneration, wrap,
};
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::{Hop, Refusal};
use rohrpost_proto::replay::{ReplaySet, Verdict};
use rohrpost_proto::time::Time;

const NOW: Time = Time::from_micros(1_795_000_000_000_000);

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// A packet whose first hop is `key`, in layer 3.
fn frame(key: &HopPublicKey<Classic>, rng: &mut ChaCha20Rng) -> Frame<Classic> {
    let hops = [PathHop { key, route: Route::deliver() }];
    let packet = wrap(3, &hops, b"text", rng).unwrap();
    Frame { generation: key.generation().short(), packet }
}

fn copy(frame: &Frame<Classic>) -> Frame<Classic> {
    Frame::decode(&frame.encode()).unwrap()
}

#[test]
fn a_packet_is_opened_once_per_key_and_keys_die_with_their_memory() {
    let (hop, mut rng) = (Hop::<Classic>::new(3, 1_000), rng(1));
    let first = hop.rotate(Generation::new(100), NOW, &mut rng);
    let packet = frame(&first, &mut rng);
    assert!(hop.open(copy(&packet)).is_ok());
    assert_eq!(hop.open(copy(&packet)).err(), Some(Refusal::Replay));
    let grace = NOW + std::time::Duration::from_secs(60);
    let second = hop.rotate(Generation::new(200), grace, &mut rng);
    assert_eq!(hop.open(copy(&packet)).err(), Some(Refusal::Replay), "remembered in the grace");
    assert!(hop.open(frame(&first, &mut rng)).is_ok(), "old key, new packet");
    hop.sweep(grace);
    assert_eq!(hop.open(copy(&packet)).err(), Some(Refusal::Generation), "gone with its key");
    assert!(hop.open(frame(&second, &mut rng)).is_ok());
    assert_eq!(hop.newest().unwrap().generation(), Generation::new(200));
}

#[test]
fn each_reason_to_refuse_is_told_apart_inside_only() {
    let (hop, mut rng) = (Hop::<Classic>::new(3, 1_000), rng(2));
    let key = hop.rotate(Generation::new(100), NOW, &mut rng);
    let mut unknown = frame(&key, &mut rng);
    unknown.generation = ShortGeneration::new(7);
    assert_eq!(hop.open(unknown).err(), Some(Refusal::Generation));
    let generation = key.generation().short();
    let random = Frame { generation, packet: Packet::random(&mut rng) };
    assert_eq!(hop.open(random).err(), Some(Refusal::Header));
    let mut bytes = frame(&key, &mut rng).packet.into_bytes();
    bytes[..32].fill(0);
    let small = Frame { generation, packet: Packet::from_boxed(bytes).unwrap() };
    assert_eq!(hop.open(small).err(), Some(Refusal::Decapsulation));
    assert_eq!(Frame::<Classic>::decode(&[0; 2568]).err().map(|_| ()), Some(()));
    let names: std::collections::HashSet<_> = Refusal::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(names.len(), Refusal::ALL.len());
}

#[test]
fn a_full_memory_accepts_nothing_new_and_forgets_nothing() {
    let mut rng = rng(3);
    let hop = Hop::<Classic>::new(3, 1_000);
    let key = hop.rotate(Generation::new(1), NOW, &mut rng);
    let mut set = ReplaySet::new(50);
    let mut tags = Vec::new();
    for _ in 0..51 {
        let opened = hop.open(frame(&key, &mut rng)).ok().unwrap();
        tags.push(*opened.tag());
    }
    let verdicts: Vec<_> = tags.iter().map(|tag| set.test_and_set(tag)).collect();
    assert!(verdicts[..50].iter().all(|verdict| *verdict == Verdict::Fresh));
    assert_eq!(verdicts[50], Verdict::Full);
    assert!(tags[..50].iter().all(|tag| set.test_and_set(tag) == Verdict::Replayed));
    assert_eq!(set.fill(), (50, 50));
}
