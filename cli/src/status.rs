//! Status of messages and of the network.

use std::time::Duration;

use rohrpost_client::DeliveryStatus;
use rohrpost_client::api::{Health, OutgoingMessage, Request, Response, Retention, Status};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::access::{Access, Reach};
use crate::error::CommandError;
use crate::output::{Output, volume};
use crate::place::Place;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Tell of this message alone: its id, or the first eight digits or more.
    message: Option<String>,
    /// List every message, also those that are delivered.
    #[arg(long)]
    all: bool,
    /// Do not go online to look at the network if no daemon runs.
    #[arg(long)]
    offline: bool,
}

pub(crate) async fn run(
    place: &Place,
    options: Options,
    output: &Output,
) -> Result<(), CommandError> {
    if let Some(message) = options.message {
        let outgoing = one(place, Request::Message { message }).await?;
        return output.say(&json!(outgoing), line(&outgoing, output).trim_start());
    }
    let reach = if options.offline { Reach::Offline } else { Reach::Online };
    let seen = Access::within(place, reach, async |access| {
        let daemon = access.is_daemon();
        let looks = daemon || reach == Reach::Online;
        let health = if looks { Some(look(access, output).await?) } else { None };
        let kept = access.ask(Request::Retention { seconds: None }).await?;
        let Response::Retention(kept) = kept else { return Err(CommandError::Unexpected) };
        Ok((access.status().await?, kept, health, access.acknowledgement_delay()))
    });
    let (status, kept, mut health, delay) = seen.await?;
    if let Some(health) = health.as_mut().filter(|_| delay.is_none()) {
        health.problems.extend(newer_roster(place, health.roster));
    }
    let daemon = delay.is_none();
    let mut lines = describe(&status, options.all, output);
    if let Some(delay) = delay.filter(|_| status.owed > 0) {
        lines.push(format!("  note: {}", owed_acknowledgements(status.owed, delay)));
    }
    lines.extend(unknown_writers(status.requests).map(|writers| format!("  note: {writers}")));
    lines.extend(describe_retention(&kept, output));
    lines.push(match &health {
        Some(health) => describe_health(health, daemon),
        None => "network: not looked at".to_owned(),
    });
    let json = json!({ "status": status, "retention": kept, "health": health, "daemon": daemon });
    output.say(&json, &lines.join("\n"))?;
    match health {
        Some(health) if !health.online => {
            Err(CommandError::NoAnswer("the client is offline".into()))
        }
        _ => Ok(()),
    }
}

/// Takes a message back.
pub(crate) async fn cancel(
    place: &Place,
    message: String,
    output: &Output,
) -> Result<(), CommandError> {
    let outgoing = one(place, Request::Cancel { message }).await?;
    output.say(&json!(outgoing), line(&outgoing, output).trim_start())
}

/// Asks for something of one message that was sent.
async fn one(place: &Place, request: Request) -> Result<OutgoingMessage, CommandError> {
    let asked = async |access: &mut Access| access.ask(request).await;
    match Access::within(place, Reach::Offline, asked).await? {
        Response::Outgoing(outgoing) => Ok(outgoing),
        _ => Err(CommandError::Unexpected),
    }
}

