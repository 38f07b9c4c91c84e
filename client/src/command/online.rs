//! What needs the network: register, send, receive.

use std::collections::HashSet;
use std::time::Duration;

use rohrpost_client::{Network, Profile, Session, SessionEvent};
use rohrpost_packet::envelope::{KeyId, Kind, Letter, MessageId};
use rohrpost_proto::courier::{Contact, Event, Message};
use rohrpost_proto::time::Time;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use super::output::Output;
use super::{CommandError, unix_now};

pub(crate) fn block_on<F>(future: F) -> Result<(), CommandError>
where
    F: Future<Output = Result<(), CommandError>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    runtime.block_on(future)
}

/// Online until each mailbox has answered once: then its relay knows it, and others can write.
pub(crate) async fn register(
    network: &Network,
    profile: Profile,
    output: &Output,
) -> Result<(), CommandError> {
    let spinner = output.spinner("registering mailboxes");
    let mut missing: HashSet<_> = profile.account.mailboxes.iter().map(|own| own.relay).collect();
    let mut session = Session::start(network, profile, Vec::new())?;
    let deadline = Instant::now() + PATIENCE;
    let mut trouble = None;
    while !missing.is_empty() {
        match timeout_at(deadline, session.event()).await {
            Ok(Some(SessionEvent::Courier(Event::PullAnswered { relay, .. }))) => {
                missing.remove(&relay);
            }
            Ok(Some(SessionEvent::Disconnected(error))) => trouble = Some(error.to_string()),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let what = "the mailboxes did not answer within a minute; the keys are kept, so \
                            `rohrpost … inbox` registers them later";
                return Err(no_answer(what, trouble));
            }
        }
    }
    spinner.finish_and_clear();
    Ok(())
}

/// Online until the letter has left and its relay has passed it on.
pub(crate) async fn send(
    network: &Network,
    profile: Profile,
    contacts: Vec<Contact>,
    to: KeyId,
    body: Zeroizing<Vec<u8>>,
    output: &Output,
) -> Result<(), CommandError> {
    let spinner = output.spinner("waiting for a payload slot");
    let len = body.len();
    let contacts = contacts.into_iter().map(Into::into).collect();
    let mut session = Session::start(network, profile, contacts)?;
    let deadline = Instant::now() + PATIENCE;
    let mut message = Some(message(body));
    let mut trouble = None;
    loop {
        match timeout_at(deadline, session.event()).await {
            Ok(Some(SessionEvent::View(_))) => {
                if let Some(message) = message.take() {
                    session.post(to, message).await?;
                }
            }
            Ok(Some(SessionEvent::Courier(Event::Sent { message, .. }))) => {
                // The entry relay passes the cell on at its next tick, at most a slot later.
                sleep(network.roster.traffic.slot * 2).await;
                spinner.finish_and_clear();
                let json = json!({ "sent": message.to_string(), "bytes": len });
                output.say(&json, &format!("sent {message} ({len} bytes)"));
                return Ok(());
            }
            Ok(Some(SessionEvent::Disconnected(error))) => trouble = Some(error.to_string()),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return Err(no_answer("the letter did not leave", trouble)),
        }
    }
}

/// Online for `wait`, or until interrupted; shows each letter as it comes.
pub(crate) async fn receive(
    network: &Network,
    profile: Profile,
    contacts: Vec<(String, Contact)>,
    wait: Option<Duration>,
    output: &Output,
) -> Result<(), CommandError> {
    let spinner = output.spinner("listening");
    let names: Vec<_> =
        contacts.iter().map(|(name, contact)| (contact.identity.key_id(), name.clone())).collect();
    let contacts = contacts.into_iter().map(|(_, contact)| contact.into()).collect();
    let mut session = Session::start(network, profile, contacts)?;
    let deadline = Instant::now() + wait.unwrap_or(FOREVER);
    let mut trouble = None;
    let mut connected = false;
    loop {
        match timeout_at(deadline, session.event()).await {
            Ok(Some(SessionEvent::Courier(Event::Arrived { letter, sender, .. }))) => {
                let name = names.iter().find(|(key, _)| *key == sender).map(|(_, name)| name);
                session.keep(sender, letter.sequence, letter.fragment.index).await;
                spinner.suspend(|| show(&letter, name.map_or("?", String::as_str), output));
            }
            Ok(Some(SessionEvent::Connected)) => connected = true,
            Ok(Some(SessionEvent::Disconnected(error))) => trouble = Some(error.to_string()),
            Ok(Some(_)) => {}
            Err(_) if connected => return Ok(()),
            Ok(None) | Err(_) => return Err(no_answer("nothing could be received", trouble)),
        }
    }
}

fn show(letter: &Letter, from: &str, output: &Output) {
    let text = String::from_utf8_lossy(&letter.body);
    if output.is_json() {
        let body = data_encoding::BASE64.encode(&letter.body);
        let json = json!({
            "from": from,
            "message": letter.message.to_string(),
            "minutes": letter.minutes,
            "body_base64": body,
            "text": std::str::from_utf8(&letter.body).ok(),
        });
        return output.say(&json, "");
    }
    output.say(&json!(null), &format!("from {from} ({}):", letter.message));
    output.raw(text.as_bytes());
    output.raw(b"\n");
}

/// Of a run's only message: until the store comes, each run begins a new life of its numbers.
fn message(body: Zeroizing<Vec<u8>>) -> Message {
    let now = unix_now();
    Message {
        id: MessageId::random(&mut rand::rng()),
        kind: Kind::Content,
        sequence: now.as_secs() << 32,
        minutes: u32::try_from(now.as_secs() / 60).unwrap_or(u32::MAX),
        expires: Time::from_micros(0) + now + PATIENCE,
        body,
    }
}

fn no_answer(what: &str, trouble: Option<String>) -> CommandError {
    let why = trouble.unwrap_or_else(|| {
        "the entry relay answered, but too few nodes are up; try again in a minute".to_owned()
    });
    CommandError::NoAnswer(format!("{what}: {why}"))
}

const PATIENCE: Duration = Duration::from_secs(60);
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
