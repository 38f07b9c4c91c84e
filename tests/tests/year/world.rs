//! The world of a year: people's machines, the relays, and all that happens in the order of time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rohrpost_client::Network;
use rohrpost_client::api::{Failure, FailureCode, Notice, Request, Response};
use rohrpost_packet::{NodeNumber, SessionId};
use rohrpost_proto::time::Time;

use crate::calendar::Deed;
use crate::copies::Copies;
use crate::ledger::{Ledger, Loss};
use crate::machine::{Machine, send};
use crate::relays::{Arrival, Relays};

/// All parties, the queue of what is due, and the ledger of what was sent and has come.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) relays: Relays,
    pub(crate) machines: Vec<Machine>,
    pub(crate) ledger: Ledger,
    pub(crate) copies: Copies,
    /// Whose disks are full.
    full: BTreeSet<usize>,
    /// Whose clients are off the network because of that.
    troubled: BTreeSet<usize>,
    /// Number of times that a client has left the network because of its disk, and ended by that.
    pub(crate) troubles: [usize; 2],
    network: Arc<Network>,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    due: HashMap<u64, Due>,
    added: u64,
    rng: ChaCha20Rng,
}

/// Something that happens.
enum Due {
    /// A person's slot in a session.
    Slot(usize, SessionId),
    /// A person's client tries to link.
    Link(usize),
    /// A person's client that is off the network for its disk tries that again.
    Mend(usize),
    /// A packet arrives.
    Arrival(Arrival),
    /// The common tick of all mailboxes.
    Answers,
    /// Nodes tend their keys.
    Tend,
    /// Somebody does something.
    Deed(Deed),
}

impl World {
    /// A network at its start, and the machines of people who know each other.
    pub(crate) fn new(
        network: Arc<Network>,
        machines: Vec<Machine>,
        ledger: Ledger,
        now: Time,
        [rng, relays]: [ChaCha20Rng; 2],
    ) -> Self {
        let relays = Relays::start(&network, now, relays);
        let profile = |machine: &Machine| machine.store().profile().expect("the client's keys");
        let identities = machines.iter().map(profile);
        let identities = identities.map(|profile| profile.account.identity.public().clone());
        let copies = Copies::new(network.roster.network_id, identities);
        let mut world = Self {
            now,
            relays,
            machines,
            ledger,
            copies,
            full: BTreeSet::new(),
            troubled: BTreeSet::new(),
            troubles: [0; 2],
            network,
            queue: BinaryHeap::new(),
            due: HashMap::new(),
            added: 0,
            rng,
        };
        let traffic = world.network.roster.traffic;
        world.add(now.next_multiple(traffic.answer_period()), Due::Answers);
        world.add(now + world.network.roster.directory.epoch, Due::Tend);
        world
    }

    /// Puts somebody's deed on the calendar.
    pub(crate) fn plan(&mut self, at: Time, deed: Deed) {
        self.add(at, Due::Deed(deed));
    }

    /// Lets time pass.
    pub(crate) fn run_until(&mut self, end: Time) {
        while self.queue.peek().is_some_and(|Reverse((at, _))| *at <= end) {
            let Reverse((at, key)) = self.queue.pop().expect("it was looked at");
            self.now = self.now.max(at);
            if let Some(due) = self.due.remove(&key) {
                self.happen(due);
            }
        }
        self.now = end;
    }

