//! Properties of the packet: every position and role, and what becomes of changed bytes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};
use rohrpost_packet::{
    Classic, Delay, Generation, HopSecretKey, Hybrid, NodeNumber, Opened, Packet, PathHop, Route,
    SessionId, Suite, Surb, UnwrapError, WrapError, build_surb, open_header, wrap,
};

const HOPS: usize = 4;

/// Four nodes, one per layer.
struct Nodes<S: Suite> {
    keys: Vec<HopSecretKey<S>>,
    rng: ChaCha20Rng,
}

impl<S: Suite> Nodes<S> {
    fn new(seed: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let generations = (100..).take(HOPS).map(Generation::new);
        let keys = generations.map(|g| HopSecretKey::generate(g, &mut rng)).collect();
        Self { keys, rng }
    }

    fn child(&mut self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }

    /// Hops from `first` to `last` (exclusive), the last ending as `end` says.
    fn hops(&self, first: usize, last: usize, end: Route) -> Vec<PathHop<'_, S>> {
        let hop = |layer: usize| {
            let next = NodeNumber::new(u32::try_from(layer + 1).unwrap());
            let generation = self.keys[(layer + 1) % HOPS].generation().short();
            let forward = Route::forward(next, generation, Delay::from_micros(7));
            let route = if layer + 1 == last { end } else { forward };
            PathHop { key: self.keys[layer].public(), route }
        };
        (first..last).map(hop).collect()
    }

    fn wrap(&mut self, first: usize, body: &[u8]) -> Packet<S> {
        let mut rng = self.child();
        let packet = wrap(first, &self.hops(first, HOPS, Route::deliver()), body, &mut rng);
        packet.unwrap()
    }

    fn open(&self, packet: Packet<S>, layer: usize) -> Result<Opened<S>, UnwrapError> {
        open_header(packet, layer, &self.keys[layer])
    }

    /// Carries the packet through the layers from `first` to before `last`.
    fn carry(&self, packet: Packet<S>, first: usize, last: usize) -> Packet<S> {
        (first..last).fold(packet, |packet, layer| self.open(packet, layer).unwrap().forward())
    }
}

fn body<S: Suite>(fill: u8) -> Vec<u8> {
    vec![fill; S::BODY_LEN]
}

/// Sends a body from a client (layer 0) and from a mix of each layer (1 to 3).
fn a_body_arrives_from_every_position<S: Suite>() {
    for first in 0..HOPS {
        let mut nodes = Nodes::<S>::new(1);
        let packet = nodes.wrap(first, &body::<S>(0xab));
        let shorter = (HOPS - first) * S::LAYER_LEN;
        assert!(packet.as_bytes()[shorter..S::HEADER_LEN].iter().all(|byte| *byte == 0));
        let last = nodes.carry(packet, first, HOPS - 1);
        let opened = nodes.open(last, HOPS - 1).unwrap();
        assert!(*opened.route() == Route::deliver());
        assert_eq!(opened.deliver().unwrap()[..], body::<S>(0xab));
    }
}

#[test]
fn a_body_arrives_from_every_position_in_both_suites() {
    a_body_arrives_from_every_position::<Classic>();
    a_body_arrives_from_every_position::<Hybrid>();
}

/// Replies to a session over four hops, and to mixes of each layer over one to three.
fn a_reply_comes_back_over_every_length<S: Suite>() {
    for len in 1..=HOPS {
        let mut nodes = Nodes::<S>::new(2);
        let mut rng = nodes.child();
        let end =
            if len == HOPS { Route::reply(SessionId::new([5; 16])) } else { Route::own_loop() };
        let hops = nodes.hops(0, len, end);
        let (surb, opener) = build_surb(NodeNumber::new(0), &hops, &mut rng).unwrap();
        let mut encoded = vec![0; Surb::<S>::ENCODED_LEN];
        surb.encode(&mut encoded);
        let surb = Surb::<S>::decode(&encoded).unwrap();
        assert_eq!(surb.first_generation(), nodes.keys[0].generation().short());
        let packet = nodes.carry(surb.reply(&body::<S>(0xcd)).unwrap(), 0, len - 1);
        let opened = nodes.open(packet, len - 1).unwrap();
        assert!(*opened.route() == end);
        let (id, mut payload) = opened.reply();
        assert!(id == opener.id());
        assert_ne!(payload[32..], body::<S>(0xcd)[..], "the last hop cannot read a reply");
        assert_eq!(opener.open(&mut payload).unwrap()[..], body::<S>(0xcd));
    }
}

#[test]
fn a_reply_comes_back_over_every_length_in_both_suites() {
    a_reply_comes_back_over_every_length::<Classic>();
    a_reply_comes_back_over_every_length::<Hybrid>();
}

/// Opens a packet with every byte of its header changed, at every layer.
fn every_changed_header_byte_is_refused<S: Suite>(step: usize) {
    for layer in 0..HOPS {
        let mut nodes = Nodes::<S>::new(3);
        let packet = nodes.wrap(layer, b"text").as_bytes().to_vec();
        for index in (0..(HOPS - layer) * S::LAYER_LEN).step_by(step) {
            let mut changed = packet.clone();
            changed[index] ^= 1 << (index % 8);
            let opened = nodes.open(Packet::from_bytes(&changed).unwrap(), layer);
            // The top bit of an X25519 element does not count (RFC 7748, section 5), but the
            // ciphertext is part of the key schedule.
            assert!(opened.is_err(), "layer {layer}, byte {index}");
        }
    }
}

