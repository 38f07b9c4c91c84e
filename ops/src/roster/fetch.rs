//! The newest roster of a network, as its relays serve it, for a node or an agency before it goes on.

use std::path::Path;
use std::sync::Arc;

use rohrpost_measure::output::say;
use rohrpost_network::Network;
use rohrpost_proto::directory::roster::Role;

use crate::error::OpsError;
use crate::folder::Folder;
use crate::sight::{Sight, look};

/// Asks all relays of the roster at hand for theirs, and puts the newest that the agencies have signed in
/// its place. The roster at hand may have expired.
///
/// # Errors
/// No relay answers, or a file is wrong or cannot be written.
pub(super) fn fetch(directory: &Path) -> Result<(), OpsError> {
    let folder = Folder::lock(directory)?;
    let network = Arc::new(Network::open_expired(directory)?);
    let relays: Vec<_> =
        network.roster.nodes().filter(|node| node.role == Role::Relay).cloned().collect();
    let of = relays.len();
    let seen = OpsError::within_runtime(look(&network, relays))?;
    let answered = seen.iter().filter(|sight| sight.shown.has_roster).count();
    if answered == 0 {
        return Err(OpsError::NoRelay(failures(&seen)));
    }
    let own = network.roster.version;
    let newer = seen.into_iter().filter_map(|sight| Some((sight.shown.newer?, sight.node.name)));
    let Some(((version, files), relay)) = newer.max_by_key(|((version, _), _)| *version) else {
        say(&format!("roster {own} is the newest that {answered} of {of} relays have"));
        return Ok(());
    };
    folder.put_newer(&files)?;
    say(&format!(
        "roster {version} of {relay} is in the place of {own}; {answered} of {of} relays have answered"
    ));
    Ok(())
}

fn failures(seen: &[Sight]) -> String {
    let failed = seen.iter().map(|sight| match &sight.reached {
        Ok(_) => format!("{}: no roster came", sight.node.name),
        Err(why) => format!("{}: {why}", sight.node.name),
    });
    failed.collect::<Vec<_>>().join("; ")
}
