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
use std::time::Duration;

use rand::seq::SliceRandom;
use rand_core::CryptoRng;
use rohrpost_packet::{ReplyId, SessionId, Suite};

use crate::frame::{Chunk, DownCell, Frame, OutgoingFrame, UpCell, chunk_len, chunks};
use crate::hop::Refusal;
use crate::path::below;
use crate::time::Time;
use crate::weakness::Weakness;

/// The sessions of clients at a relay, and their cells and replies.
pub struct Entry<S: Suite> {
    slot: Duration,
    limit: usize,
    next: u64,
    sessions: BTreeMap<SessionHandle, Session<S>>,
    names: HashMap<SessionId, SessionHandle>,
    document: Vec<Chunk>,
}

/// Name of a client link inside the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(u64);

struct Session<S: Suite> {
    phase: u64,
    name: Option<SessionId>,
    /// Cells that wait for the next slot, oldest first; at most [`UP_BOUND`], the newest is shed.
    up: VecDeque<OutgoingFrame<S>>,
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
            document: Vec::new(),
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
            Session { phase, name: None, up: VecDeque::new(), owed: 0, down: VecDeque::new() },
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
            UpCell::Packet { .. } if session.up.len() >= UP_BOUND => Err(Refusal::Overload),
            UpCell::Packet { first_hop, generation, packet } => {
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

    /// Removes the session of a client link that is gone.
    pub fn leave(&mut self, handle: SessionHandle) {
        if let Some(name) = self.sessions.remove(&handle).and_then(|session| session.name) {
            self.names.remove(&name);
        }
    }

    /// Sets the network document that all sessions get from now on, piece by piece.
    pub fn set_document(&mut self, number: u64, bytes: &[u8]) {
        let number = u32::try_from(number & u64::from(u32::MAX)).expect("masked to 32 bits");
        self.document = chunks(number, bytes, chunk_len::<S>());
    }

    /// Runs the tick that was due at `at`, a multiple of a quarter slot. With the first of a slot
    /// what has arrived before it leaves.
    pub fn tick(&mut self, at: Time, rng: &mut (impl CryptoRng + ?Sized)) -> EntryTick<S> {
        let phase = self.phase_at(at);
        let chunk = self.chunk(at);
        let mut tick = EntryTick { up: Vec::new(), down: Vec::new() };
        for (handle, session) in &mut self.sessions {
            if phase == session.leaves_at() {
                tick.up.extend(session.leave());
            }
            if session.phase == phase {
                let cell = DownCell::new(at, session.down.pop_front(), chunk.clone());
                tick.down.push((*handle, cell));
            }
        }
        tick.up.shuffle(rng);
        tick
    }

    /// The phase whose sessions tick at `at`, a multiple of a quarter slot; 0 begins a slot.
    #[must_use]
    pub fn phase_at(&self, at: Time) -> u64 {
        at.slot(self.slot / 4).number() % 4
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

    /// The piece of the network document that belongs to this slot, the same for all.
    fn chunk(&self, at: Time) -> Option<Chunk> {
        let count = u64::try_from(self.document.len()).ok().filter(|count| *count > 0)?;
        let index = at.slot(self.slot).number() % count;
        self.document.get(usize::try_from(index).ok()?).cloned()
    }
}

impl<S: Suite> Session<S> {
    /// Takes the cells that leave in a slot, on average one, however many were sent. A cell that
    /// came after its slot leaves with the next one; would it wait in front of that, all cells after
    /// it would leave a slot later than they need to, for as long as the session lasts.
    fn leave(&mut self) -> impl Iterator<Item = OutgoingFrame<S>> {
        let due = 1 + self.owed;
        let leaving = self.up.len().min(due);
        self.owed = (due - leaving).min(OWED_BOUND);
        self.up.drain(..leaving)
    }

    /// Tick of a slot with which the session's cells leave: the first, the same for all.
    fn leaves_at(&self) -> u64 {
        if Weakness::CellsLeaveAtOnePhase.is_active() { self.phase } else { 0 }
    }
}

/// Cells of one session in a slot: one, and a few for jitter on the way.
const UP_BOUND: usize = 4;
/// Owed cells at most; with these a session that was held up passes on all that waits.
const OWED_BOUND: usize = UP_BOUND - 1;
/// Replies of one session: two mailboxes answer at the same tick, four ticks apart.
const DOWN_BOUND: usize = 8;

#[cfg(test)]
mod tests;
