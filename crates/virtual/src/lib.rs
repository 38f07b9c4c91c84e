//! The virtual network: the cores of `rohrpost-proto` under a virtual clock, over links whose
//! latency, loss and cuts are functions of the seed, watched by an observer of all links
//! (`docs/virtual-network.md`).
//!
//! The same code that runs under QUIC runs here; only sockets, clocks and threads are replaced. A
//! run is determined by its [`Setup`], seed included.

mod build;
mod client;
mod cost;
mod entropy;
mod key_ring;
mod link;
mod lone_client;
mod lone_mix;
mod node;
mod observer;
mod roster;
mod seeds;
mod setup;
mod shelf;
mod skew;
mod steered_mix;
mod toy;
mod trace;
mod watched_mix;
mod world;

pub use build::BuildTime;
pub use cost::CpuClock;
pub use entropy::{PoolObserver, poisson_mix_entropy};
pub use key_ring::{Crafted, KeyRing};
pub use link::{Address, Conditions};
pub use lone_client::{LoneClient, Role, Sent};
pub use lone_mix::{LoneMix, Sight};
pub use observer::{Kind, Memory, Observer, Record};
pub use roster::{Layout, NORTH, node_key, roster};
pub use seeds::{every_seed, seeds, seeds_or};
pub use setup::{Bounds, Setup};
pub use skew::Skew;
pub use steered_mix::{SteeredMix, Way};
pub use toy::Toy;
pub use trace::Passage;
pub use watched_mix::{Attack, Scene, WatchedMix};
pub use world::{ClientEvent, Tally, World};
