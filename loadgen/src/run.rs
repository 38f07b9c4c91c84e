//! `rohrpost-loadgen run`: real clients send to each other through a network, and what comes of it is
//! measured (`docs/capacity.md`).

mod client;
mod law;
mod ledger;
mod letter;
mod limit;
mod report;
mod scrape;
mod target;
mod timetable;
mod trial;
mod usage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rohrpost_localnet::output::{say, tell};
use rohrpost_localnet::{LocalnetError, SuiteChoice};
use rohrpost_packet::envelope::letter_body_len;
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::roster::{Roster, SuiteName};
use tokio::signal::unix::{SignalKind, signal};

use law::{Law, Load};
use target::Target;
use trial::{Outcome, Settings};

/// Sends letters between real clients and measures what comes of it.
///
/// Each client has a link, a grid and mailboxes of its own, and is made in memory. They write to each
/// other in pairs by timetables that are fixed beforehand; a letter's latency counts from the moment
/// it was due. Exit codes: 0 nothing lost, 1 something lost or a node ended, 64 wrong usage, 69 no
/// network or no client online, 130 interrupted.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Clients, an even number; with --find-limit the number to begin with.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub clients: u32,
    /// How long letters are sent, such as 120s or 5m.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub duration: Duration,
    /// Start a local network for it: four relays and six mixes as processes. This is the default.
    #[arg(long, conflicts_with = "network")]
    pub localnet: bool,
    /// Load an existing network: the directory with trust.toml, roster.toml and roster.sig.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["suite", "slot", "workers"])]
    pub network: Option<PathBuf>,
    /// Metrics of the nodes of --network, separated by commas [default: as DIR/NAME/node.toml say].
    #[arg(long, value_name = "ADDR", value_delimiter = ',', requires = "network")]
    pub metrics: Vec<SocketAddr>,
    /// Suite of the local network.
    #[arg(long, value_enum, default_value_t = SuiteChoice::Hybrid)]
    pub suite: SuiteChoice,
    /// Slot length of the local network in milliseconds [default: the roster's, 250].
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub slot: Option<Duration>,
    /// Threads per node of the local network that open packets.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub workers: usize,
    /// Letters per second that each client sends.
    #[arg(long, value_name = "R", default_value_t = 0.1)]
    pub rate: f64,
    /// Bytes of a letter. On the wire all have one length.
    #[arg(long, value_name = "B", default_value_t = 100)]
    pub message_bytes: usize,
    /// Longest wait for letters on their way when the load is over.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub drain: Duration,
    /// Makes the timetables again that an earlier run printed [default: random].
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Find the most clients that lose nothing and keep their grid while packets leave in time:
    /// doubles, then bisects.
    #[arg(long, conflicts_with = "network")]
    pub find_limit: bool,
    /// With --find-limit, start no trial after this.
    #[arg(long, value_name = "TIME", default_value = "20m", value_parser = duration, requires = "find_limit")]
    pub within: Duration,
    /// With --find-limit, the lateness that 99 % of departures must keep below.
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = duration, requires = "find_limit")]
    pub lateness: Duration,
    /// One JSON object on standard output instead of text.
    #[arg(long)]
    pub json: bool,
    /// Show what the nodes of the local network say.
    #[arg(long)]
    pub verbose: bool,
}

/// Runs until the load is over and its letters were awaited.
///
/// # Errors
/// Why it could not be done, or that something was lost.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(RunError::System)?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::System)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(RunError::System)?;
        tokio::select! {
            result = measure(options) => result,
            _ = interrupt.recv() => Err(RunError::Interrupted),
            _ = terminate.recv() => Err(RunError::Interrupted),
        }
    })
}

async fn measure(options: &Options) -> Result<(), RunError> {
    if options.find_limit {
        return limit::find(options).await;
    }
    let (outcome, law) = attempt(options, options.clients).await?;
    if options.json {
        say(&report::json(&outcome, law).to_string());
    } else {
        report::print(&outcome, law);
    }
    let lost = outcome.ledger.open().len();
    if lost > 0 || outcome.ledger.damaged > 0 {
        return Err(RunError::Lost { lost, damaged: outcome.ledger.damaged });
    }
    Ok(())
}

/// One trial with `clients` on a network of its own, or on the one that is there.
async fn attempt(options: &Options, clients: u32) -> Result<(Outcome, Law), RunError> {
    let settings = Settings {
        clients,
        duration: options.duration,
        rate: options.rate,
        bytes: options.message_bytes,
        drain: options.drain,
        seed: options.seed.unwrap_or_else(rand::random),
    };
    check(options, settings)?;
    let mut target = Target::find(options).await?;
    let law = Law::new(&target.network.roster.traffic, 2);
    let result = match check_rate(options, &target.network.roster, law) {
        Err(error) => Err(error),
        Ok(()) => {
            let (network, watched) =
                (std::sync::Arc::clone(&target.network), target.watched.clone());
            tokio::select! {
                outcome = trial::run(&network, &watched, settings, law, options.json) => outcome,
                failure = target.failure() => Err(failure),
            }
        }
    };
    target.stop().await;
    Ok((result?, law))
}

