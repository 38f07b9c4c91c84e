//! Relays of seven agencies, one of which lies, and mixes that change their keys.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use rohrpost_packet::NodeNumber;

use super::EPOCHS;
use super::liar::Liar;
use super::scene::{AGENCIES, FEWEST_MIXES, MIXES, RELAYS, THRESHOLD, key_of, node_key, rosters};
use crate::directory::consensus::document::{Document, DocumentHash, Member, SignedDocument};
use crate::directory::consensus::documents::Documents;
use crate::directory::consensus::rosters::{Charter, Rosters};
use crate::directory::consensus::signer::{Outgoing, Signer};
use crate::directory::consensus::vote::{Heard, Keys};
use crate::directory::roster::{Directory, Roster};
use crate::directory::timing::Timing;
use crate::time::{Slot, Time};

const SECOND: Duration = Duration::from_secs(1);
const START: Time = Time::from_micros(1_795_000_000_000_000);
/// Time within which whoever is back votes and signs.
const READY: Duration = Duration::from_secs(75);
/// Time within which whoever is back has everything.
const SETTLED: Duration = Duration::from_secs(180);

enum Event {
    /// A relay's next step is due.
    Step(usize),
    /// A message comes to a relay.
    Message { from: usize, to: usize, message: Box<Outgoing> },
    /// A roster comes to a relay.
    Roster { to: usize, version: usize },
    /// The agencies have signed their next roster, and bring it to some relay.
    Publish,
    /// A mix is heard by a relay, by its newest key.
    Beat { mix: NodeNumber, to: usize, generation: u32 },
    /// All mixes say that they are there.
    Beats,
    /// The relay that was dead comes back, and another dies.
    Die,
    /// A relay is started anew, in the middle of its work.
    Restart,
    /// The relays are parted, or come together.
    Part(bool),
    /// All honest relays are looked at.
    Look,
}

struct Party {
    number: NodeNumber,
    /// Microseconds by which its clock is ahead.
    ahead: i64,
    /// None while it is dead.
    signer: Option<Signer>,
    rosters: Rosters,
    /// Index of the roster on its disk.
    disk: usize,
    documents: Documents,
    heard: BTreeMap<NodeNumber, (Keys, Time)>,
    /// True time from which it has been there, and may have signed, without a break.
    since: Time,
}

pub(super) struct Outcome {
    pub(super) slots: u64,
    pub(super) held: u64,
    /// True if an honest relay knows that the liar signs twice.
    pub(super) convicted: bool,
    /// Times at which all honest relays were held against each other.
    pub(super) looks: u64,
    /// True if a slot had two documents that hold.
    pub(super) forked: bool,
    /// Version of the roster by which all go in the end; zero if they differ.
    pub(super) version: u32,
}

pub(super) struct World {
    rng: ChaCha8Rng,
    versions: Vec<Arc<Roster>>,
    /// Index of the newest roster that is out.
    published: usize,
    timing: Timing,
    now: Time,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
    parties: Vec<Party>,
    liar: Liar,
    dead: usize,
    /// Relays on the one side while there is a partition.
    parted: Option<BTreeSet<usize>>,
    /// True time from which k honest ones were connected without a break.
    quorum: Time,
    /// True time at which a relay was convicted last: until all have heard, some count its signatures.
    convicted: Time,
    /// Who was seen to sign what.
    signed: BTreeMap<Slot, BTreeMap<DocumentHash, BTreeSet<NodeNumber>>>,
    held: BTreeSet<Slot>,
    looks: u64,
    forked: bool,
}

