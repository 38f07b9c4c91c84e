//! Contents of messages that programs give and take, in base64 or as files at a path. All of this is
//! done before the client is asked and after it has answered: a slow disk holds up nobody else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::api::{Failure, FailureCode, FileBody, FilePath, MessageBody, SendRequest};
use crate::content::{Content, MESSAGE_LIMIT};

/// What is to be sent: a content, or a file that is still to be read.
pub(super) enum Material {
    Content(Content),
    File(OpenFile),
}

/// A file at a path.
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    /// Name as the recipient sees it.
    pub(super) name: String,
}

/// Takes out of a request what is to be sent, and opens its file.
pub(super) fn material(send: &mut SendRequest) -> Result<Material, Failure> {
    match (send.text.take(), send.file.take(), send.path.take()) {
        (Some(text), None, None) => Ok(Material::Content(Content::Text(Zeroizing::new(text)))),
        (None, Some(FileBody { name, base64 }), None) => {
            let bytes = BASE64.decode(base64.as_bytes()).map_err(|error| {
                Failure::new(FailureCode::Request, &format!("the file's base64: {error}"))
            })?;
            Ok(Material::Content(Content::file(&name, Zeroizing::new(bytes))))
        }
        (None, None, Some(FilePath { path, name })) => {
            let path = absolute(&path)?;
            let own = || path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.or_else(own).unwrap_or_default();
            OpenFile::open(path, name).map(Material::File)
        }
        _ => {
            let why = "a message is either a text, or a file in `file` or at a `path`";
            Err(Failure::new(FailureCode::Request, &why))
        }
    }
}

/// Puts a content into the answer to `read`, or a file of it at a path.
pub(super) fn deliver(
    mut body: MessageBody,
    content: &Content,
    save: Option<&str>,
) -> Result<MessageBody, Failure> {
    match (content, save) {
        (Content::Unknown(_), _) => {}
        (Content::Text(text), _) => body.text = Some(text.to_string()),
        (Content::File { name, bytes }, None) => {
            body.file = Some(FileBody { name: name.clone(), base64: BASE64.encode(bytes) });
        }
        (Content::File { bytes, .. }, Some(path)) => {
            write(&absolute(path)?, bytes)?;
            body.saved = Some(path.to_owned());
        }
    }
    Ok(body)
}

fn absolute(path: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(path);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let why =
        format!("{} is not an absolute path; the daemon has another directory", path.display());
    Err(Failure::new(FailureCode::Request, &why))
}

impl OpenFile {
    /// Opens a regular file that the path itself names, if a message holds it.
    fn open(path: PathBuf, name: String) -> Result<Self, Failure> {
        let failed = |error: io::Error| failure("read", &path, &error);
        let named = fs::symlink_metadata(&path).map_err(failed)?;
        // Before it is opened: to open a pipe would wait for whoever writes to it.
        if !named.is_file() {
            return Err(failed(io::Error::other("it is no regular file; links are not followed")));
        }
        let file = File::open(&path).map_err(failed)?;
        let opened = file.metadata().map_err(failed)?;
        if !same(&named, &opened) {
            return Err(failed(io::Error::other("another file took its place meanwhile")));
        }
        if !usize::try_from(opened.len()).is_ok_and(|len| len <= MESSAGE_LIMIT) {
            let why = format!(
                "{} has more than {MESSAGE_LIMIT} bytes, the most that a message holds",
                path.display()
            );
            return Err(Failure::new(FailureCode::TooLong, &why));
        }
        Ok(Self { file, path, name })
    }

    /// The next part of the file; none at its end.
    pub(super) fn read(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let mut part = Zeroizing::new(Vec::with_capacity(PART));
        let most = u64::try_from(PART).unwrap_or(u64::MAX);
        let read = (&self.file).take(most).read_to_end(&mut part);
        read.map_err(|error| failure("read", &self.path, &error))?;
        Ok((!part.is_empty()).then_some(part))
    }
}

#[cfg(unix)]
fn same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same(_one: &fs::Metadata, other: &fs::Metadata) -> bool {
    other.is_file()
}

/// Writes a new file for its user alone. Where anything is at the path, a link too, nothing is
/// written; what cannot be written whole is removed.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |error: io::Error| failure("write", path, &error);
    let mut file = options.open(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(path);
        failed(error)
    })
}

fn failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureCode::Full,
        _ => FailureCode::File,
    };
    Failure::new(code, &format!("cannot {what} {}: {error}", path.display()))
}

/// Bytes of a file that are read at a time: each part is a flush of the disk, and in memory until then.
const PART: usize = 1 << 20;
