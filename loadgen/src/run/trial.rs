//! A trial: so many clients on a network, warmed up, loaded, and awaited.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use rand::{SeedableRng, rngs::StdRng};
use rohrpost_client::Profile;
use rohrpost_measure::process::{Machine, Usage};
use rohrpost_measure::progress::bar;
use rohrpost_network::Network;
use rohrpost_proto::directory::roster::SuiteName;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{Client, Task};
use super::error::RunError;
use super::ledger::{Ledger, Note};
use super::options::Settings;
use super::schedule::Schedule;
use super::scrape::{Look, Watched};
use super::timetable::Timetable;

/// Outcome of a trial.
pub(crate) struct Outcome {
    pub(crate) settings: Settings,
    pub(crate) suite: SuiteName,
    pub(crate) slot: Duration,
    pub(crate) ledger: Ledger,
    /// Events at each node while the load lasted; none if its metrics did not answer.
    pub(crate) nodes: Vec<(Watched, Option<Look>)>,
    /// Packets that nodes dropped from the begin of the load until the last message was awaited, by
    /// reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// CPU and memory that this process used.
    pub(crate) own: Usage,
    /// Work of all cores.
    pub(crate) machine: Machine,
    /// Waiting for the last messages.
    pub(crate) drained: Duration,
    /// Time between the start of the first client and all being ready.
    pub(crate) warmed: Duration,
}

/// The clients that run, and what they tell.
struct Trial {
    notes: mpsc::Receiver<Note>,
    ledger: Ledger,
    bar: ProgressBar,
    clients: JoinSet<Result<(), RunError>>,
}

/// Runs a trial on a network that is up.
///
/// # Errors
/// The clients do not all come online.
pub(crate) async fn run(
    network: &Arc<Network>,
    watched: &[Watched],
    settings: Settings,
    schedule: Schedule,
    quiet: bool,
) -> Result<Outcome, RunError> {
    let (start, begin) = watch::channel(None);
    let started = Instant::now();
    let mut trial = Trial::start(network, settings, schedule, &begin, quiet)?;
    trial.warm_up(settings.clients).await?;
    let warmed = started.elapsed();
    let (before, own, machine) = (trial.collect(look(watched)).await, Usage::own(), Machine::now());
    trial.ledger = Ledger::new();
    let begin = Instant::now();
    let _ = start.send(Some(begin));
    trial.load(begin, settings).await;
    let (own, machine) = (Usage::own().since(own), Machine::now().since(machine));
    let after = trial.collect(look(watched)).await;
    let drained = trial.drain(settings.drain).await;
    let last = trial.collect(look(watched)).await;
    trial.clients.abort_all();
    trial.bar.finish_and_clear();
    let mut dropped = BTreeMap::new();
    let all = before.iter().zip(&last).filter_map(|(before, last)| difference(before, last));
    for (reason, count) in all.flat_map(|look| look.dropped) {
        *dropped.entry(reason).or_insert(0) += count;
    }
    let looks = before.iter().zip(&after).map(|(before, after)| difference(before, after));
    let nodes = watched.iter().cloned().zip(looks).collect();
    let ledger = trial.ledger;
    let (suite, slot) = (network.roster.suite, network.roster.traffic.slot);
    Ok(Outcome { settings, suite, slot, ledger, nodes, dropped, own, machine, drained, warmed })
}

impl Trial {
    fn start(
        network: &Arc<Network>,
        settings: Settings,
        schedule: Schedule,
        begin: &watch::Receiver<Option<Instant>>,
        quiet: bool,
    ) -> Result<Self, RunError> {
        let (sender, notes) = mpsc::channel(NOTES);
        let mut clients = JoinSet::new();
        for (index, client) in (0_u32..).zip(make_clients(network, settings, schedule)?) {
            let (network, begin, notes) = (Arc::clone(network), begin.clone(), sender.clone());
            clients.spawn(async move {
                // Not all at once: a handshake takes a relay milliseconds.
                sleep(BETWEEN_STARTS * index).await;
                client.run(&network, begin, notes).await
            });
        }
        Ok(Self { notes, ledger: Ledger::new(), bar: bar(quiet, 0, "{spinner} {msg}"), clients })
    }

