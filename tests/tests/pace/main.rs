//! The pace of messages: how long a file takes against the time that the client says for it, and
//! how long a text takes beside it (`docs/delivery.md`). In virtual time, with everything real but
//! links.

mod client;
mod world;

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rohrpost_client::api::{Notice, OutgoingMessage, Response};
use rohrpost_client::{DeliveryStatus, danger_draw_from};
use rohrpost_packet::{Classic, Hybrid, Suite};
use rohrpost_proto::directory::roster::{SuiteName, Traffic};
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Layout, every_seed, seeds, seeds_or};

use client::{send_file, send_text};
use world::{ALICE, BOB, NAMES, World};

const MIB: usize = 1 << 20;
/// Bytes of the largest file, with room for its name.
const LARGEST: usize = 16 * MIB - 100;
/// Time before the first message, in which both hear of each other's address.
const WARM: Duration = Duration::from_secs(120);
/// Texts in a run.
const TEXTS: usize = 6;
/// Part of the time that a file takes by which it may take more or less than is said.
const NEAR: f64 = 0.2;

/// What is sent in a run.
#[derive(Clone, Copy)]
struct Mail {
    /// Bytes of the file, if there is one.
    bytes: Option<usize>,
    /// Time between two texts, of which the first is so much after the file.
    between: Duration,
}

/// Course of a run.
#[derive(Default)]
struct Course {
    /// Time that each text took until its reader was told of it.
    texts: Vec<Duration>,
    file: Option<File>,
}

/// Course of a file.
struct File {
    sent: Time,
    /// Time that the client said for it at the beginning.
    said: Duration,
    /// Time at which half of it had left, and what the client said then.
    half: Option<(Time, Duration)>,
    /// Time at which all of it had left.
    left: Option<Time>,
    /// Time at which its reader was told of it.
    arrived: Option<Time>,
}

impl File {
    fn begin(sent: Time, message: &OutgoingMessage) -> Self {
        let said = Duration::from_secs(message.estimate);
        Self { sent, said, half: None, left: None, arrived: None }
    }

    /// Takes note of what the client tells of the file.
    fn tell(&mut self, now: Time, message: &OutgoingMessage) {
        let half = message.left >= message.fragments / 2;
        if half && message.status == DeliveryStatus::Queued {
            self.half.get_or_insert_with(|| (now, Duration::from_secs(message.estimate)));
        }
        if message.status == DeliveryStatus::Sent {
            self.left.get_or_insert(now);
        }
    }

    /// What was said over the time that it took until all had left, at the beginning and halfway.
    fn ratios(&self) -> [f64; 2] {
        let left = self.left.expect("all of the file has left");
        let (at, said) = self.half.expect("half of the file has left");
        [(self.sent, self.said), (at, said)]
            .map(|(at, said)| said.as_secs_f64() / left.since(at).as_secs_f64())
    }
}

/// Lives through a run: texts at fixed times, and a file of so many bytes beside them, if any.
fn run<S: Suite>(
    seed: u64,
    layout: &Layout,
    usable: usize,
    Mail { bytes, between }: Mail,
) -> Course {
    let generator =
        |purpose: &str| *blake3::hash(format!("{seed} {purpose} {usable}").as_bytes()).as_bytes();
    danger_draw_from(generator("clients"));
    let folder = tempfile::tempdir_in(memory()).expect("a directory for the homes");
    let rng = ChaCha20Rng::from_seed(generator("world"));
    let mut world = World::<S>::new(layout, usable, folder.path(), rng);
    let begin = world.now + WARM;
    while world.now < begin {
        world.step();
    }
    let mut course = Course::default();
    if let Some(bytes) = bytes {
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; bytes]).expect("a file");
        let now = world.now;
        let answer = world.clients[ALICE].ask(now, send_file(NAMES[BOB], &path));
        course.file = Some(File::begin(now, &accepted(answer)));
    }
    let mut posted = Vec::new();
    loop {
        world.step();
        let now = world.now;
        if posted.len() < TEXTS && now >= begin + between * (1 + count(posted.len())) {
            accepted(world.clients[ALICE].ask(now, send_text(NAMES[BOB], "a text")));
            posted.push(now);
        }
        for notice in world.clients[ALICE].notices() {
            if let (Notice::Outgoing(message), Some(file)) = (notice, &mut course.file)
                && message.file.is_some()
            {
                file.tell(now, &message);
            }
        }
        for notice in world.clients[BOB].notices() {
            match (notice, &mut course.file) {
                (Notice::Arrived(message), Some(file)) if message.file.is_some() => {
                    file.arrived = Some(now);
                }
                (Notice::Arrived(_), _) => {
                    course.texts.push(now.since(posted[course.texts.len()]));
                }
                _ => {}
            }
        }
        let file_is_over = course.file.as_ref().is_none_or(|file| file.arrived.is_some());
        if course.texts.len() == TEXTS && file_is_over {
            return course;
        }
        assert!(now < begin + Duration::from_secs(86_400), "a day, and not all has come");
    }
}

