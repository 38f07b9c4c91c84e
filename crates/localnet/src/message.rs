//! The first message: alice and bob as real clients of different agencies.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rohrpost_client::{Profile, Segmentation, Session, SessionEvent};
use rohrpost_network::{Network, unix_now};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{Fragment, KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Contact, Event, Message, Trip};
use rohrpost_proto::time::{Slot, Time};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::error::LocalnetError;

/// Knowledge of alice and bob about the message's way.
pub(crate) struct Delivery {
    /// Bob's bytes; equal to alice's.
    pub(crate) received: Vec<u8>,
    /// Relay through which alice enters.
    pub(crate) alice: NodeNumber,
    /// Relay through which bob enters.
    pub(crate) bob: NodeNumber,
    /// Keys by which alice and bob are written to.
    pub(crate) keys: (KeyId, KeyId),
    /// The slot that carried it.
    pub(crate) slot: Slot,
    /// Path down to the mailbox.
    pub(crate) sent: Trip,
    /// The answer's way up.
    pub(crate) arrived: Trip,
    /// Waiting for a payload slot.
    pub(crate) waited: Duration,
    /// Time between leaving alice and reaching bob.
    pub(crate) travelled: Duration,
    /// Both clients, online until all is told: what the parties saw includes them.
    pub(crate) clients: (Session, Session),
}

/// Sends `message` from alice of north to bob of east.
pub(crate) async fn deliver(
    network: &Network,
    message: Vec<u8>,
    segmentation: Segmentation,
) -> Result<Delivery, LocalnetError> {
    let mut pair = Pair::start(network, segmentation)?;
    pair.until_ready().await?;
    pair.send(message).await
}

/// Alice and bob online, each with the other's card.
struct Pair {
    alice: Session,
    bob: Session,
    entries: (NodeNumber, NodeNumber),
    keys: (KeyId, KeyId),
    /// Relays of bob's mailboxes.
    mailboxes: HashSet<NodeNumber>,
}

impl Pair {
    fn start(network: &Network, segmentation: Segmentation) -> Result<Self, LocalnetError> {
        let profile = |agency| Profile::create(&network.roster, Some(agency)).map_err(failed);
        let (alice, bob) = (profile("north")?, profile("east")?);
        let entries = (alice.entry, bob.entry);
        let (alice_contact, bob_contact) = (alice.account.contact(), bob.account.contact());
        let keys = (alice_contact.identity.key_id(), bob_contact.identity.key_id());
        let mailboxes = bob.account.mailboxes.iter().map(|own| own.relay).collect();
        let start = |profile, contact: Contact| {
            Session::start_with(network, profile, vec![contact.into()], segmentation)
                .map_err(failed)
        };
        let (alice, bob) = (start(alice, bob_contact)?, start(bob, alice_contact)?);
        Ok(Self { alice, bob, entries, keys, mailboxes })
    }

    /// Waits until alice has the keys of the mixes and bob's mailboxes have answered him.
    async fn until_ready(&mut self) -> Result<(), LocalnetError> {
        let mailboxes = std::mem::take(&mut self.mailboxes);
        let ready = async {
            tokio::join!(until_view(&mut self.alice), until_registered(&mut self.bob, mailboxes));
        };
        timeout(DEADLINE, ready).await.map_err(|_| {
            failed("alice or bob got no keys or no answer from a mailbox within a minute")
        })
    }

    async fn send(mut self, message: Vec<u8>) -> Result<Delivery, LocalnetError> {
        let posted = Instant::now();
        let first = numbered(0, message.clone());
        self.alice.post(self.keys.1, first).await.map_err(failed)?;
        let mut left = posted;
        let sending = async {
            let sent = until_sent(&mut self.alice).await;
            left = Instant::now();
            // Alice stays: leaving would end her link before the relay has passed the cell on.
            (sent, until_arrived(&mut self.bob).await)
        };
        let (sent, arrived) = timeout(DEADLINE, sending).await.map_err(|_| {
            failed("the message did not arrive within a minute; with --verbose the nodes say more")
        })?;
        let (Some((slot, sent)), Some((fragment, arrived))) = (sent, arrived) else {
            return Err(failed("a client has ended"));
        };
        if *fragment.body != message {
            return Err(failed("what arrived is not what was sent; this is a bug"));
        }
        Ok(Delivery {
            received: fragment.body.to_vec(),
            alice: self.entries.0,
            bob: self.entries.1,
            keys: self.keys,
            slot,
            waited: left - posted,
            travelled: left.elapsed(),
            sent,
            arrived,
            clients: (self.alice, self.bob),
        })
    }
}

fn failed(why: impl ToString) -> LocalnetError {
    LocalnetError::Message(why.to_string())
}