impl World {
    /// The world of a seed, in which so many must sign.
    pub(super) fn of(seed: u64, threshold: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let versions = rosters(threshold);
        let timing = Directory::default().timing;
        let party = |number: u32| Party {
            number: NodeNumber::new(number),
            ahead: rng.random_range(-2_500_000..=2_500_000),
            signer: None,
            rosters: Rosters::new(Arc::clone(&versions[0])),
            disk: 0,
            documents: Documents::new(timing),
            heard: BTreeMap::new(),
            since: START,
        };
        let parties = RELAYS.into_iter().map(party).collect();
        let at = usize::try_from(seed % u64::from(AGENCIES)).unwrap();
        let mut world = Self {
            liar: Liar::new(at, rng.next_u64(), threshold),
            rng,
            versions,
            published: 0,
            timing,
            now: START,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            count: 0,
            parties,
            dead: usize::MAX,
            parted: None,
            quorum: START,
            convicted: START,
            signed: BTreeMap::new(),
            held: BTreeSet::new(),
            looks: 0,
            forked: false,
        };
        (0..world.parties.len()).for_each(|at| world.start(at));
        for (after, event) in [(1, Event::Beats), (200, Event::Die), (900, Event::Restart)] {
            world.after(SECOND * after, event);
        }
        world.after(SECOND * 2000, Event::Part(true));
        world.after(EPOCHS * 5, Event::Publish);
        world.after(SETTLED, Event::Look);
        world
    }

    pub(super) fn run(mut self, time: Duration) -> Outcome {
        let end = START + time;
        while let Some(Reverse((now, number))) = self.queue.pop() {
            if now > end {
                break;
            }
            self.now = now;
            let event = self.events.remove(&number).unwrap();
            self.handle(event);
        }
        let slots = self.timing.slot_of(end).number() - self.timing.slot_of(START).number();
        let of_liar = self.parties[self.liar.at].number;
        let proofs = self.honest().filter_map(|party| party.signer.as_ref());
        let proofs: Vec<_> = proofs.flat_map(Signer::equivocations).collect();
        assert!(proofs.iter().all(|proof| proof.relay == of_liar), "an honest relay is convicted");
        let alive = self.honest().filter(|party| party.signer.is_some());
        let versions: BTreeSet<_> =
            alive.map(|party| party.rosters.newest().roster.version).collect();
        Outcome {
            slots,
            held: u64::try_from(self.held.len()).unwrap(),
            convicted: self.convicted > START,
            looks: self.looks,
            forked: self.forked,
            version: if versions.len() == 1 { *versions.first().unwrap() } else { 0 },
        }
    }

