//! Attempt at a load: checked beforehand, on a network of its own or on the one that is there.

use std::sync::Arc;

use rohrpost_measure::output::tell;
use rohrpost_packet::envelope::fragment_body_len;
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::directory::roster::{Roster, SuiteName};

use super::error::RunError;
use super::message;
use super::options::{Options, Settings};
use super::schedule::{Load, Schedule};
use super::target::Target;
use super::trial::{self, Outcome};

/// Makes a trial with `clients` on a network of its own, or on the one that is there.
pub(super) async fn attempt(
    options: &Options,
    clients: u32,
) -> Result<(Outcome, Schedule), RunError> {
    let settings = Settings {
        clients,
        seed: options.settings.seed.or_else(|| Some(rand::random())),
        ..options.settings
    };
    check(settings)?;
    let mut target = Target::find(options).await?;
    let schedule = Schedule::new(&target.network.roster.traffic, 2);
    let result = match check_rate(settings, &target.network.roster, schedule) {
        Err(error) => Err(error),
        Ok(()) => {
            let (network, watched) = (Arc::clone(&target.network), target.watched.clone());
            tokio::select! {
                outcome = trial::run(&network, &watched, settings, schedule, options.json) => outcome,
                failure = target.failure() => Err(failure),
            }
        }
    };
    target.stop().await;
    Ok((result?, schedule))
}

/// Checks what can be told before anything is started.
fn check(settings: Settings) -> Result<(), RunError> {
    let usage = |what: String| Err(RunError::Usage(what));
    if !settings.clients.is_multiple_of(2) {
        return usage(format!(
            "--clients {} is odd; clients write to each other in pairs: use an even number",
            settings.clients
        ));
    }
    if !(settings.rate.is_finite() && settings.rate > 0.0) {
        return usage(format!(
            "--rate {} is no rate; messages per second, such as 0.1",
            settings.rate
        ));
    }
    if settings.message_bytes < message::LEAST_TEXT {
        let least = message::LEAST_TEXT;
        return usage(format!(
            "--message-bytes {} is too few; a message of a load carries its number and its due time in \
             {least} bytes",
            settings.message_bytes
        ));
    }
    let messages = settings.duration.as_secs_f64() * settings.rate * f64::from(settings.clients);
    if messages > MOST_MESSAGES {
        return usage(format!(
            "{messages:.0} messages are more than the book holds, {MOST_MESSAGES:.0}"
        ));
    }
    Ok(())
}

/// Checks what depends on the network's suite and rates.
fn check_rate(settings: Settings, roster: &Roster, schedule: Schedule) -> Result<(), RunError> {
    let limit = match roster.suite {
        SuiteName::Hybrid => fragment_body_len::<Hybrid>(),
        SuiteName::Classic => fragment_body_len::<Classic>(),
    };
    if settings.message_bytes > limit {
        return Err(RunError::Usage(format!(
            "--message-bytes {} is too long; one envelope of suite {} holds {limit}",
            settings.message_bytes,
            roster.suite.as_str()
        )));
    }
    let slot = roster.traffic.slot.as_millis();
    match schedule.load(settings.rate) {
        Load::Carried => {}
        Load::Tight { share } => tell(&format!(
            "note: at {} messages a second the busiest mailboxes need {:.0} % of their answers; queues \
             grow long, and a mailbox holds 16 envelopes at first, so some may be lost by the schedule",
            settings.rate,
            share * 100.0
        )),
        Load::Beyond { most } => {
            return Err(RunError::Usage(format!(
                "--rate {} is beyond what the traffic schedule carries, {most:.2} messages per second and \
                 client: a mailbox answers once per 4 slots of {slot} ms, its owner's loops take part \
                 of that, and only 45 of 128 slots carry messages; use a lower --rate, or a shorter --slot",
                settings.rate
            )));
        }
    }
    Ok(())
}

/// Messages in the book of a load, about 100 bytes each.
const MOST_MESSAGES: f64 = 1e7;
