//! The machine of a person: a home with a store, clocks, and the client while it runs.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_client::api::{Failure, Notice, Request, Response};
use rohrpost_client::{
    Content, Cost, Network, Profile, SessionError, SessionEvent, SimulatedClocks, SimulatedDisk,
    SteppedAgent, Store, StoreError, Unlock,
};
use rohrpost_packet::{NodeNumber, ReplyId, SessionId};
use rohrpost_proto::courier::Departure;
use rohrpost_proto::frame::{Frame, OutgoingFrame, UpCell};
use rohrpost_proto::time::agreement::Witness;
use rohrpost_proto::time::{Steady, Time};
use rohrpost_virtual::Toy;
use zeroize::Zeroizing;

use crate::relays::Document;

/// A person's machine.
pub(crate) struct Machine {
    pub(crate) home: PathBuf,
    entry: NodeNumber,
    network: Arc<Network>,
    /// Microseconds by which the machine's clock is ahead.
    pub(crate) ahead: i64,
    pub(crate) disk: SimulatedDisk,
    process: Option<Process>,
    /// Backup of the client, and when it was made.
    backup: Option<Time>,
    /// Copy of the home, and when it was made.
    copy: Option<Time>,
}

/// A client that runs.
struct Process {
    agent: SteppedAgent<Toy>,
    clocks: SimulatedClocks,
    witness: Witness,
    started: Time,
    /// Microseconds by which the process's own clock is ahead: as the machine's was at its start.
    ahead: i64,
    session: Option<SessionId>,
    /// Number of the newest document.
    edition: u64,
    /// Time at which the client did last what is due every minute.
    tended: Time,
}

impl Machine {
    /// Makes a client that enters at an agency's relay.
    pub(crate) fn new(home: PathBuf, network: &Arc<Network>, agency: &str, now: Time) -> Self {
        let profile = Profile::create(&network.roster, Some(agency)).expect("a relay's agency");
        let entry = profile.entry;
        let since = Duration::from_micros(now.micros());
        let store = Store::create(&home, &unlock(), network, &profile, since);
        drop(store.expect("a new home"));
        Self {
            home,
            entry,
            network: Arc::clone(network),
            ahead: 0,
            disk: SimulatedDisk::default(),
            process: None,
            backup: None,
            copy: None,
        }
    }

    /// The relay through which the client enters.
    pub(crate) fn entry(&self) -> NodeNumber {
        self.process.as_ref().map_or(self.entry, |process| process.agent.entry())
    }

    /// The store of a client that does not run.
    pub(crate) fn store(&self) -> Store {
        assert!(self.process.is_none(), "a running client has its store open");
        self.open().expect("the store of the home")
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open_on(&self.home, &unlock(), &self.network, &self.disk)
    }

    /// Starts the client; one that slept wakes, and finds its link gone. False if it does not start:
    /// its disk is full.
    pub(crate) fn begin(&mut self, now: Time) -> bool {
        if let Some(process) = &mut self.process {
            if process.session.is_none() {
                let own = process.own(now, self.ahead);
                process.agent.hear(own, SessionEvent::Disconnected(SessionError::Lost));
            }
            return true;
        }
        let Ok(store) = self.open() else { return false };
        let clocks = SimulatedClocks::new(shifted(now, self.ahead));
        let agent = SteppedAgent::start(Arc::clone(&self.network), store, clocks.clone());
        let Ok(agent) = agent else { return false };
        self.process = Some(Process {
            agent,
            clocks,
            witness: Witness::default(),
            started: now,
            ahead: self.ahead,
            session: None,
            edition: 0,
            tended: now,
        });
        true
    }

    /// Puts the machine to sleep: the client stays.
    pub(crate) fn sleep(&mut self) {
        if let Some(process) = &mut self.process {
            process.session = None;
        }
    }

    /// Backs the client up, which runs.
    pub(crate) fn back_up(&mut self, now: Time) {
        if self.runs() {
            let path = self.beside("backup").display().to_string();
            self.ask(now, Request::Backup { path });
            self.backup = Some(now);
        }
    }

