//! `rohrpost-adversary attack`: how much an attacker learns by statistics (`docs/anonymity.md`).

mod acknowledgements;
mod chance;
mod curve;
mod model;
mod recipient;
mod search;
mod stream;
mod trial;

use std::process::ExitCode;

use clap::Subcommand;

/// Attacks of `rohrpost-adversary attack`.
#[derive(Subcommand)]
pub(crate) enum Attack {
    /// Two mailbox relays collude to tell by acknowledgements who writes to whom.
    ///
    /// Alice writes to Bob, and Bob's client acknowledges. The relays of all mailboxes see when an
    /// envelope is handed to Bob and when one is stored for each of the users, loops among them.
    /// They know all delay distributions and give each user a score (log-likelihood, or the epochs
    /// of Martiny et al., NDSS 2021). Printed is the number of messages after which Alice ranks
    /// first in 95 % of the trials. Nothing is sent: a simulation that follows the traffic schedule
    /// of docs/traffic.md.
    ///
    /// Exit codes: 0 all verdicts hold, 1 one does not hold, 2 the command line is wrong.
    Acknowledgements(acknowledgements::Options),
}

/// Attacks and prints; the exit code says whether all verdicts hold.
pub(crate) fn run(attack: &Attack) -> ExitCode {
    match attack {
        Attack::Acknowledgements(options) => acknowledgements::run(options),
    }
}

#[cfg(test)]
mod tests;