#[test]
fn every_changed_header_byte_is_refused_in_both_suites() {
    every_changed_header_byte_is_refused::<Classic>(1);
    every_changed_header_byte_is_refused::<Hybrid>(1);
}

fn a_changed_payload_byte_is_garbage_at_the_end<S: Suite>() {
    for layer in 0..HOPS {
        let mut nodes = Nodes::<S>::new(4);
        let packet = nodes.wrap(layer, b"text").as_bytes().to_vec();
        for index in (S::HEADER_LEN..S::PACKET_LEN).step_by(61) {
            let mut changed = packet.clone();
            changed[index] ^= 1 << (index % 8);
            let last = nodes.carry(Packet::from_bytes(&changed).unwrap(), layer, HOPS - 1);
            assert!(nodes.open(last, HOPS - 1).unwrap().deliver().is_err(), "byte {index}");
        }
    }
}

#[test]
fn a_changed_payload_byte_is_garbage_at_the_end_in_both_suites() {
    a_changed_payload_byte_is_garbage_at_the_end::<Classic>();
    a_changed_payload_byte_is_garbage_at_the_end::<Hybrid>();
}

/// Checks that a mark which two nodes put between header and payload does not pass an honest one.
fn random_filler_comes_out_as_zeros<S: Suite>() {
    for layer in 0..HOPS - 1 {
        let mut nodes = Nodes::<S>::new(5);
        let mut packet = nodes.wrap(layer, b"text").as_bytes().to_vec();
        nodes.rng.fill_bytes(&mut packet[(HOPS - layer) * S::LAYER_LEN..S::HEADER_LEN]);
        let opened = nodes.open(Packet::from_bytes(&packet).unwrap(), layer).unwrap();
        let out = opened.forward();
        let filler = &out.as_bytes()[(HOPS - layer - 1) * S::LAYER_LEN..S::HEADER_LEN];
        assert!(filler.iter().all(|byte| *byte == 0), "layer {layer}");
        let last = nodes.carry(out, layer + 1, HOPS - 1);
        assert_eq!(nodes.open(last, HOPS - 1).unwrap().deliver().unwrap()[..4], *b"text");
    }
}

#[test]
fn random_filler_comes_out_as_zeros_in_both_suites() {
    random_filler_comes_out_as_zeros::<Classic>();
    random_filler_comes_out_as_zeros::<Hybrid>();
}

#[test]
fn malformed_packets_are_refused_each_for_its_reason() {
    let mut nodes = Nodes::<Classic>::new(6);
    let packet = nodes.wrap(0, b"text");
    let bytes = packet.as_bytes().to_vec();
    let again = || Packet::<Classic>::from_bytes(&bytes).unwrap();
    assert!(Packet::<Classic>::from_bytes(&bytes[1..]).is_err(), "too short");
    assert!(Packet::<Hybrid>::from_bytes(&bytes).is_err(), "another suite");
    assert_eq!(nodes.open(again(), 1).err(), Some(UnwrapError::Header), "another node");
    let wrong_layer = open_header(again(), 1, &nodes.keys[0]).err();
    assert_eq!(wrong_layer, Some(UnwrapError::Header), "another layer");
    assert_eq!(open_header(again(), 4, &nodes.keys[0]).err(), Some(UnwrapError::Layer));
    let mut zero = bytes.clone();
    zero[..32].fill(0);
    let zero = nodes.open(Packet::from_bytes(&zero).unwrap(), 0).err();
    assert!(matches!(zero, Some(UnwrapError::Decapsulation(_))), "a point of small order");
    let long = vec![0; Classic::BODY_LEN + 1];
    let hops = nodes.hops(0, HOPS, Route::deliver());
    let rng = &mut ChaCha20Rng::from_seed([1; 32]);
    let (len, limit) = (long.len(), Classic::BODY_LEN);
    assert_eq!(wrap(0, &hops, &long, rng).err(), Some(WrapError::Body { len, limit }));
    assert_eq!(wrap(1, &hops, b"", rng).err(), Some(WrapError::Path));
    assert_eq!(wrap::<Classic>(0, &[], b"", rng).err(), Some(WrapError::Path));
}

#[test]
fn two_packets_of_one_body_share_nothing() {
    let mut nodes = Nodes::<Classic>::new(7);
    let (one, other) = (nodes.wrap(0, b"text"), nodes.wrap(0, b"text"));
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let equal = one.iter().zip(other).filter(|(a, b)| a == b).count();
    assert!(equal < 40, "{equal} of 2560 bytes are equal, 10 are to be expected");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutated_bytes_never_panic(
        layer in 0..HOPS,
        at in proptest::collection::vec((0..Classic::PACKET_LEN, any::<u8>()), 1..20),
    ) {
        let mut nodes = Nodes::<Classic>::new(8);
        let mut bytes = nodes.wrap(layer, b"text").as_bytes().to_vec();
        for (at, byte) in at {
            bytes[at] = byte;
        }
        if let Ok(opened) = nodes.open(Packet::from_bytes(&bytes).unwrap(), layer) {
            let _ = opened.deliver();
        }
    }

    #[test]
    fn random_bytes_are_refused(layer in 0..HOPS, seed in any::<[u8; 32]>()) {
        let nodes = Nodes::<Classic>::new(9);
        let packet = Packet::<Classic>::random(&mut ChaCha20Rng::from_seed(seed));
        prop_assert!(nodes.open(packet, layer).is_err());
    }
}
