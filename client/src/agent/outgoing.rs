//! Messages that are sent: accepted once, asked for by their ids, and taken back.

use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use rohrpost_packet::envelope::{KeyId, MessageId};

use super::asker::Asker;
use super::drafts::Outbound;
use super::files::Material;
use super::task::AgentTask;
use crate::api::{Failure, FailureCode, OutgoingMessage, Response, SendRequest, SentBody};
use crate::store::{Accepted, DeliveryStatus, Draft, Outgoing, Store, StoreError, Terms};

impl AgentTask {
    pub(super) async fn send(
        &mut self,
        send: SendRequest,
        outbound: Outbound,
        asker: Asker,
    ) -> Result<Response, Failure> {
        let SendRequest { to, message, expires_after, .. } = send;
        let id = message.map(|message| whole_id(&message)).transpose()?;
        let lifetime = expires_after.map_or(LIFETIME, Duration::from_secs);
        let dated = self.date.unix().is_some();
        let terms = Terms { lifetime, id, program: asker == Asker::Program, dated };
        let now = self.now();
        let accepted = self.store.with(|store| match outbound {
            Outbound::Content(content) => store.accept_on(&to, &content, terms, now),
            Outbound::Draft(draft) => store.accept_draft(&to, *draft, terms, now),
        });
        let outgoing = match accepted? {
            Accepted::Before(outgoing) => outgoing,
            Accepted::Now(outgoing) => {
                if let Some(key) = self.store.with(|store| store.announce_to(&to))? {
                    self.announce(key).await?;
                }
                self.progress.take_on(&outgoing);
                self.post_waiting().await;
                outgoing
            }
        };
        Ok(Response::Accepted(self.described(&outgoing)?))
    }

    pub(super) fn message(&self, message: &str, asker: Asker) -> Result<Response, Failure> {
        Ok(Response::Outgoing(self.described(&self.accepted(message, asker)?)?))
    }

    pub(super) async fn cancel(
        &mut self,
        message: &str,
        asker: Asker,
    ) -> Result<Response, Failure> {
        let Outgoing { id, to, .. } = self.accepted(message, asker)?;
        let now = self.now();
        self.store.with(|store| store.cancel(id, now))?;
        self.session.cancel(to, id).await;
        self.progress.withdraw(to, id);
        self.notify_outgoing(id)?;
        self.post_waiting().await;
        self.message(message, asker)
    }

    pub(super) fn sent(&self, message: &str) -> Result<Response, Failure> {
        let id = whole_id(message)?;
        let (outgoing, text) = self.store.with(|store| store.sent(id))?;
        let message = self.described(&outgoing)?;
        Ok(Response::Sent(SentBody { message, text: text.map(|text| text.to_string()) }))
    }

    /// Puts a file into the store at once.
    pub(super) fn take_in(&mut self, material: Material) -> Result<Outbound, Failure> {
        let mut file = match material {
            Material::Content(content) => return Ok(Outbound::Content(content)),
            Material::File(file) => file,
        };
        let mut draft = Draft::file(&file.name);
        while let Some(part) = file.read()? {
            draft = self.extend(draft, &part)?;
        }
        Ok(Outbound::Draft(Box::new(draft)))
    }

    /// Puts a part of a file into the store.
    pub(super) fn extend(&mut self, draft: Draft, part: &[u8]) -> Result<Draft, StoreError> {
        self.drafts.watch(&draft);
        self.store.with(|store| store.extend(draft, part))
    }

    /// Removes what is left of drafts whose programs have gone.
    pub(super) fn discard_drafts(&mut self) {
        if self.drafts.sweep() {
            let drafts = &self.drafts;
            let discarded = self.store.with(|store| store.discard_drafts(|id| drafts.contains(id)));
            if let Err(error) = discarded {
                self.watch.store_trouble(&error);
            }
        }
    }

    /// Gives the session a piece that it has asked for. One that cannot be read is asked for again.
    pub(super) async fn supply(
        &self,
        message: MessageId,
        offset: usize,
        len: usize,
    ) -> Result<(), StoreError> {
        if let Some(piece) = self.store.with(|store| store.piece(message, offset, len))? {
            self.session.supply(message, offset, piece).await;
        }
        Ok(())
    }

    fn described(&self, outgoing: &Outgoing) -> Result<OutgoingMessage, StoreError> {
        let name = self.store.with(|store| store.name_of(outgoing.to))?;
        self.describe(outgoing, name)
    }

    /// Describes a message to a contact of this name.
    pub(super) fn describe(
        &self,
        outgoing: &Outgoing,
        name: String,
    ) -> Result<OutgoingMessage, StoreError> {
        let waits = outgoing.status == DeliveryStatus::Queued;
        let mailboxes = if waits { self.mailboxes_to_write_to(outgoing.to)? } else { 0 };
        Ok(self.progress.describe(outgoing, name, mailboxes))
    }

    /// Mailboxes of a contact that letters go to: those that are not at the operator of the own
    /// entry, who would see both ends, if there are others.
    fn mailboxes_to_write_to(&self, to: KeyId) -> Result<usize, StoreError> {
        let operator = |relay| self.network.roster.node(relay).map(|node| node.operator.as_str());
        let own = operator(self.entrance.own());
        let contact = self.store.with(|store| store.contact_by_key(to))?;
        let all = contact.map_or_else(Vec::new, |contact| contact.address.contact.mailboxes);
        let foreign = all.iter().filter(|mailbox| operator(mailbox.relay) != own).count();
        Ok(if foreign > 0 { foreign } else { all.len() })
    }

    /// The message that was accepted under this id, or under the only one that begins so. A program
    /// knows of no message but those of programs.
    fn accepted(&self, message: &str, asker: Asker) -> Result<Outgoing, Failure> {
        let digits = message.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !digits || !(SHORTEST..=LONGEST).contains(&message.len()) {
            let why = "a message is named by the hex digits of its id, or by the first of them, at \
                       least eight";
            return Err(Failure::new(FailureCode::Request, &why));
        }
        let message = message.to_ascii_lowercase();
        let unknown = || StoreError::Id(message.clone());
        let known = |one: &Outgoing| asker == Asker::User || one.program;
        if let Ok(id) = whole_id(&message) {
            let outgoing = self.store.with(|store| store.outgoing(id))?;
            return Ok(outgoing.filter(known).ok_or_else(unknown)?);
        }
        let begins = |one: &Outgoing| {
            data_encoding::HEXLOWER.encode(one.id.as_bytes()).starts_with(&message)
        };
        let outbox = self.store.with(Store::outbox)?.into_iter();
        let mut found = outbox.filter(|one| known(one) && begins(one));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(unknown().into()),
            (Some(_), Some(_)) => {
                let why = format!("several messages have ids that begin with {message}; give more");
                Err(Failure::new(FailureCode::UnknownMessage, &why))
            }
        }
    }
}

pub(super) fn whole_id(message: &str) -> Result<MessageId, Failure> {
    let id = HEXLOWER_PERMISSIVE.decode(message.as_bytes()).ok();
    let id = id.and_then(|id| id.try_into().ok()).map(MessageId::new);
    id.ok_or_else(|| Failure::new(FailureCode::Request, &"an id of a message has 32 hex digits"))
}

/// Hex digits of a message's id.
const LONGEST: usize = 32;
/// Hex digits that people are shown of a message's id.
const SHORTEST: usize = 8;
/// Time after which a message is given up unless its sender says otherwise: as long as a mailbox
/// holds an envelope.
const LIFETIME: Duration = rohrpost_proto::mailbox::TTL;
