//! A node's configuration: one TOML file (`docs/operating.md`), unknown keys refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_transport::Segmentation;
use serde::Deserialize;

use crate::error::NodeError;

/// A checked configuration; all paths are absolute or relative to the working directory.
pub struct NodeConfig {
    /// The node's number in the roster.
    pub node: NodeNumber,
    /// `trust.toml`.
    pub trust: PathBuf,
    /// `roster.toml`.
    pub roster: PathBuf,
    /// `roster.sig`.
    pub signatures: PathBuf,
    /// The identity key.
    pub identity: PathBuf,
    /// UDP address of all links.
    pub listen: SocketAddr,
    /// TCP address of the metrics, on loopback.
    pub metrics: SocketAddr,
    /// Values of the metrics change once per this.
    pub metrics_tick: Duration,
    /// How datagrams are handed to the system.
    pub segmentation: Segmentation,
    /// Bounds of memory.
    pub limits: Limits,
}

/// Bounds of memory; each default's price is in `docs/operating.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that open packets.
    pub workers: usize,
    /// Packets remembered against replay, per key.
    pub replay_tags: usize,
    /// Packets that wait in a mix.
    pub pool_packets: usize,
    /// Packets that wait for a worker or for a link.
    pub queue_packets: usize,
    /// Sessions of a relay.
    pub sessions: usize,
    /// Mailboxes of a relay.
    pub mailboxes: usize,
    /// Envelopes in all mailboxes of a relay.
    pub envelopes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            replay_tags: 4_000_000,
            pool_packets: 16_384,
            queue_packets: 1_024,
            sessions: 10_000,
            mailboxes: 16_384,
            envelopes: 65_536,
        }
    }
}

impl NodeConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// File, line, what is wrong, what to do.
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        let text = std::fs::read_to_string(path).map_err(|source| NodeError::Read {
            what: "the configuration",
            path: path.to_owned(),
            source,
        })?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&text, folder)
            .map_err(|message| NodeError::Config { path: path.to_owned(), message })
    }

    /// Reads the text of a configuration whose paths are relative to `folder`.
    ///
    /// # Errors
    /// What is wrong, with its line, and what to do.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        if !raw.metrics.ip().is_loopback() {
            return Err(format!(
                "metrics = \"{}\" is not on loopback; metrics are for this host's operator \
                 alone: use 127.0.0.1 or [::1], and a tunnel from elsewhere",
                raw.metrics
            ));
        }
        let tick = raw.metrics_tick_seconds.unwrap_or(60);
        if !(1..=3600).contains(&tick) {
            return Err(out_of_range("metrics_tick_seconds", tick, 1, 3600));
        }
        Ok(Self {
            node: NodeNumber::new(raw.node),
            trust: folder.join(raw.trust),
            roster: folder.join(raw.roster),
            signatures: folder.join(raw.signatures),
            identity: folder.join(raw.identity),
            listen: raw.listen,
            metrics: raw.metrics,
            metrics_tick: Duration::from_secs(tick),
            segmentation: match raw.segmentation_offload.unwrap_or(true) {
                true => Segmentation::Offload,
                false => Segmentation::Single,
            },
            limits: raw.limits.check()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    node: u32,
    trust: PathBuf,
    roster: PathBuf,
    signatures: PathBuf,
    identity: PathBuf,
    listen: SocketAddr,
    metrics: SocketAddr,
    metrics_tick_seconds: Option<u64>,
    segmentation_offload: Option<bool>,
    #[serde(default)]
    limits: RawLimits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    workers: Option<usize>,
    replay_tags: Option<usize>,
    pool_packets: Option<usize>,
    queue_packets: Option<usize>,
    sessions: Option<usize>,
    mailboxes: Option<usize>,
    envelopes: Option<usize>,
}

impl RawLimits {
    fn check(&self) -> Result<Limits, String> {
        let default = Limits::default();
        Ok(Limits {
            workers: limit("workers", self.workers, default.workers, 256)?,
            replay_tags: limit("replay_tags", self.replay_tags, default.replay_tags, MOST)?,
            pool_packets: limit("pool_packets", self.pool_packets, default.pool_packets, MOST)?,
            queue_packets: limit(
                "queue_packets",
                self.queue_packets,
                default.queue_packets,
                1_000_000,
            )?,
            sessions: limit("sessions", self.sessions, default.sessions, MOST)?,
            mailboxes: limit("mailboxes", self.mailboxes, default.mailboxes, MOST)?,
            envelopes: limit("envelopes", self.envelopes, default.envelopes, MOST)?,
        })
    }
}

/// A value between one and `most`, or the default.
fn limit(name: &str, value: Option<usize>, default: usize, most: usize) -> Result<usize, String> {
    match value {
        None => Ok(default),
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(value) => Err(out_of_range(name, value, 1, most)),
    }
}

fn out_of_range<T: std::fmt::Display>(name: &str, value: T, least: T, most: T) -> String {
    format!("{name} = {value} is out of range; it must lie between {least} and {most}")
}

/// More of anything is a slip of the keyboard.
const MOST: usize = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
node = 3
trust = "../trust.toml"
roster = "../roster.toml"
signatures = "../roster.sig"
identity = "identity.pem"
listen = "[::]:4433"
metrics = "127.0.0.1:9100"
"#;

    fn error(text: &str) -> String {
        NodeConfig::parse(text, Path::new("/etc/rohrpost")).err().unwrap()
    }

    #[test]
    fn paths_are_relative_to_the_file_and_defaults_apply() {
        let config = NodeConfig::parse(GOOD, Path::new("/etc/rohrpost")).unwrap();
        assert_eq!(config.identity, Path::new("/etc/rohrpost/identity.pem"));
        assert_eq!(config.metrics_tick, Duration::from_secs(60));
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.segmentation, Segmentation::Offload);
        let single = format!("segmentation_offload = false\n{GOOD}");
        let config = NodeConfig::parse(&single, Path::new(".")).unwrap();
        assert_eq!(config.segmentation, Segmentation::Single);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
        let error = error(&format!("{GOOD}\nretries = 3\n"));
        assert!(error.contains("line 10") && error.contains("retries"), "{error}");
        assert!(error.contains("metrics_tick_seconds"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_named_with_the_range() {
        let error = error(&format!("{GOOD}\n[limits]\nworkers = 0\n"));
        assert!(error.contains("workers = 0"), "{error}");
        assert!(error.contains("between 1 and 256"), "{error}");
    }

    #[test]
    fn metrics_stay_on_loopback() {
        let error = error(&GOOD.replace("127.0.0.1:9100", "0.0.0.0:9100"));
        assert!(error.contains("not on loopback"), "{error}");
    }
}