    /// Throws the home away, and makes another from the backup; gives the backup's time.
    pub(crate) fn restore(&mut self, now: Time) -> Option<Time> {
        let then = self.backup?;
        fs::remove_dir_all(&self.home).expect("the home is there");
        let date = Duration::from_micros(shifted(now, self.ahead).micros());
        let (backup, network) = (self.beside("backup"), &self.network);
        drop(Store::restore(&backup, &self.home, &unlock(), network, date).expect("a backup"));
        Some(then)
    }

    /// Copies the home as a file backup does.
    pub(crate) fn copy(&mut self, now: Time) {
        fs::copy(self.file(), self.beside("copy")).expect("the store's file");
        self.copy = Some(now);
    }

    /// Puts the copy of the home in its place; gives the copy's time.
    pub(crate) fn put_back(&mut self) -> Option<Time> {
        let then = self.copy?;
        fs::copy(self.beside("copy"), self.file()).expect("the copy of the store's file");
        Some(then)
    }

    fn file(&self) -> PathBuf {
        self.home.join("store.vault")
    }

    fn beside(&self, what: &str) -> PathBuf {
        self.home.with_extension(what)
    }

    /// Ends the client.
    pub(crate) fn end(&mut self) {
        self.process = None;
    }

    pub(crate) const fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Tells whether the client is off the network because of its disk.
    pub(crate) fn has_trouble(&self) -> bool {
        self.process.as_ref().is_some_and(|process| !process.agent.has_session())
    }

    /// Has a client try its disk again that is off the network because of it, or starts one anew that
    /// has ended by that, as whoever supervises it does. True if it can be linked.
    pub(crate) fn mend(&mut self, now: Time) -> bool {
        let Some(process) = &mut self.process else { return self.begin(now) };
        process.session = None;
        let _ = process.own(now, self.ahead);
        process.agent.look_after_disk();
        if process.agent.ended().is_some() {
            self.process = None;
        }
        self.process.is_some() && !self.has_trouble()
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        self.process.as_ref()?.session
    }

    /// Links the client that runs, and gives the time of its first slot.
    pub(crate) fn link(
        &mut self,
        now: Time,
        session: SessionId,
        document: &Document,
    ) -> Option<Time> {
        let machine = shifted(now, self.ahead);
        let process = self.process.as_mut()?;
        let own = process.own(now, self.ahead);
        let _ = process.witness.greet(own, now, machine);
        let lag = Witness::lag(own, now, machine);
        process.go_forward(lag);
        let own = own + lag;
        process.session = Some(session);
        process.agent.connect(own, now, session, self.ahead / 1_000);
        if !process.witness.is_borne_out() {
            process.agent.courier()?.withdraw_view();
        }
        process.edition = 0;
        self.read_document(now, document);
        self.process.as_mut()?.prepare(now)
    }

    /// Takes the link away.
    pub(crate) fn unlink(&mut self, now: Time) {
        if let Some(process) = &mut self.process
            && process.session.take().is_some()
        {
            let own = process.own(now, self.ahead);
            process.agent.hear(own, SessionEvent::Disconnected(SessionError::Lost));
        }
    }

    /// Keeps the slot of a session: gives the packet that leaves, and the time of the next slot.
    pub(crate) fn keep_slot(
        &mut self,
        now: Time,
        document: &Document,
    ) -> Option<(Option<OutgoingFrame<Toy>>, Time)> {
        let process = self.process.as_mut()?;
        let own = process.own(now, self.ahead);
        let departure = process.agent.courier()?.handle_timeout(own);
        if process.edition < document.edition {
            self.read_document(now, document);
        }
        let process = self.process.as_mut()?;
        process.prepare(now)?;
        let minutes = now.since(process.tended).as_secs() / 60;
        if minutes >= TENDED_EVERY {
            process.tended = now;
            process.agent.maintain(process.own(now, self.ahead), minutes);
        }
        let next = process.prepare(now)?;
        let packet = departure.and_then(|departure| match departure {
            Departure::Cell(bytes) => match UpCell::decode(bytes).expect("the client's own cell") {
                UpCell::Packet { first_hop: to, generation, packet } => {
                    let frame = Frame { generation, packet };
                    Some(OutgoingFrame { to, frame })
                }
                UpCell::Hello(_) | UpCell::Idle => None,
            },
            Departure::Packet { .. } => None,
        });
        Some((packet, next))
    }

