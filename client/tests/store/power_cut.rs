//! A client that dies while it works: what its store has taken is there, and nothing is torn.
//!
//! The test runs itself as a child that works and acknowledges, and kills it at a hundred points.
//! As with the vault, that shows what the death of a process does; the loss of power rests on
//! flushes.

use std::collections::{BTreeMap, BTreeSet};
use std::hint;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;
use data_encoding::HEXLOWER;
use rand::RngExt;
use rohrpost_client::{Address, Bounds, Content, DeliveryStatus, Store};
use rohrpost_packet::envelope::{Kind, MessageId};
use rohrpost_proto::courier::Message;
use rohrpost_proto::time::Time;

use super::world::{
    Client, DAY, Folder, PERIOD, START, announce, body, complete, fragments, network, unlock,
};

const HOME: &str = "ROHRPOST_TEST_HOME";
const SEED: &str = "ROHRPOST_TEST_SEED";
const ACKNOWLEDGED: &str = "acknowledged ";
const ROUNDS: u32 = 100;

/// State that a store has, or has said that it has.
#[derive(Default, Clone)]
struct State {
    /// Numbers that stand for the texts, by id.
    accepted: BTreeMap<Vec<u8>, u64>,
    delivered: BTreeSet<Vec<u8>>,
    /// So many messages have come.
    completed: u64,
    /// Fragments of the next one that are kept.
    kept: usize,
    prekey: String,
}

impl State {
    /// Notes what the child says that is done.
    fn handle_line(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let id = |word: &str| HEXLOWER.decode(word.as_bytes()).unwrap();
        match words[..] {
            ["accepted", message, number] => {
                self.accepted.insert(id(message), number.parse().unwrap());
            }
            ["delivered", message] => assert!(self.delivered.insert(id(message))),
            ["kept", count] => self.kept = count.parse().unwrap(),
            ["completed", count] => (self.completed, self.kept) = (count.parse().unwrap(), 0),
            ["rolled", prekey] => self.prekey = prekey.into(),
            _ => assert_eq!(line, "nothing"),
        }
    }

    /// Reads everything that a store has, and holds it against itself.
    fn of(client: &Client) -> Self {
        let mut state = Self::default();
        for one in client.store.outbox().unwrap().iter() {
            let id = one.id.as_bytes().to_vec();
            if one.status == DeliveryStatus::Delivered {
                assert!(client.store.message(one.id).unwrap().is_none());
                state.delivered.insert(id.clone());
            }
            state.accepted.insert(id, one.accepted.as_secs() - START.as_secs());
        }
        let bob = client.store.contact("bob").unwrap().key();
        announce(client, START);
        let waiting = client.waiting(bob);
        assert!(waiting.is_sorted_by(|one, next| one.sequence < next.sequence));
        for message in &waiting {
            let number = state.accepted[&message.id.as_bytes()[..]];
            assert!(Content::decode(body(message)) == text(number), "{number} is torn");
        }
        let told = client.announcement(bob).unwrap();
        let told = Address::decode(body(&told)).unwrap().contact;
        let newest = client.store.profile().unwrap().account.prekeys;
        assert!(told.prekey == *newest[0].public(), "a version of which nobody was told");
        state.prekey = HEXLOWER.encode(&told.prekey.as_bytes()[..16]);
        for incoming in client.store.inbox(0).unwrap() {
            assert_eq!(incoming.number, state.completed);
            let content = client.store.read(incoming.number).unwrap().1;
            assert!(content == text(incoming.number), "{} is torn", incoming.number);
            state.completed += 1;
        }
        let correspondents = client.store.correspondents().unwrap();
        let memory = &correspondents[0].memory;
        assert_eq!(memory.below, state.completed, "a message without its number");
        let told = memory.told.iter().map(|told| told.sequence);
        assert!(told.eq(state.completed.saturating_sub(1)..state.completed), "its name");
        assert!(memory.parts.iter().all(|part| part.sequence == state.completed));
        state.kept = memory.parts.len();
        state
    }

    /// Asserts that this is what `said` told, or one step more.
    fn follows(&self, said: &Self, round: u32) {
        for (id, number) in &said.accepted {
            assert_eq!(self.accepted.get(id), Some(number), "round {round}: accepted and lost");
        }
        assert!(said.delivered.is_subset(&self.delivered), "round {round}: delivered again");
        assert!(self.completed >= said.completed, "round {round}: a message was lost");
        let kept = self.kept >= said.kept || self.completed > said.completed;
        assert!(kept, "round {round}: {} fragments of {} are there", self.kept, said.kept);
        let more = [
            self.accepted.len() - said.accepted.len(),
            self.delivered.len() - said.delivered.len(),
            usize::try_from(self.completed - said.completed).unwrap(),
            usize::from(self.prekey != said.prekey),
        ];
        let more: usize = more.iter().sum();
        assert!(more <= 1, "round {round}: {more} steps more than were acknowledged");
    }
}

