//! The first message: alice and bob as real clients of different agencies.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rohrpost_client::{Network, Profile, Session, SessionEvent};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{Fragment, Letter, MessageId};
use rohrpost_proto::courier::{Event, Trip};
use rohrpost_proto::time::Slot;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::LocalnetError;

/// What alice and bob know of the message's way.
pub(super) struct Delivery {
    /// Bob's bytes; equal to alice's.
    pub(super) received: Vec<u8>,
    /// Where alice enters.
    pub(super) alice: NodeNumber,
    /// Where bob enters.
    pub(super) bob: NodeNumber,
    /// The slot that carried it.
    pub(super) slot: Slot,
    /// Its way down.
    pub(super) sent: Trip,
    /// The answer's way up.
    pub(super) arrived: Trip,
    /// Waiting for a payload slot.
    pub(super) waited: Duration,
    /// From leaving alice to reaching bob.
    pub(super) travelled: Duration,
    /// Both clients, online until all is told: what the parties saw includes them.
    pub(super) clients: (Session, Session),
}

/// Sends `message` from alice of north to bob of east.
pub(super) async fn deliver(
    network: &Network,
    message: Vec<u8>,
) -> Result<Delivery, LocalnetError> {
    let failed = |what: &str| LocalnetError::Message(what.to_owned());
    let profile = |agency| {
        Profile::create(&network.roster, Some(agency))
            .map_err(|error| LocalnetError::Message(error.to_string()))
    };
    let (alice, bob) = (profile("north")?, profile("east")?);
    let entries = (alice.entry, bob.entry);
    let (alice_contact, bob_contact) = (alice.account.contact(), bob.account.contact());
    let bob_key = bob_contact.identity.key_id();
    let mailboxes = bob.account.mailboxes.iter().map(|own| own.relay).collect();
    let start = |profile, contact| {
        Session::start(network, profile, vec![contact])
            .map_err(|error| LocalnetError::Message(error.to_string()))
    };
    let (mut alice, mut bob) = (start(alice, bob_contact)?, start(bob, alice_contact)?);
    let ready = async {
        tokio::join!(until_view(&mut alice), until_registered(&mut bob, mailboxes));
    };
    timeout(PATIENCE, ready).await.map_err(|_| {
        failed("alice or bob got no keys or no answer from a mailbox within a minute")
    })?;
    let posted = Instant::now();
    alice
        .post(bob_key, letter(message.clone()))
        .await
        .map_err(|error| LocalnetError::Message(error.to_string()))?;
    let mut left = posted;
    let sending = async {
        let sent = until_sent(&mut alice).await;
        left = Instant::now();
        // Alice stays: leaving would end her link before the relay has passed the cell on.
        (sent, until_arrived(&mut bob).await)
    };
    let (sent, arrived) = timeout(PATIENCE, sending).await.map_err(|_| {
        failed("the message did not arrive within a minute; with --verbose the nodes say more")
    })?;
    let (Some((slot, sent)), Some((letter, arrived))) = (sent, arrived) else {
        return Err(failed("a client has ended"));
    };
    if *letter.body != message {
        return Err(failed("what arrived is not what was sent; this is a bug"));
    }
    Ok(Delivery {
        received: letter.body.to_vec(),
        alice: entries.0,
        bob: entries.1,
        slot,
        waited: left - posted,
        travelled: left.elapsed(),
        sent,
        arrived,
        clients: (alice, bob),
    })
}

async fn until_view(session: &mut Session) {
    while let Some(event) = session.event().await {
        if matches!(event, SessionEvent::View(_)) {
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

async fn until_arrived(session: &mut Session) -> Option<(Box<Letter>, Trip)> {
    loop {
        if let SessionEvent::Courier(Event::Arrived { letter, trip, .. }) = session.event().await? {
            return Some((letter, trip));
        }
    }
}

fn letter(body: Vec<u8>) -> Letter {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Letter {
        message: MessageId::random(&mut rand::rng()),
        sequence: 1,
        fragment: Fragment::WHOLE,
        minutes: u32::try_from(unix.as_secs() / 60).unwrap_or(u32::MAX),
        certificate: None,
        body: Zeroizing::new(body),
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
