//! Sending, with the honest time that the grid allows.

mod material;

use std::path::PathBuf;
use std::time::Duration;

use indicatif::ProgressBar;
use rohrpost_client::DeliveryStatus;
use rohrpost_client::api::{
    FailureCode, Notice, OutgoingMessage, Request, Response, SendRequest, SubscribeRequest,
};
use serde_json::json;
use tokio::time::Instant;

use crate::access::{Access, FOREVER, Reach};
use crate::error::CommandError;
use crate::listing::body;
use crate::output::Output;
use crate::place::Place;
use material::Material;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The contact.
    name: String,
    #[command(flatten)]
    message: MessageOptions,
}

#[derive(clap::Args)]
pub(crate) struct ReplyOptions {
    /// Number of the message that this answers, as `inbox` shows it.
    number: u64,
    #[command(flatten)]
    message: MessageOptions,
}

#[derive(clap::Args)]
pub(crate) struct MessageOptions {
    /// The text; from standard input if neither text nor file is given.
    text: Option<String>,
    /// Send a file; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// The file's name as the recipient sees it [default: the last part of FILE].
    #[arg(long, value_name = "NAME", requires = "file")]
    file_name: Option<String>,
    /// Give it up after so long, as in 12h or 30d, 77d at most [default: 7days].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// Accept it and return at once; it leaves when a daemon or another command is online.
    #[arg(long, conflicts_with = "wait")]
    queue: bool,
    /// Return when the other client has it. If it is given up before, the exit code is 75.
    #[arg(long)]
    wait: bool,
    /// Give up waiting after so long; the message stays in the outbox.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

pub(crate) async fn run(
    place: &Place,
    options: Options,
    output: &Output,
) -> Result<(), CommandError> {
    send(place, To::Contact(options.name), options.message, output).await
}

/// Sends to whoever wrote a message.
pub(crate) async fn reply(
    place: &Place,
    options: ReplyOptions,
    output: &Output,
) -> Result<(), CommandError> {
    send(place, To::AuthorOf(options.number), options.message, output).await
}

/// Recipient of a message.
enum To {
    Contact(String),
    AuthorOf(u64),
}

async fn send(
    place: &Place,
    to: To,
    options: MessageOptions,
    output: &Output,
) -> Result<(), CommandError> {
    let MessageOptions { text, file, file_name, expires, queue, wait, timeout } = options;
    let material = Material::gather(text, file, file_name)?;
    let expires_after = expires.map(|expires| expires.as_secs());
    let reach = if queue { Reach::Offline } else { Reach::Online };
    let last = Access::within(place, reach, async |access| {
        let to = match to {
            To::Contact(name) => name,
            To::AuthorOf(number) => author(access, number).await?,
        };
        let request = SendRequest { to, expires_after, ..SendRequest::default() };
        access.ask(Request::Subscribe(SubscribeRequest::default())).await?;
        let Response::Accepted(accepted) = material.send(access, request).await? else {
            return Err(CommandError::Unexpected);
        };
        if queue || (access.is_daemon() && !wait) {
            return Ok(accepted);
        }
        let until = if wait { DeliveryStatus::Delivered } else { DeliveryStatus::Sent };
        let usual = || if wait { FOREVER } else { limit(&accepted) };
        let by = Instant::now() + timeout.unwrap_or_else(usual).min(FOREVER);
        let last = follow(access, accepted, until, by, output).await?;
        if matches!(last.status, DeliveryStatus::Expired | DeliveryStatus::Undeliverable) {
            // This command tells of it.
            let told = vec![last.message.clone()];
            access.ask(Request::Undelivered { told, limit: Some(0) }).await?;
        }
        Ok(last)
    });
    let last = last.await?;
    output.say(&json!(last), &describe(&last))?;
    match last.status {
        DeliveryStatus::Expired => Err(CommandError::NotDelivered(
            "its time was over before the other client acknowledged it; it may have arrived all the \
             same",
        )),
        DeliveryStatus::Undeliverable => Err(CommandError::NotDelivered(
            "the contact was blocked or removed, or its keys are unusable",
        )),
        DeliveryStatus::Cancelled => Err(CommandError::NotDelivered("it was cancelled")),
        _ => Ok(()),
    }
}

/// The contact that wrote a message, by the name that it has now.
async fn author(access: &mut Access, number: u64) -> Result<String, CommandError> {
    let message = body(access, number).await?.message;
    let Response::Contacts(contacts) = access.ask(Request::Contacts {}).await? else {
        return Err(CommandError::Unexpected);
    };
    let known = contacts.into_iter().find(|contact| contact.contact == message.contact);
    known.map(|contact| contact.name).ok_or_else(|| {
        CommandError::Missing(format!(
            "who wrote message {number} is no contact any more; `rohrpost add` adds one"
        ))
    })
}

/// Follows a message until it is what it is to be, or over.
async fn follow(
    access: &mut Access,
    accepted: OutgoingMessage,
    until: DeliveryStatus,
    by: Instant,
    output: &Output,
) -> Result<OutgoingMessage, CommandError> {
    let bar = output.progress(u64::from(accepted.fragments));
    show(&bar, &accepted);
    let (mut last, mut trouble) = (accepted, None);
    while last.status != until
        && matches!(last.status, DeliveryStatus::Queued | DeliveryStatus::Sent)
    {
        let news = match access.notice(by.min(Instant::now() + LOOK)).await? {
            Some(Notice::Outgoing(news)) if news.message == last.message => Some(news),
            Some(Notice::Link { online, trouble: why }) => {
                trouble = why.filter(|_| !online);
                None
            }
            Some(Notice::Missed(_)) => Some(look(access, &last).await?),
            Some(_) => None,
            None if Instant::now() < by => Some(look(access, &last).await?),
            None => {
                bar.finish_and_clear();
                return Err(CommandError::Late(still_waits(&last, trouble.as_deref())));
            }
        };
        if let Some(news) = news {
            // A contact that was removed has no name any more.
            let to = std::mem::take(&mut last.to);
            last = news;
            last.to = to;
            show(&bar, &last);
        }
    }
    bar.finish_and_clear();
    Ok(last)
}

/// Asks what has become of a message: notices may be lost, and a daemon that was stopped gives none.
async fn look(
    access: &mut Access,
    message: &OutgoingMessage,
) -> Result<OutgoingMessage, CommandError> {
    let request = Request::Message { message: message.message.clone() };
    match access.ask(request).await {
        Ok(Response::Outgoing(news)) => Ok(news),
        Ok(_) => Err(CommandError::Unexpected),
        Err(CommandError::Failed(why)) if why.code == FailureCode::UnknownMessage => {
            Err(CommandError::Late("the message is over, and is forgotten already".to_owned()))
        }
        Err(error) => Err(error),
    }
}

fn still_waits(message: &OutgoingMessage, trouble: Option<&str>) -> String {
    let OutgoingMessage { to, left, fragments, .. } = message;
    if message.status == DeliveryStatus::Sent {
        return format!(
            "the message has left, and {to} has not acknowledged it yet; it stays in the outbox, \
             and `rohrpost status` tells when it is delivered"
        );
    }
    let why = trouble.map_or_else(String::new, |why| format!(": {why}"));
    format!(
        "the message is in the outbox ({left} of {fragments} fragments have left), and leaves when \
         the client is online{why}"
    )
}

fn show(bar: &ProgressBar, message: &OutgoingMessage) {
    bar.set_position(u64::from(message.left));
    let what = match message.status {
        DeliveryStatus::Sent => "all has left; waiting for the other client".to_owned(),
        _ => {
            let left = humantime::format_duration(Duration::from_secs(message.estimate.max(1)));
            format!("about {left} by the grid")
        }
    };
    bar.set_message(what);
}

fn describe(message: &OutgoingMessage) -> String {
    let (id, to) = (&message.message[..8], &message.to);
    let what = match &message.file {
        Some(name) => format!("{name}, {} bytes", message.bytes),
        None => format!("{} bytes", message.bytes),
    };
    match message.status {
        DeliveryStatus::Queued => {
            let time = humantime::format_duration(Duration::from_secs(message.estimate.max(1)));
            format!("queued {id} for {to} ({what}); the grid needs about {time}")
        }
        DeliveryStatus::Sent => {
            format!("sent {id} to {to} ({what}); `status` tells when it is delivered")
        }
        DeliveryStatus::Delivered => format!("delivered {id} to {to} ({what})"),
        DeliveryStatus::Expired => format!("expired: {id} to {to} ({what})"),
        DeliveryStatus::Cancelled => format!("cancelled: {id} to {to} ({what})"),
        _ => format!("given up: {id} to {to} ({what})"),
    }
}

/// Usual time to wait: twice what the grid needs, and a minute for the link.
fn limit(message: &OutgoingMessage) -> Duration {
    Duration::from_secs(60 + 2 * message.estimate)
}

/// Time after which a command that waits asks by itself.
const LOOK: Duration = Duration::from_secs(60);
