//! Answers to requests.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_vault::VaultError;
use zeroize::Zeroizing;

use super::listing::{body, contact_id, incoming};
use super::task::AgentTask;
use crate::api::{
    ContactEntry, Failure, FailureCode, FileBody, Health, Notice, Request, Response, SendRequest,
    SentBody, Status,
};
use crate::card::Card;
use crate::content::Content;
use crate::fingerprint::Fingerprint;
use crate::store::{DeliveryStatus, Incoming, KnownContact, Outgoing, Store, StoreError};
use crate::volume::daily_volume;

impl AgentTask {
    pub(super) async fn answer(&mut self, request: Request) -> Result<Response, Failure> {
        match request {
            Request::Health {} => {
                let daily_bytes = daily_volume(&self.network.roster);
                let health = self.watch.health(self.clocks.instant());
                Ok(Response::Health(Health { daily_bytes, ..health }))
            }
            Request::Status {} => Ok(Response::Status(self.status()?)),
            Request::Send(send) => self.send(send).await,
            Request::Message { message } => self.message(&message),
            Request::Cancel { message } => self.cancel(&message).await,
            Request::Inbox { from, unread } => self.inbox(from, unread),
            Request::Read { number } => self.read(number),
            Request::Sent { message } => self.sent(&message),
            Request::Acknowledge { numbers } => {
                let now = self.now();
                self.store.with(|store| store.acknowledge(&numbers, now))?;
                Ok(Response::Done {})
            }
            Request::Contacts {} => Ok(Response::Contacts(self.contacts()?)),
            Request::Card {} => {
                let now = self.clocks.machine();
                let card = self.store.with(|store| store.card(&self.network, now))?;
                Ok(Response::Card(card.render()))
            }
            Request::Fingerprint { contact } => self.fingerprint(contact.as_deref()),
            Request::Add { name, card } => self.add(&name, &card).await,
            Request::Verify { name, words } => self.verify(&name, &words),
            Request::Block { name } => {
                let now = self.now();
                let key = self.store.with(|store| store.block(&name, now))?;
                self.remove_contact(key, &name).await
            }
            Request::Rename { name, to } => {
                self.store.with(|store| store.rename(&name, &to))?;
                Ok(Response::Done {})
            }
            Request::Remove { name } => {
                let now = self.now();
                let key = self.store.with(|store| store.remove(&name, now))?;
                self.remove_contact(key, &name).await
            }
            Request::Retention { seconds } => self.set_retention(seconds.map(Duration::from_secs)),
            Request::Backup { path } => {
                let copied = self.store.apart(|store| store.back_up(Path::new(&path)));
                copied.map(|()| Response::Done {}).map_err(|error| not_backed_up(&error))
            }
            // The conversation that asks is subscribed by the socket; nothing is left to do.
            Request::Subscribe {} => Ok(Response::Done {}),
        }
    }

