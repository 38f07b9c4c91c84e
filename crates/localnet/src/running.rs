//! A local network as a library: started, waited for, looked at, stopped. `rohrpost-ops localnet`
//! and `rohrpost-loadgen` are built on it.
//!
//! The nodes are children of this process that run its own program again with the hidden command
//! `node relay|mixnode FILE`; a program that uses this must have it, and call [`die_with_parent`]
//! in it.
//!
//! [`die_with_parent`]: crate::die_with_parent

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_proto::directory::roster::Role;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::child::{Children, NodeOutput};
use crate::error::LocalnetError;
use crate::pages::NodePages;
use crate::plan::{NodePlan, Plan, PlanOptions};

/// A running local network. Its nodes end when it is dropped, at once; [`Self::stop`] asks them
/// first.
pub struct LocalNetwork {
    plan: Plan,
    children: Children,
    network: Network,
    directory: NetworkDirectory,
}

/// A node of a running network, as its parent knows it.
#[derive(Clone, Debug)]
pub struct RunningNode {
    /// Name in the roster.
    pub name: String,
    /// Role in the network.
    pub role: Role,
    /// Process of the node; none if it has ended.
    pub pid: Option<u32>,
    /// Address of its metrics.
    pub metrics: SocketAddr,
}

/// Place of a network's files.
#[derive(Debug)]
pub enum NetworkDirectory {
    /// Files that stay.
    Kept(PathBuf),
    /// Files that are removed when this is dropped.
    Temporary(TempDir),
}

impl LocalNetwork {
    /// Makes the files of a network and starts its nodes.
    ///
    /// # Errors
    /// The directory holds a network, or the system refuses something.
    pub fn start(
        directory: NetworkDirectory,
        options: &PlanOptions,
        output: NodeOutput,
    ) -> Result<Self, LocalnetError> {
        Self::start_after(directory, options, output, |_| Ok(())).map(|(local, ())| local)
    }

    /// The same; `before` is called when the files are there and no node runs yet.
    pub(crate) fn start_after<T>(
        directory: NetworkDirectory,
        options: &PlanOptions,
        output: NodeOutput,
        before: impl FnOnce(&Network) -> Result<T, LocalnetError>,
    ) -> Result<(Self, T), LocalnetError> {
        let plan = Plan::make(directory.path(), options)?;
        let network = Network::open(directory.path())
            .map_err(|error| LocalnetError::Plan(error.to_string()))?;
        let done = before(&network)?;
        let children = Children::spawn(&plan, output)?;
        Ok((Self { plan, children, network, directory }, done))
    }

    /// Waits until all links are up and every node has a document; `progress` is told how many
    /// nodes are ready.
    ///
    /// # Errors
    /// A node has ended, or not all are ready after a minute.
    pub async fn until_ready(
        &mut self,
        mut progress: impl FnMut(usize),
    ) -> Result<(), LocalnetError> {
        let deadline = sleep(START_DEADLINE);
        tokio::pin!(deadline);
        loop {
            let waiting = self.waiting().await;
            progress(self.plan.nodes.len() - waiting.len());
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = sleep(POLL) => {}
                error = self.next_death() => return Err(error),
                () = &mut deadline => return Err(LocalnetError::NotReady(waiting.join("\n  "))),
            }
        }
    }

    /// The nodes that are not ready, and why.
    async fn waiting(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        for node in &self.plan.nodes {
            if let Err(what) = NodePages::at(node.metrics).ready().await {
                waiting.push(format!("{}: {what}", node.name));
            }
        }
        waiting
    }

    /// The next node that ends, as an error that says what to do; none ends while all is well.
    pub async fn next_death(&mut self) -> LocalnetError {
        self.children.next_death().await.into()
    }

    /// Shows the lines that nodes write from now on.
    pub fn show_lines(&self) {
        self.children.show_lines();
    }

    /// Stops all nodes, and removes the files of a temporary directory.
    pub async fn stop(self) {
        self.children.stop().await;
    }

    /// The network for clients, while its nodes are watched.
    pub(crate) const fn parts(&mut self) -> (&Network, &mut Children) {
        (&self.network, &mut self.children)
    }

    /// The network's files, read as a client reads them.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The plan by which the network was made.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Directory of the network's files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Nodes of the network, relays first.
    #[must_use]
    pub fn nodes(&self) -> Vec<RunningNode> {
        let running = |node: &NodePlan| RunningNode {
            name: node.name.clone(),
            role: node.role,
            pid: self.children.pid(&node.name),
            metrics: node.metrics,
        };
        self.plan.nodes.iter().map(running).collect()
    }
}

impl NetworkDirectory {
    /// A directory that is made if need be, and stays.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn at(path: PathBuf) -> Result<Self, LocalnetError> {
        match std::fs::create_dir_all(&path) {
            Ok(()) => Ok(Self::Kept(path)),
            Err(source) => Err(LocalnetError::File { path, source }),
        }
    }

    /// A new directory among the system's temporary files, which only its user may read; its
    /// name begins with `rohrpost-` and `name`.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn temporary(name: &str) -> Result<Self, LocalnetError> {
        tempfile::Builder::new()
            .prefix(&format!("rohrpost-{name}-"))
            .tempdir()
            .map(Self::Temporary)
            .map_err(|source| LocalnetError::File { path: std::env::temp_dir(), source })
    }

    /// Path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(scratch) => scratch.path(),
        }
    }
}

const POLL: Duration = Duration::from_millis(250);
const START_DEADLINE: Duration = Duration::from_secs(60);
