//! Memory that clients take while a file of the greatest length passes from one to the other: real
//! agents, stores and couriers, and real mailboxes, in virtual time.
//!
//! What the process takes from the system's allocator is counted while the sender works: what the
//! network and the recipient hold at that time is in it, so the sender alone takes less. `cargo
//! test -p rohrpost-tests --test memory -- --ignored --nocapture` prints it.
#![expect(unsafe_code, reason = "the trait of an allocator is unsafe to implement")]

#[expect(dead_code, reason = "its machines have longer lives elsewhere")]
#[path = "../year/machine.rs"]
mod machine;
#[expect(dead_code, reason = "its nodes have longer lives elsewhere")]
#[path = "../year/relays.rs"]
mod relays;

use std::alloc::{GlobalAlloc, System};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rand_core::SeedableRng;
use rohrpost_client::api::{Notice, Request, Response};
use rohrpost_client::{Network, danger_draw_from};
use rohrpost_packet::SessionId;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Layout, roster};
use tempfile::TempDir;

use machine::{Machine, send};
use relays::{Arrival, Relays};

/// The system's allocator, which counts what is taken from it and not given back.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        let taken = TAKEN.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(taken, Ordering::Relaxed);
        // SAFETY: the caller holds the conditions of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: std::alloc::Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller holds the conditions of `dealloc`, and `alloc` above is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes that are taken at a time during some work.
fn most<T>(work: impl FnOnce() -> T) -> (usize, T) {
    MOST.store(TAKEN.load(Ordering::Relaxed), Ordering::Relaxed);
    let done = work();
    (MOST.load(Ordering::Relaxed), done)
}

/// Two who know each other, and the network between them.
struct World {
    now: Time,
    relays: Relays,
    machines: Vec<Machine>,
    queue: BTreeMap<(Time, u64), Due>,
    added: u64,
    period: Duration,
    epoch: Duration,
    /// Bytes of the messages that have come.
    come: Vec<u64>,
    /// Most bytes that were taken while the sender worked.
    most: usize,
}

enum Due {
    Slot(usize, SessionId),
    Arrival(Arrival),
    /// The common tick of all mailboxes.
    Answers,
    /// Nodes tend their keys.
    Tend,
}

impl World {
    fn new(folder: &Path) -> Self {
        danger_draw_from([3; 32]);
        let layout =
            Layout { operators: 7, relays: 7, traffic: Traffic::default(), ..Layout::default() };
        let (trust, roster) = roster(&layout);
        let (period, epoch) = (roster.traffic.answer_period(), roster.directory.epoch);
        let network = Arc::new(Network { trust: Arc::new(trust), roster });
        let agencies: Vec<_> =
            network.roster.relays().map(|relay| relay.operator.clone()).collect();
        let person =
            |at: usize| Machine::new(folder.join(NAMES[at]), &network, &agencies[at], BEGIN);
        let machines = vec![person(0), person(1)];
        let now = Duration::from_micros(BEGIN.micros());
        let stores = [machines[0].store(), machines[1].store()];
        for (one, other) in [(0, 1), (1, 0)] {
            let card = stores[other].card(&network, now).expect("a card").address.contact;
            stores[one].add_contact(NAMES[other], card, now).expect("a new contact");
        }
        drop(stores);
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let relays = Relays::start(&network, BEGIN, ChaCha20Rng::from_seed([2; 32]));
        let (queue, come) = (BTreeMap::new(), Vec::new());
        let mut world =
            Self { now: BEGIN, relays, machines, queue, added: 0, period, epoch, come, most: 0 };
        world.add(BEGIN.next_multiple(period), Due::Answers);
        world.add(BEGIN + epoch, Due::Tend);
        for person in 0..2 {
            let machine = &mut world.machines[person];
            machine.begin(BEGIN);
            let session = SessionId::new(rng.random());
            let first = machine.link(BEGIN, session, world.relays.document());
            world.add(first.expect("the relay is up"), Due::Slot(person, session));
        }
        world
    }

    fn add(&mut self, at: Time, due: Due) {
        self.added += 1;
        self.queue.insert((at, self.added), due);
    }

