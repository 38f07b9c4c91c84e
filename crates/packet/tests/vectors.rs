//! Test vectors: hex files that other implementations can check themselves against.
//!
//! Each file has lines `name = hex`. They are recomputed from the seeds in `docs/packet-format.md`
//! and compared; with `ROHRPOST_WRITE_VECTORS=1` they are written anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::path::Path;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use data_encoding::HEXLOWER;
use rohrpost_packet::envelope::{
    Fragment, FragmentPosition, IdentitySecret, Kind, MessageId, NetworkId, PrekeySecret, Standing,
    seal,
};
use rohrpost_packet::{
    Classic, Delay, Generation, HopSecretKey, Hybrid, NodeNumber, PathHop, Route, SessionId, Suite,
    Surb, build_surb, open_header, wrap,
};

/// Writes one line; a value longer than 128 bytes is given by its BLAKE3 hash.
fn line(text: &mut String, name: &str, bytes: &[u8]) {
    let value = if bytes.len() > 128 {
        format!("blake3:{}", blake3::hash(bytes).to_hex())
    } else {
        HEXLOWER.encode(bytes)
    };
    let _ = writeln!(text, "{name} = {value}");
}

fn rng(purpose: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([purpose; 32])
}

fn vectors<S: Suite>() -> String {
    let mut text =
        format!("# Suite {}; seeds and order of draws: docs/packet-format.md\n", S::NAME);
    let keys: Vec<HopSecretKey<S>> = (0..4_u8)
        .map(|layer| {
            HopSecretKey::generate(Generation::new(1_000 + u32::from(layer)), &mut rng(layer))
        })
        .collect();
    for (layer, key) in keys.iter().enumerate() {
        line(&mut text, &format!("public key {layer}"), key.public().as_bytes());
    }
    let hops = |end: Route| -> Vec<PathHop<'_, S>> {
        (0..4_usize)
            .map(|layer| {
                let next = NodeNumber::new(u32::try_from(layer + 11).unwrap());
                let generation = keys[(layer + 1) % 4].generation().short();
                let delay = Delay::from_micros(250_000);
                let forward = Route::forward(next, generation, delay);
                PathHop { key: keys[layer].public(), route: if layer == 3 { end } else { forward } }
            })
            .collect()
    };
    let mut packet = wrap(0, &hops(Route::deliver()), b"Rohrpost", &mut rng(20)).unwrap();
    for (layer, key) in keys.iter().enumerate() {
        line(&mut text, &format!("packet at layer {layer}"), packet.as_bytes());
        let opened = open_header(packet, layer, key).unwrap();
        line(&mut text, &format!("replay tag {layer}"), opened.tag().as_bytes());
        if layer == 3 {
            line(&mut text, "body", &opened.deliver().unwrap());
            break;
        }
        packet = opened.forward();
    }
    let end = Route::reply(SessionId::new([0x55; 16]));
    let (surb, opener) = build_surb(NodeNumber::new(11), &hops(end), &mut rng(21)).unwrap();
    let mut encoded = vec![0; Surb::<S>::ENCODED_LEN];
    surb.encode(&mut encoded);
    line(&mut text, "surb", &encoded);
    line(&mut text, "reply id", opener.id().as_bytes());
    line(&mut text, "reply", surb.reply(b"Answer").unwrap().as_bytes());
    text + &envelope::<S>()
}

fn envelope<S: Suite>() -> String {
    let mut text = String::new();
    let (alice, bob) =
        (IdentitySecret::from_seed(&[0x61; 32]), IdentitySecret::from_seed(&[0x62; 32]));
    let prekey = PrekeySecret::from_seed(&[0x63; 96]);
    let fragment = Fragment {
        message: MessageId::new([0x64; 16]),
        kind: Kind::Content,
        sequence: 7,
        position: FragmentPosition::WHOLE,
        minutes: 29_000_000,
        standing: Standing {
            open: 5,
            heard: 6,
            whole: 5,
            since: 4,
            incarnation: 2,
            last: 7,
            told: [0x6161, 0, 2, 0, 0, 0, 0, 1],
            behind: 1,
            after: 0x0707,
            hour: 3,
        },
        body: b"Letter".to_vec().into(),
    };
    let network = NetworkId::new([0x65; 32]);
    let sealed =
        seal::<S>(&alice, bob.public(), prekey.public(), &network, &fragment, &mut rng(22))
            .unwrap();
    line(&mut text, "key id of alice", alice.public().key_id().as_bytes());
    line(&mut text, "prekey", prekey.public().as_bytes());
    line(&mut text, "envelope", sealed.as_bytes());
    text
}

fn compare<S: Suite>() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{}.hex", S::NAME));
    let computed = vectors::<S>();
    if std::env::var_os("ROHRPOST_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &computed).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    for (stored, computed) in stored.lines().zip(computed.lines()) {
        assert_eq!(stored, computed);
    }
    assert_eq!(stored, computed);
}

#[test]
fn the_vectors_of_both_suites_are_met() {
    compare::<Classic>();
    compare::<Hybrid>();
}