    fn honest(&self) -> impl Iterator<Item = &Party> {
        let honest = self.parties.iter().enumerate().filter(|(at, _)| *at != self.liar.at);
        honest.map(|(_, party)| party)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Step(at) => self.step(at),
            Event::Message { from, to, message } => self.message(from, to, *message),
            Event::Roster { to, version } => self.roster(to, version),
            Event::Publish => self.publish(),
            Event::Beat { mix, to, generation } => self.beat(mix, to, generation),
            Event::Beats => self.beats(),
            Event::Die => self.die(),
            Event::Restart => self.restart(),
            Event::Part(parted) => self.part(parted),
            Event::Look => self.look(),
        }
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.count += 1;
        self.queue.push(Reverse((self.now + wait, self.count)));
        self.events.insert(self.count, event);
    }

    fn clock(&self, at: usize) -> Time {
        let micros = i64::try_from(self.now.micros()).unwrap() + self.parties[at].ahead;
        Time::from_micros(micros.try_into().unwrap())
    }

    /// Starts a relay with nothing but what is on its disk, if the newest roster that is out has it. It
    /// asks all others for roster and documents.
    fn start(&mut self, at: usize) {
        let (number, now) = (self.parties[at].number, self.clock(at));
        let newest = &self.versions[self.published];
        if newest.node(number).is_none() {
            return;
        }
        let disk = self.parties[at].disk;
        // One that is new has the roster that names it first.
        let disk = (disk..).find(|disk| self.versions[*disk].node(number).is_some()).unwrap();
        let roster = Arc::clone(&self.versions[disk]);
        let (key, charter) = (Arc::new(node_key(number.get())), Charter::of(Arc::clone(&roster)));
        let party = &mut self.parties[at];
        party.signer = Some(Signer::begin(number, key, charter, self.timing, now));
        party.rosters = Rosters::new(roster);
        (party.documents, party.since) = (Documents::new(self.timing), self.now);
        party.heard.clear();
        self.ask(at);
        self.schedule(at);
    }

    /// Has all others that are connected send a relay what they know.
    fn ask(&mut self, at: usize) {
        for from in 0..self.parties.len() {
            let party = &self.parties[from];
            if party.signer.is_none() || self.is_cut(from, at) || from == at {
                continue;
            }
            let version = usize::try_from(party.rosters.newest().roster.version).unwrap() - 1;
            let known: Vec<_> = party.documents.iter().cloned().collect();
            let proofs = party.signer.iter().flat_map(Signer::equivocations).cloned();
            let proofs: Vec<_> = proofs.map(Outgoing::Equivocation).collect();
            self.after(SECOND, Event::Roster { to: at, version });
            for message in known.into_iter().map(Outgoing::Document).chain(proofs) {
                self.deliver(SECOND * 2, from, at, message);
            }
        }
    }

    fn schedule(&mut self, at: usize) {
        let now = self.clock(at);
        let due = self.parties[at].signer.as_ref().map(|signer| signer.due(now));
        if let Some(due) = due {
            self.after(due.since(now), Event::Step(at));
        }
    }

    fn step(&mut self, at: usize) {
        let now = self.clock(at);
        let party = &mut self.parties[at];
        let Some(signer) = &mut party.signer else { return };
        let (heard, roster) = (&party.heard, &party.rosters.newest().roster);
        let out = signer.step(now, || {
            let heard = heard.iter().filter(|(node, _)| roster.node(**node).is_some());
            let heard = heard.map(|(node, (keys, last))| Heard {
                node: *node,
                up: now.since(*last) <= SECOND * 30,
                keys: *keys,
            });
            heard.collect()
        });
        self.schedule(at);
        self.hand_out(at, out);
    }

    fn message(&mut self, from: usize, to: usize, message: Outgoing) {
        if self.is_cut(from, to) {
            return;
        }
        let now = self.clock(to);
        let party = &mut self.parties[to];
        let Some(signer) = &mut party.signer else { return };
        let out = match message {
            Outgoing::Vote(vote) => signer.take_vote(now, vote),
            Outgoing::Proposal(proposal) if to == self.liar.at => {
                let lies = self.liar.sees(party.number, &proposal);
                return self.lie(lies);
            }
            Outgoing::Proposal(proposal) => signer.take_proposal(now, &proposal),
            Outgoing::Document(signed) => {
                let convicted: BTreeSet<_> = signer.equivocations().map(|it| it.relay).collect();
                let out = signer.take_document(now, &signed);
                let counts = |relay| !convicted.contains(&relay);
                let document = signed.document.clone();
                if party.documents.take(now, signed, &party.rosters, counts).is_ok() {
                    signer.follow(&document);
                }
                out
            }
            Outgoing::Equivocation(proof) => signer.take_equivocation(&proof),
        };
        self.hand_out(to, out);
    }

    /// Brings the next roster to a relay that is there.
    fn publish(&mut self) {
        self.published += 1;
        let alive = (0..self.parties.len()).filter(|at| self.parties[*at].signer.is_some());
        let alive: Vec<_> = alive.filter(|at| *at != self.liar.at).collect();
        let (to, version) = (alive[self.rng.random_range(0..alive.len())], self.published);
        self.roster(to, version);
        for at in 0..self.parties.len() {
            if self.parties[at].signer.is_none() && at != self.dead {
                self.start(at);
            }
        }
        if self.published + 1 < self.versions.len() {
            self.after(EPOCHS * 12, Event::Publish);
        }
    }

    /// A relay takes over a newer roster, and hands it on; one that it does not name ends.
    fn roster(&mut self, at: usize, version: usize) {
        let now = self.clock(at);
        let roster = Arc::clone(&self.versions[version]);
        let party = &mut self.parties[at];
        let Some(signer) = &mut party.signer else { return };
        let signed_before = party.rosters.newest().signatories.contains(party.number);
        if party.rosters.take(Arc::clone(&roster)) != Ok(true) {
            return;
        }
        signer.adopt(now, party.rosters.newest().clone());
        if !signed_before && party.rosters.newest().signatories.contains(party.number) {
            party.since = self.now;
        }
        if self.rng.random_bool(0.7) {
            party.disk = version;
        }
        if roster.node(party.number).is_none() {
            party.signer = None;
        }
        for to in 0..self.parties.len() {
            if to != at && !self.is_cut(at, to) && at != self.liar.at {
                let latency = self.latency();
                self.after(latency, Event::Roster { to, version });
            }
        }
    }

    /// Sends what a relay says to all; the liar says what it likes.
    fn hand_out(&mut self, at: usize, out: Vec<Outgoing>) {
        if at == self.liar.at {
            let (number, now) = (self.parties[at].number, self.clock(at));
            let roster = Arc::clone(&self.parties[at].rosters.newest().roster);
            let lies = self.liar.speaks(&roster, number, now, out);
            return self.lie(lies);
        }
        for message in out {
            self.note(&message);
            for to in 0..self.parties.len() {
                if to != at || matches!(message, Outgoing::Document(_)) {
                    let latency = self.latency();
                    self.deliver(latency, at, to, message.clone());
                }
            }
        }
    }

    fn deliver(&mut self, wait: Duration, from: usize, to: usize, message: Outgoing) {
        self.after(wait, Event::Message { from, to, message: Box::new(message) });
    }

    fn lie(&mut self, lies: Vec<(usize, Duration, Outgoing)>) {
        let from = self.liar.at;
        for (to, wait, message) in lies {
            self.note(&message);
            if to != from {
                self.deliver(wait + SECOND / 20, from, to, message);
            }
        }
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(5..1500))
    }

    /// Notes every signature that anybody has given, and checks that no slot has two documents.
    fn note(&mut self, message: &Outgoing) {
        let (document, signatures) = match message {
            Outgoing::Proposal(proposal) => (&proposal.document, &proposal.signatures),
            Outgoing::Document(SignedDocument { document, signatures }) => (document, signatures),
            Outgoing::Equivocation(_) => return self.convicted = self.now,
            Outgoing::Vote(_) => return,
        };
        let threshold = self.versions[0].threshold;
        let of_slot = self.signed.entry(document.slot).or_default();
        of_slot.entry(document.hash()).or_default().extend(signatures.keys());
        let hold = of_slot.values().filter(|signers| signers.len() >= threshold).count();
        self.forked |= hold > 1;
        if hold > 0 {
            self.held.insert(document.slot);
        }
        let first = Slot::new(document.slot.number().saturating_sub(60));
        self.signed = self.signed.split_off(&first.min(document.slot));
    }

    fn beats(&mut self) {
        for mix in MIXES {
            // Each mix changes its key at a time of its own.
            let phase = Duration::from_secs(u64::from(mix) * 47);
            let micros = (self.now + phase).micros();
            let generation = micros / u64::try_from(EPOCHS.as_micros()).unwrap();
            let generation = u32::try_from(generation % 1_000_000).unwrap();
            for to in 0..self.parties.len() {
                let latency = self.latency();
                self.after(latency, Event::Beat { mix: NodeNumber::new(mix), to, generation });
            }
        }
        self.after(SECOND * 10, Event::Beats);
    }

    fn beat(&mut self, mix: NodeNumber, to: usize, generation: u32) {
        let now = self.clock(to);
        let newest = key_of(mix, generation);
        let heard = &mut self.parties[to].heard;
        let (keys, last) = heard.entry(mix).or_insert((Keys { newest, before: None }, now));
        if keys.newest.generation < newest.generation {
            *keys = Keys { newest, before: Some(keys.newest) };
        }
        *last = now;
    }

    fn die(&mut self) {
        if self.dead < self.parties.len() {
            let back = std::mem::replace(&mut self.dead, usize::MAX);
            self.start(back);
            let wait = self.rng.random_range(120..600);
            return self.after(SECOND * wait, Event::Die);
        }
        let at = self.rng.random_range(0..self.parties.len());
        if at != self.liar.at && self.parties[at].signer.take().is_some() {
            self.dead = at;
        }
        let wait = self.rng.random_range(120..900);
        self.after(SECOND * wait, Event::Die);
    }

    fn restart(&mut self) {
        let at = self.rng.random_range(0..self.parties.len());
        if at != self.liar.at && self.parties[at].signer.is_some() {
            self.start(at);
        }
        let wait = self.rng.random_range(300..900);
        self.after(SECOND * wait, Event::Restart);
    }

    fn part(&mut self, parted: bool) {
        if parted {
            let all = 0..self.parties.len();
            self.parted = Some(all.filter(|_| self.rng.random_bool(0.5)).collect());
            let wait = self.rng.random_range(10..300);
            return self.after(SECOND * wait, Event::Part(false));
        }
        self.parted = None;
        (0..self.parties.len()).for_each(|at| self.ask(at));
        let wait = self.rng.random_range(1000..3000);
        self.after(SECOND * wait, Event::Part(true));
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        let apart = |side: &BTreeSet<usize>| side.contains(&from) != side.contains(&to);
        // The liar speaks with both sides.
        let liar = from == self.liar.at || to == self.liar.at;
        !liar && self.parted.as_ref().is_some_and(apart)
    }

    /// Checks what every honest relay has that was there for a while.
    fn look(&mut self) {
        self.after(SECOND, Event::Look);
        let there = |at: &usize, time| {
            let party = &self.parties[*at];
            let alive = *at != self.liar.at && party.signer.is_some();
            alive && self.now.since(party.since) >= time
        };
        let signs = |at: &usize| {
            let newest = Charter::of(Arc::clone(&self.versions[self.published]));
            newest.signatories.contains(self.parties[*at].number)
        };
        let ready = (0..self.parties.len()).filter(|at| there(at, READY) && signs(at)).count();
        let settled: Vec<_> = (0..self.parties.len()).filter(|at| there(at, SETTLED)).collect();
        if ready < THRESHOLD || self.parted.is_some() {
            self.quorum = self.now;
        }
        // A document lasts for two minutes from its start, which is a minute after its slot.
        if self.now.since(self.quorum) < SETTLED || self.forked {
            return;
        }
        self.looks += 1;
        let all: Vec<_> = settled.iter().map(|at| self.document(*at, self.now)).collect();
        for document in &all {
            let mixes = document.members.len();
            assert!(mixes >= FEWEST_MIXES, "{mixes} mixes");
        }
        if self.now.since(self.convicted) < SETTLED && self.convicted > START {
            return;
        }
        // By true time all have the same keys, and each by its own clock but for that one's error.
        let same = |one: &[Member], other: &[Member]| one == other;
        for (at, document) in settled.iter().zip(&all) {
            assert!(same(&document.members, &all[0].members), "{at} and {}", settled[0]);
            let own = &self.document(*at, self.clock(*at)).members;
            let [before, after] = [self.ago(SECOND * 3), self.now + SECOND * 3]
                .map(|time| self.document(*at, time).members.clone());
            assert!(same(own, &before) || same(own, &after) || same(own, &document.members));
        }
    }

    fn ago(&self, time: Duration) -> Time {
        Time::from_micros(self.now.micros() - u64::try_from(time.as_micros()).unwrap())
    }

    /// The document by which a relay's clients build packets at a time.
    fn document(&self, at: usize, time: Time) -> &Document {
        let current = self.parties[at].documents.current(time);
        let current = current.unwrap_or_else(|| panic!("relay {at} has no document"));
        &current.document
    }
}
