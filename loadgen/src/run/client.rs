//! Client of a load: a real session with its own link, grid and mailboxes, made in memory, that
//! posts messages by its timetable and tells what happens.

use std::collections::HashSet;
use std::time::Duration;

use rohrpost_client::{Profile, Session, SessionEvent};
use rohrpost_network::Network;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::{Contact, Event, Trip};
use rohrpost_proto::instruction::SurbWait;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::error::RunError;
use super::ledger::{Beyond, Note};
use super::message::LoadMessageId;
use super::schedule::EntryWaits;
use super::timetable::Timetable;

/// A client before it is online.
pub(crate) struct Client {
    pub(crate) profile: Profile,
    /// The client to whom it writes, and who writes to it.
    pub(crate) partner: Contact,
    pub(crate) task: Task,
}

/// Work of a client in a load.
#[derive(Clone, Copy)]
pub(crate) struct Task {
    pub(crate) index: u32,
    pub(crate) timetable: Timetable,
    /// Bytes of each message.
    pub(crate) bytes: usize,
    /// Average waits of the client's pulls at the entry relay.
    pub(crate) entry_waits: EntryWaits,
}

/// A client that is online.
struct Online {
    session: Session,
    partner: KeyId,
    task: Task,
    /// Relays whose mailbox has not answered yet.
    silent: HashSet<NodeNumber>,
    begin: Option<Instant>,
    number: u32,
    notes: mpsc::Sender<Note>,
}

impl Client {
    /// Goes online, tells [`Note::Ready`], posts messages from `begin` on; runs until it is
    /// aborted.
    ///
    /// # Errors
    /// The entry relay is not in the roster.
    pub(crate) async fn run(
        self,
        network: &Network,
        mut begin: watch::Receiver<Option<Instant>>,
        notes: mpsc::Sender<Note>,
    ) -> Result<(), RunError> {
        let Self { profile, partner, task } = self;
        let silent = profile.account.mailboxes.iter().map(|own| own.relay).collect();
        let key = partner.identity.key_id();
        let session = Session::start(network, profile, vec![partner.into()])
            .map_err(|error| RunError::Clients(error.to_string()))?;
        let mut online =
            Online { session, partner: key, task, silent, begin: None, number: 0, notes };
        loop {
            let due = online.next_due();
            tokio::select! {
                event = online.session.event() => match event {
                    Some(event) => online.tell(event).await,
                    None => return Ok(()),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    online.post().await;
                }
                Ok(()) = begin.changed(), if online.begin.is_none() => {
                    online.begin = *begin.borrow();
                }
            }
        }
    }
}

impl Online {
    fn next_due(&self) -> Option<Instant> {
        Some(self.begin? + self.task.timetable.due(self.number)?)
    }

    /// Posts the message that is due. One that the session does not take is told, not tried again:
    /// the timetable does not wait.
    async fn post(&mut self) {
        let Some(due) = self.task.timetable.due(self.number) else { return };
        let id = LoadMessageId { sender: self.task.index, number: self.number };
        self.number += 1;
        let taken = self.session.post(self.partner, id.write(due, self.task.bytes)).await;
        let taken = taken.map(|_| ()).map_err(|error| error.to_string());
        self.note(Note::Posted(id, due, taken)).await;
    }

    async fn tell(&mut self, event: SessionEvent) {
        let note = match event {
            SessionEvent::Disconnected(error) => Note::Trouble(error.to_string()),
            SessionEvent::Courier(Event::Repeated { receipt }) => {
                return self.session.commit(receipt).await;
            }
            SessionEvent::Written(took) => Note::Written(took),
            SessionEvent::Courier(Event::Arrived { fragment, receipt, .. }) => {
                self.session.commit(receipt).await;
                Note::Arrived(LoadMessageId::read(&fragment).map(|(id, due)| (id, self.since(due))))
            }
            SessionEvent::Courier(Event::Sent { message, again: 0, .. }) => {
                Note::Left(LoadMessageId::of(message))
            }
            SessionEvent::Courier(Event::Sent { .. }) => Note::LeftAgain,
            SessionEvent::Courier(Event::PullAnswered { relay, pull, wait, trip }) => {
                if self.silent.remove(&relay) && self.silent.is_empty() {
                    self.note(Note::Ready).await;
                }
                Note::Answered(beyond(&pull, wait, &trip, self.task.entry_waits))
            }
            SessionEvent::Courier(Event::Skipped { slots }) => Note::Skipped(slots),
            SessionEvent::Courier(Event::LoopLost { .. }) => Note::LoopLost,
            _ => return,
        };
        self.note(note).await;
    }

    /// Time since a message was due.
    fn since(&self, due: Duration) -> Duration {
        self.begin.map_or(Duration::ZERO, |begin| begin.elapsed().saturating_sub(due))
    }

    /// The book is kept as long as there are clients; without it nobody asks.
    async fn note(&self, note: Note) {
        let _ = self.notes.send(note).await;
    }
}

/// Takes off what is known: the delays of six mixes, the SURB's wait at the mailbox; and on average
/// the waits at the entry relay.
fn beyond(pull: &Trip, wait: SurbWait, answer: &Trip, entry: EntryWaits) -> Beyond {
    let back = answer.drawn() + entry.down;
    let round = pull.drawn() + entry.up + wait.waited + back;
    Beyond {
        round: difference(answer.at.since(pull.at), round),
        back: difference(answer.at.since(wait.spent), back),
    }
}

/// Difference in µs, below zero if it took less.
fn difference(took: Duration, known: Duration) -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    micros(took) - micros(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_less_than_expected_lies_below_zero() {
        let ms = Duration::from_millis;
        assert_eq!(difference(ms(1310), ms(1300)), 10_000);
        assert_eq!(difference(ms(1297), ms(1300)), -3_000);
    }
}
