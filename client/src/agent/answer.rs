//! Answers to requests.

use std::path::Path;
use std::time::Duration;

use super::asker::Asker;
use super::files;
use super::refusal::not_backed_up;
use super::task::AgentTask;
use crate::api::{Failure, Health, Notice, Request, Response, Retention};
use crate::store::{Store, StoreError};
use crate::volume::daily_volume;

impl AgentTask {
    pub(super) async fn answer(
        &mut self,
        request: Request,
        asker: Asker,
    ) -> Result<Response, Failure> {
        match request {
            Request::Health {} => {
                let daily_bytes = daily_volume(&self.network.roster);
                let mut health = self.watch.health(self.clocks.instant());
                health.problems.extend(self.room_problems()?);
                Ok(Response::Health(Health { daily_bytes, ..health }))
            }
            Request::Entry { relay } => {
                self.entry_places(relay.as_deref()).await.map(Response::Entry)
            }
            Request::Status { from, limit, open } => {
                Ok(Response::Status(self.status(from, limit, open)?))
            }
            Request::Send(mut send) => {
                let outbound = self.take_in(files::material(&mut send)?)?;
                self.send(send, outbound, asker).await
            }
            Request::Message { message } => self.message(&message, asker),
            Request::Cancel { message } => self.cancel(&message, asker).await,
            Request::Undelivered { told, limit } => self.undelivered(&told, limit, asker),
            Request::Inbox { .. } => self.inbox(&request),
            Request::Read { number, save } => {
                let (body, content) = self.read(number)?;
                files::deliver(body, &content, save.as_deref()).map(Response::Message)
            }
            Request::Sent { message } => self.sent(&message),
            Request::Acknowledge { numbers } => {
                let now = self.now();
                let gone = self.store.with(|store| store.acknowledge(&numbers, now))?;
                if self.room.is_short() {
                    self.tell_room();
                }
                Ok(Response::Acknowledged { gone })
            }
            Request::Contacts {} => Ok(Response::Contacts(self.contacts()?)),
            Request::Card {} => {
                let now = self.clocks.machine();
                let card = self.store.with(|store| store.card(&self.network, now))?;
                Ok(Response::Card(card.render()))
            }
            Request::Fingerprint { contact } => self.fingerprint(contact.as_deref()),
            Request::Add { name, card, reuse_name } => self.add(&name, &card, reuse_name).await,
            Request::Requests {} => self.requests(),
            Request::Accept { request, name, reuse_name } => {
                self.accept(&request, &name, reuse_name).await
            }
            Request::Refuse { request } => self.refuse(&request),
            Request::Verify { name, words } => self.verify(&name, &words),
            Request::Block { name } => self.block(&name).await,
            Request::Rename { name, to, reuse_name } => self.rename(&name, &to, reuse_name),
            Request::Remove { name } => self.remove(&name).await,
            Request::Retention { seconds } => self.keep_for(seconds.map(Duration::from_secs)),
            Request::Backup { path } => {
                let copied = self.store.apart(|store| store.back_up(Path::new(&path)));
                copied.map(|()| Response::Done {}).map_err(|error| not_backed_up(&error))
            }
            // The conversation that asks is subscribed by the socket; nothing is left to do.
            Request::Subscribe(_) => Ok(Response::Done {}),
        }
    }

    fn keep_for(&self, keep: Option<Duration>) -> Result<Response, Failure> {
        if let Some(keep) = keep {
            self.store.with(|store| store.set_retention(keep))?;
            self.notify(Notice::Retention(self.retention()?));
        }
        Ok(Response::Retention(self.retention()?))
    }

    /// How long messages stay, and what goes next.
    fn retention(&self) -> Result<Retention, StoreError> {
        let now = self.now();
        let (next, count) = self.store.with(|store| store.forgotten_next(now))?;
        let forgotten = self.store.with(Store::forgetting)?;
        Ok(Retention {
            seconds: self.store.with(Store::retention)?.map(|keep| keep.as_secs()),
            next: next.map(|next| next.as_secs()),
            within_a_day: u64::try_from(count).unwrap_or(u64::MAX),
            forgotten: forgotten.count,
            last: (forgotten.count > 0).then_some(forgotten.last.as_secs()),
        })
    }
}
