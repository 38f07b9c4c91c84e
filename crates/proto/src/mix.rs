//! A mix: opens one layer, holds the packet for its delay, passes it on.
//!
//! The order of calls: [`Mix::handle_frame`] for each frame that arrives, [`Mix::poll_loop`] until
//! it gives nothing; at [`Mix::poll_timeout`] and after each frame [`Mix::poll_transmit`] until it
//! gives nothing. Time must not go backwards. Each worker of a node owns one; they share the
//! [`Hop`].

pub mod cover;
pub mod inflow;
mod operators;
pub mod own_client;
pub mod pool;
pub mod watch;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{Command, NodeNumber, ReplyId, Route, Suite};

use crate::delay::longest;
use crate::directory::roster::{Role, Roster};
use crate::frame::{Frame, OutgoingFrame};
use crate::hop::{Hop, Probe, Refusal, Stage};
use crate::places::Places;
use crate::replay::Ingress;
use crate::time::Time;
use crate::weakness::Weakness;
use inflow::FreshInflow;
use pool::{Pool, Source};

/// A whole mix, or one worker's share of it.
pub struct Mix<S: Suite> {
    hop: Arc<Hop<S>>,
    places: Arc<Places>,
    /// The nodes to which packets go on, as the places had them after so many changes.
    successors: (u64, HashSet<NodeNumber>),
    /// Bound of a packet's delay: an honest builder never draws a longer one, and a packet that
    /// stayed for longer would fill the pool for somebody who wants others' packets shed.
    longest: Duration,
    /// Delay that counts for the watch at most, of one packet.
    counted: Duration,
    pool: Pool<S>,
    inflow: Arc<FreshInflow>,
    /// Own loops that came back, for the virtual clients; at most [`LOOP_BOUND`], newest shed.
    loops: VecDeque<(ReplyId, Box<[u8]>)>,
}

/// A packet that leaves a mix, and by how much later than drawn.
pub struct MixDeparture<S: Suite> {
    /// The packet and its next node.
    pub outgoing: OutgoingFrame<S>,
    /// Time since the packet was due.
    pub lateness: Duration,
}

impl<S: Suite> Mix<S> {
    /// Makes a mix in `layer` that holds at most `bound` packets.
    #[must_use]
    pub fn new(hop: Arc<Hop<S>>, roster: &Roster, layer: usize, bound: usize) -> Self {
        let role = Role::Mix { layer };
        let (links, places) = (roster.predecessors(role).count(), Places::new(roster, role));
        let successors = (places.changes(), places.after());
        let mean = roster.traffic.mix_delay;
        let (longest, counted) = (longest(mean), mean * watch::COUNTED_MEANS);
        let pool = Pool::new(bound, links);
        let inflow = Arc::new(FreshInflow::new(links));
        let (places, loops) = (Arc::new(places), VecDeque::new());
        Self { hop, places, successors, longest, counted, pool, inflow, loops }
    }

    /// Goes by the places of links that this worker shares with the node's other threads.
    #[must_use]
    pub fn with_places(mut self, places: Arc<Places>) -> Self {
        self.successors = (places.changes(), places.after());
        self.places = places;
        self
    }

    /// Counts what comes in by counters that this worker shares with others.
    #[must_use]
    pub fn with_inflow(mut self, inflow: Arc<FreshInflow>) -> Self {
        self.inflow = inflow;
        self
    }

    /// Takes a frame off a packet link.
    ///
    /// # Errors
    /// The reason why the frame is dropped.
    pub fn handle_frame(
        &mut self,
        now: Time,
        from: Ingress,
        frame: Frame<S>,
    ) -> Result<(), Refusal> {
        self.handle_watched(now, from, frame, &mut ())
    }

    /// Takes a frame like [`Self::handle_frame`], telling `probe` when each stage is over.
    ///
    /// # Errors
    /// The reason why the frame is dropped.
    pub fn handle_watched(
        &mut self,
        now: Time,
        from: Ingress,
        frame: Frame<S>,
        probe: &mut impl Probe,
    ) -> Result<(), Refusal> {
        if self.successors.0 != self.places.changes() {
            self.successors = (self.places.changes(), self.places.after());
        }
        let admit = |route: &Route| self.admit(route);
        let opened = self.hop.open_watched(from, frame, admit, probe)?;
        let route = *opened.route();
        match route.command {
            Command::Forward => {
                let packet = opened.forward();
                probe.done(Stage::Payload);
                let frame = Frame { generation: route.next_generation, packet };
                let outgoing = OutgoingFrame { to: route.next, frame };
                let delay = route.delay.duration();
                let kept = self.pool.insert(now + delay, Source::Link(from), outgoing);
                match kept {
                    Ok(()) => self.inflow.count_taken(from, self.counted(delay)),
                    Err(_) => self.inflow.count_shed(),
                }
                probe.done(Stage::Pool);
                kept
            }
            Command::Loop if self.loops.len() >= LOOP_BOUND => Err(Refusal::Overload),
            Command::Loop => {
                self.loops.push_back(opened.reply());
                Ok(())
            }
            Command::Deliver | Command::Reply => Err(Refusal::Command),
        }
    }

    /// The part of a packet's delay that counts for the watch.
    fn counted(&self, delay: Duration) -> Duration {
        if Weakness::AnyDelayCounts.is_active() { delay } else { delay.min(self.counted) }
    }

    /// Tells whether the route of a packet is one that this mix follows.
    fn admit(&self, route: &Route) -> Result<(), Refusal> {
        let too_long = || route.delay.duration() > self.longest;
        match route.command {
            Command::Forward if !self.successors.1.contains(&route.next) => Err(Refusal::Next),
            Command::Forward if too_long() && !Weakness::DelaysWithoutBound.is_active() => {
                Err(Refusal::Route)
            }
            Command::Forward | Command::Loop => Ok(()),
            Command::Deliver | Command::Reply => Err(Refusal::Command),
        }
    }

    /// Holds a packet of an own virtual client until `due`, like any other.
    ///
    /// # Errors
    /// The cover's share of the pool is used up.
    pub fn insert(&mut self, due: Time, outgoing: OutgoingFrame<S>) -> Result<(), Refusal> {
        self.pool.insert(due, Source::Own, outgoing)
    }

    /// Takes the next packet that is due. A late one is still sent: dropping it would tell when.
    pub fn poll_transmit(&mut self, now: Time) -> Option<MixDeparture<S>> {
        let (due, outgoing) = self.pool.pop(now)?;
        Some(MixDeparture { outgoing, lateness: now.since(due) })
    }

    /// Takes the next own loop that came back.
    pub fn poll_loop(&mut self) -> Option<(ReplyId, Box<[u8]>)> {
        self.loops.pop_front()
    }

    /// Time at which [`Self::poll_transmit`] has something to give.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.pool.next_due()
    }

    /// Counters of what has come in.
    #[must_use]
    pub const fn inflow(&self) -> &Arc<FreshInflow> {
        &self.inflow
    }

    /// Number of packets that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.len()
    }
}

/// Loops held until the driver asks; it asks after every frame.
const LOOP_BOUND: usize = 64;
