//! Messages that have arrived: listed, read, exported.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use rohrpost_client::api::{IncomingMessage, MessageBody, Notice, Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::access::{Access, FOREVER, Reach};
use crate::error::CommandError;
use crate::output::{Output, harmless, when};
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
        output.say(&full(&message, text.as_deref()), &line(&message, text.as_deref()));
    }
    Ok(next)
}

fn line(message: &IncomingMessage, text: Option<&str>) -> String {
    let IncomingMessage { number, from, written, bytes, file, read, .. } = message;
    let from = if from.is_empty() { "?" } else { from };
    let mark = if *read { ' ' } else { '*' };
    let what = match (text, file) {
        (Some(text), _) => {
            let first = harmless(text.lines().next().unwrap_or_default());
            let short: String = first.chars().take(SHORT).collect();
            let more = short.len() < text.trim_end().len();
            format!("{short}{}", if more { " …" } else { "" })
        }
        (None, Some(name)) => {
            format!("[file {}, {bytes} bytes; save it with `read {number}`]", harmless(name))
        }
        (None, None) => String::new(),
    };
    format!("{mark}{number}  {}  {from}: {what}", when(*written))
}

/// JSON for scripts: what is known of a message, and its text.
fn full(message: &IncomingMessage, text: Option<&str>) -> Value {
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
        output.say(&value, "");
        return Ok(());
    }
    let bytes = match (&body.text, &body.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(file)) => BASE64.decode(file.base64.as_bytes()).unwrap_or_default(),
        (None, None) => Vec::new(),
    };
    if to.as_deref() == Some(Path::new("-")) {
        output.raw(&bytes);
        return Ok(());
    }
    let own = body.file.as_ref().map(|file| PathBuf::from(&file.name));
    let Some(path) = to.or(own) else {
        let text = body.text.as_deref().unwrap_or_default();
        output.say(&Value::Null, &text.split('\n').map(harmless).collect::<Vec<_>>().join("\n"));
        return Ok(());
    };
    write_new(&path, &bytes)?;
    let text = format!("saved as {} ({} bytes)", path.display(), bytes.len());
    output.say(&json!({ "saved": path, "bytes": bytes.len() }), &text);
    Ok(())
}

/// Writes all messages to a directory that is made for it.
pub(crate) async fn export(
    place: &Place,
    directory: &Path,
    output: &Output,
) -> Result<(), CommandError> {
    let exported = Access::within(place, Reach::Offline, async |access| {
        write_all(access, directory, output).await
    });
    let exported = exported.await?;
    let text = format!("{exported} messages are in {}", directory.display());
    output.say(&json!({ "exported": exported, "directory": directory }), &text);
    Ok(())
}

/// Writes all messages, and returns their number.
async fn write_all(
    access: &mut Access,
    directory: &Path,
    output: &Output,
) -> Result<usize, CommandError> {
    let Response::Inbox(inbox) = access.ask(Request::Inbox { from: 0, unread: false }).await?
    else {
        return Err(CommandError::Unexpected);
    };
    let failed = |source| CommandError::Output { path: directory.to_owned(), source };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(failed)?;
    let bar = output.progress(u64::try_from(inbox.len()).unwrap_or(u64::MAX));
    let mut lines = Vec::new();
    for message in &inbox {
        if let Response::Message(body) =
            access.ask(Request::Read { number: message.number }).await?
        {
            if let Some(file) = &body.file {
                let path = directory.join(format!("{}-{}", message.number, file.name));
                write_new(&path, &BASE64.decode(file.base64.as_bytes()).unwrap_or_default())?;
            }
            let _ = writeln!(lines, "{}", full(&body.message, body.text.as_deref()));
        }
        bar.inc(1);
    }
    write_new(&directory.join("messages.jsonl"), &lines)?;
    bar.finish_and_clear();
    Ok(inbox.len())
}

/// Writes a file that its user alone can read; none is overwritten.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|source| CommandError::Output { path: path.to_owned(), source })
}

/// Characters of a text in a list.
const SHORT: usize = 100;
