//! The sessions of a relay, driven by the tick: no task, timer or queue of its own for any of them.
//!
//! When a slot begins, the cells that have come are taken off all links. At a session's tick exactly
//! one is left on its link. No address is kept or logged, and no time of a session.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use rohrpost_node::{Node, Outboxes, Work};
use rohrpost_packet::{BufferPool, Suite};
use rohrpost_proto::entry::{Entry, EntryTick, SessionHandle, UP_BOUND};
use rohrpost_proto::frame::{DownCell, UpCell};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::lock::Unpoison;
use rohrpost_proto::time::Time;
use rohrpost_transport::{Arrival, LinkError, ServedLink};

use crate::state::Shared;
use crate::ticks::{Tick, Ticks};

/// Worker that sends each session its cell at its tick, and passes on what the sessions have sent.
pub(crate) struct Sessions<S: Suite> {
    /// Links by session; at most as many as the entry admits.
    links: HashMap<SessionHandle, Live>,
    shared: Arc<Shared<S>>,
    outboxes: Arc<Outboxes>,
    buffers: Arc<BufferPool>,
    silence_limit: u32,
    ticks: Ticks,
}

/// A session whose link is up.
struct Live {
    link: Box<ServedLink>,
    /// Slots in a row that brought no cell.
    silent: u32,
}

impl<S: Suite> Sessions<S> {
    pub(crate) fn new(node: &Node<S>, shared: Arc<Shared<S>>) -> Self {
        let traffic = &node.prepared.roster.traffic;
        let silence_limit = SILENCE.as_micros() / traffic.slot.as_micros().max(1);
        Self {
            links: HashMap::new(),
            shared,
            outboxes: Arc::clone(&node.outboxes),
            buffers: Arc::clone(&node.buffers),
            silence_limit: u32::try_from(silence_limit).unwrap_or(u32::MAX),
            ticks: Ticks::new(node.clock.now(), traffic.phase()),
        }
    }

    fn tick(&mut self, now: Time, Tick { at, collects }: Tick) {
        let (cells, gone) = if collects { self.collect() } else { Default::default() };
        let EntryTick { up, shed, down } = self.exchange(at, cells, gone);
        (0..shed).for_each(|_| self.shared.metrics.drop_packet(Refusal::Overload));
        for outgoing in up {
            self.outboxes.send(outgoing);
        }
        for (handle, cell) in down {
            if let Err(reason) = self.send(handle, &cell) {
                self.shared.metrics.drop_packet(reason);
            }
        }
        self.record(now.since(at));
    }

    /// Cells that the sessions have sent in a slot, and the sessions that are gone. All are looked
    /// at when the slot ends: would it be at a phase of the session's own, the time at which a
    /// client sends would decide in which slot its cells leave.
    fn collect(&mut self) -> (Vec<Taken<S>>, Vec<SessionHandle>) {
        let (mut cells, mut gone) = (Vec::new(), Vec::new());
        for (handle, live) in &mut self.links {
            live.silent = live.silent.saturating_add(1);
            let ended = take_cells(live, *handle, &mut cells, &self.shared).is_err();
            if ended || live.silent > self.silence_limit {
                gone.push(*handle);
            }
        }
        (cells, gone)
    }

    /// Hands the cells to the entry and takes what the tick brings, under one lock.
    fn exchange(
        &mut self,
        at: Time,
        cells: Vec<Taken<S>>,
        mut gone: Vec<SessionHandle>,
    ) -> EntryTick<S> {
        let mut entry = self.shared.entry.lock().unpoison();
        let drop_packet = |reason| self.shared.metrics.drop_packet(reason);
        gone.extend(hand_over(&mut entry, cells, drop_packet));
        for handle in gone {
            entry.leave(handle);
            self.links.remove(&handle);
        }
        self.shared.counts.sessions.store(self.links.len(), Ordering::Relaxed);
        entry.tick(at, &mut rand::rng())
    }

    /// Leaves a cell on a session's link; one for a client that does not read is shed.
    fn send(&mut self, handle: SessionHandle, cell: &DownCell<S>) -> Result<(), Refusal> {
        let live = self.links.get_mut(&handle).ok_or(Refusal::Session)?;
        let mut buffer = self.buffers.take().ok_or(Refusal::Overload)?;
        cell.write(&mut buffer);
        match live.link.send(buffer) {
            Ok(true) => {
                self.shared.counts.cells_down.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(false) => Err(Refusal::Overload),
            // Its next tick finds it gone.
            Err(LinkError) => Err(Refusal::Session),
        }
    }

    fn record(&self, late: Duration) {
        self.shared.metrics.lateness.record(late.as_secs_f64());
    }

    fn entry(&self) -> MutexGuard<'_, Entry<S>> {
        self.shared.entry.lock().unpoison()
    }
}

