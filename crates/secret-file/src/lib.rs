//! Files that hold secrets: keys of nodes and agencies, key files and passphrase files of clients.
//!
//! One rule for all: nobody but the owner has any right to such a file, and its directory is not
//! asked. The group may read a file that root owns, for so service managers hand secrets to a
//! service that runs as another user (`LoadCredential=` of systemd gives root:root 0440 with an
//! access list, Kubernetes root:GROUP 0440): who is in that group is root's decision. On systems
//! without such modes nothing is checked.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Reason why a secret cannot be read from its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// Others than the owner have rights to the file.
    #[error("other users of this machine can use {0}; run: chmod 600 {0}")]
    Exposed(PathBuf),
    /// The file is longer than such files are.
    #[error("{path} holds more than {limit} bytes, the most that such a file may have")]
    Long {
        /// The file's path.
        path: PathBuf,
        /// Bytes that are the most.
        limit: usize,
    },
    /// The system refuses.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file's path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Reads a secret of at most `limit` bytes; more are neither read nor held.
///
/// # Errors
/// Others can use the file, it is longer, or it cannot be read.
pub fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let io = |source| SecretFileError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    if is_exposed(&file.metadata().map_err(io)?) {
        return Err(SecretFileError::Exposed(path.to_owned()));
    }
    // Never grows, which would leave a part of the secret in memory that was given back.
    let mut secret = Zeroizing::new(vec![0; limit + 1]);
    let mut len = 0;
    while len < secret.len() {
        match file.read(&mut secret[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io(error)),
        }
    }
    if len > limit {
        return Err(SecretFileError::Long { path: path.to_owned(), limit });
    }
    secret.truncate(len);
    Ok(secret)
}

/// Makes a new file, which its owner alone can read and write from its first moment on.
///
/// # Errors
/// There is a file already, or the system refuses.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// True if others than the owner can use a file, but for the group of root's.
#[cfg(unix)]
fn is_exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let foreign = if metadata.uid() == ROOT { 0o037 } else { 0o077 };
    metadata.mode() & foreign != 0
}

#[cfg(not(unix))]
const fn is_exposed(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
const ROOT: u32 = 0;

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Self {
            let name = format!("rohrpost-secret-{test}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            io::Write::write_all(&mut create(&path).unwrap(), b"secret").unwrap();
            Self(path)
        }

        fn read_at(&self, mode: u32) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
            fs::set_permissions(&self.0, Permissions::from_mode(mode)).unwrap();
            read(&self.0, 6)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn nobody_but_the_owner_may_use_a_secret_and_roots_group_may_read_it() {
        let scratch = Scratch::new("modes");
        let refused = |mode| match scratch.read_at(mode) {
            Err(SecretFileError::Exposed(path)) => path == scratch.0,
            Err(error) => panic!("{mode:o}: {error}"),
            Ok(secret) => {
                assert_eq!(*secret, b"secret");
                false
            }
        };
        let is_root = fs::metadata(&scratch.0).unwrap().uid() == ROOT;
        for mode in [0o600, 0o400, 0o700] {
            assert!(!refused(mode), "{mode:o}");
        }
        for mode in [0o644, 0o604, 0o666, 0o620, 0o660, 0o610, 0o444, 0o601] {
            assert!(refused(mode), "{mode:o}");
        }
        for mode in [0o440, 0o640] {
            assert_eq!(refused(mode), !is_root, "{mode:o}");
        }
        if is_root {
            chown(&scratch.0, Some(1), None).unwrap();
            for mode in [0o440, 0o640] {
                assert!(refused(mode), "{mode:o} of another user");
            }
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_read_to_the_limit() {
        let scratch = Scratch::new("length");
        assert!(matches!(read(&scratch.0, 5), Err(SecretFileError::Long { limit: 5, .. })));
        assert!(matches!(read(Path::new("/dev/zero"), 5), Err(SecretFileError::Exposed(_))));
        assert_eq!(fs::metadata(&scratch.0).unwrap().mode() & 0o777, 0o600);
        assert!(create(&scratch.0).is_err());
    }
}
