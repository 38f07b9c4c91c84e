//! Receiving: what it costs, and what becomes of letters that wait for the disk.
//!
//! `cargo test -p rohrpost-client --lib receiving -- --nocapture` prints the costs of a file of
//! 16 MiB.

use std::io::Write as _;

use rohrpost_packet::envelope::{
    EnvelopeMark, Fragment, FragmentPosition, KeyId, Kind, MessageId, PrekeyId, Standing,
    fragment_body_len,
};
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::courier::{Complete, MESSAGE_BYTES, Receipt};
use rohrpost_proto::time::Steady;
use zeroize::Zeroizing;

use super::super::letters::Letter;
use super::world::{Client, Folder, START, network};
use super::*;
use crate::session::Resumption;
use crate::store::SHORT;

/// An agent to which letters come in virtual time.
pub(super) struct Receiver {
    pub(super) agent: AgentTask,
    clocks: SimulatedClocks,
    elapsed: Duration,
    prekey: PrekeyId,
    pub(super) sender: KeyId,
    letters: u64,
}

impl Receiver {
    /// Bob, to whom alice writes.
    pub(super) fn new(folder: &Folder) -> Self {
        let [alice, bob] = Client::pair(folder);
        let sender = alice.key();
        let prekey = bob.store.profile().unwrap().account.prekeys[0].public().id();
        let clocks = SimulatedClocks::new(Time::from_micros(0) + START);
        let store = BlockingStore::new(bob.store);
        let of = Clocks::Simulated(clocks.clone());
        let agent = AgentTask::new(Arc::new(network()), store, offline(), of);
        let agent = agent.unwrap();
        Self { agent, clocks, elapsed: Duration::ZERO, prekey, sender, letters: 0 }
    }

    /// Time passes, and what is due in it is done: each minute's work, and a link that shows the
    /// date every ten seconds.
    pub(super) async fn pass(&mut self, time: Duration) {
        let before = self.elapsed;
        self.elapsed += time;
        self.clocks.set(self.elapsed, Time::from_micros(0) + START + self.elapsed);
        let passed = |step: u64| before.as_secs() / step != self.elapsed.as_secs() / step;
        if passed(10) {
            let time = Time::from_micros(0) + START + self.elapsed;
            let (up, agreement) = (nodes(&self.agent), Agreement::All);
            let view = SessionEvent::View { up, shortage: None, time, agreement };
            self.agent.handle_event(view).await;
        }
        if passed(60) {
            self.agent.maintain(1).await;
        }
        self.agent.commit_due_letters().await;
    }

    /// A letter comes with others of the same answers.
    pub(super) fn take(&mut self, fragment: &Fragment, last: bool) {
        self.letters += 1;
        let mark = EnvelopeMark::new(
            self.prekey,
            self.letters.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(),
        );
        let Fragment { kind, sequence, position, .. } = fragment;
        let receipt = Receipt {
            sender: self.sender,
            kind: *kind,
            sequence: *sequence,
            fragment: position.index,
            new: true,
            mark,
        };
        let waited_for = last || position.count <= SHORT;
        self.agent.take_letter(Letter {
            receipt,
            fragment: Some(Box::new(copy(fragment))),
            waited_for,
        });
    }

    pub(super) async fn tell(&mut self, event: Event) {
        self.agent.handle_event(SessionEvent::Courier(event)).await;
    }

    /// Fragments of open messages that are on the disk.
    pub(super) fn stored(&self) -> usize {
        let known = self.agent.store.with(|store| store.correspondent(self.sender)).unwrap();
        known.unwrap().memory.parts.len()
    }

    pub(super) async fn problems(&mut self) -> Vec<String> {
        match self.agent.answer(Request::Health {}, Asker::User).await {
            Ok(Response::Health(health)) => health.problems,
            _ => unreachable!("it was asked for the health"),
        }
    }

