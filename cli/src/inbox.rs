//! Messages that have arrived: listed and read.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::BASE64;
use rohrpost_client::DeliveryStatus;
use rohrpost_client::api::{
    FileBody, MessageBody, Notice, OutgoingMessage, Request, Response, SubscribeRequest,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::access::{Access, FOREVER, Reach};
use crate::error::CommandError;
use crate::listing::{Entry, Extent, body, is_gone, received, why_unreadable};
use crate::output::{Output, lines_of, note, write};
use crate::place::Place;
use crate::status::{line, owed_acknowledgements, unknown_writers};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// List what was read before, too.
    #[arg(long)]
    all: bool,
    /// Stay for so many seconds and list what comes [default: 20, with a daemon 0].
    #[arg(long, value_name = "SECONDS", conflicts_with = "follow")]
    wait: Option<u64>,
    /// Stay until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Do not mark the texts that are shown whole as read.
    #[arg(long)]
    keep_unread: bool,
}

#[derive(clap::Args)]
pub(crate) struct ReadOptions {
    /// Numbers as `inbox` shows them: 3, or 3-7, or all for whatever is not read yet.
    #[arg(required = true, value_name = "NUMBER")]
    numbers: Vec<Numbers>,
    /// Save the file of one message under this name; - is standard output [default: its own, in
    /// this directory].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Numbers of messages, as a person names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Numbers {
    /// All that were not read.
    Unread,
    /// The numbers from one to another, both among them.
    Range(u64, u64),
}

impl FromStr for Numbers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "give a number, a range as in 3-7, or all";
        if text == "all" {
            return Ok(Self::Unread);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.parse().map_err(|_| WRONG);
        let (first, last) = (number(first)?, number(last)?);
        if first > last { Err(WRONG) } else { Ok(Self::Range(first, last)) }
    }
}

pub(crate) async fn run(
    place: &Place,
    options: Options,
    output: &Output,
) -> Result<(), CommandError> {
    let reach = if options.wait == Some(0) { Reach::Offline } else { Reach::Online };
    Access::within(place, reach, async |access| {
        let offline = listen(access, &options, output).await?;
        match offline.filter(|_| reach == Reach::Online) {
            Some(trouble) => {
                Err(CommandError::NoAnswer(format!("nothing could be received: {trouble}")))
            }
            None => Ok(()),
        }
    })
    .await
}

/// Lists what is there and what comes. Returns the reason if there was never a link.
async fn listen(
    access: &mut Access,
    options: &Options,
    output: &Output,
) -> Result<Option<String>, CommandError> {
    let usual = if access.is_daemon() { 0 } else { 20 };
    let wait = Duration::from_secs(options.wait.unwrap_or(usual));
    let by = Instant::now() + if options.follow { FOREVER } else { wait.min(FOREVER) };
    access.ask(Request::Subscribe(SubscribeRequest::default())).await?;
    let mut next = list(access, 0, !options.all, options, output).await?;
    tell_undelivered(access, options, output).await?;
    let spinner = output.spinner("listening");
    let (mut connected, mut trouble) = (access.is_daemon(), None);
    loop {
        match access.notice(by).await? {
            Some(Notice::Arrived(_) | Notice::Missed(_)) => {
                spinner.finish_and_clear();
                next = list(access, next, true, options, output).await?;
            }
            Some(Notice::Outgoing(outgoing)) if ended_in_vain(&outgoing) => {
                spinner.finish_and_clear();
                tell_undelivered(access, options, output).await?;
            }
            Some(Notice::Link { online, trouble: why }) => {
                connected |= online;
                trouble = why;
            }
            Some(_) => {}
            None => break,
        }
    }
    spinner.finish_and_clear();
    say_waiting(access).await?;
    Ok(trouble.filter(|_| !connected))
}

const fn ended_in_vain(outgoing: &OutgoingMessage) -> bool {
    matches!(outgoing.status, DeliveryStatus::Expired | DeliveryStatus::Undeliverable)
}

/// Tells once of each message that was sent and given up.
async fn tell_undelivered(
    access: &mut Access,
    options: &Options,
    output: &Output,
) -> Result<(), CommandError> {
    let mut told = Vec::new();
    loop {
        let request = Request::Undelivered { told: std::mem::take(&mut told), limit: None };
        let Response::Undelivered(page) = access.ask(request).await? else {
            return Err(CommandError::Unexpected);
        };
        for outgoing in &page {
            let text = format!("not delivered: {}", line(outgoing, output).trim_start());
            output.say(&json!({ "undelivered": outgoing }), &text)?;
        }
        if page.is_empty() || options.keep_unread {
            return Ok(());
        }
        told.extend(page.into_iter().map(|outgoing| outgoing.message));
    }
}

/// Says who does not know yet that what came is here, for whoever writes goes by that; and who waits
/// to be known at all.
async fn say_waiting(access: &mut Access) -> Result<(), CommandError> {
    let counts = access.counts().await?;
    if let Some(delay) = access.acknowledgement_delay().filter(|_| counts.owed > 0) {
        note(&owed_acknowledgements(counts.owed, delay));
    }
    if let Some(requests) = unknown_writers(counts.requests) {
        note(&requests);
    }
    Ok(())
}