    /// Waits until all clients are connected, have keys, and all their mailboxes have answered
    /// once.
    async fn warm_up(&mut self, clients: u32) -> Result<(), RunError> {
        let deadline = Instant::now() + WARM_UP + BETWEEN_STARTS * clients;
        let mut ready = 0;
        while ready < clients {
            self.bar.set_message(format!("warming up: {ready} of {clients} clients ready"));
            tokio::select! {
                Some(note) = self.notes.recv() => match note {
                    Note::Ready => ready += 1,
                    note => self.ledger.take(note),
                },
                Some(Ok(Err(error))) = self.clients.join_next() => return Err(error),
                () = sleep_until(deadline) => {
                    let trouble = self.ledger.trouble.take();
                    return Err(RunError::NotReady { ready, clients, trouble });
                }
            }
        }
        Ok(())
    }

    /// Keeps the book until the load is over.
    async fn load(&mut self, begin: Instant, settings: Settings) {
        let end = begin + settings.duration;
        while Instant::now() < end {
            self.show(&format!(
                "{} of {} s",
                begin.elapsed().as_secs(),
                settings.duration.as_secs()
            ));
            let next = (Instant::now() + REFRESH).min(end);
            self.collect(sleep_until(next)).await;
        }
    }

    /// Waits for what is on its way, at most so long; tells how long.
    async fn drain(&mut self, longest: Duration) -> Duration {
        let begin = Instant::now();
        while self.ledger.hopes() && begin.elapsed() < longest {
            self.show("awaiting the last");
            self.collect(sleep(POLL)).await;
        }
        begin.elapsed()
    }

    /// Takes notes while something else is awaited, so that no client is held up.
    async fn collect<F: Future>(&mut self, other: F) -> F::Output {
        let mut other = pin!(other);
        loop {
            tokio::select! {
                output = &mut other => return output,
                Some(note) = self.notes.recv() => self.ledger.take(note),
            }
        }
    }

    fn show(&self, phase: &str) {
        let (sent, arrived) = (self.ledger.sent(), self.ledger.arrived());
        let open = sent - arrived;
        let skipped = self.ledger.skipped;
        self.bar.set_message(format!(
            "{phase}: {sent} sent, {arrived} arrived, {open} on their way, {skipped} slots skipped"
        ));
    }
}

/// Clients in pairs that know each other, with timetables by the seed.
fn make_clients(
    network: &Network,
    settings: Settings,
    schedule: Schedule,
) -> Result<Vec<Client>, RunError> {
    let mut rng = StdRng::seed_from_u64(settings.seed());
    let profiles = (0..settings.clients)
        .map(|_| Profile::create(&network.roster, None))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| RunError::Clients(error.to_string()))?;
    let cards: Vec<_> = profiles.iter().map(|profile| profile.account.contact()).collect();
    let client = |(place, profile): (usize, Profile)| {
        let index = u32::try_from(place).ok()?;
        let partner = cards.get(place ^ 1)?.clone();
        let timetable = Timetable::draw(settings.rate, settings.duration, &mut rng);
        let (bytes, entry_waits) = (settings.message_bytes, schedule.entry_waits());
        Some(Client { profile, partner, task: Task { index, timetable, bytes, entry_waits } })
    };
    let clients: Vec<_> = profiles.into_iter().enumerate().filter_map(client).collect();
    Ok(clients)
}

async fn look(watched: &[Watched]) -> Vec<Option<Look>> {
    let mut looks = JoinSet::new();
    for (place, node) in watched.iter().cloned().enumerate() {
        looks.spawn(async move { (place, node.look().await) });
    }
    let mut found = vec![None; watched.len()];
    for (place, look) in looks.join_all().await {
        found[place] = look;
    }
    found
}

fn difference(before: &Option<Look>, after: &Option<Look>) -> Option<Look> {
    Some(after.as_ref()?.since(before.as_ref()?))
}

/// Longest wait for all mailboxes to have answered; by the default rates it takes some seconds.
const WARM_UP: Duration = Duration::from_secs(90);
const BETWEEN_STARTS: Duration = Duration::from_millis(10);
const REFRESH: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(200);
/// Notes that wait for the book; a client waits when it is full.
const NOTES: usize = 4096;
