//! Duties of every node process: configuration, key files, links and their intake, keys on the
//! move, worker threads, metrics, shutdown. The duties of one role, packets and memory among them,
//! are in `rohrpost-relay` and `rohrpost-mixnode`.

mod apart;
mod clock_check;
mod config;
mod directory;
mod error;
mod http;
mod intake;
mod key_file;
mod links;
mod log;
mod memory;
mod metrics;
mod neighbours;
mod planned_stop;
mod prepared;
mod process;
mod readiness;
#[cfg(feature = "danger-reveal")]
mod reveal;
mod runtime;
pub mod series;
mod usage;
mod worker;

pub use apart::apart;
pub use clock_check::ClockOff;
pub use config::{Limits, NodeConfig, RoleLimits};
pub use directory::Outlook;
pub use error::NodeError;
pub use intake::{Admission, Intake};
pub use key_file::{read_signing_key, write_secret, write_signing_key};
pub use links::{Inflow, LinkCounts, Outboxes};
pub use log::{Event, Log};
pub use memory::{Memory, Share};
pub use metrics::Metrics;
pub use neighbours::Neighbours;
pub use prepared::{Duty, Prepared, prepare};
pub use process::{Program, Tasks, main, run, supervise, version};
pub use runtime::Node;
pub use worker::{Handle, Queue, Work, queue, serve, spawn};
