//! The network under load: a local one that is started for it, or one that is there.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rohrpost_localnet::{LocalNetwork, NetworkDirectory, NodeOutput, PlanOptions};
use rohrpost_network::Network;
use rohrpost_node::{Limits, NodeConfig};
use rohrpost_proto::directory::roster::{Role, Traffic};

use super::error::RunError;
use super::options::Options;
use super::scrape::Watched;

/// A network that clients can use, and the nodes of it that are looked at.
pub(crate) struct Target {
    pub(crate) network: Arc<Network>,
    pub(crate) watched: Vec<Watched>,
    /// The whole network, if its nodes are children of this process.
    pub(crate) local: Option<LocalNetwork>,
}

impl Target {
    /// Starts a local network, or opens the directory of another.
    ///
    /// # Errors
    /// The local network cannot be started, or the directory holds none.
    pub(crate) async fn find(options: &Options) -> Result<Self, RunError> {
        match &options.network {
            Some(directory) => Self::open(directory, &options.metrics),
            None => Self::start(options).await,
        }
    }

    async fn start(options: &Options) -> Result<Self, RunError> {
        let mut plan = PlanOptions::new(options.suite.name());
        plan.limits = Limits { workers: options.workers, replay_tags: REPLAY_TAGS, ..plan.limits };
        if let Some(slot) = options.slot {
            plan.traffic = Traffic { slot, ..plan.traffic };
        }
        let directory = NetworkDirectory::temporary("load")?;
        let mut local = LocalNetwork::start(directory, &plan, NodeOutput::of(options.verbose))?;
        let network = Network::open(local.directory())
            .map_err(|error| RunError::NoNetwork(error.to_string()))?;
        if let Err(error) = local.until_ready(|_| {}).await {
            local.stop().await;
            return Err(error.into());
        }
        let watched = local.nodes().into_iter().map(|node| Watched {
            name: node.name,
            is_mix: Some(matches!(node.role, Role::Mix { .. })),
            pid: node.pid,
            metrics: node.metrics,
        });
        let watched = watched.collect();
        Ok(Self { network: Arc::new(network), watched, local: Some(local) })
    }

    /// Metrics are taken from the addresses given, and else from `NAME/node.toml` of each node
    /// where the directory has it, as a local network's has.
    fn open(directory: &Path, metrics: &[SocketAddr]) -> Result<Self, RunError> {
        let network =
            Network::open(directory).map_err(|error| RunError::NoNetwork(error.to_string()))?;
        let given = metrics.iter().map(|address| Watched {
            name: address.to_string(),
            is_mix: None,
            pid: None,
            metrics: *address,
        });
        let mut watched: Vec<_> = given.collect();
        if watched.is_empty() {
            watched.extend(network.roster.nodes().filter_map(|node| {
                let config = directory.join(&node.name).join("node.toml");
                let config = config.exists().then(|| NodeConfig::read(&config).ok()).flatten()?;
                Some(Watched {
                    name: node.name.clone(),
                    is_mix: Some(matches!(node.role, Role::Mix { .. })),
                    pid: None,
                    metrics: config.metrics,
                })
            }));
        }
        Ok(Self { network: Arc::new(network), watched, local: None })
    }

    /// Waits for what ends a trial before its time: a node of the own network has ended.
    pub(crate) async fn failure(&mut self) -> RunError {
        match &mut self.local {
            Some(local) => local.next_death().await.into(),
            None => std::future::pending().await,
        }
    }

    /// Stops what was started.
    pub(crate) async fn stop(self) {
        if let Some(local) = self.local {
            local.stop().await;
        }
    }
}

/// An hour of 300 packets a second through each node, two sets of 32 MiB at most.
const REPLAY_TAGS: usize = 2_000_000;
