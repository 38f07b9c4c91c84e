//! A hop works in the buffer that the packet came in: what unwrapping allocates is counted.
#![expect(unsafe_code, reason = "the trait of an allocator is unsafe to implement")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::stage::decapsulate;
use rohrpost_packet::{
    Classic, Delay, Generation, HOPS, HopSecretKey, Hybrid, NodeNumber, Packet, PathHop, Route,
    Suite, open_header, wrap,
};

/// The system's allocator, counting what this thread takes from it. aws-lc has its own (`malloc`),
/// for a few short-lived objects of each call, which it wipes when it frees them.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller holds the conditions of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller holds the conditions of `dealloc`, and `alloc` above is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts what `run` allocates on this thread.
fn allocations<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let result = run();
    (ALLOCATIONS.get() - before, result)
}

/// Checks that three hops, from the bytes off the link to the bytes for the link, allocate what
/// their decapsulations allocate, and nothing else.
fn only_decapsulation_allocates<S: Suite>(per_decapsulation: usize) {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let key = HopSecretKey::<S>::generate(Generation::new(1), &mut rng);
    let short = key.generation().short();
    let forward = Route::forward(NodeNumber::new(1), short, Delay::from_micros(7));
    let routes = [forward, forward, forward, Route::deliver()];
    let hops = routes.map(|route| PathHop { key: key.public(), route });
    let bytes = wrap(0, &hops, b"text", &mut rng).unwrap().into_buffer();
    let ciphertext = &bytes[..S::CIPHERTEXT_LEN];
    let (alone, _) = allocations(|| decapsulate(&key, ciphertext).unwrap());
    assert_eq!(alone, per_decapsulation);
    let hop = |bytes, layer| {
        let packet = Packet::from_buffer(bytes).unwrap();
        open_header::<S>(packet, layer, &key).unwrap().forward().into_buffer()
    };
    let (whole, bytes) = allocations(|| (0..HOPS - 1).fold(bytes, hop));
    assert_eq!(whole, (HOPS - 1) * per_decapsulation);
    let last = open_header::<S>(Packet::from_buffer(bytes).unwrap(), HOPS - 1, &key).unwrap();
    assert_eq!(last.deliver().unwrap()[..4], *b"text");
}

/// aws-lc-rs boxes the ephemeral key that it parses, and the X25519 result, which it wipes.
#[test]
fn a_classic_hop_allocates_only_in_aws_lc() {
    only_decapsulation_allocates::<Classic>(2);
}

/// aws-lc-rs also boxes the secret of ML-KEM, which it wipes.
#[test]
fn a_hybrid_hop_allocates_only_in_aws_lc() {
    only_decapsulation_allocates::<Hybrid>(3);
}