/// What can be told before anything is started.
fn check(options: &Options, settings: Settings) -> Result<(), RunError> {
    let usage = |what: String| Err(RunError::Usage(what));
    if !settings.clients.is_multiple_of(2) {
        return usage(format!(
            "--clients {} is odd; clients write to each other in pairs: use an even number",
            settings.clients
        ));
    }
    if !(options.rate.is_finite() && options.rate > 0.0) {
        return usage(format!(
            "--rate {} is no rate; letters per second, such as 0.1",
            options.rate
        ));
    }
    if options.message_bytes < letter::LEAST_TEXT {
        let least = letter::LEAST_TEXT;
        return usage(format!(
            "--message-bytes {} is too few; a letter of a load carries its number and its due time in \
             {least} bytes",
            options.message_bytes
        ));
    }
    let letters = settings.duration.as_secs_f64() * settings.rate * f64::from(settings.clients);
    if letters > MOST_LETTERS {
        return usage(format!(
            "{letters:.0} letters are more than the book holds, {MOST_LETTERS:.0}"
        ));
    }
    Ok(())
}

/// What depends on the network's suite and rates.
fn check_rate(options: &Options, roster: &Roster, law: Law) -> Result<(), RunError> {
    let limit = match roster.suite {
        SuiteName::Hybrid => letter_body_len::<Hybrid>(),
        SuiteName::Classic => letter_body_len::<Classic>(),
    };
    if options.message_bytes > limit {
        return Err(RunError::Usage(format!(
            "--message-bytes {} is too long; one envelope of suite {} holds {limit}",
            options.message_bytes,
            roster.suite.as_str()
        )));
    }
    let slot = roster.traffic.slot.as_millis();
    match law.load(options.rate) {
        Load::Carried => {}
        Load::Tight { share } => tell(&format!(
            "note: at {} letters a second the busiest mailboxes need {:.0} % of their answers; queues \
             grow long, and a mailbox holds 16 envelopes at first, so some may be lost by the law",
            options.rate,
            share * 100.0
        )),
        Load::Beyond { most } => {
            return Err(RunError::Usage(format!(
                "--rate {} is beyond what the traffic law carries, {most:.2} letters per second and \
                 client: a mailbox answers once per 4 slots of {slot} ms, its owner's loops take part \
                 of that, and only 3 of 8 slots carry letters; use a lower --rate, or a shorter --slot",
                options.rate
            )));
        }
    }
    Ok(())
}

/// Why a load could not be measured, or what was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// The network's directory cannot be used.
    #[error("{0}")]
    NoNetwork(String),
    /// The local network failed.
    #[error(transparent)]
    Localnet(#[from] LocalnetError),
    /// A client cannot be made.
    #[error("{0}")]
    Clients(String),
    /// Not all clients came online.
    #[error(
        "only {ready} of {clients} clients were ready in time (connected, with keys, all mailboxes answered){}",
        trouble.as_ref().map(|what| format!(": {what}")).unwrap_or_default()
    )]
    NotReady {
        /// Clients that were.
        ready: u32,
        /// Clients there are.
        clients: u32,
        /// What was said last.
        trouble: Option<String>,
    },
    /// The summary says which.
    #[error("{lost} letters were lost and {damaged} damaged")]
    Lost {
        /// Letters that did not arrive.
        lost: usize,
        /// Letters that arrived as others.
        damaged: u64,
    },
    /// The system refused something.
    #[error("{0}")]
    System(std::io::Error),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// 64 usage, 69 no network or no client online, 130 interrupted, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::NoNetwork(_) | Self::NotReady { .. } => 69,
            Self::Localnet(LocalnetError::NotReady(_)) => 69,
            Self::Interrupted => 130,
            _ => 1,
        }
    }
}

/// Reads `250ms`, `90s`, `5m`, `1h`, or seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unit {unit:?} is none of ms, s, m, h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{number:?} is no number"))?;
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|e| e.to_string())?;
    if duration.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(duration) }
}

/// A slot length that a roster may have.
fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms) if (4..=60_000).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err("must be milliseconds between 4 and 60000".to_owned()),
    }
}

/// About 100 bytes each.
const MOST_LETTERS: f64 = 1e7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        let read = |text| duration(text).unwrap();
        assert_eq!(read("120s"), Duration::from_secs(120));
        assert_eq!(read("90"), Duration::from_secs(90));
        assert_eq!(read("1.5m"), Duration::from_secs(90));
        assert_eq!(read("20ms"), Duration::from_millis(20));
        for wrong in ["", "5 s", "5d", "-3s", "0s", "1.2.3s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slots_are_those_of_a_roster() {
        assert_eq!(milliseconds("10"), Ok(Duration::from_millis(10)));
        for wrong in ["3", "60001", "10ms"] {
            assert!(milliseconds(wrong).is_err(), "{wrong}");
        }
    }
}
