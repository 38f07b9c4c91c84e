//! A client's home: made, locked, copied, moved, destroyed.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rohrpost_client::api::{Request, Response};
use rohrpost_client::{Agent, Profile, Store, Unlock, VaultError, unix_now};
use serde_json::json;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use crate::access::{Access, Reach};
use crate::output::Output;
use crate::{CommandError, Place};

/// What a store is to be locked by: a key file, a passphrase in a file, or one that is asked for.
pub(crate) struct Lock {
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl Lock {
    pub(crate) fn of(place: &Place) -> Self {
        let Place { key_file, passphrase_file, .. } = place;
        Self { key_file: key_file.clone(), passphrase_file: passphrase_file.clone() }
    }

    /// To open a store.
    pub(crate) fn unlock(&self, question: &str) -> Result<Unlock, CommandError> {
        if let Some(path) = &self.key_file {
            return Ok(Unlock::key_file(path).map_err(rohrpost_client::StoreError::from)?);
        }
        match self.passphrase()? {
            Some(unlock) => Ok(unlock),
            None => Ok(Unlock::passphrase(ask(question)?)),
        }
    }

    /// For a new store, or a new lock: a key file is made if it is not there, a passphrase is asked
    /// for twice.
    pub(crate) fn make(&self) -> Result<Unlock, CommandError> {
        if let Some(path) = &self.key_file {
            let made = match Unlock::key_file(path) {
                Err(VaultError::Missing(_)) => Unlock::make_key_file(path),
                found => found,
            };
            return Ok(made.map_err(rohrpost_client::StoreError::from)?);
        }
        if let Some(unlock) = self.passphrase()? {
            return Ok(unlock);
        }
        let first = ask("new passphrase: ")?;
        if first.is_empty() {
            let why = "an empty passphrase protects nothing; choose four or more random words";
            return Err(CommandError::Usage(why.to_owned()));
        }
        if *first != *ask("the same again: ")? {
            return Err(CommandError::Usage("the two differ; nothing was changed".to_owned()));
        }
        Ok(Unlock::passphrase(first))
    }

    fn passphrase(&self) -> Result<Option<Unlock>, CommandError> {
        let Some(path) = &self.passphrase_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| CommandError::Input { path: path.clone(), source })?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            let why = format!("the first line of {} is empty", path.display());
            return Err(CommandError::Usage(why));
        }
        Ok(Some(Unlock::passphrase(Zeroizing::new(line.to_owned()))))
    }
}

fn ask(question: &str) -> Result<Zeroizing<String>, CommandError> {
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::NoPassphrase);
    }
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|_| CommandError::NoPassphrase)
}

/// Makes a client, and stays online until each mailbox has answered once: then its relay knows it,
/// and others can write.
pub(crate) async fn init(
    place: &Place,
    agency: Option<&str>,
    keep: Option<Duration>,
    output: &Output,
) -> Result<(), CommandError> {
    let (network, home) = (Arc::new(place.network()?), place.home()?);
    let profile = Profile::create(&network.roster, agency)?;
    let unlock = Lock::of(place).make()?;
    let store = Store::create(home, &unlock, &network, &profile, unix_now())?;
    if let Some(keep) = keep {
        store.set_retention(keep)?;
    }
    let name = |number| network.roster.name_of(number);
    let entry = name(profile.entry);
    let mailboxes: Vec<_> = profile.account.mailboxes.iter().map(|own| name(own.relay)).collect();
    let agent = Agent::start(Arc::clone(&network), store)?;
    let registered = register(&agent, mailboxes.len(), output).await;
    agent.end().await;
    registered?;
    let text = format!(
        "ready: enters through {entry}, mailboxes at {}\nhand your card to others: rohrpost … card",
        mailboxes.join(" and ")
    );
    output.say(&json!({ "entry": entry, "mailboxes": mailboxes }), &text);
    Ok(())
}

async fn register(agent: &Agent, mailboxes: usize, output: &Output) -> Result<(), CommandError> {
    let spinner = output.spinner("registering mailboxes");
    let deadline = Instant::now() + PATIENCE;
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
                 `rohrpost … inbox` registers them later"
            )));
        }
        sleep(LOOK).await;
    }
}

pub(crate) fn change_lock(place: &Place, new: &Lock, output: &Output) -> Result<(), CommandError> {
    let network = place.network()?;
    let mut store = place.store(&network)?;
    store.change_unlock(&new.make()?)?;
    let text = "changed; backups still open with what they were made with";
    output.say(&json!({ "changed": true }), text);
    Ok(())
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
    output.say(&json!({ "backup": path }), &text);
    Ok(())
}

pub(crate) fn restore(place: &Place, file: &Path, output: &Output) -> Result<(), CommandError> {
    let network = place.network()?;
    let unlock = Lock::of(place).unlock("passphrase of the backup: ")?;
    Store::restore(file, place.home()?, &unlock, &network, unix_now())?;
    let text = "restored; contacts hear of it as soon as it is online. Do not run the client that \
                the backup is from any more";
    output.say(&json!({ "restored": true }), text);
    Ok(())
}

pub(crate) fn wipe(place: &Place, yes: bool, output: &Output) -> Result<(), CommandError> {
    let home = place.home()?;
    if !yes {
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
    output.say(&json!({ "wiped": home }), "wiped; backups and key files are not touched");
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
