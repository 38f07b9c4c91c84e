//! Requests of people whom the client does not know: listed, accepted and refused.

use rohrpost_packet::envelope::{Fragment, IdentityPublic};

use super::listing::contact_id;
use super::task::AgentTask;
use crate::api::{ContactChange, Failure, FailureCode, Notice, RequestEntry, Response};
use crate::fingerprint::Fingerprint;
use crate::store::{ContactRequest, Store, StoreError};

impl AgentTask {
    /// Takes a letter of somebody unknown. Nothing leaves for it.
    pub(super) fn take_stranger(
        &self,
        identity: &IdentityPublic,
        fragment: &Fragment,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let news = self.store.with(|store| store.take_stranger(identity, fragment, now))?;
        if let Some(request) = news {
            self.notify(Notice::Request(self.request_entry(&request)));
        }
        Ok(())
    }

    /// Answers to `requests`.
    pub(super) fn requests(&self) -> Result<Response, Failure> {
        let requests = self.store.with(Store::requests)?;
        let entries = requests.iter().map(|request| self.request_entry(request));
        Ok(Response::Requests(entries.collect()))
    }

    /// Makes a contact of somebody who has written, and tells it the own address: it sends again
    /// what it wrote.
    pub(super) async fn accept(
        &mut self,
        request: &str,
        name: &str,
        reuse_name: bool,
    ) -> Result<Response, Failure> {
        let request = self.named_request(request)?;
        let (key, now) = (request.key(), self.clocks.machine());
        let Some(address) = request.address else {
            let why = "not all has come that is needed to answer; it comes again by itself within \
                       hours, or add the card instead";
            return Err(Failure::new(FailureCode::Unready, &why));
        };
        if reuse_name {
            self.store.with(|store| store.free_name(name))?;
        }
        self.store.with(|store| store.add_address(name, address, now))?;
        if let Some(contact) = self.correspondent(key)? {
            self.session.add_contact(contact).await;
        }
        self.notify_contact(key, ContactChange::Added)?;
        Ok(Response::Done {})
    }

    /// Refuses somebody who has written.
    pub(super) fn refuse(&self, request: &str) -> Result<Response, Failure> {
        let key = self.named_request(request)?.key();
        self.store.with(|store| store.refuse(key))?;
        Ok(Response::Done {})
    }

    /// The request of this id, or the only one whose id begins so.
    fn named_request(&self, id: &str) -> Result<ContactRequest, Failure> {
        let id = id.to_ascii_lowercase();
        if id.len() < SHORTEST || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let why = "a request is named by the hex digits of its id, or by the first of them, at \
                       least eight";
            return Err(Failure::new(FailureCode::Request, &why));
        }
        let requests = self.store.with(Store::requests)?.into_iter();
        let mut found = requests.filter(|request| contact_id(request.key()).starts_with(&id));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            _ => {
                let why = format!("there is no request {id}; `rohrpost requests` lists them");
                Err(Failure::new(FailureCode::UnknownRequest, &why))
            }
        }
    }

    fn request_entry(&self, request: &ContactRequest) -> RequestEntry {
        let network = &self.network.roster.network_id;
        RequestEntry {
            contact: contact_id(request.key()),
            fingerprint: Fingerprint::of(network, &request.identity).to_string(),
            first: request.first.as_secs(),
            last: request.last.as_secs(),
            messages: request.messages,
            ready: request.address.is_some(),
        }
    }
}

/// Hex digits that people are shown of an id.
const SHORTEST: usize = 8;
