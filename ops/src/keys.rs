//! Keys of nodes and agencies.

use std::io;
use std::path::Path;

use rohrpost_measure::output::say;
use rohrpost_node::write_signing_key;
use rohrpost_proto::directory::signing::SigningKey;

use crate::error::OpsError;

/// Makes an identity key and prints its public half.
///
/// # Errors
/// The file is there already, or cannot be written.
pub(crate) fn keygen(file: &Path) -> Result<(), OpsError> {
    let key = SigningKey::generate(&mut rand::rng());
    write_signing_key(file, &key).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => OpsError::Exists(file.to_owned()),
        _ => OpsError::Write { path: file.to_owned(), source },
    })?;
    say(&key.public().to_string());
    Ok(())
}
