//! State of the agent's task: store, session, and what it has seen of both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::Complete;
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::Agreement;

use super::blocking::BlockingStore;
use super::clocks::Clocks;
use super::date::Date;
use super::drafts::Drafts;
use super::entrance::Entrance;
use super::error::AgentError;
use super::health::Watch;
use super::housekeeping::Housekeeping;
use super::letters::Letters;
use super::notices::NoticeLog;
use super::progress::Progress;
use super::room::Room;
use super::trouble::Trouble;
use crate::api::Notice;
use crate::profile::Profile;
use crate::session::Session;
use crate::store::{Bounds, Store};

/// How a session begins: with a link through this relay, from what the store has, or without. What a
/// session goes on with takes time to gather where there are many contacts.
pub(super) type Begin =
    Box<dyn Fn(&Network, &BlockingStore, NodeNumber) -> Result<Session, AgentError> + Send + Sync>;

/// State that the agent's task owns.
pub(super) struct AgentTask {
    /// Dropped before the store, of which it holds a state.
    pub(super) housekeeping: Housekeeping,
    pub(super) network: Arc<Network>,
    /// The relay through which the client enters, and others.
    pub(super) entrance: Entrance,
    /// True once it has served in this run, false while it was tried in vain; none before that.
    pub(super) reached: Option<bool>,
    /// Time of its silence that the store has noted.
    pub(super) silence_noted: Duration,
    /// True while there is a link on which it has served a document that is not stale.
    pub(super) served: bool,
    pub(super) store: BlockingStore,
    pub(super) session: Session,
    /// How the session began, and begins again after trouble of the disk.
    pub(super) begin: Begin,
    pub(super) trouble: Trouble,
    /// Reason why the client is to end.
    pub(super) ending: Option<AgentError>,
    pub(super) notices: NoticeLog,
    pub(super) progress: Progress,
    /// Letters that have come and are not on the disk yet.
    pub(super) letters: Letters,
    /// Complete messages of each contact of which the store has not taken note yet, because it
    /// failed: as many as it has fragments of.
    pub(super) untaken: BTreeMap<KeyId, (Vec<Complete>, Bounds)>,
    /// Contacts with which the store is to begin anew later, and the incarnation that each has heard
    /// of. No more than there are contacts.
    pub(super) put_off: BTreeMap<KeyId, u32>,
    pub(super) drafts: Drafts,
    /// Contacts that are told to have no room.
    pub(super) room: Room,
    pub(super) watch: Watch,
    pub(super) clocks: Clocks,
    pub(super) date: Date,
    /// True once a link has shown a network, and a time: until then the session takes no messages.
    pub(super) online: bool,
    /// True while there is a link.
    pub(super) connected: bool,
    /// True once the relays of the next mailboxes were held against the roster.
    pub(super) reserved: bool,
    /// True once what was accepted before the date was known has been dated.
    pub(super) dated: bool,
}

impl AgentTask {
    /// Goes by a date that a link has shown, unless the store knows a later one.
    pub(super) async fn show_date(&mut self, time: Time, agreement: Agreement) {
        let date = Duration::from_micros(time.micros());
        match self.store.with(|store| store.note_date(date, agreement)) {
            Ok(true) => {
                let first = self.date.show(time);
                self.date_outbox(date);
                if first {
                    self.renew_address(0).await;
                }
            }
            Ok(false) => {}
            Err(error) => self.watch.store_trouble(&error),
        }
    }

    /// Dates what was accepted before the date was known, once in a run.
    fn date_outbox(&mut self, date: Duration) {
        if !self.dated {
            match self.store.with(|store| store.date_outbox(date)) {
                Ok(()) => self.dated = true,
                Err(error) => self.watch.store_trouble(&error),
            }
        }
    }

    /// The time by which what comes and ends is stamped: the date where a link has shown it, for
    /// that by which it is forgotten, else the machine's.
    pub(super) fn now(&self) -> Duration {
        self.date.unix().unwrap_or_else(|| self.clocks.machine())
    }

    /// Begins an address version if it is time, and tells those contacts of it whose time has come
    /// after so many more minutes online. Without a link only what is over ends; before the first
    /// that has shown the date, nothing.
    pub(super) async fn renew_address(&mut self, minutes: u64) {
        let Some(now) = self.date.unix() else {
            return;
        };
        let connected = self.connected;
        let renewed = self.store.with(|store| {
            if !connected {
                return Ok((store.expire_prekeys(now)?, Vec::new()));
            }
            let rolled = store.roll(now)?;
            Ok((rolled, store.announce(minutes, now)?))
        });
        let (rolled, due) = match renewed {
            Ok(renewed) => renewed,
            Err(error) => return self.watch.store_trouble(&error),
        };
        if rolled {
            self.renew().await;
        }
        for contact in due {
            if let Err(error) = self.announce(contact).await {
                self.watch.store_trouble(&error);
            }
        }
    }

    /// Has the session go on with the newest keys and mailboxes.
    pub(super) async fn renew(&mut self) {
        match self.store.with(|store| Ok((store.profile()?, store.address()?))) {
            Ok((profile, address)) => {
                self.watch.follow(&mailboxes(&self.network, &profile));
                self.session.renew(profile.account, address).await;
            }
            Err(error) => self.watch.store_trouble(&error),
        }
        match self.store.with(Store::outbox_open) {
            Ok(outbox) => self.progress.load(&outbox),
            Err(error) => self.watch.store_trouble(&error),
        }
    }

    /// Notifies whoever listens, or asks later.
    pub(super) fn notify(&self, notice: Notice) {
        self.notices.tell(notice);
    }
}

/// Numbers and names of the relays that hold the mailboxes.
pub(super) fn mailboxes(network: &Network, profile: &Profile) -> Vec<(NodeNumber, String)> {
    let mailboxes = profile.account.mailboxes.iter();
    mailboxes.map(|own| (own.relay, network.roster.name_of(own.relay))).collect()
}
