//! Packet format of Rohrpost: layered onion, cryptography of a hop, SURBs and sealed envelopes.
//!
//! The construction follows Outfox (Rial, Piotrowska, Halpin, arXiv 2412.19937) over a layered
//! topology: one KEM decapsulation per hop, no blinding, a header that shrinks by one layer, and a
//! wide-block permutation over the payload. `docs/packet-format.md` specifies every byte.
//!
//! Nothing here knows a socket, a clock or a global generator: randomness is an argument.

mod aead;
mod buffer;
mod context;
pub mod envelope;
mod identifier;
mod kem;
mod key;
mod layer;
mod lioness;
mod packet;
mod payload;
pub mod reveal;
mod route;
mod schedule;
mod scrub;
mod size;
#[cfg(feature = "bench-internals")]
pub mod stage;
mod suite;
mod surb;
mod unwrap;
mod wrap;

pub use buffer::{Buffer, BufferPool, HEADROOM};
pub use identifier::{Generation, NodeNumber, ReplayTag, ReplyId, SessionId, ShortGeneration};
pub use kem::KemError;
pub use key::{HopPublicKey, HopSecretKey, KeyError};
pub use layer::wrap_layer;
pub use packet::{Packet, WrongLength};
pub use payload::{Body, Garbage};
pub use route::{Command, Delay, Route, RouteError};
pub use size::{HOPS, PREFIX_LEN, ROUTE_LEN, STORE_HEADER_LEN, TAG_LEN};
pub use suite::{Classic, ClassicSecret, Hybrid, HybridSecret, SharedSecret, Suite, SuiteId};
pub use surb::{Surb, SurbError, SurbOpener, build_surb};
pub use unwrap::{Opened, UnwrapError, open_header};
pub use wrap::{PathHop, WrapError, wrap};