    fn inbox(&self, from: u64, unread: bool) -> Result<Response, Failure> {
        let inbox = self.store.with(|store| store.inbox(from))?.into_iter();
        let wanted = inbox.filter(|message| !(unread && message.read.is_some()));
        let mut names: HashMap<KeyId, String> = HashMap::new();
        let mut listed = Vec::new();
        for mut message in wanted {
            let name = match names.entry(message.from) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(self.store.with(|store| store.name_of(message.from))?)
                }
            };
            call(&mut message, name);
            listed.push(incoming(&message));
        }
        Ok(Response::Inbox(listed))
    }

    fn sent(&self, message: &str) -> Result<Response, Failure> {
        let id = HEXLOWER.decode(message.as_bytes()).ok().and_then(|id| id.try_into().ok());
        let Some(id) = id.map(MessageId::new) else {
            let why = "an id of a message has 32 hex digits";
            return Err(Failure::new(FailureCode::Request, &why));
        };
        let (outgoing, text) = self.store.with(|store| store.sent(id))?;
        let name = self.store.with(|store| store.name_of(outgoing.to))?;
        let message = self.progress.describe(&outgoing, name);
        Ok(Response::Sent(SentBody { message, text: text.map(|text| text.to_string()) }))
    }

    fn read(&self, number: u64) -> Result<Response, Failure> {
        let (mut message, content) = self.store.with(|store| store.read(number))?;
        let name = self.store.with(|store| store.name_of(message.from))?;
        call(&mut message, &name);
        Ok(Response::Message(body(&message, &content)))
    }

    fn set_retention(&self, keep: Option<Duration>) -> Result<Response, Failure> {
        if let Some(keep) = keep {
            self.store.with(|store| store.set_retention(keep))?;
        }
        let keep = self.store.with(Store::retention)?;
        Ok(Response::Retention(keep.map(|keep| keep.as_secs())))
    }

    async fn send(&mut self, send: SendRequest) -> Result<Response, Failure> {
        let SendRequest { to, text, file, expires_after } = send;
        let content = match (text, file) {
            (Some(text), None) => Content::Text(Zeroizing::new(text)),
            (None, Some(FileBody { name, base64 })) => {
                let bytes = BASE64.decode(base64.as_bytes()).map_err(|error| {
                    Failure::new(FailureCode::Request, &format!("the file's base64: {error}"))
                })?;
                Content::file(&name, Zeroizing::new(bytes))
            }
            _ => {
                let why = "a message is either a text or a file";
                return Err(Failure::new(FailureCode::Request, &why));
            }
        };
        let now = self.now();
        let lifetime = expires_after.map_or(LIFETIME, Duration::from_secs);
        if let Some(key) = self.store.with(|store| store.announce_to(&to))? {
            self.announce(key).await?;
        }
        let outgoing = self.store.with(|store| store.accept(&to, &content, lifetime, now))?;
        self.progress.take_on(&outgoing);
        self.post_waiting().await;
        Ok(Response::Accepted(self.progress.describe(&outgoing, to)))
    }

    fn message(&self, message: &str) -> Result<Response, Failure> {
        let outgoing = self.named(message)?;
        let to = self.store.with(|store| store.name_of(outgoing.to))?;
        Ok(Response::Outgoing(self.progress.describe(&outgoing, to)))
    }

    async fn cancel(&mut self, message: &str) -> Result<Response, Failure> {
        let Outgoing { id, to, .. } = self.named(message)?;
        let now = self.now();
        self.store.with(|store| store.cancel(id, now))?;
        self.session.cancel(to, id).await;
        self.progress.withdraw(to, id);
        self.notify_outgoing(id)?;
        self.post_waiting().await;
        self.message(message)
    }

    /// The message that was sent under this id, or under the only one that begins so.
    fn named(&self, message: &str) -> Result<Outgoing, Failure> {
        let digits = message.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !digits || !(SHORTEST..=LONGEST).contains(&message.len()) {
            let why = "a message is named by the hex digits of its id, or by the first of them, at \
                       least eight";
            return Err(Failure::new(FailureCode::Request, &why));
        }
        let message = message.to_ascii_lowercase();
        let unknown = || StoreError::Id(message.clone());
        if let Ok(id) = HEXLOWER.decode(message.as_bytes())
            && let Ok(id) = id.try_into().map(MessageId::new)
        {
            return Ok(self.store.with(|store| store.outgoing(id))?.ok_or_else(unknown)?);
        }
        let name = |one: &Outgoing| HEXLOWER.encode(one.id.as_bytes());
        let outbox = self.store.with(Store::outbox)?.into_iter();
        let mut found = outbox.filter(|one| name(one).starts_with(&message));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(unknown().into()),
            (Some(_), Some(_)) => {
                let why = format!("several messages have ids that begin with {message}; give more");
                Err(Failure::new(FailureCode::Unknown, &why))
            }
        }
    }

    async fn add(&mut self, name: &str, card: &str) -> Result<Response, Failure> {
        let now = self.clocks.machine();
        let card = Card::parse(card, &self.network.roster.network_id, now)
            .map_err(|error| Failure::new(FailureCode::Refused, &error))?;
        let key = card.contact.identity.key_id();
        self.store.with(|store| store.add_contact(name, card.contact, now))?;
        if let Some(contact) = self.correspondent(key)? {
            self.session.add_contact(contact).await;
        }
        Ok(Response::Done {})
    }

    async fn remove_contact(&mut self, key: KeyId, name: &str) -> Result<Response, Failure> {
        self.session.remove_contact(key).await;
        let outbox = self.store.with(Store::outbox)?;
        self.progress.forget(&outbox, key);
        let given_up =
            |one: &&Outgoing| one.to == key && one.status == DeliveryStatus::Undeliverable;
        for one in outbox.iter().filter(given_up) {
            self.notify(Notice::Outgoing(self.progress.describe(one, name.to_owned())));
        }
        self.renew_address(0).await;
        self.post_waiting().await;
        Ok(Response::Done {})
    }

    fn status(&self) -> Result<Status, StoreError> {
        let mut status = Status::default();
        let names = self.store.with(Store::contacts)?;
        for outgoing in self.store.with(Store::outbox)?.iter() {
            let count = match outgoing.status {
                DeliveryStatus::Queued => &mut status.queued,
                DeliveryStatus::Sent => &mut status.sent,
                DeliveryStatus::Delivered => &mut status.delivered,
                DeliveryStatus::Expired => &mut status.expired,
                DeliveryStatus::Undeliverable => &mut status.undeliverable,
                DeliveryStatus::Cancelled => &mut status.cancelled,
            };
            *count += 1;
            let name = names.iter().find(|known| known.key() == outgoing.to);
            let name = name.map_or_else(String::new, |known| known.name.clone());
            status.messages.push(self.progress.describe(outgoing, name));
        }
        let unread = self.store.with(|store| store.inbox(0))?;
        let unread = unread.iter().filter(|message| message.read.is_none()).count();
        status.unread = u64::try_from(unread).unwrap_or(u64::MAX);
        Ok(status)
    }

    fn contacts(&self) -> Result<Vec<ContactEntry>, StoreError> {
        let network = &self.network.roster.network_id;
        let entry = |known: KnownContact| ContactEntry {
            fingerprint: Fingerprint::of(network, &known.address.contact.identity).to_string(),
            verified: known.verified,
            blocked: known.blocked,
            answers: known.address.version > 0,
            contact: contact_id(known.key()),
            name: known.name,
        };
        Ok(self.store.with(Store::contacts)?.into_iter().map(entry).collect())
    }

    fn verify(&self, name: &str, words: &str) -> Result<Response, Failure> {
        let network = &self.network.roster.network_id;
        let contact = self.store.with(|store| store.contact(name))?;
        if !Fingerprint::of(network, &contact.address.contact.identity).matches(words) {
            let why = format!(
                "these are not the words of the card that you added for {name}: if you heard them \
                 right, the card is somebody else's; `rohrpost remove {name}`, and get the card \
                 in another way"
            );
            return Err(Failure::new(FailureCode::Refused, &why));
        }
        self.store.with(|store| store.verify(name))?;
        Ok(Response::Done {})
    }

    fn fingerprint(&self, contact: Option<&str>) -> Result<Response, Failure> {
        let network = &self.network.roster.network_id;
        let identity = match contact {
            Some(name) => self.store.with(|store| store.contact(name))?.address.contact.identity,
            None => self.store.with(Store::profile)?.account.identity.public().clone(),
        };
        Ok(Response::Fingerprint(Fingerprint::of(network, &identity).to_string()))
    }
}

