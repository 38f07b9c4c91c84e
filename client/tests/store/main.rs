//! The store from outside: what it takes it keeps, whatever becomes of its process, its file and
//! its contacts; and the local API over it. All times are virtual.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod address_versions;
mod announcements;
mod damage;
mod forward_secrecy;
mod growth;
mod incarnations;
mod incoming;
#[cfg(unix)]
mod local_api;
mod outgoing;
mod power_cut;
#[cfg(unix)]
mod programs;
mod reports;
mod requests;
mod retention;
mod session;
mod silence;
mod unfinished;
mod world;
mod write_keys;
