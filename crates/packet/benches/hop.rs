//! Work that a node does for a packet, whole and by stage: `cargo bench -p rohrpost-packet --
//! unwrap`. `docs/benchmarks.md` says how to read it.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_core::Rng;
use rohrpost_packet::stage::{Keys, MlKem, decapsulate};
use rohrpost_packet::{
    Classic, Delay, Generation, HOPS, HopSecretKey, Hybrid, NodeNumber, Packet, PathHop, Route,
    Suite, open_header, wrap,
};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fn node<S: Suite>() -> HopSecretKey<S> {
    HopSecretKey::generate(Generation::new(1), &mut rng())
}

/// A packet as it comes to the first mix, which has `key` like all others.
fn packet<S: Suite>(key: &HopSecretKey<S>) -> Packet<S> {
    let forward =
        Route::forward(NodeNumber::new(1), key.generation().short(), Delay::from_micros(7));
    let hops = [forward, forward, forward, Route::deliver()];
    let hops = hops.map(|route| PathHop { key: key.public(), route });
    wrap(0, &hops, &vec![7; S::BODY_LEN], &mut rng()).unwrap()
}

/// Measures one hop from the packet off the link to the packet for the link.
fn unwrap<S: Suite>(criterion: &mut Criterion) {
    let key = node::<S>();
    let packet = packet(&key);
    criterion.bench_function(&format!("unwrap/{}", S::NAME), |bencher| {
        let fresh = || Packet::<S>::from_bytes(packet.as_bytes()).unwrap();
        let hop = |packet| open_header(packet, 0, &key).unwrap().forward();
        bencher.iter_batched(fresh, hop, BatchSize::SmallInput);
    });
}

fn kem<S: Suite>(criterion: &mut Criterion) {
    let key = node::<S>();
    let mut rng = rng();
    let mut ciphertext = vec![0; S::CIPHERTEXT_LEN];
    let public = key.public().as_bytes();
    criterion.bench_function(&format!("encapsulate/{}", S::NAME), |bencher| {
        bencher.iter(|| S::encapsulate(public, &mut ciphertext, &mut rng).unwrap());
    });
    criterion.bench_function(&format!("decapsulate/{}", S::NAME), |bencher| {
        bencher.iter(|| decapsulate(&key, &ciphertext).unwrap());
    });
}

fn ml_kem(criterion: &mut Criterion) {
    let mut rng = rng();
    let mut seed = [0; 64];
    rng.fill_bytes(&mut seed);
    let pair = MlKem::from_seed(&seed);
    let (mut ciphertext, mut shared) = (vec![0; MlKem::CIPHERTEXT_LEN], [0; 32]);
    criterion.bench_function("encapsulate/ml-kem", |bencher| {
        bencher.iter(|| pair.encapsulate(&mut ciphertext, &mut shared, &mut rng).unwrap());
    });
    criterion.bench_function("decapsulate/ml-kem", |bencher| {
        bencher.iter(|| pair.decapsulate(&ciphertext, &mut shared).unwrap());
    });
}

/// Measures key schedule, header and payload of the first hop, from its agreed secret on.
fn symmetric<S: Suite>(criterion: &mut Criterion) {
    let key = node::<S>();
    let mut ciphertext = vec![0; S::CIPHERTEXT_LEN];
    let shared = S::encapsulate(key.public().as_bytes(), &mut ciphertext, &mut rng()).unwrap();
    let derive = || Keys::derive(&shared, 0, key.public(), &ciphertext);
    criterion.bench_function(&format!("keys/{}", S::NAME), |bencher| bencher.iter(derive));

    let keys = derive();
    let mut layer = vec![7; HOPS * S::LAYER_LEN - S::CIPHERTEXT_LEN];
    keys.seal_header(&mut layer);
    criterion.bench_function(&format!("header/{}", S::NAME), |bencher| {
        let open = |layer: &mut Vec<u8>| assert!(keys.open_header(layer));
        bencher.iter_batched_ref(|| layer.clone(), open, BatchSize::SmallInput);
    });

    let mut payload = vec![7; S::PAYLOAD_LEN];
    criterion.bench_function(&format!("lioness/{}", S::PAYLOAD_LEN), |bencher| {
        bencher.iter(|| keys.decrypt_payload(&mut payload));
    });
}

criterion_group!(
    hop,
    unwrap::<Classic>,
    unwrap::<Hybrid>,
    kem::<Classic>,
    kem::<Hybrid>,
    ml_kem,
    symmetric::<Classic>,
    symmetric::<Hybrid>
);
criterion_main!(hop);
