//! Pages of lists: programs may ask for as much as they can take, and get no more than a bound.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use data_encoding::HEXLOWER;
use rohrpost_packet::envelope::KeyId;

use super::asker::Asker;
use super::listing::incoming;
use super::outgoing::whole_id;
use super::task::AgentTask;
use crate::api::{
    Failure, IncomingMessage, MessageBody, Notice, PAGE, PAGE_BYTES, Request, Response, Status,
};
use crate::content::Content;
use crate::store::{Forgotten, Incoming, Store, StoreError, Tally};

impl AgentTask {
    /// Answers to `inbox`.
    pub(super) fn inbox(&self, request: &Request) -> Result<Response, Failure> {
        let Request::Inbox { from, unread, limit, with_text } = request else {
            return Ok(Response::Done {});
        };
        let wanted = self.store.with(|store| store.inbox_page(*from, bound(*limit), *unread))?;
        let (mut names, mut page, mut bytes) = (HashMap::new(), Vec::new(), 0);
        for mut message in wanted {
            self.call_by_name(&mut message, &mut names)?;
            let mut listed = incoming(&message);
            if *with_text && message.file.is_none() && message.unreadable.is_none() {
                bytes += message.len;
                if bytes > PAGE_BYTES && !page.is_empty() {
                    break;
                }
                self.add_text(&mut listed)?;
            }
            page.push(listed);
        }
        Ok(Response::Inbox(page))
    }

    fn add_text(&self, message: &mut IncomingMessage) -> Result<(), StoreError> {
        if let (_, Content::Text(text)) = self.store.with(|store| store.read(message.number))? {
            message.text = Some(text.to_string());
        }
        Ok(())
    }

    /// A message as `read` gives it, and its content.
    pub(super) fn read(&self, number: u64) -> Result<(MessageBody, Content), Failure> {
        let (mut message, content) = self.store.with(|store| store.read(number))?;
        self.call_by_name(&mut message, &mut HashMap::new())?;
        let message = incoming(&message);
        Ok((MessageBody { message, text: None, file: None, saved: None }, content))
    }

    /// Calls the sender of a message by the name that it has now, if it is a contact.
    fn call_by_name(
        &self,
        message: &mut Incoming,
        names: &mut HashMap<KeyId, String>,
    ) -> Result<(), StoreError> {
        let name = match names.entry(message.from) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.store.with(|store| store.name_of(message.from))?),
        };
        if !name.is_empty() {
            name.clone_into(&mut message.name);
        }
        Ok(())
    }

    /// Answers to `status`.
    pub(super) fn status(
        &self,
        from: u64,
        limit: Option<usize>,
        open: bool,
    ) -> Result<Status, StoreError> {
        let mut status = counts(self.store.with(Store::tally)?);
        let mut names = HashMap::new();
        let mut wanted = if open {
            self.store.with(Store::outbox_open)?
        } else {
            self.store.with(|store| store.outbox_page(from, bound(limit)))?
        };
        wanted.retain(|one| one.order >= from);
        for one in wanted.iter().take(bound(limit)) {
            let name = match names.entry(one.to) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.store.with(|store| store.name_of(one.to))?),
            };
            status.messages.push(self.describe(one, name.clone())?);
        }
        status.unread = self.store.with(Store::unread)?;
        let undelivered = self.store.with(|store| store.undelivered(false))?.len();
        status.undelivered = u64::try_from(undelivered).unwrap_or(u64::MAX);
        status.owed = self.store.with(Store::owed)?;
        status.requests = self.store.with(Store::request_count)?;
        status.silent = self.silences()?;
        Ok(status)
    }
}

impl AgentTask {
    /// Answers to `undelivered`.
    pub(super) fn undelivered(
        &self,
        told: &[String],
        limit: Option<usize>,
        asker: Asker,
    ) -> Result<Response, Failure> {
        let program = asker == Asker::Program;
        let told = told.iter().map(|id| whole_id(id)).collect::<Result<Vec<_>, _>>()?;
        if !told.is_empty() {
            self.store.with(|store| store.told_undelivered(&told, program))?;
        }
        let undelivered = self.store.with(|store| store.undelivered(program))?;
        let page = undelivered.iter().take(bound(limit)).map(|one| {
            let name = self.store.with(|store| store.name_of(one.to))?;
            self.describe(one, name)
        });
        Ok(Response::Undelivered(page.collect::<Result<_, StoreError>>()?))
    }

    /// Forgets what is over, and tells of it. True if there is more to forget.
    pub(super) fn forget(&self, date: Duration) -> Result<bool, StoreError> {
        let forgotten = self.store.with(|store| store.prune(date))?;
        self.tell_forgotten(&forgotten);
        Ok(forgotten.more)
    }

    /// Tells of messages that were forgotten.
    pub(super) fn tell_forgotten(&self, forgotten: &Forgotten) {
        let Forgotten { received, sent, arrived, .. } = forgotten;
        for message in arrived {
            self.notify(Notice::Arrived(incoming(message)));
        }
        if received.is_empty() && sent.is_empty() {
            return;
        }
        let sent = sent.iter().map(|id| HEXLOWER.encode(id.as_bytes())).collect();
        self.notify(Notice::Forgotten { received: received.clone(), sent });
    }
}

fn counts(tally: Tally) -> Status {
    let Tally { queued, sent, delivered, expired, undeliverable, cancelled } = tally;
    Status { queued, sent, delivered, expired, undeliverable, cancelled, ..Status::default() }
}

fn bound(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE).min(PAGE)
}