/// Lists messages from a number on, marks what was shown whole as read, and returns the number
/// after the last.
async fn list(
    access: &mut Access,
    from: u64,
    unread: bool,
    options: &Options,
    output: &Output,
) -> Result<u64, CommandError> {
    let mut next = from;
    let entries = received(access, from, unread, |_| true).await?;
    for entry in &entries {
        if let Entry::Received(message, _) = entry {
            next = next.max(message.number + 1);
        }
        output.say(&entry.json(), &entry.describe(Extent::Short, output))?;
    }
    if !options.keep_unread {
        // JSON has all of a text.
        let extent = if output.is_json() { Extent::Whole } else { Extent::Short };
        mark(access, &entries, extent).await?;
    }
    Ok(next)
}

/// Marks those messages as read all of which was shown.
pub(crate) async fn mark(
    access: &mut Access,
    entries: &[Entry],
    extent: Extent,
) -> Result<(), CommandError> {
    let number = |entry: &Entry| match entry {
        Entry::Received(message, _) if !message.read && entry.is_shown_whole(extent) => {
            Some(message.number)
        }
        _ => None,
    };
    let numbers: Vec<u64> = entries.iter().filter_map(number).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    access.ask(Request::Acknowledge { numbers }).await.map(drop)
}

pub(crate) async fn read(
    place: &Place,
    options: ReadOptions,
    output: &Output,
) -> Result<(), CommandError> {
    let ReadOptions { numbers, output: to } = options;
    Access::within(place, Reach::Offline, async |access| {
        if let [Numbers::Range(first, last)] = numbers[..]
            && first == last
        {
            let body = body(access, first).await?;
            if body.message.unreadable.is_some() {
                return Err(CommandError::Unreadable(why_unreadable(&body.message)));
            }
            show(&body, to, output)?;
            return access.ask(Request::Acknowledge { numbers: vec![first] }).await.map(drop);
        }
        if to.is_some() {
            let why = "--output saves the file of one message; several are saved under their names";
            return Err(CommandError::Usage(why.to_owned()));
        }
        let mut found = false;
        for number in numbers {
            found |= read_all(access, number, output).await?;
        }
        match found {
            true => Ok(()),
            false => Err(CommandError::Missing(
                "there are no such messages; `rohrpost inbox --all` lists them".to_owned(),
            )),
        }
    })
    .await
}

/// Shows several messages, each under a line that says what it is. False if there are none.
async fn read_all(
    access: &mut Access,
    numbers: Numbers,
    output: &Output,
) -> Result<bool, CommandError> {
    let (from, last, unread) = match numbers {
        Numbers::Unread => (0, u64::MAX, true),
        Numbers::Range(first, last) => (first, last, false),
    };
    let inbox = access.inbox(from, unread).await?;
    let mut found = unread;
    for message in inbox.into_iter().filter(|message| message.number <= last) {
        let number = message.number;
        let body = match body(access, number).await {
            Err(error) if is_gone(&error) => continue,
            body => body?,
        };
        found = true;
        let unreadable = message.unreadable.is_some();
        if !output.is_json() {
            let entry = Entry::Received(message, body.text.clone());
            output.say(&Value::Null, &entry.describe(Extent::Whole, output))?;
        }
        if output.is_json() || body.file.is_some() {
            show(&body, None, output)?;
        }
        if !unreadable {
            access.ask(Request::Acknowledge { numbers: vec![number] }).await?;
        }
    }
    Ok(found)
}

fn show(body: &MessageBody, to: Option<PathBuf>, output: &Output) -> Result<(), CommandError> {
    if output.is_json() && to.is_none() {
        let mut value = Entry::Received(body.message.clone(), body.text.clone()).json();
        if let Some(file) = &body.file {
            value["base64"] = json!(file.base64);
        }
        return output.say(&value, "");
    }
    let bytes = match (&body.text, &body.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(file)) => content(file)?,
        (None, None) => Vec::new(),
    };
    let own = body.file.as_ref().map(|file| PathBuf::from(&file.name));
    let Some(path) = to.or(own) else {
        let text = body.text.as_deref().unwrap_or_default();
        return output.say(&Value::Null, &lines_of(text));
    };
    write(&path, &bytes)?;
    if path.as_os_str() == "-" {
        return Ok(());
    }
    let text = format!("saved as {} ({} bytes)", path.display(), bytes.len());
    output.say(&json!({ "saved": path, "bytes": bytes.len() }), &text)
}

/// All bytes of a file that has come.
pub(crate) fn content(file: &FileBody) -> Result<Vec<u8>, CommandError> {
    BASE64.decode(file.base64.as_bytes()).map_err(|_| CommandError::Unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, numbers) in [
            ("7", Some(Numbers::Range(7, 7))),
            ("3-7", Some(Numbers::Range(3, 7))),
            ("all", Some(Numbers::Unread)),
            ("7-3", None),
            ("", None),
            ("-3", None),
            ("3-", None),
            ("3-7-9", None),
            ("ALL", None),
        ] {
            assert_eq!(text.parse().ok(), numbers, "{text}");
        }
    }
}
