//! Pages of a node about itself, as its operator's machine asks for them: readiness, metrics,
//! inspection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rohrpost_measure::exposition::Exposition;
use rohrpost_measure::http::get;
use serde_json::Value;

/// Pages of one node.
#[derive(Clone, Copy, Debug)]
pub struct NodePages {
    address: SocketAddr,
    limit: Duration,
}

impl NodePages {
    /// The pages at the address of the node's metrics; each is waited for at most two seconds.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self { address, limit: DEADLINE }
    }

    /// The same pages of a node that may be busy, so that each is waited for at most so long.
    #[must_use]
    pub const fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Tells whether the node is ready.
    ///
    /// # Errors
    /// The node is not ready; the text says what it waits for.
    pub async fn ready(&self) -> Result<(), String> {
        match get(self.address, "/readyz", self.limit).await {
            Ok((true, _)) => Ok(()),
            Ok((false, body)) => Err(body.trim().to_owned()),
            Err(_) => Err("not listening yet".to_owned()),
        }
    }

    /// Metrics of the node, as of its last tick.
    ///
    /// # Errors
    /// The node does not answer in time, or it has no such page.
    pub async fn metrics(&self) -> io::Result<Exposition> {
        match get(self.address, "/metrics", self.limit).await? {
            (true, text) => Ok(Exposition::parse(&text)),
            (false, _) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Counts that the node holds at this moment; none of a build without that page (feature
    /// `danger-inspect`).
    pub async fn inspection(&self) -> Option<Value> {
        let (found, body) = get(self.address, "/inspect", self.limit).await.ok()?;
        found.then(|| serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

/// Longest wait for a page of a node that has other things to do, but not many.
const DEADLINE: Duration = Duration::from_secs(2);
