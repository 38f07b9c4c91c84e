//! A client's home: made, locked, copied, moved, destroyed.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_client::api::{Request, Response};
use rohrpost_client::{
    Agent, LONGEST_ABSENCE, Profile, Store, StoreError, VaultError, daily_volume, unix_now,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::access::{Access, Reach};
use crate::error::CommandError;
use crate::lock::Lock;
use crate::network;
use crate::output::{Output, volume};
use crate::place::Place;

/// Makes a client, and stays online until each mailbox has answered once: then its relay knows it,
/// and others can write.
pub(crate) async fn init(
    place: &Place,
    agency: Option<&str>,
    keep: Option<Duration>,
    output: &Output,
) -> Result<(), CommandError> {
    let (network, home) = (Arc::new(place.valid_network()?), place.home());
    let profile = Profile::create(&network.roster, agency)?;
    let lock = place.lock().make()?;
    let store = match Store::create(home, &lock.unlock, &network, &profile, unix_now()) {
        Ok(store) => store,
        Err(error) => {
            lock.discard();
            return Err(error.into());
        }
    };
    if let Some(keep) = keep.or(place.keep) {
        store.set_retention(keep)?;
    }
    if let Some(bytes) = place.unread_room {
        store.set_unread_room(bytes)?;
    }
    // What this command was told, later ones need not be.
    if let Some(directory) = place.given_network() {
        network::install(place, &[directory.to_owned()])?;
    }
    let name = |number| network.roster.name_of(number);
    let entry = name(profile.entry);
    let mailboxes: Vec<_> = profile.account.mailboxes.iter().map(|own| name(own.relay)).collect();
    let agent = Agent::start(Arc::clone(&network), store)?;
    let registered = register(&agent, mailboxes.len(), output).await;
    agent.end().await;
    registered?;
    let bytes = daily_volume(&network.roster);
    let text = format!(
        "ready: enters through {entry}, mailboxes at {}\nonline it sends and receives {} a day, \
         whether you write or not\nhand your card to others: rohrpost card",
        mailboxes.join(" and "),
        volume(bytes)
    );
    let json = json!({ "entry": entry, "mailboxes": mailboxes, "daily_bytes": bytes });
    output.say(&json, &text)
}

async fn register(agent: &Agent, mailboxes: usize, output: &Output) -> Result<(), CommandError> {
    let spinner = output.spinner("registering mailboxes");
    let deadline = Instant::now() + TIME_OUT;
    loop {
        let Response::Health(health) = agent.ask(Request::Health {}).await? else {
            return Ok(());
        };
        let answered = health.mailboxes.iter().filter(|mailbox| mailbox.answered.is_some());
        let answered: HashSet<_> = answered.map(|mailbox| &mailbox.relay).collect();
        if answered.len() >= mailboxes {
            spinner.finish_and_clear();
            return Ok(());
        }
        if Instant::now() >= deadline {
            let why = health.problems.first().cloned().unwrap_or_else(|| {
                "the entry relay answered, but too few nodes are up; try again in a minute"
                    .to_owned()
            });
            return Err(CommandError::NoAnswer(format!(
                "the mailboxes did not answer within a minute ({why}); the client is made, and \
                 `rohrpost inbox` registers them later"
            )));
        }
        sleep(LOOK).await;
    }
}

pub(crate) async fn change_lock(
    place: &Place,
    new: &Lock,
    output: &Output,
) -> Result<(), CommandError> {
    let network = place.network()?;
    let mut store = place
        .store(&network)
        .await?
        .ok_or_else(|| StoreError::Vault(VaultError::InUse(place.home().to_owned())))?;
    store.change_unlock(&new.make()?.unlock)?;
    let text = "changed; backups still open with what they were made with";
    output.say(&json!({ "changed": true }), text)
}

pub(crate) async fn back_up(
    place: &Place,
    file: &Path,
    output: &Output,
) -> Result<(), CommandError> {
    let path = std::path::absolute(file)
        .map_err(|source| CommandError::Output { path: file.to_owned(), source })?;
    let request = Request::Backup { path: path.to_string_lossy().into_owned() };
    Access::within(place, Reach::Offline, async |access| access.ask(request).await).await?;
    let text = format!("written to {}; it opens as this store does", file.display());
    output.say(&json!({ "backup": path }), &text)
}

pub(crate) fn restore(place: &Place, file: &Path, output: &Output) -> Result<(), CommandError> {
    let network = place.network()?;
    let unlock = place.lock().unlock("passphrase of the backup: ")?;
    let now = unix_now();
    let store = Store::restore(file, place.home(), &unlock, &network, now)?;
    let as_of = store.restored_as_of()?.unwrap_or(now);
    let text = format!(
        "restored as the client was on {}{}. Do not run the client that the backup is from any more",
        output.when(as_of.as_secs()),
        meaning(as_of, now)
    );
    output.say(&json!({ "restored": true, "as_of": as_of.as_secs() }), &text)
}

/// What it means that a backup goes up to this time.
fn meaning(as_of: Duration, now: Duration) -> String {
    let Some(age) = now.checked_sub(as_of) else {
        return ", which is later than this machine's clock shows: set that right before you go \
                online"
            .to_owned();
    };
    let days = age.as_secs() / 86_400;
    let since = match days {
        0 => ", less than a day ago".to_owned(),
        1 => ", a day ago".to_owned(),
        days => format!(", {days} days ago"),
    };
    let lost = "What came and was sent since then is not here: what contacts know to have been \
                delivered does not come again, so ask for it";
    let found = if age < LONGEST_ABSENCE {
        "Contacts hear of the move within an hour online, and send here from then on"
    } else {
        "That is longer than the 120 days after which clients find each other by themselves: get your \
         contacts' cards in another way and add each under its name, and hand yours to them"
    };
    format!("{since}. {lost}. {found}")
}

/// The user's consent to what cannot be undone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Ask,
    Given,
}

pub(crate) fn wipe(place: &Place, consent: Consent, output: &Output) -> Result<(), CommandError> {
    let home = place.home();
    if consent == Consent::Ask {
        if !std::io::stdin().is_terminal() {
            let why = "this destroys all keys and messages; give --yes to say that you mean it";
            return Err(CommandError::Usage(why.to_owned()));
        }
        let mut out = std::io::stderr();
        let question = "This destroys all keys, contacts and messages in";
        let _ = write!(out, "{question} {}. Type \"wipe\" to go on: ", home.display());
        let _ = out.flush();
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        if read.is_err() || line.trim() != "wipe" {
            return Err(CommandError::Usage("nothing was changed".to_owned()));
        }
    }
    Store::wipe(home)?;
    output.say(&json!({ "wiped": home }), "wiped; backups and key files are not touched")
}

const TIME_OUT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
