//! A hop: the packet keys of a node, and the memory of packets that it must not accept twice.
//!
//! All worker threads share it: opening a packet takes `&self`. Per generation there is one key and
//! one replay memory; both are dropped together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use rand_core::CryptoRng;
use rohrpost_packet::{
    Generation, HopPublicKey, HopSecretKey, KemError, Opened, ReplayTag, Route, RouteError, Suite,
    UnwrapError, open_header,
};

use crate::frame::Frame;
use crate::instruction::InstructionError;
use crate::lock::Unpoison;
use crate::replay::{Ingress, ReplayMemory, Verdict};
use crate::time::Time;

/// The keys of a node at its position in paths.
pub struct Hop<S: Suite> {
    position: usize,
    links: usize,
    replay_limit: usize,
    /// Keys of the node, newest last; at most [`MAX_GENERATIONS`].
    keys: RwLock<Vec<Arc<KeyEpoch<S>>>>,
    /// Memories without a key: all are made at the start, and come back wiped.
    spare: Spare,
}

type Spare = Arc<Mutex<Vec<ReplayMemory>>>;

struct KeyEpoch<S: Suite> {
    secret: HopSecretKey<S>,
    /// Replay memory of this key; `None` only once the epoch is dropped.
    memory: Option<ReplayMemory>,
    spare: Spare,
    /// Document time in microseconds at which the key is dropped; [`NEVER`] for the newest.
    retires: AtomicU64,
}

impl<S: Suite> Hop<S> {
    /// Makes a hop that opens header layer `position` (0 to 3), takes packets from `links` nodes,
    /// and remembers up to `replay_limit` of them per key. The memory of all keys that it can hold
    /// at once is taken here; [`Self::memory_len`] tells how much.
    #[must_use]
    pub fn new(position: usize, links: usize, replay_limit: usize) -> Self {
        let memories = (0..MAX_GENERATIONS).map(|_| ReplayMemory::new(links, replay_limit));
        let spare = Arc::new(Mutex::new(memories.collect()));
        Self { position, links, replay_limit, keys: RwLock::new(Vec::new()), spare }
    }

    /// Bytes taken for replay memory, for good.
    #[must_use]
    pub fn memory_len(links: usize, replay_limit: usize) -> usize {
        MAX_GENERATIONS * ReplayMemory::len_for(links, replay_limit)
    }

    /// Makes the key of `generation`; the keys before it are dropped at `retires`.
    pub fn rotate(
        &self,
        generation: Generation,
        retires: Time,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> HopPublicKey<S> {
        let secret = HopSecretKey::generate(generation, rng);
        let public = secret.public().clone();
        // An oldest key too many is dropped before the new one is made, and its memory is spare then.
        drop(self.take_out(|keys| (keys.len() == MAX_GENERATIONS).then(|| keys.remove(0))));
        let memory = self.spare.lock().unpoison().pop();
        // None is spare only while a worker that opens a packet still holds that of a third key.
        let memory = memory.unwrap_or_else(|| ReplayMemory::new(self.links, self.replay_limit));
        let (spare, never) = (Arc::clone(&self.spare), AtomicU64::new(NEVER));
        let epoch = KeyEpoch { secret, memory: Some(memory), spare, retires: never };
        let mut keys = self.keys.write().unpoison();
        for epoch in keys.iter() {
            epoch.retires.fetch_min(retires.micros(), Ordering::Relaxed);
        }
        keys.push(Arc::new(epoch));
        public
    }

    /// Drops the keys whose time is over, with their replay sets.
    pub fn sweep(&self, now: Time) {
        let is_over =
            |epoch: &mut Arc<KeyEpoch<S>>| now.micros() >= epoch.retires.load(Ordering::Relaxed);
        drop(self.take_out(|keys| keys.extract_if(.., is_over).collect::<Vec<_>>()));
    }

    /// Takes keys out of those that workers read. Whoever drops what this gives wipes tens of
    /// megabytes; the lock, for which all workers would wait, is free by then.
    fn take_out<T>(&self, taken: impl FnOnce(&mut Vec<Arc<KeyEpoch<S>>>) -> T) -> T {
        taken(&mut self.keys.write().unpoison())
    }

    /// Opens a frame's packet up to its payload, in the order of the design: generation,
    /// decapsulation, header, replay. `from` is the link that the frame came over.
    ///
    /// # Errors
    /// The reason why the packet is dropped.
    pub fn open(&self, from: Ingress, frame: Frame<S>) -> Result<Opened<S>, Refusal> {
        self.open_watched(from, frame, |_| Ok(()), &mut ())
    }

    /// Opens a frame's packet like [`Self::open`], if `admit` lets its route pass; a packet that it
    /// refuses is not remembered. Tells `probe` when each stage is over.
    ///
    /// # Errors
    /// The reason why the packet is dropped.
    pub fn open_watched(
        &self,
        from: Ingress,
        frame: Frame<S>,
        admit: impl FnOnce(&Route) -> Result<(), Refusal>,
        probe: &mut impl Probe,
    ) -> Result<Opened<S>, Refusal> {
        let epoch = {
            let keys = self.keys.read().unpoison();
            let fits =
                |epoch: &&Arc<KeyEpoch<S>>| epoch.secret.generation().short() == frame.generation;
            keys.iter().rev().find(fits).cloned().ok_or(Refusal::Generation)?
        };
        let opened = open_header(frame.packet, self.position, &epoch.secret)?;
        admit(opened.route())?;
        probe.done(Stage::Header);
        let verdict = epoch.test_and_set(from, opened.tag());
        probe.done(Stage::Replay);
        match verdict {
            Verdict::Fresh => Ok(opened),
            Verdict::Replayed => Err(Refusal::Replay),
            Verdict::Full => Err(Refusal::ReplayFull),
        }
    }

    /// Public half of the newest key.
    #[must_use]
    pub fn newest(&self) -> Option<HopPublicKey<S>> {
        let keys = self.keys.read().unpoison();
        keys.last().map(|epoch| epoch.secret.public().clone())
    }

    /// Packets remembered under the newest key, of the limit.
    #[must_use]
    pub fn replay_fill(&self) -> (usize, usize) {
        let keys = self.keys.read().unpoison();
        keys.last().map_or((0, self.replay_limit), |epoch| epoch.fill())
    }
}

impl<S: Suite> KeyEpoch<S> {
    fn test_and_set(&self, from: Ingress, tag: &ReplayTag) -> Verdict {
        self.memory.as_ref().map_or(Verdict::Full, |memory| memory.test_and_set(from, tag))
    }

