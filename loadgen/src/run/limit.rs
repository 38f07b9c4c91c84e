//! The most clients that a network on this machine carries: doubled until it is too many, then
//! bisected.

use std::time::{Duration, Instant};

use rohrpost_measure::output::{say, tell};
use rohrpost_measure::statistics::float;
use serde_json::{Value, json};

use super::attempt::attempt;
use super::error::RunError;
use super::options::Options;
use super::report::{busiest, reasons, worst_lateness};
use super::trial::Outcome;

/// Numbers of clients that were tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Search {
    /// The most that went well.
    good: Option<u32>,
    /// The least that did not.
    bad: Option<u32>,
    first: u32,
}

/// Trial of the search.
struct Step {
    clients: u32,
    good: bool,
    /// Reason why it did not go well; what was busiest if it did.
    words: String,
    json: Value,
}

impl Search {
    const fn new(first: u32) -> Self {
        Self { good: None, bad: None, first }
    }

    /// The next number to try, even; none if the limit is known to a tenth.
    fn next(&self) -> Option<u32> {
        let next = match (self.good, self.bad) {
            (None, None) => self.first,
            (Some(good), None) => good.checked_mul(2)?,
            (None, Some(bad)) => bad / 2,
            (Some(good), Some(bad)) => good.midpoint(bad),
        };
        let next = next - next % 2;
        let good = self.good.unwrap_or(0);
        let near = self.bad.is_some_and(|bad| bad - good <= (bad / 10).max(2));
        (next > good && !near).then_some(next)
    }

    fn tell(&mut self, clients: u32, good: bool) {
        if good {
            self.good = self.good.max(Some(clients));
        } else {
            self.bad = Some(self.bad.map_or(clients, |bad| bad.min(clients)));
        }
    }
}

/// Finds the most clients that are carried, each trial on a network of its own.
///
/// # Errors
/// The first number is too many and so are all below it, or a trial cannot be made.
pub(super) async fn find(options: &Options) -> Result<(), RunError> {
    let begin = Instant::now();
    let mut search = Search::new(options.settings.clients);
    let mut steps = Vec::new();
    while let Some(clients) = search.next() {
        if begin.elapsed() > options.within {
            tell("note: the time is up (--within); the limit lies between the last two numbers");
            break;
        }
        let step = step(options, clients).await?;
        search.tell(clients, step.good);
        let verdict = if step.good { "carried" } else { "too many" };
        let line = format!("{:>6} clients: {verdict}; {}", step.clients, step.words);
        let show = if options.json { tell } else { say };
        show(&line);
        steps.push(step);
    }
    let limiting = steps.iter().filter(|step| !step.good).min_by_key(|step| step.clients);
    if options.json {
        let steps: Vec<_> = steps.iter().map(|step| step.json.clone()).collect();
        say(&json!({ "limit": search.good, "beyond": search.bad, "steps": steps }).to_string());
    } else {
        let limit = search.good.map_or_else(|| "none".to_owned(), |good| good.to_string());
        let why =
            limiting.map_or_else(|| "none was too many".to_owned(), |step| step.words.clone());
        say(&format!("\nlimit: {limit} clients; the next that was tried: {why}"));
    }
    Ok(())
}

async fn step(options: &Options, clients: u32) -> Result<Step, RunError> {
    match attempt(options, clients).await {
        Ok((outcome, _)) => Ok(Step::of(options, clients, &outcome)),
        Err(error @ (RunError::NotReady { .. } | RunError::Localnet(_))) => {
            let words = error.to_string();
            let json = json!({ "clients": clients, "carried": false, "error": words });
            Ok(Step { clients, good: false, words, json })
        }
        Err(error) => Err(error),
    }
}

impl Step {
    fn of(options: &Options, clients: u32, outcome: &Outcome) -> Self {
        let lost = outcome.ledger.open().len();
        let late = worst_lateness(outcome);
        let time = outcome.warmed + outcome.settings.duration + outcome.drained;
        let skipped = skipped_share(outcome.ledger.skipped, clients, time, outcome.slot);
        let good = lost == 0
            && outcome.ledger.damaged == 0
            && late < options.lateness.as_secs_f64()
            && skipped <= SKIPPED;
        let (name, cores) = busiest(outcome);
        let busy = outcome.machine.share();
        let words = format!(
            "lost {lost} of {}, lateness p99 {:.1} ms, machine {:.0} % busy, most by {name} ({:.0} % of a \
             core), dropped: {}, slots skipped: {:.2} %",
            outcome.ledger.sent(),
            late * 1e3,
            busy * 100.0,
            cores * 100.0,
            reasons(&outcome.dropped),
            100.0 * skipped
        );
        let json = json!({
            "clients": clients,
            "carried": good,
            "sent": outcome.ledger.sent(),
            "lost": lost,
            "lateness_p99_ms": late * 1e3,
            "machine_busy": busy,
            "busiest": name,
            "busiest_cores": cores,
            "dropped": outcome.dropped,
            "skipped_slots": outcome.ledger.skipped,
            "skipped_share": skipped,
        });
        Self { clients, good, words, json }
    }
}

/// Share of the slots that all clients have in this time that passed without a cell. A client that
/// skips them does not keep its grid, so it is not carried.
fn skipped_share(skipped: u64, clients: u32, time: Duration, slot: Duration) -> f64 {
    float(skipped) * slot.as_secs_f64() / (f64::from(clients) * time.as_secs_f64())
}

/// Share of all slots that may be skipped: what the start of many clients at once costs.
const SKIPPED: f64 = 0.005;

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where `limit` clients are carried and no more; gives what was tried.
    fn tried(first: u32, limit: u32) -> (Vec<u32>, Search) {
        let mut search = Search::new(first);
        let mut tried = Vec::new();
        while let Some(clients) = search.next() {
            tried.push(clients);
            search.tell(clients, clients <= limit);
        }
        (tried, search)
    }

    #[test]
    fn numbers_are_doubled_and_then_bisected_to_a_tenth() {
        let (tried, search) = tried(50, 330);
        assert_eq!(tried, [50, 100, 200, 400, 300, 350, 324]);
        assert_eq!((search.good, search.bad), (Some(324), Some(350)));
    }

    /// Two crowds: 200 clients that have 400 slots each, in a start that takes its time, and 800,
    /// most of whose slots passed without a cell.
    #[test]
    fn a_crowd_that_skips_its_slots_is_too_many() {
        let share = |skipped, clients| {
            skipped_share(skipped, clients, Duration::from_secs(100), Duration::from_millis(250))
        };
        assert_eq!(share(400, 200), 0.005);
        assert!(share(400, 200) <= SKIPPED && share(401, 200) > SKIPPED);
        assert!(share(145_094, 800) > 0.45);
    }

    #[test]
    fn a_first_number_that_is_too_many_is_halved() {
        let (numbers, search) = tried(64, 10);
        assert_eq!(numbers, [64, 32, 16, 8, 12, 10]);
        assert_eq!((search.good, search.bad), (Some(10), Some(12)));
        let (numbers, search) = tried(8, 0);
        assert_eq!((numbers, search.good), (vec![8, 4, 2], None));
    }
}
