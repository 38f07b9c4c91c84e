//! Access of a command to its client: through the daemon if one runs, else by opening the store.

use std::sync::Arc;
use std::time::Duration;

#[cfg(unix)]
use rohrpost_client::Connection;
use rohrpost_client::api::{IncomingMessage, Notice, Request, Response, Status};
use rohrpost_client::{Agent, AgentError, Network};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::error::CommandError;
use crate::place::Place;

/// Reach of a client without a daemon: it goes online, or stays offline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Online,
    Offline,
}

/// A client that can be asked.
pub(crate) enum Access {
    #[cfg(unix)]
    Daemon(Connection),
    Own {
        agent: Agent,
        notices: Receiver<Notice>,
        network: Arc<Network>,
        reach: Reach,
    },
}

impl Access {
    /// Works with a client, which is closed whatever comes of the work.
    pub(crate) async fn within<T>(
        place: &Place,
        reach: Reach,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let mut access = Self::open(place, reach).await?;
        let result = work(&mut access).await;
        access.close().await;
        result
    }

    async fn open(place: &Place, reach: Reach) -> Result<Self, CommandError> {
        #[cfg(unix)]
        if let Some(connection) = Connection::open(&place.socket()).await? {
            return Ok(Self::Daemon(connection));
        }
        let network = Arc::new(place.network()?);
        let Some(store) = place.store(&network).await? else {
            // A daemon has begun to serve meanwhile.
            return Box::pin(Self::open(place, reach)).await;
        };
        let agent = match reach {
            Reach::Online => Agent::start(Arc::clone(&network), store)?,
            Reach::Offline => Agent::start_offline(Arc::clone(&network), store)?,
        };
        let notices = agent.notices();
        Ok(Self::Own { agent, notices, network, reach })
    }

    pub(crate) async fn ask(&mut self, request: Request) -> Result<Response, CommandError> {
        match self {
            #[cfg(unix)]
            Self::Daemon(connection) => Ok(connection.ask(request).await??),
            Self::Own { agent, .. } => Ok(agent.ask(request).await?),
        }
    }

    /// All messages that have come, from a number on, without their texts.
    pub(crate) async fn inbox(
        &mut self,
        from: u64,
        unread: bool,
    ) -> Result<Vec<IncomingMessage>, CommandError> {
        let (mut all, mut from) = (Vec::new(), from);
        loop {
            let request = Request::Inbox { from, unread, limit: None, with_text: false };
            let Response::Inbox(page) = self.ask(request).await? else {
                return Err(CommandError::Unexpected);
            };
            let Some(last) = page.last() else { return Ok(all) };
            from = last.number + 1;
            all.extend(page);
        }
    }

    /// Counts of messages, and all that were sent.
    pub(crate) async fn status(&mut self) -> Result<Status, CommandError> {
        let (mut all, mut from) = (None::<Status>, 0);
        loop {
            let request = Request::Status { from, limit: None, open: false };
            let Response::Status(mut page) = self.ask(request).await? else {
                return Err(CommandError::Unexpected);
            };
            let last = page.messages.last().map(|message| message.number);
            match &mut all {
                Some(all) => all.messages.append(&mut page.messages),
                None => all = Some(page),
            }
            match (last, all.take()) {
                (Some(last), so_far) => (from, all) = (last + 1, so_far),
                (None, Some(all)) => return Ok(all),
                (None, None) => return Err(CommandError::Unexpected),
            }
        }
    }

    /// The next notice, if one comes in time. A daemon gives notices after [`Request::Subscribe`].
    pub(crate) async fn notice(&mut self, by: Instant) -> Result<Option<Notice>, CommandError> {
        match self {
            #[cfg(unix)]
            Self::Daemon(connection) => match timeout_at(by, connection.notice()).await {
                Ok(notice) => Ok(Some(notice?)),
                Err(_) => Ok(None),
            },
            Self::Own { agent, notices, .. } => {
                let next = async {
                    tokio::select! {
                        reason = agent.ended() => Err(ended(reason)),
                        notice = notices.recv() => match notice {
                            Ok(notice) => Ok(notice),
                            Err(RecvError::Lagged(missed)) => Ok(Notice::Missed(Some(missed))),
                            Err(RecvError::Closed) => Err(ended(None)),
                        },
                    }
                };
                timeout_at(by, next).await.ok().transpose()
            }
        }
    }

    /// Counts of messages alone.
    pub(crate) async fn counts(&mut self) -> Result<Status, CommandError> {
        let request = Request::Status { from: 0, limit: Some(0), open: true };
        match self.ask(request).await? {
            Response::Status(status) => Ok(status),
            _ => Err(CommandError::Unexpected),
        }
    }

    /// Mean time after which an own client tells a contact that letters have come; none of a daemon,
    /// which stays for as long as that takes.
    pub(crate) fn acknowledgement_delay(&self) -> Option<Duration> {
        match self {
            #[cfg(unix)]
            Self::Daemon(_) => None,
            Self::Own { network, .. } => Some(network.roster.traffic.ack_delay),
        }
    }

    pub(crate) const fn is_daemon(&self) -> bool {
        match self {
            #[cfg(unix)]
            Self::Daemon(_) => true,
            Self::Own { .. } => false,
        }
    }

    /// Ends an own client; its last cell is passed on first.
    async fn close(self) {
        if let Self::Own { agent, network, reach, .. } = self {
            if reach == Reach::Online {
                // The entry relay passes a cell on at its next tick, at most a slot later; a busy
                // machine may take its time to hand it over.
                tokio::time::sleep((network.roster.traffic.slot * 2).max(LAST_CELL)).await;
            }
            agent.end().await;
        }
    }
}

/// Error for a client that has ended by itself.
fn ended(reason: Option<AgentError>) -> CommandError {
    let unknown = || CommandError::NoAnswer("the client has ended".to_owned());
    reason.map_or_else(unknown, CommandError::from)
}

/// Time for the last cell to be on its way.
const LAST_CELL: Duration = Duration::from_secs(1);
/// A time that is longer than anyone waits.
pub(crate) const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
