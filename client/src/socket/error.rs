//! Reasons why the local API is not served, or not reached.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::api::Failure;

/// Reason why the API is not served, or not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// A daemon serves the API already.
    #[error("a daemon runs already for this client, at {0}")]
    Taken(PathBuf),
    /// Something is at the path that is no socket.
    #[error("{0} is there already and is no socket; choose another path")]
    Occupied(PathBuf),
    /// The system has no sockets with such long paths.
    #[error(
        "{path} has {len} bytes, and a socket's path at most {limit} on this system; choose a \
         --home with a shorter path"
    )]
    Long {
        /// The socket's path.
        path: PathBuf,
        /// Bytes of the path.
        len: usize,
        /// Bytes of the longest path that the system takes.
        limit: usize,
    },
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A program answers that is no daemon of this version.
    #[error("what answers at {0} is not a daemon of this version; end it and start it again")]
    Version(PathBuf),
    /// A daemon takes the connection, and says nothing in time.
    #[error(
        "the daemon at {path} has not answered within {seconds} s; if it was stopped let it go on \
         (kill -CONT), else end it and start it again"
    )]
    Silent {
        /// The socket's path.
        path: PathBuf,
        /// Seconds that it was given.
        seconds: u64,
    },
    /// The daemon converses with as many programs as it can.
    #[error(transparent)]
    Busy(Failure),
    /// The daemon has ended.
    #[error("the daemon has ended")]
    Ended,
}

/// Checks that the system takes a socket at this path.
///
/// # Errors
/// The path is too long.
pub fn check_socket_path(path: &Path) -> Result<(), SocketError> {
    let fits = |path: &Path| SocketAddr::from_pathname(path).is_ok();
    if fits(path) {
        return Ok(());
    }
    let len = path.as_os_str().as_bytes().len();
    let limit = (0..len).rev().find(|len| fits(Path::new(&"x".repeat(*len)))).unwrap_or(0);
    Err(SocketError::Long { path: path.to_owned(), len, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_socket_can_have_is_told_with_the_limit() {
        assert!(check_socket_path(Path::new("/home/x/daemon.sock")).is_ok());
        let long = PathBuf::from(format!("/{}", "x".repeat(200)));
        let Err(SocketError::Long { path, len: 201, limit }) = check_socket_path(&long) else {
            panic!("it is too long");
        };
        assert_eq!(path, long);
        assert!(check_socket_path(Path::new(&"x".repeat(limit))).is_ok());
        assert!(check_socket_path(Path::new(&"x".repeat(limit + 1))).is_err());
    }
}
