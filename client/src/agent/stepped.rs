//! An agent whose time and link are a simulation's: the agent's own work with the store, the
//! session's own commands and events, and no task, clock or socket.
//!
//! What an agent awaits is its session. Here the session's commands are carried out whenever the
//! agent waits, so that each step is over when its method returns.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};

use rohrpost_network::Network;
use rohrpost_packet::{NodeNumber, SessionId, Suite};
use rohrpost_proto::courier::Courier;
use rohrpost_proto::time::{Steady, Time};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::asker::Asker;
use super::blocking::BlockingStore;
use super::clocks::{Clocks, SimulatedClocks};
use super::error::AgentError;
use super::task::{AgentTask, Begin};
use crate::api::{Failure, Notice, Request, Response};
use crate::profile::Profile;
use crate::session::{Session, SessionEvent, SteppedSession};
use crate::store::Store;

/// A client that a simulation steps through its life. Must not be used within an asynchronous
/// runtime.
///
/// The driver links it ([`Self::connect`]), steps its courier through the grid as the driver of a
/// real session does, and has events taken after each step ([`Self::collect`]). To drop it ends the
/// process: its store is closed, and all else is forgotten.
pub struct SteppedAgent<S: Suite> {
    task: AgentTask,
    /// The other end of the agent's session; none while the agent has left the network.
    session: Option<SteppedSession<S>>,
    /// Sessions that the agent has begun and the driver has not taken up.
    begun: mpsc::Receiver<SteppedSession<S>>,
    /// Reason why the agent has ended by itself.
    ended: Option<AgentError>,
    notices: broadcast::Receiver<Notice>,
}

impl<S: Suite> SteppedAgent<S> {
    /// Starts the client of a store, by these clocks. The suite has the lengths of the network's.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(
        network: Arc<Network>,
        store: Store,
        clocks: SimulatedClocks,
    ) -> Result<Self, AgentError> {
        let (outbox, begun) = mpsc::channel();
        let begin: Begin = Box::new(move |network, store, entry| {
            let resumption = store.with(Store::resumption)?;
            let profile = Profile { entry, ..store.with(Store::profile)? };
            let (session, end) = Session::stepped(network, profile, resumption);
            // Nobody takes it up once the driver is gone.
            let _ = outbox.send(end);
            Ok(session)
        });
        let store = BlockingStore::new(store);
        let task = AgentTask::new(network, store, begin, Clocks::Simulated(clocks))?;
        let (session, notices) = (begun.try_recv().ok(), task.notices.subscribe());
        Ok(Self { task, session, begun, ended: None, notices })
    }

    /// Takes up a link under this session's name, on which the relay says that document time is
    /// `told`: a courier is founded on the first link, and goes on over those after it.
    pub fn connect(&mut self, now: Steady, told: Time, session: SessionId, clock_ahead: i64) {
        if let Some(link) = &mut self.session {
            link.connect(&self.task.network.roster, now, told, session);
        }
        self.hear(now, SessionEvent::Connected { clock_ahead });
    }

    /// Takes an event of the link, and what follows from it.
    pub fn hear(&mut self, now: Steady, event: SessionEvent) {
        if let Some(session) = &mut self.session {
            session.tell(event);
        }
        self.collect(now);
    }

    /// Takes what the courier has to tell, and writes what is due. The driver comes here at least
    /// every few seconds while it steps the courier.
    pub fn collect(&mut self, now: Steady) {
        loop {
            self.session.iter_mut().for_each(SteppedSession::collect);
            let Some(event) = self.task.session.next_event() else { break };
            run(self.task.handle_event(event), self.session.as_mut(), now);
            self.look_after_disk();
        }
        run(self.task.commit_due_letters(), self.session.as_mut(), now);
        self.look_after_disk();
    }

    /// Sees to the disk, as the agent does after each step and when it is time to try it again: one
    /// that fails has the agent leave the network, and one that is well has it begin a session, which
    /// the driver is to link.
    pub fn look_after_disk(&mut self) {
        if let Err(error) = self.task.look_after_disk() {
            self.ended = Some(error);
        }
        if self.task.trouble.next_try().is_some() {
            self.session = None;
        }
        if let Some(session) = self.begun.try_iter().last() {
            self.session = Some(session);
        }
    }

    /// The relay through which the agent enters now: the driver is to link it there.
    pub fn entry(&self) -> NodeNumber {
        self.task.entrance.present()
    }

    /// True while the agent has a session, with a link or without: not while its disk has failed.
    pub const fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Reason why the agent has ended by itself; the driver is to drop it then.
    pub const fn ended(&self) -> Option<&AgentError> {
        self.ended.as_ref()
    }

    /// Does what is due every minute, after so many.
    pub fn maintain(&mut self, now: Steady, minutes: u64) {
        run(self.task.maintain(minutes), self.session.as_mut(), now);
        self.look_after_disk();
    }

    /// Has the client do what a program asks of it, and gives the answer.
    ///
    /// # Errors
    /// The request was not done; the failure says why.
    pub fn ask(&mut self, now: Steady, request: Request) -> Result<Response, Failure> {
        self.task.store.open_if_closed();
        let answer = run(self.task.answer(request, Asker::User), self.session.as_mut(), now);
        self.look_after_disk();
        answer
    }

    /// The courier, once there was a link.
    pub fn courier(&mut self) -> Option<&mut Courier<S>> {
        self.session.as_mut()?.courier()
    }

    /// The oldest notice that was not collected. Who collects too seldom misses some, and is told.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        match self.notices.try_recv() {
            Ok(notice) => Some(notice),
            Err(TryRecvError::Lagged(missed)) => Some(Notice::Missed(Some(missed))),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

/// Runs some work of the agent to its end; what it has the session do is done whenever it waits, and
/// at its end.
fn run<S: Suite, T>(
    work: impl Future<Output = T>,
    mut session: Option<&mut SteppedSession<S>>,
    now: Steady,
) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let polled = work.as_mut().poll(&mut context);
        let executed = session.as_mut().is_some_and(|session| session.execute(now));
        match polled {
            Poll::Ready(done) => return done,
            Poll::Pending => assert!(executed, "an agent waits for nothing but its session"),
        }
    }
}