#[test]
fn acknowledged_work_survives_death() {
    if let Some(home) = std::env::var_os(HOME) {
        work_until_killed(Path::new(&home));
    }
    let folder = Folder::on_disk("death");
    let (alice, bob) = (Client::new(&folder, "alice"), Client::new(&folder, "bob"));
    alice.store.add_contact("bob", bob.card(START), START).unwrap();
    let mut state = State::of(&alice);
    let Client { home, network, store } = alice;
    drop(store);
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    let mut rolls = 0;
    for round in 0..ROUNDS {
        let mut said = state.clone();
        run_and_kill(&home, round, rng, &mut said);
        let store = Store::open(&home, &unlock(), &network).unwrap();
        let client = Client { home: home.clone(), network: super::world::network(), store };
        let now = State::of(&client);
        now.follows(&said, round);
        rolls += u32::from(now.prekey != state.prekey);
        state = now;
    }
    let done = (state.accepted.len(), state.delivered.len(), state.completed, rolls);
    let enough = done.0 > 50 && done.1 > 20 && done.2 > 50 && done.3 > 20;
    assert!(enough, "{done:?} is too little to have met every part of a commit");
}

fn run_and_kill(home: &Path, round: u32, rng: &mut ChaCha8Rng, said: &mut State) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power_cut::acknowledged_work_survives_death", "--nocapture"])
        .env(HOME, home)
        .env(SEED, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first line comes before the store is opened.
    for _ in 0..=rng.random_range(0..12) {
        said.handle_line(&next_line(&mut lines).expect("the child works until it is killed"));
    }
    for _ in 0..rng.random_range(0..200_000) {
        hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while let Some(more) = next_line(&mut lines) {
        said.handle_line(&more);
    }
}

/// Text of the next acknowledgement; other lines are the test harness's. A line of which death
/// left a part does not end with its mark.
fn next_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    loop {
        let line = lines.next()?.unwrap();
        if let Some((_, what)) = line.split_once(ACKNOWLEDGED) {
            return what.strip_suffix(" .").map(str::to_owned);
        }
    }
}

fn work_until_killed(home: &Path) -> ! {
    let mut out = io::stdout();
    let mut say = |what: &str| writeln!(out, "{ACKNOWLEDGED}{what} .").unwrap();
    say("nothing");
    let round: u32 = std::env::var(SEED).unwrap().parse().unwrap();
    let network = network();
    let store = Store::open(home, &unlock(), &network).unwrap();
    let client = Client { home: home.to_owned(), network, store };
    let rng = &mut ChaCha8Rng::seed_from_u64(round.into());
    // So many that each round's address versions are newer than the round's before.
    let mut time = 1 + round * 50;
    loop {
        match rng.random_range(0..10) {
            0..4 => say(&accept(&client)),
            4..7 => receive(&client, &mut say),
            7..9 => {
                if let Some(line) = deliver(&client) {
                    say(&line);
                }
            }
            _ => {
                assert!(client.store.roll(START + PERIOD * time).unwrap());
                announce(&client, START + PERIOD * time);
                let prekey = client.store.profile().unwrap().account.prekeys.remove(0);
                say(&format!("rolled {}", HEXLOWER.encode(&prekey.public().as_bytes()[..16])));
                time += 1;
            }
        }
    }
}

fn accept(client: &Client) -> String {
    let outbox = client.store.outbox().unwrap();
    let number = u64::try_from(outbox.len()).unwrap();
    // The time of acceptance tells the number again, when the text is gone.
    let now = START + std::time::Duration::from_secs(number);
    let sent = client.store.accept("bob", &text(number), DAY, now).unwrap();
    format!("accepted {} {number}", HEXLOWER.encode(sent.id.as_bytes()))
}

fn deliver(client: &Client) -> Option<String> {
    let outbox = client.store.outbox().unwrap();
    let mut open = outbox.iter().filter(|one| one.status.is_open());
    let oldest = open.next()?;
    client.store.settle(oldest.id, DeliveryStatus::Delivered, START).unwrap();
    Some(format!("delivered {}", HEXLOWER.encode(oldest.id.as_bytes())))
}

/// The next message of the contact comes, in two handfuls of fragments.
fn receive(client: &Client, say: &mut impl FnMut(&str)) {
    let bob = client.store.contact("bob").unwrap().key();
    let number = client.store.correspondents().unwrap()[0].memory.below;
    let hash = blake3::hash(&number.to_be_bytes());
    let message = Message {
        id: MessageId::new(*hash.as_bytes().first_chunk().unwrap()),
        kind: Kind::Content,
        sequence: number,
        minutes: 0,
        expires: Time::from_micros(0),
        left: None,
        body: text(number).encode().into(),
    };
    let fragments = fragments(&message);
    let (early, late) = fragments.split_at(fragments.len() / 2);
    let mut kept = 0;
    for part in [early, late] {
        client.store.store_letters(part.iter().map(|fragment| (bob, fragment)), [], START).unwrap();
        kept += part.len();
        say(&format!("kept {kept}"));
    }
    let bounds = Bounds { below: number + 1, floor: number, short: 1 };
    let told = client.store.complete(bob, &[complete(&message)], bounds, START).unwrap();
    assert_eq!(told.len(), 1);
    say(&format!("completed {}", number + 1));
}

/// A text that a number stands for, of a length that varies.
fn text(number: u64) -> Content {
    let len = usize::try_from(number.wrapping_mul(0x9e37_79b9) % 3000).unwrap();
    Content::text(&format!("{number} ").repeat(len / 4 + 1))
}
