//! What is to be sent: a text, or a file that the client reads itself where it can, so that its bytes
//! go through no other program's memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use rohrpost_client::MESSAGE_LIMIT;
use rohrpost_client::api::{
    Failure, FailureCode, FileBody, FilePath, Request, Response, SendRequest,
};

use crate::access::Access;
use crate::error::CommandError;
use crate::input::read_input;
use crate::output::note;

/// What a message is made from.
pub(super) enum Material {
    Text(String),
    File { path: PathBuf, name: String },
}

impl Material {
    /// Takes the text, or standard input if there is neither text nor file. A file that cannot be sent
    /// is refused before the client is asked.
    pub(super) fn gather(
        text: Option<String>,
        file: Option<PathBuf>,
        file_name: Option<String>,
    ) -> Result<Self, CommandError> {
        match (text, file) {
            (Some(text), _) => Ok(Self::Text(text)),
            (None, None) => {
                let bytes = read_input("-".as_ref(), WHAT, MESSAGE_LIMIT)?;
                let text = str::from_utf8(&bytes).map_err(|_| {
                    let why = "standard input is not text; send it with --file - --file-name NAME";
                    CommandError::Usage(why.to_owned())
                })?;
                Ok(Self::Text(text.to_owned()))
            }
            (None, Some(path)) => {
                let own = || path.file_name().map(|name| name.to_string_lossy().into_owned());
                let name = file_name.or_else(own).unwrap_or_else(|| "file".to_owned());
                check(&path)?;
                Ok(Self::File { path, name })
            }
        }
    }

    /// Has the client send it by this request.
    pub(super) async fn send(
        self,
        access: &mut Access,
        request: SendRequest,
    ) -> Result<Response, CommandError> {
        let (path, name) = match self {
            Self::Text(text) => {
                let request = SendRequest { text: Some(text), ..request };
                return access.ask(Request::Send(request)).await;
            }
            Self::File { path, name } => (path, name),
        };
        if let Some(place) = place(&path) {
            let file = FilePath { path: place, name: Some(name.clone()) };
            let by_path = SendRequest { path: Some(file), ..request.clone() };
            match access.ask(Request::Send(by_path)).await {
                Err(CommandError::Failed(Failure { code: FailureCode::File, message, .. })) => {
                    note(&format!(
                        "the client cannot read the file itself ({message}); it is given its bytes \
                         instead, which takes memory for four times as many"
                    ));
                }
                answer => return answer,
            }
        }
        let base64 = BASE64.encode(&read_input(&path, WHAT, MESSAGE_LIMIT)?);
        let request = SendRequest { file: Some(FileBody { name, base64 }), ..request };
        access.ask(Request::Send(request)).await
    }
}

/// Refuses a regular file that this user cannot read, or that is too long. Of what is no regular file
/// reading alone tells.
fn check(path: &Path) -> Result<(), CommandError> {
    let failed = |source| CommandError::Input { path: path.to_owned(), source };
    if place(path).is_none() {
        return Ok(());
    }
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(failed)?;
    if usize::try_from(metadata.len()).is_ok_and(|len| len <= MESSAGE_LIMIT) {
        return Ok(());
    }
    Err(CommandError::TooLong { path: path.to_owned(), what: WHAT, limit: MESSAGE_LIMIT })
}

/// The absolute path of a regular file, without links: what a client may read itself. None for what
/// is no such file, standard input among it, and for a path that cannot be said in the local API.
fn place(path: &Path) -> Option<String> {
    if path == Path::new("-") {
        return None;
    }
    let place = fs::canonicalize(path).ok()?;
    fs::metadata(&place).ok().filter(fs::Metadata::is_file)?;
    place.into_os_string().into_string().ok()
}

const WHAT: &str = "a message";
