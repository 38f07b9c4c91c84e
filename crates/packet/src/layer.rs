//! A single layer around a packet: the inverse of what one hop does (`docs/packet-format.md` §3 to
//! §6).
//!
//! Such a packet is real to one hop only, and costs as much as one hop: it is load for a single
//! mix. The mix cannot tell it from any other, for a mix opens its own layer and passes the rest on
//! unseen.

use std::slice;

use rand_core::CryptoRng;

use crate::packet::Packet;
use crate::size::{HOPS, ROUTE_LEN};
use crate::suite::Suite;
use crate::wrap::build_header;
use crate::wrap::{PathHop, WrapError};

/// Wraps `inner`, as it is to leave the hop in `layer` (0 to 3), in that hop's layer.
///
/// The hop's [`forward`](crate::Opened::forward) gives `inner` back byte for byte, but for the
/// filler between its header and its payload, which leaves as zeros whatever it was.
///
/// # Errors
/// There is no such layer, or the hop's key is unusable.
pub fn wrap_layer<S: Suite>(
    layer: usize,
    hop: &PathHop<'_, S>,
    inner: &Packet<S>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Packet<S>, WrapError> {
    let layers = HOPS.checked_sub(layer).filter(|left| *left > 0).ok_or(WrapError::Path)?;
    let rest = (layers - 1) * S::LAYER_LEN;
    let mut packet = Packet::<S>::zeroed();
    let header = &mut packet.header_mut()[..layers * S::LAYER_LEN];
    header[S::CIPHERTEXT_LEN + ROUTE_LEN..][..rest].copy_from_slice(&inner.as_bytes()[..rest]);
    let keys = build_header(layer, slice::from_ref(hop), header, rng)?;
    let payload = packet.payload_mut();
    payload.copy_from_slice(inner.payload());
    for keys in &keys {
        keys.payload.cipher().encrypt(payload);
    }
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::identifier::{Generation, NodeNumber, ShortGeneration};
    use crate::key::HopSecretKey;
    use crate::route::{Delay, Route};
    use crate::suite::{Classic, Hybrid};
    use crate::unwrap::open_header;

    fn the_hop_gives_the_inner_packet_back<S: Suite>() {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let key = HopSecretKey::<S>::generate(Generation::new(7), &mut rng);
        let next = ShortGeneration::new(9);
        let route = Route::forward(NodeNumber::new(3), next, Delay::from_micros(11));
        for layer in 0..HOPS {
            let inner = Packet::<S>::random(&mut rng);
            let hop = PathHop { key: key.public(), route };
            let packet = wrap_layer(layer, &hop, &inner, &mut rng).unwrap();
            let opened = open_header(packet, layer, &key).unwrap();
            assert!(*opened.route() == route);
            let left = opened.forward();
            let header = (HOPS - layer - 1) * S::LAYER_LEN;
            assert_eq!(left.as_bytes()[..header], inner.as_bytes()[..header]);
            assert!(left.as_bytes()[header..S::HEADER_LEN].iter().all(|byte| *byte == 0));
            assert_eq!(left.payload(), inner.payload());
        }
        let hop = PathHop { key: key.public(), route };
        let beyond = wrap_layer(HOPS, &hop, &Packet::<S>::random(&mut rng), &mut rng);
        assert_eq!(beyond.err(), Some(WrapError::Path));
    }

    #[test]
    fn a_hop_takes_a_single_layer_off() {
        the_hop_gives_the_inner_packet_back::<Classic>();
        the_hop_gives_the_inner_packet_back::<Hybrid>();
    }
}
