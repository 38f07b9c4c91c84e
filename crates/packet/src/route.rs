//! Routing instruction of a hop: 32 bytes inside the authenticated header (`docs/packet-format.md`
//! §3).

use std::time::Duration;

use crate::identifier::{NodeNumber, SessionId, ShortGeneration};
use crate::size::ROUTE_LEN;

/// Act that a route asks of its hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Hold the packet for the delay, then pass it on. Mixes only.
    Forward,
    /// Carry out the instruction to this relay that the body holds. Last hop only.
    Deliver,
    /// Hand the payload down to a session. Last hop only.
    Reply,
    /// End a SURB at this mix: the mix's own loop has come back.
    Loop,
}

/// Time that a mix holds a packet, in microseconds, drawn by whoever built the packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Delay(u32);

impl Delay {
    /// Zero delay, as at relays.
    pub const ZERO: Self = Self(0);

    /// Makes a delay of `micros` microseconds (at most 71 minutes fit).
    #[must_use]
    pub const fn from_micros(micros: u32) -> Self {
        Self(micros)
    }

    /// The delay in microseconds.
    #[must_use]
    pub const fn micros(self) -> u32 {
        self.0
    }

    /// The delay as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_micros(self.0 as u64)
    }
}

/// Instruction for one hop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The act that is asked of the hop.
    pub command: Command,
    /// Time to hold the packet before the act.
    pub delay: Delay,
    /// The node that the packet goes to; [`NodeNumber`] 0 where it goes nowhere.
    pub next: NodeNumber,
    /// Generation of the next node's key, which the frame to it must name. The design leaves
    /// these bytes zero; without them a node would have to try each key of the next hop.
    pub next_generation: ShortGeneration,
    /// Session of a reply; [`SessionId::NONE`] in every other route.
    pub session: SessionId,
}

impl Route {
    /// Route that passes the packet on to `next` after `delay`.
    #[must_use]
    pub const fn forward(next: NodeNumber, next_generation: ShortGeneration, delay: Delay) -> Self {
        Self { command: Command::Forward, delay, next, next_generation, session: SessionId::NONE }
    }

    /// Route for the last relay of a packet down to a mailbox.
    #[must_use]
    pub const fn deliver() -> Self {
        Self::end(Command::Deliver, SessionId::NONE)
    }

    /// Route for the last relay of an answer up to `session`.
    #[must_use]
    pub const fn reply(session: SessionId) -> Self {
        Self::end(Command::Reply, session)
    }

    /// Route for the mix at which its own loop ends.
    #[must_use]
    pub const fn own_loop() -> Self {
        Self::end(Command::Loop, SessionId::NONE)
    }

    const fn end(command: Command, session: SessionId) -> Self {
        Self {
            command,
            delay: Delay::ZERO,
            next: NodeNumber::new(0),
            next_generation: ShortGeneration::new(0),
            session,
        }
    }

    pub(crate) fn encode(&self, out: &mut [u8]) {
        out[0] = VERSION;
        out[1] = self.command.code();
        out[2..4].copy_from_slice(&self.next_generation.get().to_be_bytes());
        out[4..8].copy_from_slice(&self.delay.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.next.get().to_be_bytes());
        out[12..28].copy_from_slice(self.session.as_bytes());
        out[28..ROUTE_LEN].fill(0);
    }

    pub(crate) fn decode(bytes: &[u8; ROUTE_LEN]) -> Result<Self, RouteError> {
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes[0] != VERSION {
            return Err(RouteError::Version);
        }
        if word(28) != 0 {
            return Err(RouteError::Reserved);
        }
        let mut session = [0; 16];
        session.copy_from_slice(&bytes[12..28]);
        Ok(Self {
            command: Command::from_code(bytes[1])?,
            delay: Delay(word(4)),
            next: NodeNumber::new(word(8)),
            next_generation: ShortGeneration::new(u16::from_be_bytes([bytes[2], bytes[3]])),
            session: SessionId::new(session),
        })
    }
}

impl Command {
    const fn code(self) -> u8 {
        match self {
            Self::Forward => 1,
            Self::Deliver => 2,
            Self::Reply => 3,
            Self::Loop => 4,
        }
    }

    const fn from_code(code: u8) -> Result<Self, RouteError> {
        match code {
            1 => Ok(Self::Forward),
            2 => Ok(Self::Deliver),
            3 => Ok(Self::Reply),
            4 => Ok(Self::Loop),
            _ => Err(RouteError::Command),
        }
    }
}

/// Reason why an authenticated route is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum RouteError {
    /// The route is not of version 1.
    #[error("unknown route version")]
    Version,
    /// The command is not one of the four.
    #[error("unknown route command")]
    Command,
    /// Reserved bytes are not zero.
    #[error("reserved bytes of the route are not zero")]
    Reserved,
}

const VERSION: u8 = 1;