    /// Takes a reply that comes down to the session.
    pub(crate) fn take_reply(&mut self, now: Time, id: ReplyId, payload: Box<[u8]>) {
        let ahead = self.ahead;
        if let Some(process) = &mut self.process {
            let own = process.own(now, ahead);
            if let Some(courier) = process.agent.courier() {
                courier.handle_reply(own, id, payload);
            }
        }
    }

    /// Asks the client, which runs and has a disk with room.
    pub(crate) fn ask(&mut self, now: Time, request: Request) -> Response {
        self.try_ask(now, request).expect("the client does what it is asked")
    }

    /// Asks the client, which runs.
    pub(crate) fn try_ask(&mut self, now: Time, request: Request) -> Result<Response, Failure> {
        let ahead = self.ahead;
        let process = self.process.as_mut().expect("a client that runs is asked");
        let own = process.own(now, ahead);
        let answer = process.agent.ask(own, request);
        process.prepare(now);
        answer
    }

    /// What has happened at the client, and was not collected.
    pub(crate) fn notices(&mut self) -> Vec<Notice> {
        let process = self.process.as_mut();
        process.map_or_else(Vec::new, |process| {
            std::iter::from_fn(|| process.agent.poll_notice()).collect()
        })
    }

    /// Reads a document, as the session's driver does.
    fn read_document(&mut self, now: Time, document: &Document) {
        let machine = shifted(now, self.ahead);
        let Some(process) = &mut self.process else { return };
        let own = process.own(now, self.ahead);
        let Some(courier) = process.agent.courier() else { return };
        let told = courier.document_time(own);
        let attested = Some(document.attested);
        let Ok(agreement) = process.witness.handle_document(own, told, machine, attested) else {
            return;
        };
        process.edition = document.edition;
        let lag = Witness::lag(own, told, machine);
        process.go_forward(lag);
        let own = own + lag;
        if let Some(courier) = process.agent.courier() {
            courier.go_forward(lag);
            courier.handle_view(own, Arc::clone(&document.view));
        }
        let (up, shortage) = (document.view.nodes().collect(), document.view.shortage());
        process.agent.hear(own, SessionEvent::View { up, shortage, time: told, agreement });
    }
}

impl Process {
    /// The process's own clock; those of the agent are set by the way.
    fn own(&self, now: Time, machine: i64) -> Steady {
        self.clocks.set(now.since(self.started), shifted(now, machine));
        Steady::of_clock(shifted(now, self.ahead))
    }

    fn go_forward(&mut self, by: Duration) {
        self.ahead += i64::try_from(by.as_micros()).expect("clocks are off by years at most");
    }

    /// Has the courier build its next cell, and the agent take what has happened; gives the time of
    /// the next slot.
    fn prepare(&mut self, now: Time) -> Option<Time> {
        let own = Steady::of_clock(shifted(now, self.ahead));
        self.agent.courier()?.prepare(own);
        self.agent.collect(own);
        let courier = self.agent.courier()?;
        if !courier.is_ready() {
            courier.prepare(own);
        }
        Some(shifted(courier.poll_timeout().reading(), -self.ahead))
    }
}

/// A text, as the client is asked to send it.
pub(crate) fn send(to: &str, text: &str, expires_after: Duration) -> Request {
    let seconds = expires_after.as_secs();
    let request =
        serde_json::json!({ "send": { "to": to, "text": text, "expires_after": seconds } });
    serde_json::from_value(request).expect("a request of the local API")
}

/// The text of a content.
pub(crate) fn text(content: &Content) -> String {
    String::from_utf8(content.bytes().to_vec()).expect("texts are UTF-8")
}

/// A time that a clock shows which is ahead by so many microseconds.
fn shifted(now: Time, ahead: i64) -> Time {
    Time::from_micros(now.micros().saturating_add_signed(ahead))
}

fn unlock() -> Unlock {
    Unlock::passphrase_at(Zeroizing::new("right".into()), Cost::danger_cheap())
}

/// Minutes after which a client does what is due every minute: it is told of all of them, and what
/// is due is late by that.
const TENDED_EVERY: u64 = 10;