    fn add(&mut self, at: Time, due: Due) {
        self.added += 1;
        self.queue.push(Reverse((at, self.added)));
        self.due.insert(self.added, due);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Slot(person, session) => self.keep_slot(person, session),
            Due::Link(person) => self.link(person),
            Due::Mend(person) => self.mend(person),
            Due::Arrival(arrival) => self.arrive(arrival),
            Due::Answers => {
                let period = self.network.roster.traffic.answer_period();
                self.add(self.now.next_multiple(period), Due::Answers);
                for (at, arrival) in self.relays.answer(self.now) {
                    self.add(at, Due::Arrival(arrival));
                }
            }
            Due::Tend => {
                self.add(self.now + self.network.roster.directory.epoch, Due::Tend);
                self.relays.tend(self.now);
            }
            Due::Deed(deed) => self.act(deed),
        }
    }

    fn act(&mut self, deed: Deed) {
        let now = self.now;
        match deed {
            Deed::Begin(person) => {
                self.copies.returns(person);
                assert!(self.machines[person].begin(now), "no disk is full in the morning");
                self.link(person);
            }
            Deed::Sleep(person) => {
                self.look_at_health(person);
                self.ledger.unlinked(person, now);
                self.machines[person].sleep();
            }
            Deed::End(person) => self.end(person),
            Deed::Post { from, to, lifetime } => self.post(from, to, lifetime),
            Deed::Kill(node) => self.kill(node),
            Deed::Revive(node) => self.relays.revive(node, now),
            Deed::BackUp(person) => self.machines[person].back_up(now),
            Deed::Restore(person) => {
                self.end(person);
                if let Some(then) = self.machines[person].restore(now) {
                    self.ledger.went_back(person, [then, now], Loss::Restored);
                }
            }
            Deed::Copy(person) => self.machines[person].copy(now),
            Deed::PutBack(person) => {
                self.end(person);
                if let Some(then) = self.machines[person].put_back() {
                    self.ledger.went_back(person, [then, now], Loss::PutBack);
                }
            }
            Deed::SetClock(person, ahead) => self.machines[person].ahead = ahead,
            Deed::FillDisk(person) => self.set_full(person, true),
            Deed::FreeDisk(person) => self.set_full(person, false),
        }
    }

    fn end(&mut self, person: usize) {
        self.look_at_health(person);
        self.ledger.unlinked(person, self.now);
        self.troubled.remove(&person);
        let machine = &mut self.machines[person];
        if machine.runs() {
            machine.end();
            self.copies.leaves(person, machine.store().profile().expect("the client's keys"));
        }
    }

    /// Has a person read what its client says of its health.
    fn look_at_health(&mut self, person: usize) {
        if !self.machines[person].runs() {
            return;
        }
        let Response::Health(health) = self.machines[person].ask(self.now, Request::Health {})
        else {
            unreachable!("an answer to another request");
        };
        for problem in health.problems.iter().filter(|text| text.contains("they know of messages"))
        {
            let names = problem.split(':').next().unwrap_or_default();
            for contact in names.split(", ").filter_map(number) {
                self.ledger.told_of_older_copy(person, contact);
            }
        }
    }

    fn post(&mut self, from: usize, to: usize, lifetime: Duration) {
        if !self.machines[from].runs() {
            return;
        }
        let text = self.ledger.post(from, to, self.now, self.now + lifetime);
        let request = send(&name(to), &text, lifetime);
        match self.machines[from].try_ask(self.now, request) {
            Ok(Response::Accepted(accepted)) => self.ledger.accepted(&text, accepted.message),
            Ok(_) => unreachable!("an answer to another request"),
            Err(failure) => self.refuse(from, &text, &failure),
        }
        self.take_notices(from);
        self.notice_trouble(from);
    }

    fn set_full(&mut self, person: usize, full: bool) {
        self.machines[person].disk.set_full(full);
        if full {
            self.full.insert(person);
        } else {
            self.full.remove(&person);
        }
    }

    /// Enters that a client has refused a message, which it may do if its disk is full.
    fn refuse(&mut self, from: usize, text: &str, failure: &Failure) {
        let of_the_disk = matches!(failure.code, FailureCode::Full | FailureCode::System);
        assert!(self.full.contains(&from) && of_the_disk, "{text}: {failure}");
        self.ledger.refused(text);
    }

    /// Sees to a client that has left the network because its disk is full.
    fn notice_trouble(&mut self, person: usize) {
        if self.machines[person].has_trouble() && self.troubled.insert(person) {
            self.troubles[0] += 1;
            self.ledger.unlinked(person, self.now);
            self.add(self.now + MEND, Due::Mend(person));
        }
    }

    /// Has a client try its disk again until it is well, or its user goes home.
    fn mend(&mut self, person: usize) {
        if !self.troubled.contains(&person) {
            return;
        }
        let ran = self.machines[person].runs();
        let is_well = self.machines[person].mend(self.now);
        self.troubles[1] += usize::from(ran && !self.machines[person].runs());
        if !is_well {
            return self.add(self.now + MEND, Due::Mend(person));
        }
        self.troubled.remove(&person);
        self.link(person);
    }

    /// Ends a node; whoever enters there has no link.
    fn kill(&mut self, node: NodeNumber) {
        self.relays.kill(node, self.now);
        self.ledger.lost_memory(node, self.now);
        self.copies.lost(node);
        for person in 0..self.machines.len() {
            if self.machines[person].entry() == node && self.machines[person].session().is_some() {
                self.machines[person].unlink(self.now);
                self.ledger.unlinked(person, self.now);
                self.add(self.now + RETRY, Due::Link(person));
            }
        }
    }

    /// Links a person's client, as soon as its relay is up.
    fn link(&mut self, person: usize) {
        let machine = &mut self.machines[person];
        if !machine.runs() || machine.session().is_some() || machine.has_trouble() {
            return;
        }
        if !self.relays.is_up(machine.entry()) {
            return self.add(self.now + RETRY, Due::Link(person));
        }
        let session = SessionId::new(self.rng.random());
        if let Some(first) = machine.link(self.now, session, self.relays.document()) {
            self.add(first, Due::Slot(person, session));
            self.ledger.linked(person, self.now);
        }
    }

    fn keep_slot(&mut self, person: usize, session: SessionId) {
        let machine = &mut self.machines[person];
        if machine.session() != Some(session) {
            return;
        }
        let entry = machine.entry();
        let kept = machine.keep_slot(self.now, self.relays.document());
        self.notice_trouble(person);
        let Some((packet, next)) = kept else { return };
        self.add(next.max(self.now + STEP), Due::Slot(person, session));
        if let Some(packet) = packet
            && let Some((at, arrival)) = self.relays.carry(self.now, entry, packet)
        {
            self.add(at, Due::Arrival(arrival));
        }
        self.take_notices(person);
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::AtRelay(relay, body) => {
                if let Some((mailbox, envelope)) = self.relays.instruct(relay, &body, self.now) {
                    self.copies.stored(relay, mailbox, &envelope, self.now);
                }
            }
            Arrival::AtSession(session, id, payload) => {
                let mut machines = self.machines.iter_mut();
                if let Some(machine) = machines.find(|machine| machine.session() == Some(session)) {
                    machine.take_reply(self.now, id, payload);
                }
            }
        }
    }

    /// Has a person read what has come.
    fn take_notices(&mut self, person: usize) {
        for notice in self.machines[person].notices() {
            if let Notice::Arrived(incoming) = notice {
                let number = incoming.number;
                let read =
                    self.machines[person].ask(self.now, Request::Read { number, save: None });
                let Response::Message(body) = read else {
                    unreachable!("an answer to another request")
                };
                self.ledger.arrived(&body.text.expect("all messages are texts"), self.now);
                let acknowledge = Request::Acknowledge { numbers: vec![number] };
                let noted = self.machines[person].try_ask(self.now, acknowledge);
                assert!(noted.is_ok() || self.full.contains(&person), "what was read is noted");
            }
        }
    }
}

/// Name under which all know a person.
pub(crate) fn name(person: usize) -> String {
    format!("p{person:02}")
}

/// The person of this name.
fn number(name: &str) -> Option<usize> {
    name.strip_prefix('p')?.parse().ok()
}

/// Time after which a client whose disk is full tries it again, as the client itself does.
const MEND: Duration = Duration::from_secs(30);
/// Time after which a client whose relay is down tries again; real clients try every few seconds.
const RETRY: Duration = Duration::from_secs(600);
const STEP: Duration = Duration::from_micros(1);
