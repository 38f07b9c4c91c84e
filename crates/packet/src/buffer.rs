//! Buffers of one packet each, with room in front for the header of a frame: so a packet is
//! received, opened, held and sent on in one place in memory, without a copy.
//!
//! A node takes all its buffers from a [`BufferPool`], made at the start: the number of packets in
//! the process has that bound, wherever they wait. A buffer is wiped when it goes back.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use zeroize::Zeroize;

/// Bytes before the packet in a buffer: the header of a frame or cell.
pub const HEADROOM: usize = 8;

/// All buffers of a process that are not in use. The pool is lock-free.
pub struct BufferPool {
    free: ArrayQueue<Box<[u8]>>,
}

impl BufferPool {
    /// Makes a pool of `count` buffers (at least one) for packets of `packet_len` bytes: their
    /// whole memory is taken, and touched, here.
    #[must_use]
    pub fn new(count: usize, packet_len: usize) -> Arc<Self> {
        let free = ArrayQueue::new(count.max(1));
        while !free.is_full() {
            // Written before it is wiped, so that the system has given the memory.
            let mut bytes = std::hint::black_box(vec![u8::MAX; HEADROOM + packet_len]);
            bytes.fill(0);
            if free.push(bytes.into()).is_err() {
                break;
            }
        }
        Arc::new(Self { free })
    }

    /// Takes a buffer of zeros; `None` if all are in use.
    #[must_use]
    pub fn take(self: &Arc<Self>) -> Option<Buffer> {
        let bytes = self.free.pop()?;
        Some(Buffer { bytes, home: Some(Arc::clone(self)) })
    }

    /// Number of free buffers, and number of all buffers.
    #[must_use]
    pub fn fill(&self) -> (usize, usize) {
        (self.free.len(), self.free.capacity())
    }
}

/// Room for one packet and the header before it.
pub struct Buffer {
    bytes: Box<[u8]>,
    /// The pool that the buffer goes back to; none for a buffer that a client or a test builds.
    home: Option<Arc<BufferPool>>,
}

impl Buffer {
    /// Makes a buffer that belongs to no pool, for a packet of `packet_len` bytes, all zero.
    #[must_use]
    pub fn unpooled(packet_len: usize) -> Self {
        vec![0; HEADROOM + packet_len].into_boxed_slice().into()
    }
}

impl From<Box<[u8]>> for Buffer {
    fn from(bytes: Box<[u8]>) -> Self {
        Self { bytes, home: None }
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        Box::<[u8]>::from(bytes).into()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.zeroize();
            // The buffer came from this pool, so there is room.
            let _ = home.free.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_wiped_and_are_never_more_than_the_bound() {
        let pool = BufferPool::new(2, 100);
        let (mut one, other) = (pool.take().unwrap(), pool.take().unwrap());
        assert!(pool.take().is_none());
        assert_eq!((one.len(), pool.fill()), (HEADROOM + 100, (0, 2)));
        one.fill(7);
        drop(one);
        let again = pool.take().unwrap();
        assert!(again.iter().all(|byte| *byte == 0), "wiped");
        drop((other, again));
        assert_eq!(pool.fill(), (2, 2));
    }

    #[test]
    fn an_unpooled_buffer_belongs_to_nobody() {
        let buffer = Buffer::unpooled(4);
        assert_eq!(*buffer, [0; HEADROOM + 4]);
    }
}