    /// Lets the next thing happen.
    fn step(&mut self) {
        let ((at, _), due) = self.queue.pop_first().expect("there is always a next tick");
        self.now = self.now.max(at);
        match due {
            Due::Slot(person, session) => self.keep_slot(person, session),
            Due::Arrival(Arrival::AtRelay(relay, body)) => {
                let _ = self.relays.instruct(relay, &body, self.now);
            }
            Due::Arrival(Arrival::AtSession(session, id, payload)) => {
                let mut machines = self.machines.iter_mut();
                if let Some(machine) = machines.find(|machine| machine.session() == Some(session)) {
                    machine.take_reply(self.now, id, payload);
                }
            }
            Due::Answers => {
                self.add(self.now.next_multiple(self.period), Due::Answers);
                for (at, arrival) in self.relays.answer(self.now) {
                    self.add(at, Due::Arrival(arrival));
                }
            }
            Due::Tend => {
                self.add(self.now + self.epoch, Due::Tend);
                self.relays.tend(self.now);
            }
        }
    }

    fn keep_slot(&mut self, person: usize, session: SessionId) {
        let machine = &mut self.machines[person];
        let entry = machine.entry();
        let (most, kept) = most(|| machine.keep_slot(self.now, self.relays.document()));
        if person == 0 {
            self.most = self.most.max(most);
        }
        let Some((packet, next)) = kept else { return };
        let come = machine.notices().into_iter().filter_map(|notice| match notice {
            Notice::Arrived(incoming) => Some(incoming.bytes),
            _ => None,
        });
        self.come.extend(come);
        self.add(next, Due::Slot(person, session));
        if let Some(packet) = packet
            && let Some((at, arrival)) = self.relays.carry(self.now, entry, packet)
        {
            self.add(at, Due::Arrival(arrival));
        }
    }

    fn send(&mut self, request: Request) {
        let (most, answer) = most(|| self.machines[0].ask(self.now, request));
        self.most = self.most.max(most);
        assert!(matches!(answer, Response::Accepted(_)));
    }

    /// Lets time pass until so many messages have come.
    fn until_come(&mut self, count: usize, limit: Duration) {
        let end = self.now + limit;
        while self.come.len() < count {
            assert!(self.now < end, "{:?} have come", self.come);
            self.step();
        }
    }
}

/// A directory in memory where the system offers one: stores flush often, and lose no power here.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).expect("a directory")
}

/// Writes a file, and gives its path and the request that sends it.
fn file(folder: &TempDir, len: usize) -> (PathBuf, Request) {
    let path = folder.path().join("file");
    let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
    std::fs::write(&path, bytes).expect("the directory is writable");
    let request = serde_json::json!({ "send": {
        "to": NAMES[1], "path": { "path": path }, "expires_after": DAY.as_secs(),
    } });
    (path, serde_json::from_value(request).expect("a request of the local API"))
}

#[test]
fn a_file_arrives_byte_for_byte() {
    let folder = directory();
    let (path, request) = file(&folder, 300_000);
    let mut world = World::new(folder.path());
    world.send(request);
    world.until_come(1, HOUR);
    let save = folder.path().join("saved");
    let read = Request::Read { number: 0, save: Some(save.display().to_string()) };
    assert!(matches!(world.machines[1].ask(world.now, read), Response::Message(_)));
    let [sent, saved] = [path, save].map(|path| std::fs::read(path).expect("it is there"));
    assert!(sent == saved, "{} bytes of {}", saved.len(), sent.len());
}

/// Checks that a sender takes less memory than a client may, with three files of 16 MiB queued,
/// from their acceptance until the first has come; and that a text that is written after these is
/// there in the time of a text.
#[test]
#[ignore = "a measurement, of some minutes"]
fn a_file_of_the_greatest_length_is_never_in_memory() {
    let folder = directory();
    let (_, request) = file(&folder, LENGTH);
    let mut world = World::new(folder.path());
    world.send(send(NAMES[1], "first", DAY));
    world.until_come(1, HOUR);
    let show = |what: &str, world: &World| println!("{what:<12} {:>6} KiB", world.most >> 10);
    show("a text", &world);
    (0..3).for_each(|_| world.send(request.clone()));
    show("accepted", &world);
    world.send(send(NAMES[1], "it is urgent", DAY));
    let begin = world.now;
    world.until_come(2, HOUR);
    let took = world.now.since(begin);
    println!("the text took {took:.1?}");
    assert!(took < Duration::from_secs(20) && world.come[1] == 12, "{took:?}");
    world.until_come(3, DAY);
    println!("the file took {:.1?}", world.now.since(begin));
    show("sent", &world);
    assert!(world.most < LIMIT, "{} bytes", world.most);
}

const NAMES: [&str; 2] = ["alice", "bob"];
/// A Monday in November 2026.
const BEGIN: Time = Time::from_micros(20_780 * 86_400_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Bytes of the file: the most that fit with its name.
const LENGTH: usize = (16 << 20) - 7;
/// Bytes that a sender may take, 20 MiB less than what may be resident: the program is in that too.
const LIMIT: usize = 40 << 20;