fn accepted(answer: Response) -> OutgoingMessage {
    let Response::Accepted(message) = answer else { unreachable!("an answer to another request") };
    message
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("few")
}

fn mean(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64() / f64::from(count(times.len()))
}

/// Lives through a file, and texts beside it, and through the texts alone: to somebody of whose
/// mailboxes one may be written to, in every second run of a seed both. Gives what they took.
fn check<S: Suite>(run_number: u64, layout: &Layout, mail: Mail) -> String {
    let (seed, usable) = (run_number / 2, if run_number.is_multiple_of(2) { 1 } else { 2 });
    let alone = run::<S>(seed, layout, usable, Mail { bytes: None, ..mail });
    let beside = run::<S>(seed, layout, usable, mail);
    let file = beside.file.as_ref().expect("there is a file");
    let ratios = file.ratios();
    let took = |at: Option<Time>| at.expect("it has").since(file.sent).as_secs();
    let texts = [&alone.texts, &beside.texts].map(|texts| mean(texts));
    let [longest_alone, longest] = [&alone.texts, &beside.texts]
        .map(|texts| texts.iter().max().expect("there are texts").as_secs_f64());
    let told = format!(
        "seed {seed}, {:?}, {usable} of two mailboxes: {} s said, {} s until all had \
         left, {} s until it had come; said over took {:.2}, halfway {:.2}; a text in {:.1} s alone \
         ({longest_alone:.1} s at most), {:.1} s beside it ({longest:.1} s at most)",
        layout.suite,
        file.said.as_secs(),
        took(file.left),
        took(file.arrived),
        ratios[0],
        ratios[1],
        texts[0],
        texts[1],
    );
    assert!(ratios.iter().all(|ratio| (ratio - 1.0).abs() < NEAR), "{told}");
    // It waits for its mailbox's turn, one and a half answers, and there behind what the file and
    // its owner's loops have put before it: they take nine of ten answers.
    assert!(texts[1] < texts[0] + 4.0 && longest < longest_alone + 8.0, "{told}");
    told
}

/// Runs of these seeds.
const fn runs(seeds: &Range<u64>) -> Range<u64> {
    seeds.start * 2..seeds.end * 2
}

/// A file that is short, in a network where acknowledgements are soon: by the default rates it would
/// take as long as the first of them does, which is drawn.
fn short(suite: SuiteName, bytes: usize) -> (Range<u64>, Layout, Mail) {
    let traffic = Traffic { ack_delay: Duration::from_secs(5), ..Traffic::default() };
    let mut seeds = seeds();
    seeds.end = seeds.end.min(seeds.start + 5);
    let mail = Mail { bytes: Some(bytes), between: Duration::from_secs(31) };
    (runs(&seeds), Layout { suite, traffic, ..Layout::default() }, mail)
}

/// The largest file there is.
fn largest(suite: SuiteName) -> (Range<u64>, Layout, Mail) {
    let mail = Mail { bytes: Some(LARGEST), between: Duration::from_secs(307) };
    (runs(&seeds_or(3)), Layout { suite, ..Layout::default() }, mail)
}

#[test]
fn a_file_takes_the_time_that_is_said_and_texts_pass_it() {
    let (runs, layout, mail) = short(SuiteName::Hybrid, 3 * MIB / 2);
    every_seed(runs, |run| println!("{}", check::<Hybrid>(run, &layout, mail)));
}

#[test]
fn so_it_does_where_envelopes_are_short() {
    let (runs, layout, mail) = short(SuiteName::Classic, MIB / 4);
    every_seed(runs, |run| println!("{}", check::<Classic>(run, &layout, mail)));
}

#[test]
#[ignore = "six virtual hours, some minutes of CPU time: just volume"]
fn the_largest_file_takes_the_time_that_is_said() {
    let (runs, layout, mail) = largest(SuiteName::Hybrid);
    every_seed(runs, |run| println!("{}", check::<Hybrid>(run, &layout, mail)));
}

#[test]
#[ignore = "a virtual day and a half, half an hour of CPU time: just volume"]
fn so_the_largest_does_where_envelopes_are_short() {
    let (runs, layout, mail) = largest(SuiteName::Classic);
    every_seed(runs, |run| println!("{}", check::<Classic>(run, &layout, mail)));
}

/// A directory in memory where the system offers one: stores flush often, and lose no power here.
fn memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
