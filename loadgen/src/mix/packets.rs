//! Packets for one mix, built ahead on all cores: building one costs more than opening it, and no
//! packet can be used twice, for the mix refuses replays.

use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use indicatif::ProgressBar;
use rohrpost_measure::process::available_memory;
use rohrpost_packet::{
    Buffer, Delay, HEADROOM, HopPublicKey, NodeNumber, Packet, PathHop, Route, ShortGeneration,
    Suite, WrapError, wrap_layer,
};
use rohrpost_proto::delay::exponential;
use rohrpost_proto::frame::{Frame, HEADER_LEN, frame_len};

use super::cores::Cores;
use super::error::MixError;
use super::journal::Journal;

/// The mix that packets are built for.
#[derive(Clone)]
pub(super) struct Target<S: Suite> {
    pub(super) key: HopPublicKey<S>,
    /// Layer of the mix, 0 to 2.
    pub(super) layer: usize,
    /// The nodes after it, to which packets go in turn.
    pub(super) successors: Vec<NodeNumber>,
}

/// Frames for one mix, each with its mark in the journal.
pub(super) struct Packets {
    frames: std::vec::IntoIter<Buffer>,
    next: u64,
    journal: Arc<Journal>,
}

/// The packets of one load.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) count: u64,
    /// Mean of the delays that are drawn.
    pub(super) mean: Duration,
    /// Mark of the first packet.
    pub(super) first: u64,
}

impl Order {
    /// Marks of the `index`-th of so many equal parts.
    const fn part(self, index: u64, parts: u64) -> Range<u64> {
        self.first + self.count * index / parts..self.first + self.count * (index + 1) / parts
    }
}

impl Packets {
    /// Builds packets on all cores.
    pub(super) fn build<S: Suite>(
        target: &Target<S>,
        order: Order,
        cores: &Cores,
        bar: &ProgressBar,
    ) -> Result<Self, MixError> {
        let entry = u64::try_from(frame_len::<S>() + ENTRY_LEN).unwrap_or(u64::MAX);
        let (bytes, available) = (order.count * entry, available_memory() / 4 * 3);
        if bytes > available {
            return Err(MixError::Memory { bytes, available });
        }
        let parts = u64::try_from(cores.count()).unwrap_or(1);
        let built = thread::scope(|scope| {
            let build = |index| {
                let marks = order.part(index, parts);
                scope.spawn(move || build_part(target, marks, order.mean, cores, bar))
            };
            let builders: Vec<_> = (0..parts).map(build).collect();
            let join = |builder: ScopedJoinHandle<'_, _>| {
                builder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            builders.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        });
        let (frames, drawn): (Vec<_>, Vec<_>) =
            built.map_err(MixError::Build)?.into_iter().flatten().unzip();
        let journal = Arc::new(Journal::new(order.first, drawn));
        Ok(Self { frames: frames.into_iter(), next: order.first, journal })
    }

    /// The next packet and its mark, which departs now.
    pub(super) fn depart(&mut self) -> Option<(u64, Buffer)> {
        let frame = self.frames.next()?;
        let mark = self.next;
        self.next += 1;
        self.journal.depart(mark);
        Some((mark, frame))
    }

    /// The same bytes once more, as somebody would send them who has recorded them on a link.
    pub(super) fn copy(&self) -> Self {
        let copy = |frame: &Buffer| Buffer::from(&frame[..]);
        let frames: Vec<_> = self.frames.as_slice().iter().map(copy).collect();
        let journal = Arc::new(self.journal.again());
        Self { frames: frames.into_iter(), next: self.next, journal }
    }

    /// The same packets in frames that name another key than the one that they were built for.
    pub(super) fn renamed<S: Suite>(self, generation: ShortGeneration) -> Self {
        let rename = |frame| {
            let frame = Frame::<S>::decode(frame).expect("frames of this suite were built");
            Frame { generation, ..frame }.encode()
        };
        let frames: Vec<_> = self.frames.map(rename).collect();
        Self { frames: frames.into_iter(), ..self }
    }

    pub(super) const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }
}

fn build_part<S: Suite>(
    target: &Target<S>,
    marks: Range<u64>,
    mean: Duration,
    cores: &Cores,
    bar: &ProgressBar,
) -> Result<Vec<(Buffer, Delay)>, WrapError> {
    cores.use_all();
    let mut rng = rand::rng();
    let build = |mark: u64| {
        let delay = exponential(mean, &mut rng);
        let frame = packet(target, mark, delay, &mut rng)?.encode();
        if mark.is_multiple_of(256) {
            bar.inc(256);
        }
        Ok((frame, delay))
    };
    marks.map(build).collect()
}

