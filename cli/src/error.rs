//! Errors of the command, with their exit codes.

use std::path::PathBuf;

#[cfg(unix)]
use rohrpost_client::SocketError;
use rohrpost_client::api::{Failure, FailureCode};
use rohrpost_client::{
    AgentError, CardError, NetworkError, ProfileError, SessionError, StoreError, VaultError,
};
use rohrpost_secret_file::SecretFileError;

/// Reason why a command fails; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Card(#[from] CardError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[cfg(unix)]
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(
        "no network is installed in {0}: give --network DIR, the directory with trust.toml, \
         roster.toml and roster.sig that your agency gave you, to `init`, or install it with \
         `rohrpost network install DIR`"
    )]
    NoNetwork(PathBuf),
    #[error("which client? this system names no home directory: give --home DIR")]
    NoHome,
    #[error("{path}: {why}")]
    Config { path: PathBuf, why: String },
    #[error("{0}")]
    Replace(String),
    #[error(
        "there is nobody to ask for the passphrase: give --key-file FILE or --passphrase-file FILE"
    )]
    NoPassphrase,
    #[error("{0}")]
    Usage(String),
    #[error(
        "{path} holds more than {limit} bytes, the most that {what} may have; see that it is the \
         right file"
    )]
    TooLong { path: PathBuf, what: &'static str, limit: usize },
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    #[error("{0}")]
    Missing(String),
    #[error("cannot read {path}: {source}")]
    Input { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}: {source}")]
    Output { path: PathBuf, source: std::io::Error },
    #[error("message {number} could not be read and is missing: {why}")]
    Incomplete { number: u64, why: Failure },
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    NoAnswer(String),
    #[error("{0}")]
    Elsewhere(AgentError),
    #[error("{0}")]
    Late(String),
    #[error("the message was not delivered: {0}")]
    NotDelivered(&'static str),
    #[error("the daemon answered something else; start it again, so that it is of this version")]
    Unexpected,
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

impl CommandError {
    /// The exit code, after sysexits.h.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Network(_) | Self::Store(StoreError::Network(_)) => 78,
            Self::Config { .. } | Self::Replace(_) => 78,
            Self::Card(_) | Self::TooLong { .. } | Self::Unreadable(_) => 65,
            Self::Missing(_) | Self::Input { .. } | Self::Secret(SecretFileError::Io { .. }) => 66,
            Self::Secret(SecretFileError::Long { .. }) => 65,
            Self::Output { .. } => 73,
            Self::Store(error) => store_code(error),
            Self::Failed(failure) | Self::Incomplete { why: failure, .. } => {
                failure_code(failure.code)
            }
            #[cfg(unix)]
            Self::Socket(SocketError::Long { .. } | SocketError::Occupied(_)) => 73,
            #[cfg(unix)]
            Self::Socket(SocketError::Io { .. }) => 71,
            #[cfg(unix)]
            Self::Socket(_) => 75,
            Self::Session(_) | Self::NoAnswer(_) => 69,
            Self::Late(_) | Self::NotDelivered(_) => 75,
            Self::NoNetwork(_) | Self::NoHome | Self::Usage(_) | Self::Profile(_) => WRONG_USAGE,
            Self::Elsewhere(_) => 76,
            Self::NoPassphrase | Self::Secret(_) => 77,
            Self::Runtime(_) => 71,
            Self::Unexpected => 70,
        }
    }
}

impl CommandError {
    /// Name of the kind of error, for programs: that of the local API where it says one, else one
    /// for each exit code.
    pub(crate) fn code(&self) -> serde_json::Value {
        if let Self::Failed(failure) | Self::Incomplete { why: failure, .. } = self {
            return serde_json::json!(failure.code);
        }
        let name = match self.exit_code() {
            64 => "usage",
            65 => "refused",
            66 => "unknown",
            69 => "unavailable",
            71 => "system",
            73 => "file",
            75 => "late",
            77 => "locked",
            78 => "configuration",
            _ => "store",
        };
        name.into()
    }
}

const fn failure_code(code: FailureCode) -> u8 {
    match code {
        FailureCode::UnknownContact
        | FailureCode::UnknownMessage
        | FailureCode::UnknownRequest
        | FailureCode::UnknownRelay => 66,
        FailureCode::Store => 70,
        FailureCode::System | FailureCode::Full => 71,
        FailureCode::File => 73,
        FailureCode::Busy | FailureCode::Ending | FailureCode::Unready => 75,
        _ => 65,
    }
}

const fn store_code(error: &StoreError) -> u8 {
    match error {
        StoreError::Missing(_)
        | StoreError::Unknown(_)
        | StoreError::Number(_)
        | StoreError::Id(_) => 66,
        StoreError::Name { .. }
        | StoreError::NameTaken(_)
        | StoreError::NameUsed(_)
        | StoreError::Known(_)
        | StoreError::OlderCard(_)
        | StoreError::Blocked(_)
        | StoreError::Settled { .. }
        | StoreError::IdTaken(_)
        | StoreError::LongLife { .. }
        | StoreError::TooLong { .. } => 65,
        StoreError::Home { .. } => 73,
        StoreError::Unavailable(_) => 71,
        StoreError::Vault(error) => match error {
            VaultError::Missing(_) => 66,
            VaultError::Exists(_) => 73,
            VaultError::InUse(_) => 75,
            VaultError::WrongKey(_)
            | VaultError::KeyFileNeeded(_)
            | VaultError::PassphraseNeeded(_)
            | VaultError::KeyFile(_)
            | VaultError::Exposed { .. }
            | VaultError::Denied(_) => 77,
            VaultError::Io { .. } | VaultError::Memory { .. } => 71,
            _ => 70,
        },
        _ => 70,
    }
}

/// The exit code for a command line that is wrong.
pub(crate) const WRONG_USAGE: u8 = 64;

impl From<AgentError> for CommandError {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Store(error) => Self::Store(error),
            AgentError::Session(error) => Self::Session(error),
            error @ (AgentError::Moved(_) | AgentError::Twin) => Self::Elsewhere(error),
            error => Self::NoAnswer(error.to_string()),
        }
    }
}
