//! A session whose application is slow to take events, over links that come and go.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use rohrpost_packet::envelope::{KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Account, Contact, Event, Message, Receipt};
use rohrpost_proto::time::Steady;
use tokio::task::yield_now;
use zeroize::Zeroizing;

use super::*;
use crate::address::Address;
use crate::session::{Correspondent, PostError, Session};

/// A client that takes all messages and has some events.
struct Taking(VecDeque<Event>);

impl Client for Taking {
    fn post(&mut self, _to: KeyId, _message: Message) -> Result<(), PostError> {
        Ok(())
    }

    fn supply(&mut self, _message: MessageId, _offset: usize, _piece: Zeroizing<Vec<u8>>) {}
    fn cancel(&mut self, _now: Steady, _to: KeyId, _message: MessageId) {}
    fn commit(&mut self, _now: Steady, _receipt: &Receipt) {}
    fn add_contact(&mut self, _contact: Correspondent) {}
    fn readdress(&mut self, _now: Steady, _contact: Contact) {}
    fn announce(&mut self, _to: KeyId, _address: Message) {}
    fn remove_contact(&mut self, _key: KeyId) {}
    fn renew(&mut self, _account: Account, _address: &Address) {}

    fn poll_event(&mut self) -> Option<Event> {
        self.0.pop_front()
    }
}

/// A session with room for one event that the application has not taken, and its linker.
fn crowded() -> (Session, Linker) {
    let (commands, inbox) = mpsc::channel(16);
    let (outbox, events) = mpsc::channel(1);
    outbox.try_send(SessionEvent::Stale).ok().unwrap();
    let linker = Linker::new(inbox, outbox);
    (Session { commands, events, _task: None, _open: None }, linker)
}

fn message() -> Message {
    Message {
        id: MessageId::new([1; 16]),
        kind: Kind::Content,
        sequence: 0,
        minutes: 0,
        expires: Time::from_micros(0),
        left: None,
        body: Vec::new().into(),
    }
}

/// The outcome of what must not wait for anything that takes time; none if it does.
async fn at_once<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    for _ in 0..1_000 {
        let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// Checks that a link which breaks while the application has not taken its events does not keep
/// messages from being posted.
#[tokio::test]
async fn a_post_returns_though_nobody_takes_the_end_of_a_link() {
    let (mut session, mut linker) = crowded();
    let running = tokio::spawn(async move {
        let mut client = Taking([Event::LoopSent].into());
        linker.pause(Clock::start(), &mut client, SessionError::Lost).await
    });
    let posted = at_once(session.post(KeyId::new([2; 32]), message())).await;
    assert_eq!(posted, Some(Ok(())));
    assert!(matches!(session.next_event(), Some(SessionEvent::Stale)));
    let told = at_once(session.event()).await.flatten();
    assert!(matches!(told, Some(SessionEvent::Disconnected(SessionError::Lost))));
    // Mail comes with the next command, after the state of the link.
    assert_eq!(at_once(session.post(KeyId::new([2; 32]), message())).await, Some(Ok(())));
    let told = at_once(session.event()).await.flatten();
    assert!(matches!(told, Some(SessionEvent::Courier(Event::LoopSent))));
    running.abort();
}

/// Checks that of a link that has changed several times the application hears the newest state, and
/// nothing that came later before it.
#[tokio::test]
async fn the_newest_state_of_a_link_is_told_before_what_comes_later() {
    let (mut session, mut linker) = crowded();
    let mut client = Taking([Event::LoopSent].into());
    linker.report(SessionEvent::Disconnected(SessionError::Lost));
    linker.connected(Time::from_micros(0));
    linker.tell(SessionEvent::Stale);
    linker.notify(&mut client);
    assert!(matches!(session.next_event(), Some(SessionEvent::Stale)), "the first, which waited");
    linker.notify(&mut client);
    assert!(matches!(session.next_event(), Some(SessionEvent::Connected { .. })));
    linker.notify(&mut client);
    assert!(matches!(session.next_event(), Some(SessionEvent::Courier(Event::LoopSent))));
    assert!(session.next_event().is_none());
}