    /// A whole file comes, each letter some hundred milliseconds after the one before; the letters
    /// of one mailbox are behind those of the other. Acknowledgements leave as they are drawn.
    async fn receive(&mut self, fragments: &[Fragment], every: Duration) {
        let mut order: Vec<_> = (0..fragments.len()).collect();
        order.sort_by_key(|index| index + index % 2 * 5);
        let last = order.last().copied();
        let mut acknowledged = self.elapsed;
        for index in order {
            self.take(&fragments[index], Some(index) == last);
            self.pass(every).await;
            if self.elapsed - acknowledged >= Duration::from_secs(120) {
                acknowledged = self.elapsed;
                self.tell(Event::AcknowledgementSent { to: self.sender }).await;
            }
        }
        assert_eq!(self.stored(), fragments.len());
        let (message, count) = (fragments[0].message, fragments[0].position.count);
        let whole = Complete { sequence: 0, message, kind: Kind::Content, fragments: count };
        let messages = vec![whole];
        self.tell(Event::Complete { sender: self.sender, messages, below: 1, floor: 1, short: 1 })
            .await;
    }
}

fn copy(fragment: &Fragment) -> Fragment {
    let Fragment { message, kind, sequence, position, minutes, standing, body } = fragment;
    Fragment {
        message: *message,
        kind: *kind,
        sequence: *sequence,
        position: *position,
        minutes: *minutes,
        standing: *standing,
        body: body.clone(),
    }
}

/// A file that a message has just room for.
fn largest() -> Content {
    let bytes: Vec<u8> = (0..u8::MAX).cycle().take(MESSAGE_BYTES - 3 - "file".len()).collect();
    Content::file("file", bytes.into())
}

/// Cuts a message of this number as a courier does whose letters have so much room.
pub(super) fn cut(body: &[u8], sequence: u64, room: usize) -> Vec<Fragment> {
    let count = u32::try_from(body.len().div_ceil(room)).unwrap();
    let fragment = |(index, part): (u32, &[u8])| Fragment {
        message: MessageId::new([7; 16]),
        kind: Kind::Content,
        sequence,
        position: FragmentPosition { index, count },
        minutes: 0,
        standing: Standing::default(),
        body: Zeroizing::new(part.to_vec()),
    };
    (0..).zip(body.chunks(room)).map(fragment).collect()
}

/// Flushes and bytes that a file of 16 MiB costs, in letters with so much room.
async fn cost(test: &str, room: usize) -> (u64, u64) {
    let folder = Folder::new(test);
    let mut bob = Receiver::new(&folder);
    let file = largest();
    let written = |bob: &Receiver| bob.agent.store.with(|store| Ok(store.written())).unwrap();
    let before = written(&bob);
    bob.receive(&cut(&file.encode(), 0, room), Duration::from_millis(740)).await;
    let after = written(&bob);
    let incoming = bob.agent.store.with(|store| store.inbox(0)).unwrap();
    assert_eq!(incoming.len(), 1);
    let (_, content) = bob.agent.store.with(|store| store.read(incoming[0].number)).unwrap();
    assert!(content == file);
    let (flushes, bytes) = (after.flushes - before.flushes, after.bytes - before.bytes);
    let line = format!("16 MiB in letters of {room} bytes: {flushes} flushes, {bytes} bytes\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    (flushes, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_costs_few_flushes_and_is_written_once() {
    let (flushes, bytes) = cost("receiving-hybrid", fragment_body_len::<Hybrid>()).await;
    assert!(flushes < 300, "{flushes} flushes");
    assert!(bytes < 40_000_000, "{bytes} bytes");
}

/// Checks that a text is on the disk at once, with whatever waits; and that of a file nothing waits
/// for longer than ten seconds, nor for anything once it is complete.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_waits_for_nothing_and_a_file_for_ten_seconds() {
    let folder = Folder::new("receiving-waits");
    let mut bob = Receiver::new(&folder);
    let (file, text) = (cut(&[1; 20_000], 1, 1000), cut(&[1; 900], 0, 1000));
    let second = Duration::from_secs(1);
    bob.take(&file[0], false);
    bob.pass(second * 9).await;
    bob.take(&file[1], false);
    assert_eq!(bob.stored(), 0);
    bob.pass(second).await;
    assert_eq!(bob.stored(), 2);
    bob.take(&file[2], false);
    bob.take(&text[0], true);
    bob.pass(Duration::ZERO).await;
    assert_eq!(bob.stored(), 4);
    bob.take(&file[3], false);
    bob.pass(second).await;
    assert_eq!(bob.stored(), 4);
    bob.take(&file[4], true);
    bob.pass(Duration::ZERO).await;
    assert_eq!(bob.stored(), 6);
    // However many come at once, few wait.
    let many = cut(&[1; 20_000], 2, 100);
    many[..63].iter().for_each(|fragment| bob.take(fragment, false));
    bob.pass(Duration::ZERO).await;
    assert_eq!(bob.stored(), 6);
    bob.take(&many[63], false);
    bob.pass(Duration::ZERO).await;
    assert_eq!(bob.stored(), 6 + 64);
}

