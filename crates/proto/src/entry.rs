//! Entry duty of a relay: holds clients' cells until a tick, and sends each session one cell a
//! slot.
//!
//! A session ticks once per slot, at one of four phases drawn when it joins, and gets exactly one
//! cell then: a reply if one waits, else a dummy. What it sends leaves when the next slot begins,
//! together with the cells of all other sessions, in random order. So nothing of a session shows
//! beyond the entry, neither the time at which it sends nor a tick of its own: a time that is its
//! own, constant or drawn, is a mark that an entry relay and a mailbox relay in one hand find again
//! in the pulls of an hour. All work hangs on the tick, none on a cell's arrival.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand_core::CryptoRng;
use rohrpost_packet::{ReplyId, SessionId, Suite};

use crate::directory::carousel::sender::{Carousel, Contents};
use crate::frame::{Chunk, DownCell, Frame, OutgoingFrame, UpCell, chunk_len};
use crate::hop::Refusal;
use crate::path::below;
use crate::time::{Slot, Time};
use crate::weakness::Weakness;

/// The sessions of clients at a relay, and their cells and replies.
pub struct Entry<S: Suite> {
    slot: Duration,
    limit: usize,
    next: u64,
    sessions: BTreeMap<SessionHandle, Session<S>>,
    names: HashMap<SessionId, SessionHandle>,
    carousel: Carousel,
    /// What the carousel sends; none until the relay has some of the directory.
    contents: Option<Arc<Contents>>,
    /// The piece of a slot, the same for all.
    chunk: (Slot, Option<Chunk>),
}

/// Name of a client link inside the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(u64);

struct Session<S: Suite> {
    phase: u64,
    name: Option<SessionId>,
    /// Cells that have come in a slot, oldest first; at most [`UP_BOUND`], the oldest is shed.
    /// Invariant: empty after the first tick of a slot.
    up: VecDeque<OutgoingFrame<S>>,
    /// Cells that were shed since the last slot began.
    shed: usize,
    /// Slot in which cells left last; `None` before the first.
    counted: Option<Slot>,
    /// Slots that brought no cell, at most [`OWED_BOUND`]: as many may leave later beside the
    /// slot's own.
    owed: usize,
    /// Replies that wait; at most [`DOWN_BOUND`], the newest is shed.
    down: VecDeque<(ReplyId, Box<[u8]>)>,
}

/// Packets and cells that leave at a tick.
pub struct EntryTick<S: Suite> {
    /// Packets for the first layer, in random order.
    pub up: Vec<OutgoingFrame<S>>,
    /// Number of cells that were dropped, the oldest of sessions that sent more than may leave.
    pub shed: usize,
    /// Cells for the clients: one for each session of this phase.
    pub down: Vec<(SessionHandle, DownCell<S>)>,
}

impl<S: Suite> Entry<S> {
    /// Makes an entry for at most `limit` sessions (up to 110 KiB each hybrid while cells wait, 23
    /// KiB classic).
    #[must_use]
    pub fn new(slot: Duration, limit: usize) -> Self {
        Self {
            slot,
            limit,
            next: 0,
            sessions: BTreeMap::new(),
            names: HashMap::new(),
            carousel: Carousel::new(chunk_len::<S>()),
            contents: None,
            chunk: (Slot::new(0), None),
        }
    }