/// Keeps both clients online for `lifetime`: for one period of [`MESSAGES_PERIOD`] they write to
/// each other in every payload slot, in the next they send cover alone, and so on. Notes the slot of
/// each letter that leaves, with its client: alice is 0, bob 1.
pub(crate) async fn keep_online(
    delivery: Delivery,
    lifetime: Duration,
    note: impl Fn(usize, Slot),
) {
    let ((alice, bob), (alice_key, bob_key)) = (delivery.clients, delivery.keys);
    let (mut alice, mut bob) = (Writer::new(alice, bob_key, 1), Writer::new(bob, alice_key, 0));
    let started = Instant::now();
    let mut often = interval(OFTEN);
    often.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = sleep(lifetime);
    tokio::pin!(end);
    loop {
        let writes = (started.elapsed().as_nanos() / MESSAGES_PERIOD.as_nanos()).is_multiple_of(2);
        tokio::select! {
            () = &mut end => return,
            _ = often.tick() => if writes {
                alice.write().await;
                bob.write().await;
            },
            Some(event) = alice.session.event() => {
                alice.take(&event).await.into_iter().for_each(|slot| note(0, slot));
            }
            Some(event) = bob.session.event() => {
                bob.take(&event).await.into_iter().for_each(|slot| note(1, slot));
            }
        }
    }
}

/// A client that writes to another, one message at a time, so that none is left for the periods of
/// cover.
struct Writer {
    session: Session,
    to: KeyId,
    /// Number of the next message.
    number: u64,
    on_its_way: bool,
}

impl Writer {
    const fn new(session: Session, to: KeyId, number: u64) -> Self {
        Self { session, to, number, on_its_way: false }
    }

    /// Posts a message, unless one is on its way to its slot.
    async fn write(&mut self) {
        if !self.on_its_way {
            let message = numbered(self.number, b"One more.".to_vec());
            self.number += 1;
            self.on_its_way = self.session.post(self.to, message).await.is_ok();
        }
    }

    /// Takes what has happened, and gives the slot in which a letter left.
    async fn take(&mut self, event: &SessionEvent) -> Option<Slot> {
        keep(&self.session, event).await;
        let SessionEvent::Courier(Event::Sent { slot, .. }) = event else { return None };
        self.on_its_way = false;
        Some(*slot)
    }
}

async fn until_view(session: &mut Session) {
    while let Some(event) = session.event().await {
        if matches!(event, SessionEvent::View { shortage: None, .. }) {
            return;
        }
    }
}

async fn until_registered(session: &mut Session, mut missing: HashSet<NodeNumber>) {
    while !missing.is_empty() {
        if let Some(SessionEvent::Courier(Event::PullAnswered { relay, .. })) =
            session.event().await
        {
            missing.remove(&relay);
        }
    }
}

async fn until_sent(session: &mut Session) -> Option<(Slot, Trip)> {
    loop {
        if let SessionEvent::Courier(Event::Sent { slot, trip, .. }) = session.event().await? {
            return Some((slot, trip));
        }
    }
}

async fn until_arrived(session: &mut Session) -> Option<(Box<Fragment>, Trip)> {
    loop {
        let event = session.event().await?;
        keep(session, &event).await;
        if let SessionEvent::Courier(Event::Arrived { fragment, trip, .. }) = event {
            return Some((fragment, trip));
        }
    }
}

/// Tells the session that a message is kept, for this client lives in memory alone.
async fn keep(session: &Session, event: &SessionEvent) {
    if let SessionEvent::Courier(event) = event
        && let Some(receipt) = event.receipt()
    {
        session.commit(*receipt).await;
    }
}

/// Message with this body, as clients post it that live in memory alone.
#[must_use]
pub fn content(id: MessageId, sequence: u64, body: Vec<u8>) -> Message {
    let unix = unix_now();
    Message {
        id,
        kind: Kind::Content,
        sequence,
        minutes: u32::try_from(unix.as_secs() / 60).unwrap_or(u32::MAX),
        expires: Time::from_micros(0) + unix + LIFETIME,
        left: None,
        body: body.into(),
    }
}

fn numbered(sequence: u64, body: Vec<u8>) -> Message {
    content(MessageId::random(&mut rand::rng()), sequence, body)
}

/// Time until a message expires: longer than any local network is under load.
const LIFETIME: Duration = Duration::from_secs(86_400);

const DEADLINE: Duration = Duration::from_secs(60);
/// Periods in which alice and bob write, and in which they do not.
pub(crate) const MESSAGES_PERIOD: Duration = Duration::from_secs(10);
/// Time between two messages: more often than payload slots come.
const OFTEN: Duration = Duration::from_millis(200);
