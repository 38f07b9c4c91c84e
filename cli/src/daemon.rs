//! The daemon: keeps the grid, and serves the local API.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::unread_room;
use crate::error::CommandError;
#[cfg(unix)]
use crate::exec::Hook;
use crate::output::Output;
use crate::place::Place;
#[cfg(unix)]
use crate::status::newer_roster;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Keep messages for so long once they were read or delivered, as in 12h or 30d, from now on
    /// [default: for ever].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    keep: Option<Duration>,
    /// Take messages until those that nobody has read have so much, as in 512MiB or 8GiB, from now on
    /// [default: 8GiB].
    ///
    /// A contact's may have an eighth of it, and at most half of what others leave. Of a contact that
    /// has no room nothing more is taken until you read; its client keeps what it sends.
    #[arg(long, value_name = "SIZE", value_parser = unread_room)]
    unread_room: Option<u64>,
    /// Run this command by sh for each message that arrives, one at a time, for a minute at most.
    ///
    /// It finds the contact's name in $ROHRPOST_CONTACT and the message's number in
    /// $ROHRPOST_NUMBER, as in --exec 'notify-send Rohrpost "from $ROHRPOST_CONTACT"'. What was
    /// written is handed to nobody; the command may ask for it with `rohrpost read`.
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Serve a second socket at this path for programs, over which they can send and receive, and
    /// nothing else.
    #[arg(long, value_name = "PATH")]
    program_socket: Option<PathBuf>,
}

#[cfg(unix)]
pub(crate) async fn run(
    place: &Place,
    options: Options,
    output: &Output,
) -> Result<(), CommandError> {
    use std::sync::Arc;

    use rohrpost_client::{Agent, Asker, Connection, Listener, SocketError, check_socket_path};

    let (network, socket) = (Arc::new(place.network()?), place.socket());
    check_socket_path(&socket)?;
    if Connection::open(&socket).await?.is_some() {
        return Err(SocketError::Taken(socket).into());
    }
    let mut store =
        place.store(&network).await?.ok_or_else(|| SocketError::Taken(socket.clone()))?;
    if let Some(keep) = options.keep.or(place.keep) {
        store.set_retention(keep)?;
    }
    if let Some(bytes) = options.unread_room.or(place.unread_room) {
        store.set_unread_room(bytes)?;
    }
    // While nobody waits for it yet: a client that runs does this only where it takes no time.
    store.compact()?;
    let mut listeners = vec![(Listener::bind(&socket).await?, Asker::User)];
    if let Some(programs) = options.program_socket.or_else(|| place.program_socket.clone()) {
        listeners.push((Listener::bind(&programs).await?, Asker::Program));
    }
    let agent = Agent::start(network, store)?;
    let exec = options.exec.or_else(|| place.exec.clone());
    let hook = exec.map(|command| Hook::new(command, &agent));
    let served = serve(listeners, &agent, hook, place, output).await;
    agent.end().await;
    served
}

/// Serves until a signal ends it: Ctrl-C, the service manager's, or that of a terminal that closes.
#[cfg(unix)]
async fn serve(
    listeners: Vec<(rohrpost_client::Listener, rohrpost_client::Asker)>,
    agent: &rohrpost_client::Agent,
    hook: Option<Hook>,
    place: &Place,
    output: &Output,
) -> Result<(), CommandError> {
    use serde_json::json;
    use tokio::signal::unix::{SignalKind, signal};

    let signal = |kind| signal(kind).map_err(CommandError::Runtime);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = match hangup_is_ignored() {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    let closed = async {
        match &mut hangup {
            Some(hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    };
    let hooked = async {
        match hook {
            Some(hook) => hook.serve().await,
            None => std::future::pending().await,
        }
    };
    let socket = place.socket();
    let text = format!("ready: serving {}; end it with Ctrl-C", socket.display());
    output.say(&json!({ "ready": true, "socket": socket }), &text)?;
    let mut serving = tokio::task::JoinSet::new();
    for (listener, asker) in listeners {
        serving.spawn(listener.serve(agent.clone(), asker));
    }
    tokio::select! {
        reason = agent.ended() => return reason.map_or(Ok(()), |reason| Err(reason.into())),
        () = say_trouble(agent) => {}
        () = say_newer_roster(place, agent) => {}
        () = hooked => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = closed => {}
    }
    // The sockets are gone when the command is done.
    serving.shutdown().await;
    Ok(())
}

/// True if whoever started the daemon lets it go on when its terminal closes, as `nohup` does, or if
/// the system does not tell: then its own way stays.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is signal 1, the lowest bit.
    mask.is_none_or(|mask| mask & 1 != 0)
}

/// Says when the link goes down and comes up, when the disk fails and when somebody fills it; nothing
/// of messages.
#[cfg(unix)]
async fn say_trouble(agent: &rohrpost_client::Agent) {
    use rohrpost_client::api::Notice;
    use tokio::sync::broadcast::error::RecvError;

    use crate::output::note;

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
            Ok(Notice::Store { trouble }) => note(&match trouble {
                Some(trouble) => {
                    up = Some(false);
                    format!("off the network: {trouble}; it is tried again")
                }
                None => "the store can be written again".to_owned(),
            }),
            // Whose it is stays out of the system's log.
            Ok(Notice::Room { trouble: Some(_), .. }) => {
                note("a contact has no room left here for what it writes: rohrpost status");
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Says when a newer roster is installed than the one that this daemon goes by, once for each.
#[cfg(unix)]
async fn say_newer_roster(place: &Place, agent: &rohrpost_client::Agent) {
    use rohrpost_client::api::{Request, Response};

    let mut said = None;
    loop {
        tokio::time::sleep(ROSTER_LOOK).await;
        if let Ok(Response::Health(health)) = agent.ask(Request::Health {}).await {
            let newer = newer_roster(place, health.roster);
            newer.iter().filter(|_| newer != said).for_each(|newer| crate::output::note(newer));
            said = newer;
        }
    }
}

/// Time after which a daemon looks whether another roster is installed.
#[cfg(unix)]
const ROSTER_LOOK: Duration = Duration::from_secs(600);

#[cfg(not(unix))]
pub(crate) async fn run(
    _place: &Place,
    _options: Options,
    _output: &Output,
) -> Result<(), CommandError> {
    let why = "the daemon needs Unix sockets, which this system lacks; use `inbox --follow`";
    Err(CommandError::Usage(why.to_owned()))
}
