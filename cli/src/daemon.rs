//! The daemon: keeps the grid, and serves the local API.

use std::time::Duration;

use crate::error::CommandError;
use crate::output::{Output, note};
use crate::place::Place;

#[cfg(unix)]
pub(crate) async fn run(
    place: &Place,
    keep: Option<Duration>,
    output: &Output,
) -> Result<(), CommandError> {
    use std::sync::Arc;

    use rohrpost_client::{Agent, SocketError, serve};
    use serde_json::json;
    use tokio::signal::unix::{SignalKind, signal};

    let (network, socket) = (Arc::new(place.network()?), place.socket()?);
    if rohrpost_client::Connection::open(&socket).await?.is_some() {
        return Err(SocketError::Taken(socket).into());
    }
    let store = place.store(&network)?;
    if let Some(keep) = keep {
        store.set_retention(keep)?;
    }
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Runtime)?;
    let agent = Agent::start(network, store)?;
    let text = format!("ready: serving {}; end it with Ctrl-C", socket.display());
    output.say(&json!({ "ready": true, "socket": socket }), &text)?;
    let served = tokio::select! {
        served = serve(agent.clone(), &socket) => served,
        () = say_trouble(&agent) => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    agent.end().await;
    Ok(served?)
}

/// Says when the link goes down and comes up; nothing of messages.
#[cfg(unix)]
async fn say_trouble(agent: &rohrpost_client::Agent) {
    use rohrpost_client::api::Notice;
    use tokio::sync::broadcast::error::RecvError;

    let (mut notices, mut up) = (agent.notices(), None);
    loop {
        match notices.recv().await {
            Ok(Notice::Link { online, trouble }) if up != Some(online) => {
                up = Some(online);
                note(&match trouble {
                    Some(trouble) => format!("offline: {trouble}; it is tried again"),
                    None => "online".to_owned(),
                });
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(not(unix))]
pub(crate) async fn run(
    _place: &Place,
    _keep: Option<Duration>,
    _output: &Output,
) -> Result<(), CommandError> {
    let why = "the daemon needs Unix sockets, which this system lacks; use `inbox --follow`";
    Err(CommandError::Usage(why.to_owned()))
}
