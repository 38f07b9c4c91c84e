//! Options of `rohrpost-loadgen run`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rohrpost_localnet::{SuiteChoice, duration};

/// Sends messages between real clients and measures what comes of it.
///
/// Each client has a link, a grid and mailboxes of its own, and is made in memory. They write to
/// each other in pairs by timetables that are fixed beforehand; a message's latency counts from the
/// moment it was due. The report also has the time that clients take at their slots, where they only
/// write what is ready. Exit codes: 0 nothing lost, 1 something lost or a node ended, 64 wrong usage,
/// 69 no network or no client online, 130 interrupted.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Start a local network for it: four relays and six mixes as processes. This is the default.
    #[arg(long, conflicts_with = "network")]
    pub(crate) localnet: bool,
    /// Load an existing network: the directory with trust.toml, roster.toml and roster.sig.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["suite", "slot", "workers"])]
    pub(crate) network: Option<PathBuf>,
    /// Metrics of the nodes of --network, separated by commas [default: as DIR/NAME/node.toml say].
    #[arg(long, value_name = "ADDR", value_delimiter = ',', requires = "network")]
    pub(crate) metrics: Vec<SocketAddr>,
    /// Suite of the local network.
    #[arg(long, value_enum, default_value_t = SuiteChoice::Hybrid)]
    pub(crate) suite: SuiteChoice,
    /// Slot length of the local network in milliseconds [default: the roster's, 250].
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) slot: Option<Duration>,
    /// Threads per node of the local network that open packets.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) workers: usize,
    /// Find the most clients that lose nothing and keep their grid while packets leave in time:
    /// doubles, then bisects.
    #[arg(long, conflicts_with = "network")]
    pub(crate) find_limit: bool,
    /// Start no trial after this, with --find-limit.
    #[arg(long, value_name = "TIME", default_value = "20m", value_parser = duration::parse, requires = "find_limit")]
    pub(crate) within: Duration,
    /// Lateness that 99 % of departures must keep below, with --find-limit.
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = duration::parse, requires = "find_limit")]
    pub(crate) lateness: Duration,
    /// Print one JSON object on standard output instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show what the nodes of the local network say.
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// Settings of a trial.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Clients, an even number; with --find-limit the number to begin with.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(crate) clients: u32,
    /// Time for which messages are sent, such as 120s or 5m.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub(crate) duration: Duration,
    /// Messages per second that each client sends.
    #[arg(long, value_name = "R", default_value_t = 0.1)]
    pub(crate) rate: f64,
    /// Bytes of a message. On the wire all have one length.
    #[arg(long, value_name = "B", default_value_t = 100)]
    pub(crate) message_bytes: usize,
    /// Longest wait for messages on their way when the load is over.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub(crate) drain: Duration,
    /// Makes the timetables again that an earlier run printed [default: random].
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
}

impl Settings {
    /// Number that determines the timetables, and nothing of keys or paths; drawn before a trial if
    /// none is given.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }
}

/// A slot length that a roster may have.
fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms) if (4..=60_000).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err("must be milliseconds between 4 and 60000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_a_roster() {
        assert_eq!(milliseconds("10"), Ok(Duration::from_millis(10)));
        for wrong in ["3", "60001", "10ms"] {
            assert!(milliseconds(wrong).is_err(), "{wrong}");
        }
    }
}
