//! Tools of the tools: statistics of samples, readings of processes and of their pages, and what is
//! shown of a measurement. Imports nothing else of ours.

pub mod detection;
pub mod exposition;
pub mod histogram;
pub mod http;
pub mod independence;
pub mod output;
pub mod process;
pub mod progress;
pub mod report;
pub mod statistics;
