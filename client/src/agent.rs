//! The agent: a client that runs. It joins the session, which keeps the grid, to the store, which
//! keeps the mail, and answers requests of the local API.
//!
//! One task owns the session; the store's work blocks on the disk and is done on a thread that
//! waits for nothing else, so that the grid never waits for the disk. What comes is on the disk
//! before it is acknowledged; what is to be sent is on the disk before it is accepted.

mod answer;
mod asker;
mod blocking;
mod clocks;
mod date;
mod disk;
mod drafts;
mod entrance;
mod error;
mod estimate;
mod files;
mod health;
mod housekeeping;
mod letters;
mod listing;
mod mail;
mod notices;
mod outgoing;
mod page;
mod people;
mod progress;
mod receiving;
mod refusal;
mod requests;
mod room;
mod rosters;
mod silence;
mod stepped;
mod task;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rohrpost_network::Network;
use rohrpost_proto::time::calendar::date as date_of;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use crate::api::{Failure, FailureCode, MessageBody, Notice, Request, Response, SendRequest};
use crate::content::Content;
use crate::profile::Profile;
use crate::session::{Session, SessionEvent};
use crate::store::{Draft, Store, StoreError};
pub use asker::Asker;
use blocking::BlockingStore;
use clocks::Clocks;
use date::Date;
use drafts::{Drafts, Outbound};
use files::Material;
use health::Watch;
use housekeeping::Housekeeping;
use letters::Letters;
pub(crate) use notices::{NoticeLog, NoticeReader};
use progress::Progress;
use room::Room;
use task::{AgentTask, Begin, mailboxes};
use trouble::Trouble;

pub use error::AgentError;

pub use clocks::SimulatedClocks;
pub use stepped::SteppedAgent;

/// A running client. Clones ask the same client, which ends with the last of them, or by
/// [`Agent::end`].
#[derive(Clone)]
pub struct Agent {
    orders: mpsc::Sender<Order>,
    notices: NoticeLog,
    /// Reason why the client has ended by itself.
    reason: Arc<Mutex<Option<AgentError>>>,
    /// The task, which ends with the last clone whatever it waits for.
    _task: Arc<AbortOnDropHandle<()>>,
}

enum Order {
    Ask(Box<Request>, Asker, oneshot::Sender<Result<Response, Failure>>),
    Draft(Box<Draft>, Zeroizing<Vec<u8>>, oneshot::Sender<Result<Draft, StoreError>>),
    Send(Box<SendRequest>, Outbound, Asker, oneshot::Sender<Result<Response, Failure>>),
    Read(u64, oneshot::Sender<Result<(MessageBody, Content), Failure>>),
    End(oneshot::Sender<()>),
}

impl Agent {
    /// Starts the client of a store. Must be called within a tokio runtime of several threads.
    ///
    /// # Errors
    /// The store cannot be read, the client was moved elsewhere, or the network lacks the client's
    /// entry relay.
    pub fn start(network: Arc<Network>, store: Store) -> Result<Self, AgentError> {
        if let Some(at) = store.moved()? {
            return Err(AgentError::Moved(date_of(at)));
        }
        let begin: Begin = Box::new(|network, store, entry| {
            let resumption = store.with(Store::resumption)?;
            let profile = Profile { entry, ..store.with(Store::profile)? };
            Ok(Session::start(network, profile, resumption)?)
        });
        Self::with(network, store, begin)
    }

