//! Pages of a node, as its operator's machine asks for them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Fetches a page (`/metrics`, `/readyz`): whether the node says it is well (status 200), and the
/// text.
///
/// # Errors
/// The node does not answer within `limit`, or not in HTTP.
pub async fn get(address: SocketAddr, path: &str, limit: Duration) -> io::Result<(bool, String)> {
    let fetch = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(limit, fetch).await??;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    Ok((head.starts_with("HTTP/1.1 200"), body.to_owned()))
}