/// Looks at the network until all is seen that there is to see, or a link has had its time.
async fn look(access: &mut Access, output: &Output) -> Result<Health, CommandError> {
    let spinner = output.spinner("looking at the network");
    let deadline = Instant::now() + LOOK;
    loop {
        let Response::Health(health) = access.ask(Request::Health {}).await? else {
            return Err(CommandError::Unexpected);
        };
        let seen = health.online
            && health.document_age.is_some()
            && health.mailboxes.iter().all(|mailbox| mailbox.answered.is_some());
        let failed = !health.online && !health.problems.is_empty();
        if seen || failed || Instant::now() >= deadline {
            spinner.finish_and_clear();
            return Ok(health);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn describe(status: &Status, all: bool, output: &Output) -> Vec<String> {
    let Status { queued, sent, delivered, expired, undeliverable, cancelled, unread, .. } = status;
    let mut lines = vec![format!(
        "queued {queued}, sent {sent}, delivered {delivered}, expired {expired}, given up \
         {undeliverable}, cancelled {cancelled}; unread {unread}"
    )];
    let shown = status.messages.iter().filter(|one| all || one.status != DeliveryStatus::Delivered);
    lines.extend(shown.map(|message| line(message, output)));
    lines.extend(status.silent.iter().map(|silence| format!("  note: {silence}")));
    lines
}

pub(crate) fn line(message: &OutgoingMessage, output: &Output) -> String {
    let when = |seconds| output.when(seconds);
    let OutgoingMessage { to, left, fragments, bytes, accepted, since, .. } = message;
    let what = message.file.as_deref().unwrap_or("text");
    let status = match message.status {
        DeliveryStatus::Queued => format!("queued, {left} of {fragments} fragments have left"),
        DeliveryStatus::Sent => {
            format!("sent, waiting for the other client until {}", when(message.expires))
        }
        DeliveryStatus::Delivered => format!("delivered {}", when(*since)),
        DeliveryStatus::Expired => format!("expired {}; it may have arrived", when(*since)),
        DeliveryStatus::Cancelled => format!("cancelled {}", when(*since)),
        _ => "given up".to_owned(),
    };
    let id = &message.message[..8];
    format!("  {id}  {}  {to}: {what}, {bytes} bytes: {status}", when(*accepted))
}

/// Sentence on contacts that do not know yet that letters of theirs have come. The delays are
/// exponential: three means are enough in 19 of 20 cases.
pub(crate) fn owed_acknowledgements(contacts: u64, delay: Duration) -> String {
    let whom = if contacts == 1 { "1 contact does" } else { &*format!("{contacts} contacts do") };
    let (mean, enough) = (humantime::format_duration(delay), (delay * 3).as_secs());
    format!(
        "{whom} not know yet that what came is here, and may send it again: they are told after a \
         drawn time online, {mean} on average. `rohrpost inbox --wait {enough}` stays for long \
         enough in 19 of 20 cases, a daemon always; else a later command tells them"
    )
}

/// Sentence on people who have written and are unknown.
pub(crate) fn unknown_writers(count: u64) -> Option<String> {
    match count {
        0 => None,
        1 => Some("somebody unknown to you wrote: `rohrpost requests`".to_owned()),
        more => Some(format!("{more} people unknown to you wrote: `rohrpost requests`")),
    }
}

/// Sentence on a roster that was installed and is newer than the one that the daemon goes by.
pub(crate) fn newer_roster(place: &Place, running: u32) -> Option<String> {
    let installed = place.network().ok()?.roster.version;
    (installed > running).then(|| {
        format!(
            "roster {installed} is installed, and the daemon goes by roster {running}: start it again, \
             unless the network is about to take the newer one over"
        )
    })
}

/// What is forgotten, and when; nothing where messages stay for ever, and always did.
fn describe_retention(kept: &Retention, output: &Output) -> Option<String> {
    let Retention { seconds, next, within_a_day, forgotten, last, .. } = kept;
    let mut text = match seconds {
        Some(seconds) => {
            let keep = humantime::format_duration(Duration::from_secs(*seconds));
            format!("messages stay for {keep} once they were read or are over")
        }
        None if *forgotten > 0 => "messages stay for ever now".to_owned(),
        None => return None,
    };
    if let Some(next) = next.filter(|_| seconds.is_some()) {
        let next = output.when(next);
        text.push_str(&format!(", the next goes {next}, {within_a_day} within a day"));
    }
    if let Some(last) = last {
        let last = output.when(*last);
        text.push_str(&format!("; {forgotten} are gone so far, the last since {last}"));
    }
    Some(text)
}

fn describe_health(health: &Health, daemon: bool) -> String {
    let through = if daemon { " (daemon)" } else { "" };
    let state = if health.online { "online" } else { "offline" };
    let mut text = format!(
        "network{through}: {state} through {}, {} of {} nodes up",
        health.entry, health.nodes_up, health.nodes
    );
    if let Some(age) = health.document_age {
        text.push_str(&format!(", document {age} s old"));
    }
    if health.loops_sent > 0 {
        text.push_str(&format!(", loops {} sent, {} lost", health.loops_sent, health.loops_lost));
    }
    text.push_str(&format!(", {} a day", volume(health.daily_bytes)));
    for problem in &health.problems {
        text.push_str(&format!("\n  problem: {problem}"));
    }
    if health.problems.is_empty() {
        text.push_str("; all is well");
    }
    text
}

/// Time to look: a little more than a link has for its answer.
const LOOK: Duration = Duration::from_secs(12);
