//! An operator's one look at a network, and what is said of it.

mod finding;
mod judge;
mod page;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rohrpost_measure::output::say;
use rohrpost_network::Network;
use rohrpost_node::NodeConfig;
use serde_json::json;

use crate::check::finding::Finding;
use crate::error::OpsError;
use crate::sight::look;

/// Looks at all nodes of a network, and at the pages of own ones.
///
/// # Errors
/// A file is wrong, or something is not as it should be.
pub(crate) fn run(directory: &Path, own: &[PathBuf], json: bool) -> Result<(), OpsError> {
    let network = Arc::new(Network::open_expired(directory)?);
    let configs = own.iter().map(|path| NodeConfig::read(path)).collect::<Result<Vec<_>, _>>()?;
    let (seen, pages) = OpsError::within_runtime(async {
        let seen = look(&network, network.roster.nodes().cloned().collect()).await;
        let mut pages = Vec::new();
        for config in &configs {
            pages.push(page::look_at(&network, config).await);
        }
        (seen, pages)
    })?;
    let findings: Vec<_> = judge::all(&network, &seen).into_iter().chain(pages).collect();
    let unwell = findings.iter().filter(|finding| !finding.problems.is_empty()).count();
    if json {
        let findings: Vec<_> = findings.iter().map(Finding::json).collect();
        let all = json!({ "roster": network.roster.version, "seen": findings, "unwell": unwell });
        say(&all.to_string());
    } else {
        findings.iter().for_each(Finding::say);
    }
    if unwell > 0 { Err(OpsError::Unwell(unwell)) } else { Ok(()) }
}
