//! Bytes as a packet at every layer, of both suites: raw, valid and then changed, or with any route
//! behind a valid seal.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::change::{Change, apply, differ};
use rohrpost_fuzz::path::{self, RouteChoice};
use rohrpost_fuzz::toy::Toy;
use rohrpost_fuzz::{SuiteChoice, layer, sized};
use rohrpost_packet::{
    Classic, Command, Delay, HOPS, HopSecretKey, Hybrid, NodeNumber, Opened, Packet, ROUTE_LEN,
    ReplyId, Route, RouteError, SessionId, ShortGeneration, Suite, UnwrapError, open_header,
};

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Raw { suite: SuiteChoice, layer: u8, bytes: &'a [u8] },
    Changed { suite: SuiteChoice, sample: u8, changes: Vec<Change> },
    Routes { layer: u8, routes: [RouteChoice; HOPS], changes: Vec<Change>, body: &'a [u8] },
    Sealed { layer: u8, route: [u8; ROUTE_LEN], payload: &'a [u8] },
}

/// Keys of a path and packets for it.
struct Stage<S: Suite> {
    keys: [HopSecretKey<S>; HOPS],
    samples: Vec<Sample>,
}

/// A valid packet that starts at `layer`.
struct Sample {
    layer: usize,
    routes: [Route; HOPS],
    bytes: Box<[u8]>,
}

static HYBRID: LazyLock<Stage<Hybrid>> = LazyLock::new(stage);
static CLASSIC: LazyLock<Stage<Classic>> = LazyLock::new(stage);
static TOY: LazyLock<[HopSecretKey<Toy>; HOPS]> = LazyLock::new(path::keys);

fuzz_target!(|case: Case<'_>| match case {
    Case::Raw { suite: SuiteChoice::Hybrid, layer, bytes } => raw(&HYBRID.keys, layer, bytes),
    Case::Raw { suite: SuiteChoice::Classic, layer, bytes } => raw(&CLASSIC.keys, layer, bytes),
    Case::Changed { suite: SuiteChoice::Hybrid, sample, changes } => {
        changed(&HYBRID, sample, &changes);
    }
    Case::Changed { suite: SuiteChoice::Classic, sample, changes } => {
        changed(&CLASSIC, sample, &changes);
    }
    Case::Routes { layer, routes, changes, body } => {
        let layer = usize::from(layer) % HOPS;
        let routes = routes.map(|choice| choice.route());
        let body = &body[..body.len().min(Toy::BODY_LEN)];
        let packet = path::packet(&TOY, layer, &routes, body);
        let sample = Sample { layer, routes, bytes: packet.as_bytes().into() };
        check(&TOY, &sample, &changes, body);
    }
    Case::Sealed { layer, route, payload } => sealed(usize::from(layer) % HOPS, &route, payload),
});

fn stage<S: Suite>() -> Stage<S> {
    let keys = path::keys();
    let ends = [Route::deliver(), Route::reply(SessionId::new([7; 16])), Route::own_loop()];
    let sample = |(layer, end): (usize, &Route)| {
        let next = Route::forward(NodeNumber::new(9), ShortGeneration::new(3), Delay::ZERO);
        let routes = [next, next, next, *end];
        let bytes = path::packet(&keys, layer, &routes, BODY).as_bytes().into();
        Sample { layer, routes, bytes }
    };
    let layers = (0..HOPS).flat_map(|layer| ends.iter().map(move |end| (layer, end)));
    let samples = layers.map(sample).collect();
    Stage { keys, samples }
}

/// Checks that nobody makes a header that verifies without the key.
fn raw<S: Suite>(keys: &[HopSecretKey<S>; HOPS], layer: u8, bytes: &[u8]) {
    let exact = Packet::<S>::from_bytes(bytes);
    assert_eq!(exact.is_ok(), bytes.len() == S::PACKET_LEN);
    let layer = usize::from(layer) % (HOPS + 1);
    let packet = Packet::from_bytes(&sized(bytes, S::PACKET_LEN)).expect("made to measure");
    let error = open_header(packet, layer, &keys[layer % HOPS]).err().expect("no key, no header");
    match error {
        UnwrapError::Layer => assert_eq!(layer, HOPS),
        UnwrapError::Decapsulation(_) | UnwrapError::Header => assert!(layer < HOPS),
        other => panic!("{other} before the header is authentic"),
    }
}

fn changed<S: Suite>(stage: &Stage<S>, sample: u8, changes: &[Change]) {
    let sample = &stage.samples[usize::from(sample) % stage.samples.len()];
    check(&stage.keys, sample, changes, BODY);
}

/// Checks that a header opens if and only if it is as it was made; a payload likewise at the end.
fn check<S: Suite>(
    keys: &[HopSecretKey<S>; HOPS],
    sample: &Sample,
    changes: &[Change],
    body: &[u8],
) {
    let mut bytes = sample.bytes.clone();
    apply(&mut bytes, changes);
    let used = (HOPS - sample.layer) * S::LAYER_LEN;
    let header_differs = differ(&bytes, &sample.bytes, 0..used);
    let payload_differs = differ(&bytes, &sample.bytes, S::HEADER_LEN..S::PACKET_LEN);
    let mut packet = Packet::<S>::from_bytes(&bytes).expect("the length is not changed");
    for (layer, route) in sample.routes.iter().enumerate().skip(sample.layer) {
        let opened = match open_header(packet, layer, &keys[layer]) {
            Ok(opened) => opened,
            Err(UnwrapError::Header | UnwrapError::Decapsulation(_)) => {
                assert!(header_differs, "a valid header was refused");
                return;
            }
            Err(other) => panic!("{other} of a header that was not made so"),
        };
        assert!(!header_differs, "a changed header was taken");
        assert!(opened.route() == route);
        if layer + 1 == HOPS {
            return end(opened, payload_differs, body);
        }
        packet = forward(opened, layer);
    }
}

fn end<S: Suite>(opened: Opened<S>, payload_differs: bool, body: &[u8]) {
    if opened.route().command == Command::Reply {
        let tag = ReplyId::from(*opened.tag());
        let (id, payload) = opened.reply();
        assert!(id == tag && payload.len() == S::PAYLOAD_LEN);
        return;
    }
    match opened.deliver() {
        Ok(got) => {
            assert!(!payload_differs, "a changed payload was taken");
            assert_eq!(&got[..], sized(body, S::BODY_LEN));
        }
        Err(_) => assert!(payload_differs, "a valid payload was refused"),
    }
}

/// Checks that nothing that came in stands between the inner layers and the payload.
fn forward<S: Suite>(opened: Opened<S>, layer: usize) -> Packet<S> {
    let packet = opened.forward();
    let inner = (HOPS - layer - 1) * S::LAYER_LEN;
    assert!(packet.as_bytes()[inner..S::HEADER_LEN].iter().all(|byte| *byte == 0));
    packet
}

/// Checks that any route behind a valid seal is taken if and only if it is well-formed.
fn sealed(layer: usize, route: &[u8; ROUTE_LEN], payload: &[u8]) {
    let packet = layer::packet(layer, route, payload);
    let opened = open_header(packet, layer, &layer::HOP_KEYS[layer]);
    let expected = match route {
        [version, ..] if *version != 1 => Some(RouteError::Version),
        [.., a, b, c, d] if [*a, *b, *c, *d] != [0; 4] => Some(RouteError::Reserved),
        [_, command, ..] if !(1..=4).contains(command) => Some(RouteError::Command),
        _ => None,
    };
    let opened = match (opened, expected) {
        (Ok(opened), None) => opened,
        (Err(UnwrapError::Route(error)), Some(expected)) => return assert_eq!(error, expected),
        (opened, expected) => panic!("{:?} instead of {expected:?}", opened.err()),
    };
    assert_eq!(opened.route().delay.micros().to_be_bytes(), route[4..8]);
    assert_eq!(opened.route().next.get().to_be_bytes(), route[8..12]);
    assert_eq!(opened.route().session.as_bytes()[..], route[12..28]);
    match opened.route().command {
        Command::Forward => drop(forward(opened, layer)),
        Command::Deliver => assert!(opened.deliver().is_err(), "a payload without its key"),
        Command::Reply | Command::Loop => drop(opened.reply()),
    }
}

const BODY: &[u8] = b"a body that every sample carries";
