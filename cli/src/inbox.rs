//! Messages that have arrived: listed and read.

use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use rohrpost_client::api::{FileBody, IncomingMessage, MessageBody, Notice, Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::access::{Access, FOREVER, Reach};
use crate::error::CommandError;
use crate::output::{Output, lines_of, when, write};
use crate::place::Place;

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
}

#[derive(clap::Args)]
pub(crate) struct ReadOptions {
    /// The message's number, as `inbox` shows it.
    number: u64,
    /// Save a file under this name; - is standard output [default: its own, in this directory].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
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
    access.ask(Request::Subscribe {}).await?;
    let mut next = list(access, 0, !options.all, output).await?;
    let spinner = output.spinner("listening");
    let (mut connected, mut trouble) = (access.is_daemon(), None);
    loop {
        match access.notice(by).await? {
            Some(Notice::Arrived(_) | Notice::Missed(_)) => {
                spinner.finish_and_clear();
                next = list(access, next, true, output).await?;
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
    Ok(trouble.filter(|_| !connected))
}

/// Lists messages from a number on, and returns the number after the last.
async fn list(
    access: &mut Access,
    from: u64,
    unread: bool,
    output: &Output,
) -> Result<u64, CommandError> {
    let mut next = from;
    let Response::Inbox(inbox) = access.ask(Request::Inbox { from, unread }).await? else {
        return Err(CommandError::Unexpected);
    };
    for message in inbox {
        next = next.max(message.number + 1);
        let mut text = None;
        // A file is told by its name; its bytes are not needed here.
        if message.file.is_none()
            && let Response::Message(body) =
                access.ask(Request::Read { number: message.number }).await?
        {
            text = body.text;
        }
        output.say(&full(&message, text.as_deref()), &line(&message, text.as_deref()))?;
    }
    Ok(next)
}

fn line(message: &IncomingMessage, text: Option<&str>) -> String {
    let IncomingMessage { number, from, written, bytes, file, read, .. } = message;
    let from = if from.is_empty() { "?" } else { from };
    let mark = if *read { ' ' } else { '*' };
    let what = match (text, file) {
        (Some(text), _) => {
            let text = lines_of(text);
            let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
            let short: String = first.chars().take(SHORT).collect();
            let more = short.len() < first.len() || !rest.trim().is_empty();
            format!("{short}{}", if more { " …" } else { "" })
        }
        (None, Some(name)) => {
            format!("[file {name}, {bytes} bytes; save it with `read {number}`]")
        }
        (None, None) => String::new(),
    };
    format!("{mark}{number}  {}  {from}: {what}", when(*written))
}

/// JSON for scripts: what is known of a message, and its text.
pub(crate) fn full(message: &IncomingMessage, text: Option<&str>) -> Value {
    let mut value = json!(message);
    if let Some(text) = text {
        value["text"] = json!(text);
    }
    value
}

pub(crate) async fn read(
    place: &Place,
    options: ReadOptions,
    output: &Output,
) -> Result<(), CommandError> {
    let number = options.number;
    Access::within(place, Reach::Offline, async |access| {
        let Response::Message(body) = access.ask(Request::Read { number }).await? else {
            return Err(CommandError::Unexpected);
        };
        show(&body, options.output, output)?;
        access.ask(Request::Acknowledge { numbers: vec![number] }).await.map(drop)
    })
    .await
}

fn show(body: &MessageBody, to: Option<PathBuf>, output: &Output) -> Result<(), CommandError> {
    if output.is_json() && to.is_none() {
        let mut value = full(&body.message, body.text.as_deref());
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

/// Characters of a text in a list.
const SHORT: usize = 100;
