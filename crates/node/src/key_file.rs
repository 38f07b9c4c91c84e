//! Key files: Ed25519 in PKCS#8 PEM (RFC 8410, RFC 7468), readable by their owner alone.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::BASE64;
use rohrpost_proto::directory::signing::SigningKey;
use zeroize::Zeroizing;

use crate::error::NodeError;

/// Reads an identity key from its file.
///
/// # Errors
/// The file cannot be read or holds no key.
pub fn read_signing_key(path: &Path) -> Result<SigningKey, NodeError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|source| {
        NodeError::Read { what: "the identity key", path: path.to_owned(), source }
    })?;
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
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret)?;
    file.sync_all()
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
