//! A client that runs: a real agent with its store and courier, stepped by the world.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_client::api::{Notice, Request, Response};
use rohrpost_client::{Network, SessionEvent, SimulatedClocks, SteppedAgent, Store};
use rohrpost_packet::{ReplyId, SessionId, Suite};
use rohrpost_proto::courier::Departure;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{Frame, OutgoingFrame, UpCell};
use rohrpost_proto::time::agreement::Agreement;
use rohrpost_proto::time::{Steady, Time};

/// A client with a link, which lasts, and clocks that are right.
pub(crate) struct Client<S: Suite> {
    pub(crate) session: SessionId,
    agent: SteppedAgent<S>,
    clocks: SimulatedClocks,
    started: Time,
    /// Time at which the client did last what is due every minute.
    tended: Time,
}

impl<S: Suite> Client<S> {
    /// Starts the client of a store and links it.
    pub(crate) fn start(
        network: &Arc<Network>,
        store: Store,
        now: Time,
        session: SessionId,
        view: Arc<View<S>>,
    ) -> Self {
        let clocks = SimulatedClocks::new(now);
        let agent = SteppedAgent::start(Arc::clone(network), store, clocks.clone());
        let agent = agent.expect("the store is whole");
        let mut client = Self { session, agent, clocks, started: now, tended: now };
        let own = client.own(now);
        client.agent.connect(own, now, session, 0);
        let (up, shortage) = (view.nodes().collect(), view.shortage());
        client.agent.courier().expect("it is linked").handle_view(own, view);
        let agreement = Agreement::All;
        client.agent.hear(own, SessionEvent::View { up, shortage, time: now, agreement });
        client.prepare(now);
        client
    }

    /// Time of the next slot.
    pub(crate) fn next_slot(&mut self) -> Time {
        self.agent.courier().expect("it is linked").poll_timeout().reading()
    }

    /// Keeps a slot: gives the packet that leaves, if one does.
    pub(crate) fn keep_slot(&mut self, now: Time) -> Option<OutgoingFrame<S>> {
        let own = self.own(now);
        let departure = self.agent.courier().expect("it is linked").handle_timeout(own);
        self.prepare(now);
        if now.since(self.tended) >= MINUTE {
            self.tended = now;
            self.agent.maintain(own, 1);
            self.prepare(now);
        }
        let Some(Departure::Cell(bytes)) = departure else { return None };
        match UpCell::decode(bytes).expect("the client's own cell") {
            UpCell::Packet { first_hop: to, generation, packet } => {
                Some(OutgoingFrame { to, frame: Frame { generation, packet } })
            }
            UpCell::Hello(_) | UpCell::Idle => None,
        }
    }

    /// Takes a reply that comes down to the session.
    pub(crate) fn take_reply(&mut self, now: Time, id: ReplyId, payload: Box<[u8]>) {
        let own = self.own(now);
        self.agent.courier().expect("it is linked").handle_reply(own, id, payload);
    }

    pub(crate) fn ask(&mut self, now: Time, request: Request) -> Response {
        let own = self.own(now);
        let answer = self.agent.ask(own, request).expect("the client does what it is asked");
        self.prepare(now);
        answer
    }

    /// What has happened and was not told yet.
    pub(crate) fn notices(&mut self) -> impl Iterator<Item = Notice> {
        std::iter::from_fn(|| self.agent.poll_notice())
    }

    /// Has the courier build its next cell, and the agent take what has happened.
    fn prepare(&mut self, now: Time) {
        let own = self.own(now);
        self.agent.courier().expect("it is linked").prepare(own);
        self.agent.collect(own);
        self.agent.courier().expect("it is linked").prepare(own);
    }

    /// The process's own clock; those of the agent are set by the way.
    fn own(&self, now: Time) -> Steady {
        self.clocks.set(now.since(self.started), now);
        Steady::of_clock(now)
    }
}

/// A request to send a file.
pub(crate) fn send_file(to: &str, path: &Path) -> Request {
    request(serde_json::json!({ "send": { "to": to, "path": { "path": path } } }))
}

/// A request to send a text.
pub(crate) fn send_text(to: &str, text: &str) -> Request {
    request(serde_json::json!({ "send": { "to": to, "text": text } }))
}

fn request(value: serde_json::Value) -> Request {
    serde_json::from_value(value).expect("a request of the local API")
}

const MINUTE: Duration = Duration::from_secs(60);
