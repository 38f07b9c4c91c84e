//! A network as every process meets it: the files that describe it, and its time by the machine's
//! clock. What the files say and what the time means is up to `rohrpost-proto`, which reads
//! neither.

mod clock;
mod files;

pub use clock::{Clock, machine_time, unix_now};
pub use files::{FilePaths, Network, NetworkError, read_text};
