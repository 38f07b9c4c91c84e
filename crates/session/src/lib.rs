//! A client's session at an entry relay, for whoever keeps one: people's clients and the own clients
//! of mixes, which nobody shall tell apart (`docs/traffic.md`).
//!
//! [`Station`] makes links and judges the clocks of those who answer; [`Session`] keeps the grid on
//! a link after another, with the courier in it; an [`Application`] says what is sent and hears what
//! comes. [`Break`] draws how long a client waits between two links.

mod application;
mod end;
mod pause;
mod session;
mod station;

pub use application::{Application, News};
pub use end::End;
pub use pause::Break;
pub use session::Session;
pub use station::{Dialed, Link, Station, random_session};