/// Checks that no sender hears of what waits for the disk, or has no room there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_the_disk_is_acknowledged_to_nobody() {
    let folder = Folder::new("receiving-receipts");
    let mut bob = Receiver::new(&folder);
    let profile = bob.agent.store.with(Store::profile).unwrap();
    let (session, mut courier) =
        Session::stepped::<Classic>(&network(), profile, Resumption::default());
    bob.agent.session = session;
    let now = Steady::BEGIN;
    let file = cut(&[1; 20_000], 1, 1000);
    bob.take(&file[0], false);
    bob.pass(Duration::from_secs(9)).await;
    assert!(!courier.execute(now), "it waits");
    bob.pass(Duration::from_secs(1)).await;
    assert!(bob.stored() == 1 && courier.execute(now));
    let large = cut(&vec![1; MESSAGE_BYTES], 2, MESSAGE_BYTES / 5);
    for sequence in 2..6 {
        large[1..].iter().for_each(|part| {
            bob.take(&Fragment { sequence, ..copy(part) }, false);
        });
        bob.pass(Duration::from_secs(10)).await;
        assert_eq!(courier.execute(now), sequence < 5, "file {sequence}");
    }
}

/// Checks that a client that ends has on its disk what has come.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_disk_is_there_when_the_client_has_ended() {
    let folder = Folder::new("receiving-end");
    let mut bob = Receiver::new(&folder);
    let file = cut(&[1; 20_000], 0, 1000);
    bob.take(&file[0], false);
    let (sender, home) = (bob.sender, folder.path("bob"));
    let (orders, mut inbox) = mpsc::channel(1);
    let (done, ended) = oneshot::channel();
    assert!(orders.send(Order::End(done)).await.is_ok());
    bob.agent.run(&mut inbox).await.unwrap();
    ended.await.unwrap();
    let store = Store::open(&home, &unlock(), &network()).unwrap();
    assert_eq!(store.correspondent(sender).unwrap().unwrap().memory.parts.len(), 1);
}

/// Checks that a contact whose files never end fills no disk, and that the user is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_contact_whose_files_never_end_has_so_much_room_and_its_texts_come() {
    let folder = Folder::new("receiving-full");
    let mut bob = Receiver::new(&folder);
    let file = vec![1; MESSAGE_BYTES];
    for sequence in 1..5 {
        let all = cut(&file, sequence, 200_000);
        for fragment in &all[1..] {
            bob.take(fragment, false);
        }
        bob.pass(Duration::from_secs(10)).await;
        assert_eq!(bob.problems().await.len(), usize::from(sequence == 4), "file {sequence}");
    }
    let per_file = MESSAGE_BYTES.div_ceil(200_000) - 1;
    assert!(bob.stored() < 3 * per_file + 64 && bob.stored() >= 3 * per_file);
    let problems = bob.problems().await;
    assert!(problems[0].starts_with("alice: ") && problems[0].contains("48 MiB"), "{problems:?}");
    let before = bob.stored();
    bob.take(&cut(&[1; 900], 0, 1000)[0], true);
    bob.pass(Duration::ZERO).await;
    assert_eq!(bob.stored(), before + 1);
    assert_eq!(bob.problems().await.len(), 1, "texts make no room for files");
    // Its sender gives the files up, and has room again.
    let nothing = Vec::new();
    bob.tell(Event::Complete {
        sender: bob.sender,
        messages: nothing,
        below: 5,
        floor: 5,
        short: 1,
    })
    .await;
    assert!(bob.stored() == 0 && bob.problems().await.is_empty());
    bob.take(&cut(&file, 5, 200_000)[0], false);
    bob.pass(Duration::from_secs(10)).await;
    assert!(bob.stored() == 1 && bob.problems().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_in_short_letters_is_written_once_too() {
    let (flushes, bytes) = cost("receiving-classic", fragment_body_len::<Classic>()).await;
    assert!(flushes < 2000 && bytes < 100_000_000, "{flushes} flushes, {bytes} bytes");
}