    fn fill(&self) -> (usize, usize) {
        self.memory.as_ref().map_or((0, 0), ReplayMemory::fill)
    }
}

impl<S: Suite> Drop for KeyEpoch<S> {
    /// Wipes the memory and gives it back: key and memory die together.
    fn drop(&mut self) {
        let Some(mut memory) = self.memory.take() else { return };
        memory.wipe();
        let mut spare = self.spare.lock().unpoison();
        if spare.len() < MAX_GENERATIONS {
            spare.push(memory);
        }
    }
}

/// A part of a hop's work, for whoever measures where time goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Decapsulation, key schedule, header.
    Header,
    /// Replay test-and-set of the packet's tag.
    Replay,
    /// The payload's layer, and the new header.
    Payload,
    /// Entry of the packet into the pool.
    Pool,
}

/// A listener that is told when a stage of a packet's way is over. `()` does nothing, at no cost.
pub trait Probe {
    /// Takes note that `stage` is over.
    fn done(&mut self, stage: Stage);
}

impl Probe for () {
    fn done(&mut self, _: Stage) {}
}

/// Reason for which a node drops a packet. Outside, all look the same: silence.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are no frame of this suite.
    #[error("malformed frame")]
    Frame,
    /// The node has no key of this generation.
    #[error("no key of this generation")]
    Generation,
    /// The encapsulation is unusable.
    #[error("decapsulation failed")]
    Decapsulation,
    /// The header does not verify.
    #[error("the header does not verify")]
    Header,
    /// The authenticated route is malformed, or names a delay that nobody draws.
    #[error("malformed route")]
    Route,
    /// The packet has been seen before.
    #[error("seen before")]
    Replay,
    /// The replay memory has no room to remember the packet.
    #[error("the replay set is full")]
    ReplayFull,
    /// The command does not belong to this position.
    #[error("not a command for this position")]
    Command,
    /// The next node is not in the next layer.
    #[error("the next node is not in the next layer")]
    Next,
    /// The payload is garbage at the last hop.
    #[error("the payload is garbage")]
    Payload,
    /// The instruction is malformed.
    #[error("malformed instruction")]
    Instruction,
    /// The mailbox is unknown or full, the write key wrong, or a pull is sent without the right to
    /// it.
    #[error("refused")]
    Refused,
    /// The session that a reply is for is not here.
    #[error("no such session")]
    Session,
    /// A queue is full; the newest packet is shed.
    #[error("a queue is full")]
    Overload,
    /// The link to the next node is down.
    #[error("the link to the next node is down")]
    LinkDown,
}

impl Refusal {
    /// All the reasons, so that each has its series from the start.
    pub const ALL: [Self; 15] = [
        Self::Frame,
        Self::Generation,
        Self::Decapsulation,
        Self::Header,
        Self::Route,
        Self::Replay,
        Self::ReplayFull,
        Self::Command,
        Self::Next,
        Self::Payload,
        Self::Instruction,
        Self::Refused,
        Self::Session,
        Self::Overload,
        Self::LinkDown,
    ];

    /// Label of the reason in the metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Generation => "generation",
            Self::Decapsulation => "decapsulation",
            Self::Header => "header",
            Self::Route => "route",
            Self::Replay => "replay",
            Self::ReplayFull => "replay_full",
            Self::Command => "command",
            Self::Next => "next",
            Self::Payload => "payload",
            Self::Instruction => "instruction",
            Self::Refused => "refused",
            Self::Session => "session",
            Self::Overload => "overload",
            Self::LinkDown => "link_down",
        }
    }
}

impl From<UnwrapError> for Refusal {
    fn from(error: UnwrapError) -> Self {
        match error {
            UnwrapError::Decapsulation(KemError::Length) => Self::Frame,
            UnwrapError::Decapsulation(_) => Self::Decapsulation,
            UnwrapError::Route(RouteError::Command) => Self::Command,
            UnwrapError::Route(_) => Self::Route,
            _ => Self::Header,
        }
    }
}

impl From<InstructionError> for Refusal {
    fn from(error: InstructionError) -> Self {
        match error {
            InstructionError::Malformed(_) => Self::Instruction,
            InstructionError::Unauthorized => Self::Refused,
        }
    }
}

const NEVER: u64 = u64::MAX;
/// Keys that a node can hold at once: newest, the one before, and one early change.
const MAX_GENERATIONS: usize = 3;

#[cfg(test)]
mod tests;
