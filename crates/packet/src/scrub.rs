//! Wiping of the stack, where libraries and compilers leave copies of what they work on.
//!
//! A secret that is passed by value, or taken apart, is copied from frame to frame, and no destructor
//! sees the copies. They last until something else is called as deep, on a thread that sleeps for as
//! long as it sleeps. `ops/check/seizure.sh` finds them.

use std::hint::black_box;

/// Does `work`, and wipes the stack that it may have used: [`DEPTH`] bytes below this call.
pub(crate) fn on_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let result = deeper(work);
    wipe();
    result
}

/// Keeps the frames of `work` below that of its caller, where [`wipe`] has its own.
#[inline(never)]
fn deeper<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe() {
    black_box(&mut [0_u8; DEPTH]);
}

/// More than three times the depth at which copies of ML-KEM keys were found; threads have 2 MiB.
const DEPTH: usize = 128 * 1024;
