//! `rohrpost-loadgen run`: real clients send to each other through a network, and what comes of it
//! is measured (`docs/capacity.md`).

mod attempt;
mod client;
mod error;
mod ledger;
mod limit;
mod message;
mod options;
mod report;
mod schedule;
mod scrape;
mod target;
mod timetable;
mod trial;

use rohrpost_localnet::Interrupt;
use rohrpost_measure::output::say;

use attempt::attempt;
use error::RunError;
pub(crate) use options::Options;

/// Runs until the load is over and its messages were awaited.
///
/// # Errors
/// The load could not be measured, or messages were lost.
pub(crate) fn run(options: &Options) -> Result<(), RunError> {
    let runtime = rohrpost_localnet::runtime().map_err(RunError::System)?;
    runtime.block_on(async {
        let mut interrupt = Interrupt::listen().map_err(RunError::System)?;
        tokio::select! {
            result = measure(options) => result,
            () = interrupt.asked() => Err(RunError::Interrupted),
        }
    })
}

async fn measure(options: &Options) -> Result<(), RunError> {
    if options.find_limit {
        return limit::find(options).await;
    }
    let (outcome, schedule) = attempt(options, options.settings.clients).await?;
    if options.json {
        say(&report::json(&outcome, schedule).to_string());
    } else {
        report::print(&outcome, schedule);
    }
    let lost = outcome.ledger.open().len();
    if lost > 0 || outcome.ledger.damaged > 0 {
        return Err(RunError::Lost { lost, damaged: outcome.ledger.damaged });
    }
    Ok(())
}
