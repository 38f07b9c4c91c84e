//! Rohrpost's packet in its two suites: three mixes and a relay.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use rohrpost_packet::{
    Classic, Delay, Generation, HOPS, PathHop, HopSecretKey, Hybrid, NodeNumber, Packet, Route, Suite,
    open_header, wrap,
};

use super::{Broken, Contender, Job, message};

const DELAY: Delay = Delay::from_micros(250_000);

/// Times unwrapping and building in both suites.
pub(crate) fn contenders() -> Result<Vec<Contender>, Broken> {
    let mut all = suite::<Classic>("rohrpost classic")?;
    all.extend(suite::<Hybrid>("rohrpost hybrid")?);
    Ok(all)
}

fn suite<S: Suite>(name: &'static str) -> Result<Vec<Contender>, Broken> {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let keys: Vec<_> = (1..=4).map(node::<S>).collect();
    let packet = build(&keys, &message(), &mut rng).map_err(|error| Broken(name, error))?;
    let bytes = packet.as_bytes().to_vec();
    carry(packet, &keys).map_err(|error| Broken(name, error))?;

    let first = node::<S>(1);
    let unwrap = Contender::new(
        (name, Job::Unwrap, "open_header and forward"),
        S::PACKET_LEN,
        move || Packet::<S>::from_bytes(&bytes).expect("these are the bytes of a packet"),
        move |packet| {
            let opened = open_header(packet, 0, &first).expect("the check has opened this packet");
            opened.forward()
        },
    );
    let build = Contender::new(
        (name, Job::Build, "wrap for 4 hops"),
        S::PACKET_LEN,
        message,
        move |message| build(&keys, &message, &mut rng).expect("the check has built this packet"),
    );
    Ok(vec![unwrap, build])
}

fn node<S: Suite>(number: u8) -> HopSecretKey<S> {
    let mut rng = ChaCha20Rng::from_seed([number; 32]);
    HopSecretKey::generate(Generation::new(number.into()), &mut rng)
}

fn build<S: Suite>(
    keys: &[HopSecretKey<S>],
    message: &[u8],
    rng: &mut ChaCha20Rng,
) -> Result<Packet<S>, String> {
    let forward = Route::forward(NodeNumber::new(1), keys[0].generation().short(), DELAY);
    let routes = [forward, forward, forward, Route::deliver()];
    let hops: Vec<_> =
        keys.iter().zip(routes).map(|(key, route)| PathHop { key: key.public(), route }).collect();
    wrap(0, &hops, message, rng).map_err(|error| error.to_string())
}

/// Carries the packet through all hops; the message has to come out.
fn carry<S: Suite>(mut packet: Packet<S>, keys: &[HopSecretKey<S>]) -> Result<(), String> {
    for (layer, key) in keys.iter().enumerate().take(HOPS - 1) {
        let opened = open_header(packet, layer, key).map_err(|error| error.to_string())?;
        packet = opened.forward();
    }
    let last = open_header(packet, HOPS - 1, &keys[HOPS - 1]).map_err(|error| error.to_string())?;
    let body = last.deliver().map_err(|error| error.to_string())?;
    if !body.starts_with(&message()) {
        return Err("another message came out".into());
    }
    Ok(())
}
