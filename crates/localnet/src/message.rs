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
use zeroize::Zeroizing;

use crate::error::LocalnetError;

/// Knowledge of alice and bob about the message's way.
pub(crate) struct Delivery {
    /// Bob's bytes; equal to alice's.
    pub(crate) received: Vec<u8>,
    /// Relay through which alice enters.
    pub(crate) alice: NodeNumber,
    /// Relay through which bob enters.
    pub(crate) bob: NodeNumber,
    /// Key of bob, to whom alice writes.
    pub(crate) bob_key: KeyId,
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
    bob_key: KeyId,
    /// Relays of bob's mailboxes.
    mailboxes: HashSet<NodeNumber>,
}

impl Pair {
    fn start(network: &Network, segmentation: Segmentation) -> Result<Self, LocalnetError> {
        let profile = |agency| Profile::create(&network.roster, Some(agency)).map_err(failed);
        let (alice, bob) = (profile("north")?, profile("east")?);
        let entries = (alice.entry, bob.entry);
        let (alice_contact, bob_contact) = (alice.account.contact(), bob.account.contact());
        let bob_key = bob_contact.identity.key_id();
        let mailboxes = bob.account.mailboxes.iter().map(|own| own.relay).collect();
        let start = |profile, contact: Contact| {
            Session::start_with(network, profile, vec![contact.into()], segmentation)
                .map_err(failed)
        };
        let (alice, bob) = (start(alice, bob_contact)?, start(bob, alice_contact)?);
        Ok(Self { alice, bob, entries, bob_key, mailboxes })
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
        self.alice.post(self.bob_key, first).await.map_err(failed)?;
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
            bob_key: self.bob_key,
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

/// Keeps both clients online for `lifetime`: for one period of [`MESSAGES_PERIOD`] alice writes to
/// bob in every payload slot, in the next she sends cover alone, and so on.
pub(crate) async fn keep_online(delivery: Delivery, lifetime: Duration) {
    let (mut alice, mut bob) = delivery.clients;
    let started = Instant::now();
    let mut often = interval(OFTEN);
    often.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = sleep(lifetime);
    tokio::pin!(end);
    // One at a time, so that none is left for the periods of cover.
    let mut on_its_way = false;
    let mut number = 1;
    loop {
        let writes = (started.elapsed().as_nanos() / MESSAGES_PERIOD.as_nanos()).is_multiple_of(2);
        tokio::select! {
            () = &mut end => return,
            _ = often.tick() => if writes && !on_its_way {
                let message = numbered(number, b"One more.".to_vec());
                number += 1;
                on_its_way = alice.post(delivery.bob_key, message).await.is_ok();
            },
            Some(event) = alice.event() => {
                on_its_way &= !matches!(event, SessionEvent::Courier(Event::Sent { .. }));
            }
            Some(event) = bob.event() => keep(&bob, &event).await,
        }
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
        body: Zeroizing::new(body),
    }
}

fn numbered(sequence: u64, body: Vec<u8>) -> Message {
    content(MessageId::random(&mut rand::rng()), sequence, body)
}

/// Time until a message expires: longer than any local network is under load.
const LIFETIME: Duration = Duration::from_secs(86_400);

const DEADLINE: Duration = Duration::from_secs(60);
/// Periods in which alice writes, and in which she does not.
pub(crate) const MESSAGES_PERIOD: Duration = Duration::from_secs(10);
/// Time between two messages: more often than payload slots come.
const OFTEN: Duration = Duration::from_millis(200);
