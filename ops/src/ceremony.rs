//! Keys and rosters: each agency makes its key, signs the roster's exact bytes, and checks.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rohrpost_measure::output::say;
use rohrpost_network::{Network, NetworkError};
use rohrpost_node::{NodeError, read_signing_key, write_signing_key};
use rohrpost_proto::directory::roster::{
    Role, Roster, RosterError, parse_signatures, render_signatures,
};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::trust::{TrustError, TrustRoot};

/// Makes an identity key and prints its public half.
///
/// # Errors
/// The file is there already, or cannot be written.
pub(crate) fn keygen(file: &Path) -> Result<(), CeremonyError> {
    let key = SigningKey::generate(&mut rand::rng());
    write_signing_key(file, &key)
        .map_err(|source| CeremonyError::Write { path: file.to_owned(), source })?;
    say(&key.public().to_string());
    Ok(())
}

/// Signs `roster.toml` of a network directory as one agency.
///
/// # Errors
/// A file is wrong, or the key is not the agency's.
pub(crate) fn sign(network: &Path, agency: &str, key: &Path) -> Result<(), CeremonyError> {
    let read = |name: &str| {
        let path = network.join(name);
        rohrpost_network::read_text(&path).map_err(|source| CeremonyError::Read { path, source })
    };
    let trust = TrustRoot::parse(&read("trust.toml")?)?;
    let text = read("roster.toml")?;
    let key = read_signing_key(key)?;
    let known = trust.agencies().iter().find(|known| known.name == agency);
    if known.is_none_or(|known| known.key != key.public()) {
        return Err(CeremonyError::NotItsKey(agency.to_owned()));
    }
    let path = network.join("roster.sig");
    let mut signatures = match rohrpost_network::read_text(&path) {
        Ok(text) => parse_signatures(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(CeremonyError::Read { path, source }),
    };
    signatures.retain(|signed| signed.agency != agency);
    signatures.push(Roster::sign(&text, agency, &key));
    replace(&path, &render_signatures(&signatures))?;
    let missing = trust.threshold().saturating_sub(signatures.len());
    say(&format!("{agency} has signed; {missing} more signatures are needed"));
    Ok(())
}

/// Checks the files of a network directory and says what they hold.
///
/// # Errors
/// A file is wrong; the message says which, and what to do.
pub(crate) fn check(network: &Path) -> Result<(), CeremonyError> {
    let Network { trust, roster } = Network::open(network)?;
    let (silent, lying) = trust.survives();
    say(&format!(
        "network {}, roster version {}, suite {}, holds until {}",
        roster.network,
        roster.version,
        roster.suite.as_str(),
        roster.expires
    ));
    say(&format!(
        "{} of {} agencies must sign: survives {silent} silent and {lying} lying",
        trust.threshold(),
        trust.agencies().len()
    ));
    for node in roster.nodes() {
        let role = match node.role {
            Role::Mix { layer } => format!("mix of layer {}", layer + 1),
            Role::Relay => "relay".to_owned(),
        };
        say(&format!("{:>4}  {:<16} {role}, run by {}", node.number, node.name, node.operator));
    }
    for layer in 0..3 {
        let operators: BTreeSet<_> = roster.at(layer).map(|node| &node.operator).collect();
        if let (Some(operator), 1) = (operators.first(), operators.len()) {
            say(&format!(
                "note: all mixes of layer {} are run by {operator}, which can stop the network alone; \
                 put mixes of another agency beside them",
                layer + 1
            ));
        }
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn replace(path: &Path, text: &str) -> Result<(), CeremonyError> {
    let next = path.with_extension("sig.new");
    std::fs::write(&next, text)
        .and_then(|()| std::fs::rename(&next, path))
        .map_err(|source| CeremonyError::Write { path: path.to_owned(), source })
}

/// Failures of a step of the ceremony; each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CeremonyError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Answer of the system.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}; keys are never overwritten, choose another name")]
    Write {
        /// The file.
        path: PathBuf,
        /// Answer of the system.
        source: io::Error,
    },
    /// The trust root is wrong.
    #[error("trust.toml: {0}")]
    Trust(#[from] TrustError),
    /// The signatures are wrong.
    #[error("roster.sig: {0}")]
    Roster(#[from] RosterError),
    /// The key file is wrong.
    #[error(transparent)]
    Key(#[from] NodeError),
    /// The network does not check.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Another key than the trust root's.
    #[error("this is not the key that trust.toml has for {0}; sign with the agency's own key")]
    NotItsKey(String),
}

impl CeremonyError {
    /// Exit code after sysexits.h.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Write { .. } => 73,
            _ => 65,
        }
    }
}
