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
    /// Path of the trust root, `trust.toml`.
    pub trust: PathBuf,
    /// Path of the roster, `roster.toml`.
    pub roster: PathBuf,
    /// Path of the agencies' signatures, `roster.sig`.
    pub signatures: PathBuf,
    /// Path of the file with the node's identity key.
    pub identity: PathBuf,
    /// UDP address on which all links are accepted.
    pub listen: SocketAddr,
    /// TCP address at which metrics are served, on loopback.
    pub metrics: SocketAddr,
    /// Period at which the values of the metrics change.
    pub metrics_tick: Duration,
    /// Way in which datagrams are handed to the system.
    pub segmentation: Segmentation,
    /// Bounds of memory that every node has.
    pub limits: Limits,
    /// Bounds of memory that only relays or only mixes have, as far as the file gives them.
    pub role_limits: RoleLimits,
}

/// Bounds of memory that every node has; each default's price is in `docs/operating.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that open packets.
    pub workers: usize,
    /// Packets remembered against replay, per key.
    pub replay_tags: usize,
    /// Packets that wait for a worker or for a link.
    pub queue_packets: usize,
}

/// Bounds of memory that only relays or only mixes have. A node's file may give those of both; the
/// crate of a role knows what they mean, and the defaults of those that are not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleLimits {
    /// Packets that wait in a mix.
    pub pool_packets: Option<usize>,
    /// Sessions of a relay.
    pub sessions: Option<usize>,
    /// Mailboxes of a relay.
    pub mailboxes: Option<usize>,
    /// Envelopes in all mailboxes of a relay.
    pub envelopes: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            replay_tags: 4_000_000,
            queue_packets: 1_024,
        }
    }
}

impl NodeConfig {
    /// Reads and checks the configuration in a file.
    ///
    /// # Errors
    /// The file cannot be read or is wrong; the error names file and line, and says what to do.
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        let text = rohrpost_network::read_text(path).map_err(|source| NodeError::Read {
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
    /// The text is wrong; the error names the line and says what to do.
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
        let (limits, role_limits) = raw.limits.check()?;
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
            limits,
            role_limits,
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
    fn check(&self) -> Result<(Limits, RoleLimits), String> {
        let default = Limits::default();
        let workers = within("workers", self.workers, 256)?;
        let replay_tags = within("replay_tags", self.replay_tags, MOST)?;
        let pool_packets = within("pool_packets", self.pool_packets, MOST)?;
        let queue_packets = within("queue_packets", self.queue_packets, 1_000_000)?;
        let limits = Limits {
            workers: workers.unwrap_or(default.workers),
            replay_tags: replay_tags.unwrap_or(default.replay_tags),
            queue_packets: queue_packets.unwrap_or(default.queue_packets),
        };
        let role_limits = RoleLimits {
            pool_packets,
            sessions: within("sessions", self.sessions, MOST)?,
            mailboxes: within("mailboxes", self.mailboxes, MOST)?,
            envelopes: within("envelopes", self.envelopes, MOST)?,
        };
        Ok((limits, role_limits))
    }
}

/// A value between one and `most`, if one is given.
fn within(name: &str, value: Option<usize>, most: usize) -> Result<Option<usize>, String> {
    match value {
        Some(value) if !(1..=most).contains(&value) => Err(out_of_range(name, value, 1, most)),
        value => Ok(value),
    }
}

fn out_of_range<T: std::fmt::Display>(name: &str, value: T, least: T, most: T) -> String {
    format!("{name} = {value} is out of range; it must lie between {least} and {most}")
}

/// Largest value of most limits; more of anything is a slip of the keyboard.
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
        assert_eq!(config.role_limits, RoleLimits::default());
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
