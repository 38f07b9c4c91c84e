//! What a client does when the roster changes, or its entry is gone: it keeps the newest roster, enters
//! through another relay, and has no mailbox beside its entry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rohrpost_network::Network;
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::carousel::room::Room;
use rohrpost_proto::directory::roster::Roster;

use super::blocking::BlockingStore;
use super::entrance::{Entrance, Step};
use super::error::AgentError;
use super::progress::Progress;
use super::task::AgentTask;
use crate::api::{EntryPlaces, Failure, FailureCode};
use crate::profile::SPARE_ENTRIES;
use crate::randomness;
use crate::store::{Store, StoreError};

/// The entrance of a client that starts, and that has kept these entries. Those that have left the roster
/// yield to others.
pub(super) fn entrance(
    network: &Network,
    store: &BlockingStore,
    now: Instant,
) -> Result<Entrance, StoreError> {
    let mut profile = store.with(Store::profile)?;
    let patience = Room::of(&network.roster).patience();
    let is_retired = network.roster.relay(profile.entry).is_none();
    let mut changed = false;
    if is_retired && let Some(first) = profile.entries(&network.roster).first() {
        (profile.entry, changed) = (*first, true);
    }
    if let Some(renewed) = profile.renewed_entries(&network.roster) {
        (profile.spare_entries, changed) = (renewed, true);
    }
    if changed {
        store.with(|store| store.enter(profile.entry, &profile.spare_entries))?;
    }
    let silent = store.with(Store::entry_silent)?;
    Ok(Entrance::new(profile.entry, profile.spare_entries, patience, silent, now))
}

impl AgentTask {
    /// Goes by a newer roster, once it is on the disk; true if it does so from now on. It is told again
    /// until then.
    pub(super) fn follow_roster(&mut self, roster: &Arc<Roster>, files: &RosterFiles) -> bool {
        if roster.version <= self.network.roster.version {
            return false;
        }
        if let Err(error) = self.store.with(|store| store.keep_roster(files)) {
            self.watch.store_trouble(&error);
            return false;
        }
        let trust = Arc::clone(&self.network.trust);
        self.network = Arc::new(Network { trust, roster: Arc::clone(roster) });
        self.watch.follow_roster(&self.network.roster);
        self.reserved = false;
        true
    }

    /// Enters through another relay where the own one has left the roster, or has been silent for long
    /// while others serve.
    pub(super) async fn see_to_entry(&mut self) {
        // While the store cannot be written, nothing is to be pulled.
        if self.trouble.next_try().is_some() {
            return;
        }
        let step = match self.renew_entries() {
            Ok(step) => step,
            Err(error) => return self.watch.store_trouble(&error),
        };
        let step = step.or_else(|| self.entrance.step(self.served, self.clocks.instant()));
        self.note_silence_by_the_hour();
        let entered = match step {
            None => return,
            Some(Step::Try(relay)) => self.begin_at(relay).await,
            Some(Step::Move(relay)) => self.enter(relay).await,
        };
        if let Err(AgentError::Store(error)) = entered {
            self.watch.store_trouble(&error);
        }
    }

    /// Notes for how long the entry has been silent, for the next start: every hour, and when it serves
    /// again.
    fn note_silence_by_the_hour(&mut self) {
        let silent = self.entrance.silent(self.clocks.instant());
        let is_over = silent.is_zero() && !self.silence_noted.is_zero();
        if is_over || silent.abs_diff(self.silence_noted) >= HOUR {
            self.note_silence(silent);
        }
    }

    /// Notes at the end of a run whether the entry has served in it. One in which it did not counts for
    /// half an hour at least: people who look for mail by commands are there for seconds.
    pub(super) fn note_run(&mut self) {
        let silent = self.entrance.silent(self.clocks.instant());
        match self.reached {
            Some(true) => self.note_silence(Duration::ZERO),
            Some(false) => self.note_silence(silent.max(self.silence_noted + SHORT_RUN)),
            None => {}
        }
    }

    fn note_silence(&mut self, silent: Duration) {
        match self.store.with(|store| store.note_entry_silent(silent)) {
            Ok(()) => self.silence_noted = silent,
            Err(error) => self.watch.store_trouble(&error),
        }
    }

