//! A stock of packets, built ahead on all cores: building one costs more than opening it, and no
//! packet can be used twice, for the mix refuses replays.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;
use rohrpost_packet::{
    Buffer, Delay, HEADROOM, Hop, HopPublicKey, NodeNumber, Packet, Route, ShortGeneration, Suite,
    WrapError, wrap_layer,
};
use rohrpost_proto::delay::exponential;
use rohrpost_proto::frame::{Frame, HEADER_LEN, frame_len};

use super::MixError;
use super::cores::Cores;
use super::journal::Journal;
use super::process::available_memory;

/// The mix that packets are built for.
#[derive(Clone)]
pub(super) struct Target<S: Suite> {
    /// Its current key.
    pub(super) key: HopPublicKey<S>,
    /// Where it stands, 0 to 2.
    pub(super) layer: usize,
    /// The nodes after it, to which packets go in turn.
    pub(super) successors: Vec<NodeNumber>,
}

/// Frames for one mix, each with its mark in the journal.
pub(super) struct Stock {
    frames: std::vec::IntoIter<Buffer>,
    next: u64,
    journal: Arc<Journal>,
}

impl Stock {
    /// Builds `count` packets with delays drawn with this mean, marked from `first` on.
    pub(super) fn build<S: Suite>(
        target: &Target<S>,
        count: u64,
        mean: Duration,
        first: u64,
        cores: &Cores,
        bar: &ProgressBar,
    ) -> Result<Self, MixError> {
        let bytes = count * u64::try_from(frame_len::<S>() + ENTRY_LEN).unwrap_or(u64::MAX);
        let available = available_memory() / 4 * 3;
        if bytes > available {
            return Err(MixError::Memory { bytes, available });
        }
        let parts = u64::try_from(cores.count()).unwrap_or(1);
        let part =
            |index: u64| (first + count * index / parts, first + count * (index + 1) / parts);
        let built = thread::scope(|scope| {
            let builders: Vec<_> = (0..parts)
                .map(|index| scope.spawn(move || build_part(target, part(index), mean, cores, bar)))
                .collect();
            builders
                .into_iter()
                .map(|builder| {
                    builder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Result<Vec<_>, _>>()
        });
        let (mut frames, mut drawn) = (Vec::new(), Vec::new());
        for part in built.map_err(MixError::Build)? {
            frames.extend(part.0);
            drawn.extend(part.1);
        }
        let journal = Arc::new(Journal::new(first, drawn));
        Ok(Self { frames: frames.into_iter(), next: first, journal })
    }

    /// The next packet and its mark, which departs now.
    pub(super) fn depart(&mut self) -> Option<(u64, Buffer)> {
        let frame = self.frames.next()?;
        let mark = self.next;
        self.next += 1;
        self.journal.depart(mark);
        Some((mark, frame))
    }

    pub(super) const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }
}

type Part = (Vec<Buffer>, Vec<Delay>);

fn build_part<S: Suite>(
    target: &Target<S>,
    (from, to): (u64, u64),
    mean: Duration,
    cores: &Cores,
    bar: &ProgressBar,
) -> Result<Part, WrapError> {
    cores.use_all();
    let mut rng = rand::rng();
    let (mut frames, mut drawn) = (Vec::new(), Vec::new());
    for mark in from..to {
        let delay = exponential(mean, &mut rng);
        frames.push(packet(target, mark, delay, &mut rng)?.encode());
        drawn.push(delay);
        if mark % 256 == 0 {
            bar.inc(256);
        }
    }
    Ok((frames, drawn))
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
    let hop = Hop { key: &target.key, route };
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
        let mean = Duration::from_millis(200);
        let mut stock =
            Stock::build(&target, 9, mean, 100, &cores, &ProgressBar::hidden()).unwrap();
        let marks: Vec<_> = std::iter::from_fn(|| stock.depart()).map(|(mark, _)| mark).collect();
        assert_eq!(marks, (100..109).collect::<Vec<_>>());
        assert_eq!(stock.journal().trips().count(), 9);
    }
}