    /// Starts a client without a link to the network: requests are answered from the store, and
    /// what is accepted waits there. Must be called within a tokio runtime of several threads.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start_offline(network: Arc<Network>, store: Store) -> Result<Self, AgentError> {
        Self::with(network, store, offline())
    }

    fn with(network: Arc<Network>, store: Store, begin: Begin) -> Result<Self, AgentError> {
        let (orders, mut inbox) = mpsc::channel(ORDER_BOUND);
        let task = AgentTask::begin(network, store, begin)?;
        let notices = task.notices.clone();
        let reason = Arc::new(Mutex::new(None));
        let ended = Arc::clone(&reason);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let failed = task.run(&mut inbox).await.err();
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        }));
        Ok(Self { orders, notices, reason, _task: Arc::new(task) })
    }

    /// Asks for something, and waits for the answer.
    ///
    /// # Errors
    /// The request was not done; the failure says why.
    pub async fn ask(&self, request: Request) -> Result<Response, Failure> {
        self.ask_as(Asker::User, request).await
    }

    /// Asks for something on behalf of somebody, and waits for the answer.
    ///
    /// # Errors
    /// The request was not done, or `asker` may not ask for it; the failure says why.
    pub async fn ask_as(&self, asker: Asker, request: Request) -> Result<Response, Failure> {
        asker.check(&request)?;
        match request {
            Request::Send(mut send) => {
                let taken = aside(move || files::material(&mut send).map(|it| (send, it)));
                let (send, material) = taken.await?;
                let outbound = self.take_in(material).await?;
                self.order(|answer| Order::Send(Box::new(send), outbound, asker, answer)).await?
            }
            Request::Read { number, save } => {
                let read = self.order(|answer| Order::Read(number, answer)).await?;
                let (body, content) = read?;
                let delivered = aside(move || files::deliver(body, &content, save.as_deref()));
                delivered.await.map(Response::Message)
            }
            request => self.order(|answer| Order::Ask(Box::new(request), asker, answer)).await?,
        }
    }

    /// Puts a file into the store, part after part.
    async fn take_in(&self, material: Material) -> Result<Outbound, Failure> {
        let mut file = match material {
            Material::Content(content) => return Ok(Outbound::Content(content)),
            Material::File(file) => file,
        };
        let mut draft = Box::new(Draft::file(&file.name));
        loop {
            let part;
            (file, part) = aside(move || file.read().map(|part| (file, part))).await?;
            let Some(part) = part else { return Ok(Outbound::Draft(draft)) };
            draft = Box::new(self.order(|answer| Order::Draft(draft, part, answer)).await??);
        }
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, Failure> {
        let (sender, answer) = oneshot::channel();
        self.orders.send(order(sender)).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())
    }

    /// Notices of what happens from now on. A reader that is too slow misses some.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Waits until the client has ended by itself; the reason is given once.
    pub async fn ended(&self) -> Option<AgentError> {
        self.orders.closed().await;
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// All notices, with their numbers.
    pub(crate) const fn notice_log(&self) -> &NoticeLog {
        &self.notices
    }

    /// Ends the client; when this returns, its store is closed.
    pub async fn end(&self) {
        let (sender, ended) = oneshot::channel();
        if self.orders.send(Order::End(sender)).await.is_ok() {
            let _ = ended.await;
        }
    }
}

/// Does work that takes time on a thread of its own.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ending()))
}

fn ending() -> Failure {
    Failure::new(FailureCode::Ending, &"the client is ending; try again")
}

impl AgentTask {
    fn begin(network: Arc<Network>, store: Store, begin: Begin) -> Result<Self, AgentError> {
        Self::new(network, BlockingStore::new(store), begin, Clocks::of_machine())
    }

    fn new(
        network: Arc<Network>,
        store: BlockingStore,
        begin: Begin,
        clocks: Clocks,
    ) -> Result<Self, AgentError> {
        let network = store.with(|store| store.newest_network(&network))?;
        let now = clocks.instant();
        let entrance = rosters::entrance(&network, &store, now)?;
        let session = begin(&network, &store, entrance.own())?;
        let profile = store.with(Store::profile)?;
        let entry = network.roster.name_of(entrance.own());
        let mut watch = Watch::new(entry, &network.roster, now);
        watch.follow(&mailboxes(&network, &profile));
        for contact in store.with(|store| store.older_copies(clocks.machine()))? {
            watch.older_copy(&store.with(|store| store.name_of(contact))?);
        }
        store.with(|store| store.discard_drafts(|_| false))?;
        let mut progress = Progress::new(&network);
        progress.load(&store.with(Store::outbox_open)?);
        let room = Room::of(&store.with(Store::without_room)?);
        Ok(Self {
            entrance,
            served: false,
            reached: None,
            silence_noted: store.with(Store::entry_silent)?,
            progress,
            network,
            store,
            session,
            begin,
            trouble: Trouble::default(),
            ending: None,
            notices: NoticeLog::new(),
            letters: Letters::default(),
            untaken: BTreeMap::new(),
            put_off: BTreeMap::new(),
            drafts: Drafts::default(),
            room,
            watch,
            date: Date::unknown(clocks.clone()),
            housekeeping: Housekeeping::new(now),
            clocks,
            online: false,
            connected: false,
            reserved: false,
            dated: false,
        })
    }

