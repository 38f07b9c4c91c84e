//! Secrets of hops written to a file, so that a test can look for them in this process's memory
//! (`ops/check/seizure.sh`). Only builds with the feature `danger-reveal` have this; each says so in its
//! log at the start.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use rohrpost_packet::reveal::{Secret, danger_reveal_to};
use rohrpost_proto::lock::Unpoison;

use crate::error::NodeError;
use crate::log::{Event, Log};

/// Writes secrets from now on, if the environment names a folder for them, to a file that has the number
/// of this process for its name: for each its kind u8, its length u16 and itself, straight from where it
/// lies, so that no copy of it stays in memory.
///
/// # Errors
/// The file cannot be made.
pub(crate) fn start(log: &Log) -> Result<(), NodeError> {
    log.write(&Event::Revealing);
    let Some(folder) = std::env::var_os(FOLDER) else { return Ok(()) };
    let path = Path::new(&folder).join(std::process::id().to_string());
    let file = File::options().create_new(true).append(true).mode(0o600).open(path);
    let what = "make the file of secrets";
    let file = Mutex::new(file.map_err(|source| NodeError::System { what, source })?);
    danger_reveal_to(move |kind, secret| {
        let length = u16::try_from(secret.len()).unwrap_or(u16::MAX);
        let mut file = file.lock().unpoison();
        let _ = file.write_all(&[&[number(kind)][..], &length.to_be_bytes()].concat());
        let _ = file.write_all(secret);
    });
    Ok(())
}

/// Number of a kind in the file, in the order of `ops/check/seizure.py`.
const fn number(kind: Secret) -> u8 {
    match kind {
        Secret::Scalar => 0,
        Secret::Seed => 1,
        Secret::Expanded => 2,
        Secret::Shared => 3,
        Secret::Header => 4,
        Secret::Payload => 5,
        Secret::Rounds => 6,
        _ => u8::MAX,
    }
}

const FOLDER: &str = "ROHRPOST_DANGER_REVEAL";
