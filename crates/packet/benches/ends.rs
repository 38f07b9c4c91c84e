//! Work that a client does for a message: `cargo bench -p rohrpost-packet --
//! 'wrap|surb|seal|open'`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use criterion::{Criterion, criterion_group, criterion_main};
use rohrpost_packet::envelope::{
    Fragment, FragmentPosition, IdentitySecret, Kind, MessageId, NetworkId, PrekeySecret, Standing,
    fragment_body_len, seal,
};
use rohrpost_packet::{
    Classic, Delay, Generation, HopSecretKey, Hybrid, NodeNumber, PathHop, Route, SessionId, Suite,
    build_surb, wrap,
};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fn path<S: Suite>(key: &HopSecretKey<S>, end: Route) -> [PathHop<'_, S>; 4] {
    let forward =
        Route::forward(NodeNumber::new(1), key.generation().short(), Delay::from_micros(7));
    [forward, forward, forward, end].map(|route| PathHop { key: key.public(), route })
}

/// Measures four layers around a full body, and a reply block.
fn build<S: Suite>(criterion: &mut Criterion) {
    let mut rng = rng();
    let key = HopSecretKey::<S>::generate(Generation::new(1), &mut rng);
    let (down, up) =
        (path(&key, Route::deliver()), path(&key, Route::reply(SessionId::new([5; 16]))));
    let body = vec![7; S::BODY_LEN];
    criterion.bench_function(&format!("wrap/{}", S::NAME), |bencher| {
        bencher.iter(|| wrap(0, &down, &body, &mut rng).unwrap());
    });
    criterion.bench_function(&format!("surb/{}", S::NAME), |bencher| {
        bencher.iter(|| build_surb(NodeNumber::new(1), &up, &mut rng).unwrap());
    });
}

/// Seals a full fragment into an envelope and opens both seals.
fn envelope<S: Suite>(criterion: &mut Criterion) {
    let mut rng = rng();
    let (alice, bob) = (IdentitySecret::generate(&mut rng), IdentitySecret::generate(&mut rng));
    let prekey = PrekeySecret::generate(&mut rng);
    let network = NetworkId::new([3; 32]);
    let fragment = Fragment {
        message: MessageId::new([4; 16]),
        kind: Kind::Content,
        sequence: 1,
        position: FragmentPosition::WHOLE,
        minutes: 29_000_000,
        standing: Standing::default(),
        body: vec![7; fragment_body_len::<S>()].into(),
    };
    let mut sealed = || {
        let (to, prekey) = (bob.public(), prekey.public());
        seal::<S>(&alice, to, prekey, &network, &fragment, &mut rng).unwrap()
    };
    criterion.bench_function(&format!("seal/{}", S::NAME), |bencher| bencher.iter(&mut sealed));
    let envelope = sealed();
    criterion.bench_function(&format!("open/{}", S::NAME), |bencher| {
        bencher.iter(|| {
            let outer = envelope.open(&[&prekey], &network).unwrap();
            outer.fragment(bob.public(), alice.public()).unwrap()
        });
    });
}

criterion_group!(ends, build::<Classic>, build::<Hybrid>, envelope::<Classic>, envelope::<Hybrid>);
criterion_main!(ends);
