//! Key files: Ed25519 in PKCS#8 PEM (RFC 8410, RFC 7468), readable by their owner alone.

use std::io::{self, Write};
use std::path::Path;

use data_encoding::BASE64;
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_secret_file::{self as secret_file, SecretFileError};
use zeroize::Zeroizing;

use crate::error::NodeError;

/// Reads an identity key from its file.
///
/// # Errors
/// The file cannot be read, others can use it, or it holds no key.
pub fn read_signing_key(path: &Path) -> Result<SigningKey, NodeError> {
    let text = secret_file::read(path, KEY_FILE_LEN).map_err(|error| match error {
        SecretFileError::Exposed(_) => NodeError::Secret(error),
        SecretFileError::Io { path, source } => {
            NodeError::Read { what: "the identity key", path, source }
        }
        _ => NodeError::KeyFile(path.to_owned()),
    })?;
    let text = str::from_utf8(&text).map_err(|_| NodeError::KeyFile(path.to_owned()))?;
    let body: Zeroizing<String> = Zeroizing::new(
        text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect(),
    );
    let framed = text.contains(BEGIN) && text.contains(END);
    let der = BASE64.decode(body.as_bytes()).map(Zeroizing::new).ok().filter(|_| framed);
    der.and_then(|der| SigningKey::from_pkcs8(&der).ok())
        .ok_or_else(|| NodeError::KeyFile(path.to_owned()))
}

/// Writes a key to a new file with mode 0600.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_signing_key(path: &Path, key: &SigningKey) -> io::Result<()> {
    let body = Zeroizing::new(BASE64.encode(&key.to_pkcs8()));
    let text = Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", *body));
    write_secret(path, text.as_bytes())
}

/// Writes a secret to a new file with mode 0600.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut file = secret_file::create(path)?;
    file.write_all(secret)?;
    file.sync_all()
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Bytes of the longest key file: text before and after the key has room.
const KEY_FILE_LEN: usize = 16 << 10;
