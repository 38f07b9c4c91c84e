//! Twins: copies of one client that run at the same time, and how they notice each other.
//!
//! Both pull the same mailboxes, and each letter goes to one of them. Each loop says from which run
//! of which incarnation it is; only the client itself can have sealed it.
//!
//! Body of a loop: run 8 ‖ incarnation u32 ‖ begin of the run u64 (microseconds of document time).

use rohrpost_packet::envelope::Fragment;
use zeroize::Zeroizing;

use crate::time::Time;
use crate::time::agreement::TOLERANCE;
use crate::wire::{Malformed, Reader};

/// Another copy of this client, of which a loop has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Twin {
    /// The client has gone on elsewhere, in this incarnation: this copy is to stop at once, for good.
    Moved {
        /// The incarnation of the other copy.
        incarnation: u32,
    },
    /// The other copy began before this one, which is to stop. The other finds the same by the loops
    /// of this one, the other way round.
    Earlier,
    /// The other copy began after this one, or is of an incarnation before: it is to stop.
    Later,
}

/// One run of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    id: [u8; 8],
    incarnation: u32,
    began: Time,
}

impl Run {
    /// A run that begins now, with an identifier from the seed of all its draws.
    pub(super) fn begin(seed: &[u8; 32], incarnation: u32, began: Time) -> Self {
        let hash = Zeroizing::new(*blake3::keyed_hash(seed, &[3]).as_bytes());
        let id = *hash.first_chunk().expect("a hash has 32 bytes");
        Self { id, incarnation, began }
    }

    /// Body of this run's loops.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { id, incarnation, began } = self;
        let parts = [&id[..], &incarnation.to_be_bytes(), &began.micros().to_be_bytes()];
        Zeroizing::new(parts.concat())
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let id = reader.array()?;
        let incarnation = reader.u32()?;
        let began = Time::from_micros(reader.u64()?);
        reader.end().map(|()| Self { id, incarnation, began })
    }

    /// Finds by a loop that another copy of the client runs, if it does. Loops that an earlier run
    /// of this same copy has left in a mailbox were sent before this one began. By how much, does
    /// not tell: document time of two runs may be twice the tolerance of clocks apart.
    pub(super) fn twin(&self, looped: &Fragment) -> Option<Twin> {
        let other = Self::decode(&looped.body).ok().filter(|other| other.id != self.id)?;
        if other.incarnation > self.incarnation {
            return Some(Twin::Moved { incarnation: other.incarnation });
        }
        let sent = Time::from_micros(u64::from(looped.minutes) * 60_000_000);
        if sent <= self.began + TOLERANCE * 2 {
            return None;
        }
        let key = |run: &Self| (std::cmp::Reverse(run.incarnation), run.began, run.id);
        Some(if key(&other) < key(self) { Twin::Earlier } else { Twin::Later })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rohrpost_packet::envelope::{FragmentPosition, Kind, MessageId, Standing};

    use super::*;

    const NOW: Time = Time::from_micros(1_795_000_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn looped(run: &Run, sent: Time) -> Fragment {
        Fragment {
            message: MessageId::new([1; 16]),
            kind: Kind::Loop,
            sequence: 0,
            position: FragmentPosition::WHOLE,
            minutes: u32::try_from(sent.seconds() / 60).unwrap(),
            standing: Standing::default(),
            body: run.encode(),
        }
    }

    #[test]
    fn a_run_stands_in_its_loops_as_documented() {
        let run = Run { id: [7; 8], incarnation: 0x0102, began: Time::from_micros(0x0304) };
        let mut bytes = vec![7; 8];
        bytes.extend([0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4]);
        assert_eq!(*run.encode(), bytes);
        assert_eq!(Run::decode(&bytes), Ok(run));
        for len in 0..bytes.len() {
            assert!(Run::decode(&bytes[..len]).is_err());
        }
        assert!(Run::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn two_copies_agree_on_which_stops() {
        for (one, other) in [(NOW, NOW + HOUR), (NOW, NOW)] {
            let one = Run::begin(&[1; 32], 5, one);
            let other = Run::begin(&[2; 32], 5, other);
            let sent = NOW + HOUR * 2;
            let found = [one.twin(&looped(&other, sent)), other.twin(&looped(&one, sent))];
            assert!(found.contains(&Some(Twin::Earlier)) && found.contains(&Some(Twin::Later)));
            assert_eq!(one.twin(&looped(&one, sent)), None);
        }
    }

    #[test]
    fn a_moved_client_stops_at_once_and_only_where_it_was() {
        let (left, moved) = (Run::begin(&[1; 32], 5, NOW), Run::begin(&[2; 32], 6, NOW - HOUR));
        assert_eq!(left.twin(&looped(&moved, NOW)), Some(Twin::Moved { incarnation: 6 }));
        assert_eq!(moved.twin(&looped(&left, NOW + HOUR)), Some(Twin::Later));
    }

    #[test]
    fn loops_of_an_earlier_run_are_no_twins() {
        let run = Run::begin(&[1; 32], 5, NOW);
        let before = Run::begin(&[2; 32], 5, NOW - HOUR);
        for sent in [NOW - HOUR, NOW, NOW + TOLERANCE * 2] {
            assert_eq!(run.twin(&looped(&before, sent)), None);
        }
        let later = NOW + TOLERANCE * 2 + Duration::from_secs(60);
        assert_eq!(run.twin(&looped(&before, later)), Some(Twin::Earlier));
    }
}
