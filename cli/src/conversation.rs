//! Messages that were sent, alone or in their conversation, and a search in all texts.

use rohrpost_client::api::{ContactEntry, Request, Response};
use rohrpost_client::look;

use crate::access::{Access, Reach};
use crate::error::CommandError;
use crate::inbox::mark;
use crate::listing::{Entry, Extent, received, sent};
use crate::output::Output;
use crate::place::Place;

#[derive(clap::Args)]
pub(crate) struct OutboxOptions {
    /// Only what was sent to this contact.
    name: Option<String>,
    /// List the newest only, so many.
    #[arg(long, value_name = "COUNT")]
    last: Option<usize>,
}

#[derive(clap::Args)]
pub(crate) struct ConversationOptions {
    /// The contact.
    name: String,
    /// Show the newest only, so many.
    #[arg(long, value_name = "COUNT", default_value_t = 30)]
    last: usize,
    /// Show all.
    #[arg(long, conflicts_with = "last")]
    all: bool,
    /// Do not mark the texts as read.
    #[arg(long)]
    keep_unread: bool,
}

#[derive(clap::Args)]
pub(crate) struct SearchOptions {
    /// The text to find. Capitals do not count, nor how a letter is composed.
    text: String,
    /// Only in the conversation with this contact.
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
}

pub(crate) async fn outbox(
    place: &Place,
    options: OutboxOptions,
    output: &Output,
) -> Result<(), CommandError> {
    let entries = Access::within(place, Reach::Offline, async |access| {
        let contact = contact(access, options.name.as_deref()).await?;
        sent(access, |message| contact.is_none() || contact.as_ref() == Some(&message.contact))
            .await
    });
    let entries = entries.await?;
    for entry in newest(&entries, options.last) {
        output.say(&entry.json(), &entry.describe(Extent::Short, output))?;
    }
    Ok(())
}

pub(crate) async fn show(
    place: &Place,
    options: ConversationOptions,
    output: &Output,
) -> Result<(), CommandError> {
    Access::within(place, Reach::Offline, async |access| {
        let entries = both(access, Some(&options.name)).await?;
        let last = (!options.all).then_some(options.last);
        let shown = newest(&entries, last);
        for entry in shown {
            output.say(&entry.json(), &entry.describe(Extent::Whole, output))?;
        }
        match options.keep_unread {
            true => Ok(()),
            false => mark(access, shown, Extent::Whole).await,
        }
    })
    .await
}

pub(crate) async fn search(
    place: &Place,
    options: SearchOptions,
    output: &Output,
) -> Result<(), CommandError> {
    let wanted = look(&options.text);
    let entries = Access::within(place, Reach::Offline, async |access| {
        both(access, options.with.as_deref()).await
    });
    let entries = entries.await?;
    let has = |text: Option<&str>| text.is_some_and(|text| look(text).contains(&wanted));
    for entry in entries.iter().filter(|entry| has(entry.text()) || has(entry.file())) {
        output.say(&entry.json(), &entry.describe(Extent::Short, output))?;
    }
    Ok(())
}

/// All messages of one conversation or of all, in the order in which this client had them.
async fn both(access: &mut Access, name: Option<&str>) -> Result<Vec<Entry>, CommandError> {
    let contact = contact(access, name).await?;
    let wanted = |id: &String| contact.as_ref().is_none_or(|contact| contact == id);
    let mut entries = received(access, 0, false, |message| wanted(&message.contact)).await?;
    entries.extend(sent(access, |message| wanted(&message.contact)).await?);
    entries.sort_by_key(Entry::time);
    Ok(entries)
}

/// The id of the contact of this name; none if none is asked for.
async fn contact(access: &mut Access, name: Option<&str>) -> Result<Option<String>, CommandError> {
    let Some(name) = name else {
        return Ok(None);
    };
    let Response::Contacts(contacts) = access.ask(Request::Contacts {}).await? else {
        return Err(CommandError::Unexpected);
    };
    let looks = look(name);
    let known = contacts.into_iter().find(|contact| look(&contact.name) == looks);
    let missing = || {
        CommandError::Missing(format!("there is no contact {name}; `rohrpost contacts` lists them"))
    };
    known.map(|ContactEntry { contact, .. }| Some(contact)).ok_or_else(missing)
}

fn newest(entries: &[Entry], last: Option<usize>) -> &[Entry] {
    let from = last.map_or(0, |last| entries.len().saturating_sub(last));
    &entries[from..]
}
