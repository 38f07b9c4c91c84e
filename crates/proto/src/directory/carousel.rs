//! The carousel: how a relay's clients get the directory (`docs/directory.md`, Carousel).
//!
//! Each down cell has room for a piece of it, whatever else the cell carries, and the pieces are the
//! same for all clients. They make up [objects](object), one after another: each document as what has
//! changed; descriptors that are new; and in between the round of all that a new client needs. What a client has it keeps, so a round is no news to it.
//!
//! - [`object`]: what goes round.
//! - [`update`]: a document as what has changed.
//! - [`sender`]: the order in which a relay sends.
//! - [`receiver`]: what a client makes of it.
//! - [`room`]: which rosters the cells have room for.

pub mod object;
pub mod receiver;
pub mod room;
pub mod sender;
pub mod update;

#[cfg(test)]
mod tests;
