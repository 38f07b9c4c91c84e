//! A whole network on this machine: six agencies, four relays, six mixes, each a process of its
//! own, and a first message from alice to bob.

pub mod capture;
mod child;
mod command;
pub mod duration;
mod error;
mod interrupt;
mod message;
mod node;
mod observer;
mod options;
mod pages;
mod plan;
mod process;
mod report;
mod running;

pub use child::{NodeOutput, die_with_parent};
pub use command::run;
pub use error::LocalnetError;
pub use interrupt::Interrupt;
pub use message::content;
pub use node::{NodeCommand, WRONG_USAGE, arguments, end, runtime};
pub use options::{Options, SuiteChoice};
pub use pages::NodePages;
pub use plan::{NodePlan, Plan, PlanOptions};
pub use process::ChildProcess;
pub use running::{LocalNetwork, NetworkDirectory, RunningNode};
