//! Messages as lists show them, whether they have come or were sent.

use rohrpost_client::api::{
    Failure, FailureCode, IncomingMessage, MessageBody, OutgoingMessage, Request, Response,
    SentBody, Status,
};
use rohrpost_client::{DeliveryStatus, Unreadable};
use serde_json::{Value, json};

use crate::access::Access;
use crate::error::CommandError;
use crate::output::{Output, lines_of};

/// A message as a list has it.
pub(crate) enum Entry {
    Received(IncomingMessage, Option<String>),
    Sent(OutgoingMessage, Option<String>),
}

/// Extent to which a list shows a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The first line, cut.
    Short,
    /// All lines.
    Whole,
}

impl Entry {
    /// Time by this client's clock at which the message came or was accepted, in Unix seconds.
    pub(crate) const fn time(&self) -> u64 {
        match self {
            Self::Received(message, _) => message.arrived,
            Self::Sent(message, _) => message.accepted,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Received(_, text) | Self::Sent(_, text) => text.as_deref(),
        }
    }

    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Self::Received(message, _) => message.file.as_deref(),
            Self::Sent(message, _) => message.file.as_deref(),
        }
    }

    /// JSON for scripts: what is known of the message, and its text.
    pub(crate) fn json(&self) -> Value {
        let mut value = match self {
            Self::Received(message, _) => json!(message),
            Self::Sent(message, _) => json!(message),
        };
        if let Some(text) = self.text() {
            value["text"] = json!(text);
        }
        value
    }

    /// The message for people. Numbers name what has come, with a star if it was not read; ids what
    /// was sent, with its status.
    pub(crate) fn describe(&self, extent: Extent, output: &Output) -> String {
        match self {
            Self::Received(message, text) => {
                let IncomingMessage { number, from, written, bytes, file, read, .. } = message;
                let from = if from.is_empty() { "?" } else { from };
                let mark = if *read { ' ' } else { '*' };
                let what = match file {
                    Some(name) => {
                        format!("[file {name}, {bytes} bytes; save it with `read {number}`]")
                    }
                    None if message.unreadable.is_some() => {
                        format!("[{}]", why_unreadable(message))
                    }
                    None => shown(text.as_deref().unwrap_or_default(), extent),
                };
                format!("{mark}{number}  {}  {from}: {what}", output.when(*written))
            }
            Self::Sent(message, text) => {
                let OutgoingMessage { to, accepted, bytes, file, status, .. } = message;
                let to = if to.is_empty() { "?" } else { to };
                let what = match file {
                    Some(name) => format!("[file {name}, {bytes} bytes]"),
                    None => shown(text.as_deref().unwrap_or_default(), extent),
                };
                let (id, status) = (&message.message[..8], name_of(*status));
                format!(" {id}  {}  to {to} ({status}): {what}", output.when(*accepted))
            }
        }
    }

    /// True if a description of this extent shows all of the message.
    pub(crate) fn is_shown_whole(&self, extent: Extent) -> bool {
        match self.text() {
            Some(text) if extent == Extent::Short => shown(text, extent) == lines_of(text),
            Some(_) => true,
            None => false,
        }
    }
}

/// The reason why a message cannot be shown, and what to do.
pub(crate) fn why_unreadable(message: &IncomingMessage) -> String {
    match message.unreadable {
        Some(Unreadable::UnknownKind) => format!(
            "a message of a kind that this program does not know, {} bytes; it is kept, and a newer \
             rohrpost is needed to show it",
            message.bytes
        ),
        _ => "parts of this message are missing on this machine; ask for it again".to_owned(),
    }
}

fn shown(text: &str, extent: Extent) -> String {
    let text = lines_of(text);
    if extent == Extent::Whole {
        return text.replace('\n', "\n    ");
    }
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let short: String = first.chars().take(SHORT).collect();
    let more = short.len() < first.len() || !rest.trim().is_empty();
    format!("{short}{}", if more { " …" } else { "" })
}

const fn name_of(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Queued => "queued",
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Expired => "expired",
        DeliveryStatus::Cancelled => "cancelled",
        _ => "given up",
    }
}

/// The messages that have come, from a number on; of the texts, those that are wanted.
pub(crate) async fn received(
    access: &mut Access,
    from: u64,
    unread: bool,
    wanted: impl Fn(&IncomingMessage) -> bool,
) -> Result<Vec<Entry>, CommandError> {
    let inbox = access.inbox(from, unread).await?;
    let mut entries = Vec::new();
    for message in inbox.into_iter().filter(|message| wanted(message)) {
        let mut text = None;
        // A file is told by its name; its bytes are not needed here.
        if message.file.is_none() && message.unreadable.is_none() {
            match body(access, message.number).await {
                Ok(body) => text = body.text,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            }
        }
        entries.push(Entry::Received(message, text));
    }
    Ok(entries)
}

/// A message that has come, with its content.
pub(crate) async fn body(access: &mut Access, number: u64) -> Result<MessageBody, CommandError> {
    match access.ask(Request::Read { number, save: None }).await? {
        Response::Message(body) => Ok(body),
        _ => Err(CommandError::Unexpected),
    }
}

/// The messages that were sent and are wanted, with their texts.
pub(crate) async fn sent(
    access: &mut Access,
    wanted: impl Fn(&OutgoingMessage) -> bool,
) -> Result<Vec<Entry>, CommandError> {
    let Status { messages, .. } = access.status().await?;
    let mut entries = Vec::new();
    for message in messages.into_iter().filter(|message| wanted(message)) {
        let request = Request::Sent { message: message.message.clone() };
        match access.ask(request).await {
            Ok(Response::Sent(SentBody { text, .. })) => entries.push(Entry::Sent(message, text)),
            Ok(_) => return Err(CommandError::Unexpected),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

/// True if a message is not there any more: its time may be over since it was listed.
pub(crate) const fn is_gone(error: &CommandError) -> bool {
    matches!(error, CommandError::Failed(Failure { code: FailureCode::UnknownMessage, .. }))
}

/// Characters of a text in a list.
const SHORT: usize = 100;
