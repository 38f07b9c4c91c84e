//! Lines of the local API.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::OwnedReadHalf;

/// Reads a line of at most `limit` bytes, with its end, into `line`, and takes it from there. What
/// was read before this is dropped stays in `line`, and the next call goes on with it.
pub(super) async fn read_line(
    reader: &mut BufReader<OwnedReadHalf>,
    line: &mut Vec<u8>,
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    let room = limit.saturating_sub(u64::try_from(line.len()).unwrap_or(u64::MAX));
    reader.take(room).read_until(b'\n', line).await?;
    match line.pop() {
        Some(b'\n') => Ok(Some(std::mem::take(line))),
        Some(_) if u64::try_from(line.len()).is_ok_and(|len| len + 1 < limit) => {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::*;

    /// The error of a line that comes as `sent` and then ends.
    async fn error(sent: &[u8], limit: u64) -> io::ErrorKind {
        let (mut writer, stream) = UnixStream::pair().unwrap();
        writer.write_all(sent).await.unwrap();
        drop(writer);
        let mut reader = BufReader::new(stream.into_split().0);
        read_line(&mut reader, &mut Vec::new(), limit).await.unwrap_err().kind()
    }

    #[tokio::test]
    async fn a_line_without_end_is_read_to_the_limit() {
        assert_eq!(error(b"12345678", 8).await, io::ErrorKind::InvalidData);
        assert_eq!(error(b"1234567", 8).await, io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_line_is_whole_though_nobody_waited_for_its_end() {
        let (mut writer, stream) = UnixStream::pair().unwrap();
        let (mut reader, mut begun) = (BufReader::new(stream.into_split().0), Vec::new());
        writer.write_all(b"one ").await.unwrap();
        while begun.is_empty() {
            let reading = read_line(&mut reader, &mut begun, 99);
            let _ = tokio::time::timeout(Duration::from_millis(1), reading).await;
        }
        writer.write_all(b"two\n").await.unwrap();
        let line = read_line(&mut reader, &mut begun, 99).await.unwrap();
        assert_eq!(line.as_deref(), Some(&b"one two"[..]));
    }
}
