//! Input of the command: files and standard input, read as far as they may go.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::CommandError;

/// All bytes of a file, or of standard input if it is -. Not more than `limit` are read and held,
/// however long it is; `what` names what may not be longer.
pub(crate) fn read_input(
    path: &Path,
    what: &'static str,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let read = match path == Path::new("-") {
        true => read_bounded(io::stdin().lock(), limit),
        false => File::open(path).and_then(|file| read_bounded(file, limit)),
    };
    match read {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(CommandError::TooLong { path: path.to_owned(), what, limit }),
        Err(source) => Err(CommandError::Input { path: path.to_owned(), source }),
    }
}

/// All bytes of a reader; none if there are more than `limit`.
fn read_bounded(reader: impl Read, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(most).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}