    /// Runs until the client is to end: what has come is on the disk then.
    async fn run(mut self, orders: &mut mpsc::Receiver<Order>) -> Result<(), AgentError> {
        let ended = self.serve(orders).await;
        self.commit_letters().await;
        self.note_run();
        drop(self);
        if let Some(done) = ended? {
            let _ = done.send(());
        }
        Ok(())
    }

    /// Does what somebody asks for; gives whom to tell when the client is to end.
    async fn handle_order(&mut self, order: Order) -> Option<oneshot::Sender<()>> {
        self.store.open_if_closed();
        match order {
            Order::Ask(request, asker, answer) => {
                let _ = answer.send(self.answer(*request, asker).await);
            }
            Order::Draft(draft, part, answer) => {
                let _ = answer.send(self.extend(*draft, &part));
            }
            Order::Send(send, outbound, asker, answer) => {
                let _ = answer.send(self.send(*send, outbound, asker).await);
            }
            Order::Read(number, answer) => {
                let _ = answer.send(self.read(number));
            }
            Order::End(done) => return Some(done),
        }
        None
    }

    /// Serves until the client is to end; gives whom to tell when it has.
    async fn serve(
        &mut self,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<Option<oneshot::Sender<()>>, AgentError> {
        let mut maintenance = interval(MAINTENANCE);
        maintenance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.session.event() => match event {
                    Some(event) => self.handle_event(event).await,
                    None => return Ok(None),
                },
                order = orders.recv() => {
                    let Some(order) = order else { return Ok(None) };
                    if let Some(done) = self.handle_order(order).await {
                        return Ok(Some(done));
                    }
                },
                _ = maintenance.tick() => self.maintain(1).await,
                () = sleep_until(self.housekeeping.due().into()) => self.keep_house(),
                () = until(self.letters.due()) => drop(self.commit_letters().await),
                () = until(self.trouble.next_try()) => {}
            }
            self.look_after_disk()?;
            if let Some(reason) = self.ending.take() {
                return Err(reason);
            }
        }
    }

    /// Takes an event, and those that have come with it: their fragments go to the disk together.
    async fn handle_event(&mut self, event: SessionEvent) {
        let (mut events, mut changed) = (vec![event], false);
        while events.len() < BATCH
            && let Some(event) = self.session.next_event()
        {
            events.push(event);
        }
        for event in &events {
            self.watch.handle_event(event, self.clocks.instant());
            match event {
                SessionEvent::View { time, agreement, .. } => {
                    self.show_date(*time, *agreement).await;
                    (self.online, self.served) = (true, true);
                    if self.entrance.is_at_own() {
                        self.reached = Some(true);
                    }
                }
                SessionEvent::Expired => self.served = true,
                SessionEvent::Stale => self.served = false,
                SessionEvent::Disconnected(_) => {
                    self.served = false;
                    self.reached.get_or_insert(false);
                }
                SessionEvent::Roster { roster, files } => {
                    changed |= self.follow_roster(roster, files);
                }
                _ => {}
            }
            if let Some(notice) = link_notice(event) {
                self.connected = matches!(notice, Notice::Link { online: true, .. });
                self.notify(notice);
                self.renew_address(0).await;
            }
        }
        self.take_mail(events).await;
        self.post_waiting().await;
        if changed {
            self.see_to_entry().await;
        }
    }

    /// Does what is due every minute, or after so many: renews the address when it is time, puts
    /// another mailbox in place of a lost one, and forgets what is over. Nothing of that goes by the machine's clock,
    /// and nothing is done before a link has shown the date.
    async fn maintain(&mut self, minutes: u64) {
        self.see_to_entry().await;
        self.take_untaken().await;
        self.discard_drafts();
        self.begin_again_with_the_rest().await;
        if let Some(date) = self.date.unix() {
            self.renew_address(minutes).await;
            let pruned = self.forget(date);
            self.housekeeping.pruned(matches!(pruned, Ok(true)), self.clocks.instant());
            let replaced = self.replace_lost_mailbox(date);
            let parted = self.part_from_entry(minutes, date);
            let errors =
                [&pruned, &replaced, &parted].into_iter().filter_map(|it| it.as_ref().err());
            errors.for_each(|error| self.watch.store_trouble(error));
            if matches!(replaced, Ok(true)) || matches!(parted, Ok(true)) {
                self.renew().await;
            }
        }
        self.post_waiting().await;
    }

    /// Does a slice of the work that no request asks for. After the daily check, whose pages nobody
    /// reads any more, the file is made shorter if most of it is free and little is in use: what has
    /// more waits for the next start.
    fn keep_house(&mut self) {
        let (now, date) = (self.clocks.instant(), self.date.unix());
        if self.housekeeping.forgets(now) {
            // An error is met again, and told, by the next minute's work.
            let more = date.is_some_and(|date| matches!(self.forget(date), Ok(true)));
            return self.housekeeping.pruned(more, now);
        }
        let housekeeping = &mut self.housekeeping;
        let step = |store: &Store| housekeeping.check(store, now).transpose();
        if let Some(result) = self.store.with(step).transpose() {
            self.watch.store_checked(&result);
            if result.is_ok()
                && let Err(error) = self.store.compact_if_little()
            {
                self.watch.store_trouble(&error);
            }
        }
    }

    /// Gives up a mailbox whose relay is in the roster no more, or has been away for long while the
    /// other answers. Once in a run the relays of the next mailboxes are held against the roster.
    fn replace_lost_mailbox(&mut self, now: Duration) -> Result<bool, StoreError> {
        let lost = self.watch.lost_mailbox(self.clocks.instant());
        if lost.is_none() && (self.reserved || !self.connected) {
            return Ok(false);
        }
        let profile = self.store.with(Store::profile)?;
        let is_up = |node| self.watch.is_up(node);
        let Some(lost) = lost else {
            let renewed = profile.renewed_reserve(&self.network.roster, is_up);
            if let Some(relays) = &renewed {
                self.store.with(|store| store.renew_reserve(relays, now))?;
            }
            self.reserved = true;
            return Ok(renewed.is_some());
        };
        let Some(replacement) = profile.replacement(&self.network.roster, is_up) else {
            return Ok(false);
        };
        self.store.with(|store| store.replace_mailbox(lost, replacement, now))?;
        Ok(true)
    }
}

/// Waits until a time, for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

fn link_notice(event: &SessionEvent) -> Option<Notice> {
    match event {
        SessionEvent::Connected { .. } => Some(Notice::Link { online: true, trouble: None }),
        SessionEvent::Disconnected(error) => {
            Some(Notice::Link { online: false, trouble: Some(error.to_string()) })
        }
        _ => None,
    }
}

/// Begin of a session for looking at what is there.
fn offline() -> Begin {
    Box::new(|_, _, _| Ok(Session::offline()))
}

const MAINTENANCE: Duration = Duration::from_secs(60);
/// Events that are taken at once; the fragments among them are one transaction.
const BATCH: usize = 64;
/// Requests that can wait; whoever asks more waits longer.
const ORDER_BOUND: usize = 16;

#[cfg(test)]
mod tests;