    /// Draws spare entries where some are missing, or have left the roster. The first of them is the entry,
    /// if that has left it.
    fn renew_entries(&mut self) -> Result<Option<Step>, StoreError> {
        let listed = |relay| self.network.roster.relay(relay).is_some();
        let (own, spares) = (self.entrance.own(), self.entrance.spares());
        let others = self.network.roster.relays().filter(|relay| relay.number != own).count();
        let all_listed = listed(own) && spares.iter().all(|spare| listed(*spare));
        if all_listed && spares.len() >= others.min(SPARE_ENTRIES) {
            return Ok(None);
        }
        let profile = self.store.with(Store::profile)?;
        let mut step = None;
        if let Some(spares) = profile.renewed_entries(&self.network.roster) {
            self.store.with(|store| store.enter(own, &spares))?;
            step = self.entrance.replace_spares(spares, self.clocks.instant());
        }
        let first = self.entrance.spares().first().copied();
        Ok(first.filter(|_| !listed(own)).map(Step::Move).or(step))
    }

    /// Enters through this relay from now on.
    pub(super) async fn enter(&mut self, relay: NodeNumber) -> Result<(), AgentError> {
        let keeps = self.network.roster.relay(self.entrance.own()).is_some();
        let spares = self.entrance.spares_after(relay, keeps);
        self.store.with(|store| store.enter(relay, &spares))?;
        self.entrance.enter(relay, keeps, self.clocks.instant());
        self.silence_noted = Duration::ZERO;
        self.begin_at(relay).await
    }

    /// Begins a session at a relay, with what the store has, as at a start.
    async fn begin_at(&mut self, relay: NodeNumber) -> Result<(), AgentError> {
        self.commit_letters().await;
        let mut progress = Progress::new(&self.network);
        progress.load(&self.store.with(Store::outbox_open)?);
        self.session = (self.begin)(&self.network, &self.store, relay)?;
        self.progress = progress;
        // The session tells of them again.
        self.letters.drain();
        self.untaken.clear();
        (self.online, self.connected, self.served) = (false, false, false);
        self.watch.enter(self.network.roster.name_of(relay));
        Ok(())
    }

    /// Puts a mailbox that is in the hand of the entry's operator elsewhere, if there is a relay for it: at
    /// a time that is drawn over days online. Were it done as the client comes, the operator would see a
    /// mailbox fall silent for good as an address appears.
    pub(super) fn part_from_entry(
        &mut self,
        minutes: u64,
        now: Duration,
    ) -> Result<bool, StoreError> {
        let operator = |relay| self.network.roster.relay(relay).map(|relay| &relay.operator);
        let own = operator(self.entrance.own());
        let is_beside = self.watch.mailboxes().any(|relay| operator(relay) == own);
        if !is_beside || !self.connected {
            return Ok(false);
        }
        if !(0..minutes).any(|_| randomness::rng().random_ratio(1, PARTING)) {
            return Ok(false);
        }
        let profile = self.store.with(Store::profile)?;
        let roster = &self.network.roster;
        let Some(beside) = profile.beside_entry(roster) else { return Ok(false) };
        let is_up = |node| self.watch.is_up(node);
        let operator = |relay| roster.node(relay).map(|node| node.operator.as_str());
        let replacement = profile.replacement(roster, is_up);
        let elsewhere = replacement.filter(|it| operator(it.to) != operator(beside));
        let Some(replacement) = elsewhere else { return Ok(false) };
        self.store.with(|store| store.replace_mailbox(beside, replacement, now))?;
        Ok(true)
    }

    /// Tells through which relays the client enters; with a name, has it enter through that one.
    pub(super) async fn entry_places(
        &mut self,
        relay: Option<&str>,
    ) -> Result<EntryPlaces, Failure> {
        if let Some(name) = relay {
            let roster = &self.network.roster;
            let named = roster.relays().find(|relay| relay.name == name).map(|relay| relay.number);
            let Some(named) = named else {
                let relays: Vec<_> = roster.relays().map(|relay| relay.name.as_str()).collect();
                let why = format!("there is no relay {name}; there are {}", relays.join(", "));
                return Err(Failure::new(FailureCode::UnknownRelay, &why));
            };
            if named != self.entrance.own() {
                let moved = self.enter(named).await;
                moved.map_err(|error| Failure::new(FailureCode::Store, &error))?;
            }
        }
        let name = |relay: NodeNumber| self.network.roster.name_of(relay);
        Ok(EntryPlaces {
            entry: name(self.entrance.own()),
            present: name(self.entrance.present()),
            spares: self.entrance.spares().iter().map(|spare| name(*spare)).collect(),
        })
    }
}

/// Mean time online, in minutes, after which a mailbox beside the entry moves: three days.
const PARTING: u32 = 3 * 24 * 60;
/// Time for which a run counts at least in which the entry has not served.
const SHORT_RUN: Duration = Duration::from_secs(1800);
const HOUR: Duration = Duration::from_secs(3600);
