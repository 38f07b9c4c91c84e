//! All messages in a directory: messages.jsonl has what came, sent.jsonl what was sent, and the files
//! that came lie beside them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rohrpost_client::api::{Failure, FileBody, IncomingMessage, MessageBody};
use rohrpost_client::{NAME_LIMIT, shorten_file_name};
use serde_json::json;

use crate::access::{Access, Reach};
use crate::error::CommandError;
use crate::inbox::content;
use crate::listing::{Entry, body, is_gone, sent};
use crate::output::{Output, PARTIAL};
use crate::place::Place;

/// Writes all messages to a directory that is made for it. It has its name when all is in it.
pub(crate) async fn run(
    place: &Place,
    directory: &Path,
    output: &Output,
) -> Result<(), CommandError> {
    refuse_existing(directory)?;
    let exported = Access::within(place, Reach::Offline, async |access| {
        write_all(access, directory, output).await
    });
    let Exported { messages, missing } = exported.await?;
    let text = format!("{messages} messages are in {}", directory.display());
    output.say(&json!({ "exported": messages, "directory": directory }), &text)?;
    missing.map_or(Ok(()), |(number, why)| Err(CommandError::Incomplete { number, why }))
}

/// The messages that were written, and the first that could not be read, with the reason.
#[derive(Default)]
struct Exported {
    messages: usize,
    missing: Option<(u64, Failure)>,
}

async fn write_all(
    access: &mut Access,
    directory: &Path,
    output: &Output,
) -> Result<Exported, CommandError> {
    let inbox = access.inbox(0, false).await?;
    let draft = Draft::begin(directory)?;
    let mut list = BufWriter::new(draft.create("messages.jsonl")?);
    let bar = output.progress(u64::try_from(inbox.len()).unwrap_or(u64::MAX));
    let mut exported = Exported::default();
    for message in &inbox {
        match line(access, message, &draft).await {
            Ok(line) => {
                list.write_all(line.as_bytes()).map_err(draft.failed())?;
                exported.messages += 1;
            }
            Err(error) if is_gone(&error) => {}
            Err(CommandError::Failed(why)) => {
                exported.missing.get_or_insert((message.number, why));
            }
            Err(error) => return Err(error),
        }
        bar.inc(1);
    }
    finish(list).map_err(draft.failed())?;
    let mut list = BufWriter::new(draft.create("sent.jsonl")?);
    for entry in sent(access, |_| true).await? {
        writeln!(list, "{}", entry.json()).map_err(draft.failed())?;
        exported.messages += 1;
    }
    finish(list).map_err(draft.failed())?;
    draft.publish()?;
    bar.finish_and_clear();
    Ok(exported)
}

fn finish(list: BufWriter<File>) -> io::Result<()> {
    list.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Writes a message's file, if it is one, and gives the message's line. It says under which name
/// the file was saved.
async fn line(
    access: &mut Access,
    message: &IncomingMessage,
    draft: &Draft<'_>,
) -> Result<String, CommandError> {
    let number = message.number;
    let MessageBody { message, text, file, .. } = body(access, number).await?;
    let mut value = Entry::Received(message, text).json();
    if let Some(file) = &file {
        value["saved"] = json!(draft.save(number, file)?);
    }
    Ok(format!("{value}\n"))
}

/// A directory that gets its name once all is in it; removed if that does not come about.
struct Draft<'a> {
    path: &'a Path,
    draft: tempfile::TempDir,
}

impl<'a> Draft<'a> {
    fn begin(path: &'a Path) -> Result<Self, CommandError> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(PARTIAL);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let draft = builder.tempdir_in(parent).map_err(failed(path))?;
        Ok(Self { path, draft })
    }

    /// Saves a file under its own name behind the message's number, and gives that name. Where the
    /// file system does not take it, a plain one does.
    fn save(&self, number: u64, file: &FileBody) -> Result<String, CommandError> {
        let bytes = content(file)?;
        let prefix = format!("{number}-");
        let own = format!("{prefix}{}", shorten_file_name(&file.name, NAME_LIMIT - prefix.len()));
        let plain = format!("{prefix}file");
        let opened = self.open(&own).map(|opened| (own, opened));
        let opened = opened.or_else(|_| self.open(&plain).map(|opened| (plain, opened)));
        let (name, mut opened) = opened.map_err(self.failed())?;
        let written = opened.write_all(&bytes).and_then(|()| opened.sync_all());
        written.map_err(self.failed()).map(|()| name)
    }

    fn create(&self, name: &str) -> Result<File, CommandError> {
        self.open(name).map_err(self.failed())
    }

    /// Makes a file that its user alone can read.
    fn open(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(self.draft.path().join(name))
    }

    fn failed(&self) -> impl Fn(io::Error) -> CommandError + use<> {
        failed(self.path)
    }

    fn publish(self) -> Result<(), CommandError> {
        refuse_existing(self.path)?;
        std::fs::rename(self.draft.path(), self.path).map_err(self.failed())?;
        let _ = self.draft.keep();
        Ok(())
    }
}

fn refuse_existing(path: &Path) -> Result<(), CommandError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(failed(path)(io::ErrorKind::AlreadyExists.into())),
        Err(_) => Ok(()),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CommandError + use<> {
    let path = PathBuf::from(path);
    move |source| CommandError::Output { path: path.clone(), source }
}
