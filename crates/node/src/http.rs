//! Metrics and health on loopback: a handler of our own over texts that change once per tick, so
//! that scraping faster shows no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Answer to a request: status, content type and body.
pub(crate) struct Page {
    /// True for status 200, false for 503.
    pub(crate) ok: bool,
    /// MIME type of the body.
    pub(crate) content: &'static str,
    pub(crate) body: String,
}

impl Page {
    pub(crate) const fn text(ok: bool, body: String) -> Self {
        Self { ok, content: "text/plain; charset=utf-8", body }
    }
}

/// Function that gives the page of a path, or none.
pub(crate) type Pages = Arc<dyn Fn(&str) -> Option<Page> + Send + Sync>;

/// Serves pages until the listener fails; one request at a time is enough for a scraper.
pub(crate) async fn serve(listener: TcpListener, pages: Pages) {
    loop {
        match listener.accept().await {
            Ok((mut stream, _)) => drop(timeout(TIME_OUT, answer(&mut stream, &pages)).await),
            // Out of file descriptors, say: the next try would fail as well.
            Err(_) => tokio::time::sleep(TIME_OUT).await,
        }
    }
}

async fn answer(stream: &mut TcpStream, pages: &Pages) -> std::io::Result<()> {
    let mut request = [0; REQUEST_LEN];
    let mut len = 0;
    while len < REQUEST_LEN && !request[..len].windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut request[len..]).await? {
            0 => break,
            read => len += read,
        }
    }
    let request = String::from_utf8_lossy(&request[..len]);
    let mut words = request.split_whitespace();
    let page = match (words.next(), words.next()) {
        (Some("GET"), Some(path)) => pages(path),
        _ => None,
    };
    let (status, content, body) = match page {
        Some(Page { ok: true, content, body }) => ("200 OK", content, body),
        Some(Page { content, body, .. }) => ("503 Service Unavailable", content, body),
        None => ("404 Not Found", "text/plain", "try /metrics, /livez or /readyz\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// Bytes of the longest request that is read.
const REQUEST_LEN: usize = 2048;
const TIME_OUT: Duration = Duration::from_secs(2);