/// Calls the sender of a message by the name that it has now, if it is a contact.
fn call(message: &mut Incoming, name: &str) {
    if !name.is_empty() {
        name.clone_into(&mut message.name);
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unknown(_) | StoreError::Number(_) | StoreError::Id(_) => {
                FailureCode::Unknown
            }
            StoreError::Name { .. }
            | StoreError::NameTaken(_)
            | StoreError::Known(_)
            | StoreError::Blocked(_)
            | StoreError::Settled { .. }
            | StoreError::TooLong { .. } => FailureCode::Refused,
            StoreError::Vault(VaultError::Io { .. }) | StoreError::Unavailable(_) => {
                FailureCode::System
            }
            _ => FailureCode::Store,
        };
        Self::new(code, &error)
    }
}

fn not_backed_up(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Vault(
            VaultError::Exists(_)
            | VaultError::Missing(_)
            | VaultError::Denied(_)
            | VaultError::Io { .. },
        ) => FailureCode::File,
        _ => FailureCode::Store,
    };
    Failure::new(code, error)
}

/// Hex digits of a message's id.
const LONGEST: usize = 32;
/// Hex digits that people are shown of a message's id.
const SHORTEST: usize = 8;
/// Time after which a message is given up unless its sender says otherwise: as long as a mailbox
/// holds an envelope.
const LIFETIME: Duration = rohrpost_proto::mailbox::TTL;
