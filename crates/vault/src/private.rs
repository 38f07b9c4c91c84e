//! Directories that their owner alone can use, and names that are on the disk.

use std::fs;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::VaultError;

/// Refuses a directory that others can enter: a vault's length and times tell something.
pub(crate) fn private_directory(path: &Path) -> Result<(), VaultError> {
    let directory = directory(path);
    let metadata = fs::metadata(directory).map_err(VaultError::io(directory))?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        return Err(VaultError::Exposed { path: directory.to_owned(), mode: "700" });
    }
    #[cfg(not(unix))]
    let _ = metadata;
    Ok(())
}

pub(crate) fn refuse_existing(path: &Path) -> Result<(), VaultError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(VaultError::Exists(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(VaultError::io(path)(error)),
    }
}

/// Flushes a file's directory, with which its name is on the disk.
pub(crate) fn sync_directory(path: &Path) -> Result<(), VaultError> {
    #[cfg(unix)]
    File::open(directory(path)).and_then(|open| open.sync_all()).map_err(VaultError::io(path))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The directory that a file is in.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
