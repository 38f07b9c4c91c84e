//! From the command line to a running node, and to its end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use rohrpost_network::{FilePaths, Network};
use rohrpost_proto::roster::{Role, Roster, RosterNode};
use rohrpost_proto::signing::SigningKey;
use rohrpost_proto::trust::TrustRoot;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::{Event, Log, NodeConfig, NodeError, read_signing_key};

/// The tasks of a node; each gives its name when it ends, which it must not.
pub type Tasks = JoinSet<&'static str>;

/// A node before it does anything: files read and checked, no socket open.
pub struct Prepared {
    /// Its configuration.
    pub config: NodeConfig,
    /// The trust root.
    pub trust: TrustRoot,
    /// The roster.
    pub roster: Arc<Roster>,
    /// Its own entry there.
    pub node: RosterNode,
    /// Its identity key.
    pub key: Arc<SigningKey>,
}

/// Reads and checks all files of a node that is to be a relay, or a mix.
///
/// # Errors
/// What is wrong, and what to do.
pub fn prepare(path: &Path, relay: bool) -> Result<Prepared, NodeError> {
    let config = NodeConfig::read(path)?;
    let Network { trust, roster } = Network::read(FilePaths {
        trust: &config.trust,
        roster: &config.roster,
        signatures: &config.signatures,
    })?;
    let key = read_signing_key(&config.identity)?;
    let fail = |message| NodeError::Config { path: path.to_owned(), message };
    let node = roster.node(config.node).cloned().ok_or_else(|| {
        fail(format!(
            "node = {} is not in the roster; use the number that it has there",
            config.node
        ))
    })?;
    if matches!(node.role, Role::Relay) != relay {
        let (is, program) =
            if relay { ("mix", "rohrpost-mixnode") } else { ("relay", "rohrpost-relay") };
        return Err(fail(format!(
            "node {} ({}) is a {is}; start it with {program}",
            node.number, node.name
        )));
    }
    check_key(&config, &roster, &node, &key)?;
    Ok(Prepared { config, trust, roster, node, key: Arc::new(key) })
}

fn check_key(
    config: &NodeConfig,
    roster: &Roster,
    node: &RosterNode,
    key: &SigningKey,
) -> Result<(), NodeError> {
    let public = key.public();
    if public == node.identity {
        return Ok(());
    }
    let owner = roster.node_of(&public).map_or_else(
        || "of no node in the roster".to_owned(),
        |owner| format!("of node {} ({})", owner.number, owner.name),
    );
    Err(NodeError::WrongKey(format!(
        "{} holds the key {owner}, but this is node {} ({}), whose key in the roster is {}; point \
         `identity` to its key file, or have the agencies sign a roster with the key {public}",
        config.identity.display(),
        node.number,
        node.name,
        node.identity,
    )))
}

/// Runs a node until it is told to stop (SIGTERM, SIGINT) or one of its tasks ends. SIGHUP is
/// ignored: a running node reads no files.
///
/// # Errors
/// It could not start, or a task ended.
pub fn supervise<F>(log: &Log, start: impl FnOnce() -> F) -> Result<(), NodeError>
where
    F: Future<Output = Result<Tasks, NodeError>>,
{
    let system = |what| move |source| NodeError::System { what, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(system("watch signals"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("watch signals"))?;
        let _ignored = signal(SignalKind::hangup()).map_err(system("watch signals"))?;
        let mut tasks = start().await?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            ended = tasks.join_next() => {
                return Err(match ended {
                    Some(Ok(name)) => NodeError::TaskEnded(name),
                    _ => NodeError::Panicked,
                });
            }
        }
        log.write(&Event::Stopping);
        tasks.shutdown().await;
        Ok(())
    })
}

/// Ends a program: an error goes to standard error, its code to the shell.
#[must_use]
pub fn main(result: Result<(), NodeError>) -> ExitCode {
    use std::io::Write;
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Version, revision and wire versions, for `--version`.
#[must_use]
pub const fn version() -> &'static str {
    rohrpost_transport::VERSION
}