/// A cell that a session has sent, or the reason why it was dropped.
type Taken<S> = (SessionHandle, Result<UpCell<S>, Refusal>);

/// Hands cells to the entry; gives the sessions that are to end. The first cell of a session names
/// it. Was that cell shed, or is it none or the name taken, no reply would ever find the session:
/// its client would go on for hours and hear nothing. Once its link is closed, it comes again.
fn hand_over<S: Suite>(
    entry: &mut Entry<S>,
    cells: Vec<Taken<S>>,
    drop_packet: impl Fn(Refusal),
) -> Vec<SessionHandle> {
    let mut nameless = Vec::new();
    for (handle, cell) in cells {
        if let Err(reason) = cell.and_then(|cell| entry.handle_cell(handle, cell)) {
            drop_packet(reason);
        }
        if !entry.is_named(handle) {
            nameless.push(handle);
        }
    }
    nameless
}

/// Takes the cells that have come off a link; fails when it is gone. Of the packets only those are
/// kept that may leave, so that a link that was held up takes no buffers from others.
fn take_cells<S: Suite>(
    live: &mut Live,
    handle: SessionHandle,
    cells: &mut Vec<Taken<S>>,
    shared: &Shared<S>,
) -> Result<(), LinkError> {
    let mut packets = VecDeque::with_capacity(UP_BOUND);
    for _ in 0..CELLS_PER_TICK {
        let Some(arrival) = live.link.poll_cell()? else { break };
        live.silent = 0;
        shared.counts.cells_up.fetch_add(1, Ordering::Relaxed);
        let cell = match arrival {
            Arrival::Cell(buffer) => UpCell::decode(buffer).map_err(|_| Refusal::Frame),
            Arrival::Shed => Err(Refusal::Overload),
        };
        if !matches!(cell, Ok(UpCell::Packet { .. })) {
            cells.push((handle, cell));
            continue;
        }
        if packets.len() == UP_BOUND {
            packets.pop_front();
            shared.metrics.drop_packet(Refusal::Overload);
        }
        packets.push_back((handle, cell));
    }
    cells.extend(packets);
    Ok(())
}

impl<S: Suite> Work for Sessions<S> {
    /// A link that has come up.
    type Job = Box<ServedLink>;

    fn handle(&mut self, _: Time, link: Box<ServedLink>) {
        let joined = self.entry().join(&mut rand::rng());
        match joined {
            Ok(handle) => {
                self.links.insert(handle, Live { link, silent: 0 });
            }
            Err(reason) => self.shared.metrics.drop_packet(reason),
        }
    }

    fn due(&self) -> Option<Time> {
        Some(self.ticks.due())
    }

    fn run_due(&mut self, now: Time) {
        if let Some(late) = self.ticks.skip(now) {
            self.record(late);
        }
        while let Some(tick) = self.ticks.take(now) {
            self.tick(now, tick);
        }
        self.shared.own_metrics.set_sessions(self.links.len());
    }
}

/// Silence after which a client has left, or never meant to come: it must not hold a session.
const SILENCE: Duration = Duration::from_secs(30);
/// Cells taken off one link at a tick: all that a link brings that was held up for as long as links
/// live, ten seconds of the default slots and more. What stayed behind would be late ever after.
const CELLS_PER_TICK: usize = 64;
/// Links that wait for their first tick.
pub(crate) const JOINING: usize = 64;

#[cfg(test)]
mod tests {
    use rohrpost_packet::{Classic, NodeNumber, Packet, SessionId, ShortGeneration};

    use super::*;

    fn packet() -> Result<UpCell<Classic>, Refusal> {
        let packet = Packet::random(&mut rand::rng());
        let (first_hop, generation) = (NodeNumber::new(7), ShortGeneration::new(1));
        Ok(UpCell::Packet { first_hop, generation, packet })
    }

    /// Checks that a session ends whose name was shed, or is another's: it would get no replies for
    /// as long as it lasts.
    #[test]
    fn a_session_without_a_name_is_ended() {
        let (mut entry, mut rng) =
            (Entry::<Classic>::new(Duration::from_millis(250), 4), rand::rng());
        let [named, shed, late, twin] = [(); 4].map(|()| entry.join(&mut rng).unwrap());
        let name = SessionId::new([1; 16]);
        let first: Vec<Taken<Classic>> = vec![
            (named, Ok(UpCell::Hello(name))),
            (named, packet()),
            (shed, Err(Refusal::Overload)),
            (late, packet()),
            (twin, Ok(UpCell::Hello(name))),
        ];
        let ended = hand_over(&mut entry, first, |_| {});
        assert!(ended == [shed, late, twin]);
        let later = vec![(named, Err(Refusal::Overload)), (named, Ok(UpCell::Idle))];
        assert!(hand_over(&mut entry, later, |_| {}).is_empty(), "a cell that was shed later");
    }
}
