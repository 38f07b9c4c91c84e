//! A hop: the packet keys of a node and what it must not accept twice.
//!
//! Shared by all worker threads: opening a packet takes `&self`. Per generation there is one key
//! and one replay set, split by tag so that workers rarely wait for each other; both are dropped
//! together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rand_core::CryptoRng;
use rohrpost_packet::{
    Generation, HopPublicKey, HopSecretKey, KemError, Opened, ReplayTag, RouteError, Suite,
    UnwrapError, open_header,
};

use crate::frame::Frame;
use crate::instruction::InstructionError;
use crate::replay::{ReplaySet, Verdict};
use crate::time::Time;

/// The keys of a node at its position in paths.
pub struct Hop<S: Suite> {
    position: usize,
    replay_limit: usize,
    /// Newest last; at most [`MAX_GENERATIONS`].
    keys: RwLock<Vec<Arc<KeyEpoch<S>>>>,
}

struct KeyEpoch<S: Suite> {
    secret: HopSecretKey<S>,
    shards: [Mutex<ReplaySet>; SHARDS],
    /// Document time in microseconds when it is dropped; [`NEVER`] for the newest.
    retires: AtomicU64,
}

impl<S: Suite> Hop<S> {
    /// A hop that opens header layer `position` (0 to 3) and remembers up to `replay_limit` packets
    /// per key, for which about 11 to 21 bytes each are taken when a key is made.
    #[must_use]
    pub const fn new(position: usize, replay_limit: usize) -> Self {
        Self { position, replay_limit, keys: RwLock::new(Vec::new()) }
    }

    /// Makes the key of `generation`; the ones before are dropped at `retires`.
    pub fn rotate(
        &self,
        generation: Generation,
        retires: Time,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> HopPublicKey<S> {
        let secret = HopSecretKey::generate(generation, rng);
        let public = secret.public().clone();
        let limit = self.replay_limit.div_ceil(SHARDS);
        let shards = std::array::from_fn(|_| Mutex::new(ReplaySet::new(limit)));
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() == MAX_GENERATIONS {
            keys.remove(0);
        }
        for epoch in keys.iter() {
            epoch.retires.fetch_min(retires.micros(), Ordering::Relaxed);
        }
        let retires = AtomicU64::new(NEVER);
        keys.push(Arc::new(KeyEpoch { secret, shards, retires }));
        public
    }

    /// Drops the keys whose time is over, with their replay sets.
    pub fn sweep(&self, now: Time) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|epoch| now.micros() < epoch.retires.load(Ordering::Relaxed));
    }

    /// Opens a frame's packet up to its payload, in the order of the design: generation,
    /// decapsulation, header, replay.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn open(&self, frame: Frame<S>) -> Result<Opened<S>, Refusal> {
        let epoch = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let fits =
                |epoch: &&Arc<KeyEpoch<S>>| epoch.secret.generation().short() == frame.generation;
            keys.iter().rev().find(fits).cloned().ok_or(Refusal::Generation)?
        };
        let opened = open_header(frame.packet, self.position, &epoch.secret)?;
        match epoch.test_and_set(opened.tag()) {
            Verdict::Fresh => Ok(opened),
            Verdict::Replayed => Err(Refusal::Replay),
            Verdict::Full => Err(Refusal::ReplayFull),
        }
    }

    /// The newest key's public half.
    #[must_use]
    pub fn newest(&self) -> Option<HopPublicKey<S>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.last().map(|epoch| epoch.secret.public().clone())
    }

    /// Packets remembered under the newest key, of the limit.
    #[must_use]
    pub fn replay_fill(&self) -> (usize, usize) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.last().map_or((0, self.replay_limit), |epoch| epoch.fill())
    }
}

impl<S: Suite> KeyEpoch<S> {
    fn test_and_set(&self, tag: &ReplayTag) -> Verdict {
        let shard = &self.shards[usize::from(tag.as_bytes()[15]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner).test_and_set(tag)
    }

    fn fill(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(held, limit), shard| {
            let fill = shard.lock().unwrap_or_else(PoisonError::into_inner).fill();
            (held + fill.0, limit + fill.1)
        })
    }
}

/// Every reason for which a node drops a packet. Outside, all look the same: silence.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not a frame of this suite.
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
    /// The authenticated route is malformed.
    #[error("malformed route")]
    Route,
    /// Seen before.
    #[error("seen before")]
    Replay,
    /// No room to remember it.
    #[error("the replay set is full")]
    ReplayFull,
    /// A command that does not belong to this position.
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
    /// Unknown mailbox, full mailbox, wrong write key, pull without the right to it.
    #[error("refused")]
    Refused,
    /// A reply for a session that is not here.
    #[error("no such session")]
    Session,
    /// A queue is full; the newest packet goes.
    #[error("a queue is full")]
    Overload,
    /// The link to the next node is down.
    #[error("the link to the next node is down")]
    LinkDown,
}

impl Refusal {
    /// All reasons, so that each has its series from the start.
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

    /// The label of the metric.
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
/// Locks per replay set; more than the workers of any node.
const SHARDS: usize = 16;
/// Keys that a node can hold at once: newest, the one before, and one early change.
const MAX_GENERATIONS: usize = 3;