    /// Adds the session of a client link that has come up; draws its phase.
    ///
    /// # Errors
    /// There are as many sessions as the relay takes.
    pub fn join(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<SessionHandle, Refusal> {
        if self.sessions.len() >= self.limit {
            return Err(Refusal::Overload);
        }
        self.next += 1;
        let handle = SessionHandle(self.next);
        let phase = u64::try_from(below(4, rng)).expect("below four");
        self.sessions.insert(
            handle,
            Session {
                phase,
                name: None,
                up: VecDeque::new(),
                shed: 0,
                counted: None,
                owed: 0,
                down: VecDeque::new(),
            },
        );
        Ok(handle)
    }

    /// Takes a cell that has arrived from a session.
    ///
    /// # Errors
    /// The reason why the cell is dropped.
    pub fn handle_cell(&mut self, from: SessionHandle, cell: UpCell<S>) -> Result<(), Refusal> {
        let session = self.sessions.get_mut(&from).ok_or(Refusal::Session)?;
        match cell {
            UpCell::Idle => Ok(()),
            UpCell::Hello(name) => {
                if session.name.is_some() || self.names.contains_key(&name) {
                    return Err(Refusal::Session);
                }
                session.name = Some(name);
                self.names.insert(name, from);
                Ok(())
            }
            UpCell::Packet { first_hop, generation, packet } => {
                if session.up.len() >= UP_BOUND {
                    session.up.pop_front();
                    session.shed += 1;
                }
                let frame = Frame { generation, packet };
                session.up.push_back(OutgoingFrame { to: first_hop, frame });
                Ok(())
            }
        }
    }

    /// Takes a reply that has arrived for a session.
    ///
    /// # Errors
    /// The session is not here, or too many replies wait.
    pub fn handle_reply(
        &mut self,
        name: SessionId,
        id: ReplyId,
        payload: Box<[u8]>,
    ) -> Result<(), Refusal> {
        let handle = self.names.get(&name).ok_or(Refusal::Session)?;
        let session = self.sessions.get_mut(handle).ok_or(Refusal::Session)?;
        if session.down.len() >= DOWN_BOUND {
            return Err(Refusal::Overload);
        }
        session.down.push_back((id, payload));
        Ok(())
    }

    /// Tells whether a session is here and has told its name, by which replies find it.
    #[must_use]
    pub fn is_named(&self, handle: SessionHandle) -> bool {
        self.sessions.get(&handle).is_some_and(|session| session.name.is_some())
    }

    /// Removes the session of a client link that is gone.
    pub fn leave(&mut self, handle: SessionHandle) {
        if let Some(name) = self.sessions.remove(&handle).and_then(|session| session.name) {
            self.names.remove(&name);
        }
    }

    /// Sets the directory that all sessions get from now on, piece by piece.
    pub fn set_directory(&mut self, contents: Arc<Contents>) {
        self.contents = Some(contents);
    }

    /// Runs the tick that was due at `at`, a multiple of a quarter slot. With the first of a slot
    /// what has arrived before it leaves. Ticks that were missed are not made up for, but what came
    /// meanwhile leaves with the next.
    pub fn tick(&mut self, at: Time, rng: &mut (impl CryptoRng + ?Sized)) -> EntryTick<S> {
        let phase = self.phase_at(at);
        let (slot, chunk) = (at.slot(self.slot), self.chunk(at));
        let mut tick = EntryTick { up: Vec::new(), shed: 0, down: Vec::new() };
        for (handle, session) in &mut self.sessions {
            if phase == session.leaves_at() {
                session.leave(slot, &mut tick);
            }
            if session.phase == phase {
                let cell = DownCell::new(at, session.down.pop_front(), chunk.clone());
                tick.down.push((*handle, cell));
            }
        }
        tick.up.shuffle(rng);
        tick
    }

    /// Time of the next tick after `now`.
    #[must_use]
    pub fn next_tick(&self, now: Time) -> Time {
        now.next_multiple(self.slot / 4)
    }

    /// Number of sessions that are up.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Tells whether there is no session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The phase whose sessions tick at `at`, a multiple of a quarter slot; 0 begins a slot.
    fn phase_at(&self, at: Time) -> u64 {
        at.slot(self.slot / 4).number() % 4
    }

    /// The piece of the directory that belongs to this slot, the same for all.
    fn chunk(&mut self, at: Time) -> Option<Chunk> {
        let slot = at.slot(self.slot);
        if self.chunk.0 != slot
            && let Some(contents) = &self.contents
        {
            self.chunk = (slot, self.carousel.next(at, contents));
        }
        self.chunk.1.clone()
    }
}

impl<S: Suite> Session<S> {
    /// Has cells leave when `slot` begins: of those that have come the newest, one for the slot and
    /// one for each of the last [`OWED_BOUND`] that brought none, be it that the cells came late or
    /// that the relay did not tick. The others are shed.
    ///
    /// Nothing waits for a later slot. A session that was held up for longer would else be as many
    /// slots late as it may have waiting, for as long as it lasts, for as much leaves as comes: who
    /// sees both ends could follow it by that.
    fn leave(&mut self, slot: Slot, tick: &mut EntryTick<S>) {
        let since = |before: Slot| slot.number().saturating_sub(before.number());
        let slots = usize::try_from(self.counted.map_or(1, since)).unwrap_or(UP_BOUND);
        self.counted = Some(slot);
        let due = slots.saturating_add(self.owed).min(UP_BOUND);
        let leaving = self.up.len().min(due);
        self.owed = (due - leaving).min(OWED_BOUND);
        if !Weakness::CellsWaitAtTheEntry.is_active() {
            self.shed += self.up.drain(..self.up.len() - leaving).count();
        }
        tick.up.extend(self.up.drain(..leaving));
        tick.shed += std::mem::take(&mut self.shed);
    }

    /// Tick of a slot with which the session's cells leave: the first, the same for all.
    fn leaves_at(&self) -> u64 {
        if Weakness::CellsLeaveAtOnePhase.is_active() { self.phase } else { 0 }
    }
}

/// Cells of one session that leave in a slot at most: one, and a few for jitter on the way.
pub const UP_BOUND: usize = 4;
/// Owed cells at most; with these a session that was held up for less than a second by the default
/// rates loses nothing.
const OWED_BOUND: usize = UP_BOUND - 1;
/// Replies of one session: two mailboxes answer at the same tick, four ticks apart.
const DOWN_BOUND: usize = 8;

#[cfg(test)]
mod tests;