/// A packet that is real to the mix; what it passes on is random but for the mark.
pub(super) fn packet<S: Suite>(
    target: &Target<S>,
    mark: u64,
    delay: Delay,
    rng: &mut impl rand::CryptoRng,
) -> Result<Frame<S>, WrapError> {
    let next = target.successors.get(turn(mark, target.successors.len())).copied();
    let next = next.unwrap_or_else(|| NodeNumber::new(0));
    let route = Route::forward(next, ShortGeneration::new(NO_GENERATION), delay);
    let mut inner = Buffer::unpooled(S::PACKET_LEN);
    rng.fill_bytes(&mut inner);
    inner[HEADROOM + S::HEADER_LEN..][..MARK_LEN].copy_from_slice(&mark.to_be_bytes());
    let inner = Packet::from_buffer(inner).map_err(|_| WrapError::Path)?;
    let hop = PathHop { key: &target.key, route };
    let packet = wrap_layer(target.layer, &hop, &inner, rng)?;
    Ok(Frame { generation: target.key.generation().short(), packet })
}

/// The place of the successor whose turn a packet is, among so many.
pub(super) fn turn(mark: u64, successors: usize) -> usize {
    usize::try_from(mark).unwrap_or(0) % successors.max(1)
}

/// The mark of a frame that has passed the mix.
pub(super) fn mark<S: Suite>(frame: &[u8]) -> Option<u64> {
    let mark = frame.get(HEADER_LEN + S::HEADER_LEN..)?.first_chunk::<MARK_LEN>()?;
    Some(u64::from_be_bytes(*mark))
}

const MARK_LEN: usize = 8;
/// The sink opens nothing, so it needs no key.
const NO_GENERATION: u16 = 0;
/// A pointer to a frame, and its entry in the journal.
const ENTRY_LEN: usize = 36;

#[cfg(test)]
mod tests {
    use rohrpost_packet::{Classic, Generation, HopSecretKey, Hybrid, open_header};

    use super::*;

    fn comes_through<S: Suite>() {
        let mut rng = rand::rng();
        let key = HopSecretKey::<S>::generate(Generation::new(77), &mut rng);
        let successors = vec![NodeNumber::new(9), NodeNumber::new(10)];
        let target = Target { key: key.public().clone(), layer: 1, successors };
        let delay = Delay::from_micros(1234);
        let frame = packet(&target, 4711, delay, &mut rng).unwrap();
        assert!(frame.generation == key.generation().short());
        let opened = open_header(frame.packet, 1, &key).unwrap();
        assert_eq!(opened.route().next, NodeNumber::new(10));
        assert_eq!(opened.route().delay, delay);
        let passed_on = Frame { generation: frame.generation, packet: opened.forward() }.encode();
        assert_eq!(mark::<S>(&passed_on), Some(4711));
        assert_eq!(mark::<S>(&[0; 8]), None);
    }

    #[test]
    fn a_mark_comes_through_the_mix() {
        comes_through::<Classic>();
        comes_through::<Hybrid>();
    }

    #[test]
    fn a_stock_gives_each_packet_once_and_notes_its_departure() {
        let key = HopSecretKey::<Classic>::generate(Generation::new(77), &mut rand::rng());
        let target =
            Target { key: key.public().clone(), layer: 1, successors: vec![NodeNumber::new(9)] };
        let cores = Cores::of_this_process();
        let order = Order { count: 9, mean: Duration::from_millis(200), first: 100 };
        let mut packets = Packets::build(&target, order, &cores, &ProgressBar::hidden()).unwrap();
        let marks: Vec<_> = std::iter::from_fn(|| packets.depart()).map(|(mark, _)| mark).collect();
        assert_eq!(marks, (100..109).collect::<Vec<_>>());
        assert_eq!(packets.journal().trips().count(), 9);
    }

    #[test]
    fn a_copy_has_the_same_bytes_and_may_name_another_key() {
        let key = HopSecretKey::<Classic>::generate(Generation::new(77), &mut rand::rng());
        let target =
            Target { key: key.public().clone(), layer: 1, successors: vec![NodeNumber::new(9)] };
        let order = Order { count: 1, mean: Duration::from_millis(200), first: 5 };
        let (cores, bar) = (Cores::of_this_process(), ProgressBar::hidden());
        let mut packets = Packets::build(&target, order, &cores, &bar).unwrap();
        let mut copy = packets.copy();
        let mut renamed = packets.copy().renamed::<Classic>(ShortGeneration::new(78));
        let [one, same, other] =
            [&mut packets, &mut copy, &mut renamed].map(|packets| packets.depart().unwrap());
        assert!(one.0 == 5 && same.0 == 5 && one.1[..] == same.1[..]);
        assert_eq!(copy.journal().trips().count(), 1);
        let other = Frame::<Classic>::decode(other.1).unwrap();
        assert!(other.generation == ShortGeneration::new(78));
        assert_eq!(other.packet.as_bytes()[..], one.1[HEADER_LEN..]);
    }
}
