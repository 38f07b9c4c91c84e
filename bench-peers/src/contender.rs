//! A packet format doing a job, ready to be timed.

pub(crate) mod outfox;
pub(crate) mod rohrpost;
pub(crate) mod sphinx;

use std::time::{Duration, Instant};

/// Bytes of the message that every 2 KiB packet carries in the check before the measurement.
pub(crate) const MESSAGE_LEN: usize = 2_000;

/// Work that is timed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Opens a hop's layer of a packet and makes the packet for the next hop.
    Unwrap,
    /// Builds a packet at the sender.
    Build,
}

impl Job {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unwrap => "unwrap",
            Self::Build => "build",
        }
    }
}

/// A packet format and a job.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) job: Job,
    /// Note on one call, for the table.
    pub(crate) note: &'static str,
    pub(crate) packet_len: usize,
    sample: Box<dyn FnMut(usize) -> Duration>,
}

impl Contender {
    /// Makes a contender: `prepare` makes one input, outside the time; `run` does the job with it,
    /// inside.
    fn new<I: 'static, O>(
        (name, job, note): (&'static str, Job, &'static str),
        packet_len: usize,
        mut prepare: impl FnMut() -> I + 'static,
        mut run: impl FnMut(I) -> O + 'static,
    ) -> Self {
        let sample = move |calls: usize| {
            let inputs: Vec<I> = (0..calls).map(|_| prepare()).collect();
            let begun = Instant::now();
            for input in inputs {
                std::hint::black_box(run(std::hint::black_box(input)));
            }
            begun.elapsed()
        };
        Self { name, job, note, packet_len, sample: Box::new(sample) }
    }

    /// Measures the time that `calls` calls take together.
    pub(crate) fn sample(&mut self, calls: usize) -> Duration {
        (self.sample)(calls)
    }
}

/// Failure of a contender to do its job, so that its time would mean nothing.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) &'static str, pub(crate) String);

/// Makes a message that differs in every place.
pub(crate) fn message() -> Vec<u8> {
    (0..=250).cycle().take(MESSAGE_LEN).collect()
}
