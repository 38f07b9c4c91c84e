//! The command: options, table and verdicts.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, value_parser};
use rohrpost_measure::progress;
use rohrpost_measure::report::{Report, Verdict, number};
use rohrpost_proto::directory::roster::Traffic;
use serde_json::{Value, json};

use super::model::{Knowledge, Model};
use super::search::{Effort, Needed, SUCCESS, needed};

/// Options of `rohrpost-adversary disclosure`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Active users among whom Alice is sought. Bob comes on top.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(3..=10_000))]
    users: u32,
    /// Mean delays of acknowledgements, in seconds, separated by commas.
    #[arg(long, value_name = "S", value_delimiter = ',', default_value = "0,10,60,120", value_parser = value_parser!(u32).range(0..=3_600))]
    means: Vec<u32>,
    /// Mean time between Alice's messages to Bob, in seconds. Five minutes serve the attacker best
    /// at the default mean: closer together messages share an acknowledgement.
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = value_parser!(u32).range(1..=86_400))]
    spacing: u32,
    /// Mean time between the messages of each user to random others, in seconds. They hide Alice:
    /// the less there is of them, the better for the attacker.
    #[arg(long, value_name = "S", default_value_t = 1_800, value_parser = value_parser!(u32).range(1..=86_400))]
    mail: u32,
    /// Mailboxes, of their two, that Alice and Bob use in writing to each other. 1 is the worst
    /// case: each enters the network at an operator that has one mailbox of the other, which a
    /// sender avoids, and the attacker knows which. With 2 a coin decides for each envelope.
    #[arg(long, value_name = "1|2", default_value_t = 1, value_parser = value_parser!(u32).range(1..=2))]
    mailboxes: u32,
    /// Only with this knowledge of Bob's mailbox: `times` of all its envelopes, or besides which
    /// are `messages` [default: both].
    #[arg(long, value_enum)]
    knowledge: Option<Knowledge>,
    /// Trials for each number. The share of successes has a standard error of 2.8 % with 60.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = value_parser!(u32).range(2..=100_000))]
    trials: u32,
    /// Messages after which a trial is given up; where loops are unknown, a twentieth of it. What
    /// is needed is then reckoned from the lead that Alice has, as a lower bound.
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Makes the same trials again.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object on standard output instead of text.
    #[arg(long)]
    json: bool,
}

/// Messages needed at one mean.
struct Row {
    mean: u32,
    found: Vec<(Knowledge, Needed)>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let rows: Vec<_> = options.means.iter().map(|mean| attack(options, *mean)).collect();
    let mut report = Report::default();
    describe(options, &mut report);
    table(&rows, &mut report);
    judge(&rows, &mut report);
    report.show(options.json);
    ExitCode::from(u8::from(!report.holds()))
}

fn attack(options: &Options, mean: u32) -> Row {
    let Options { trials, seed, limit, .. } = *options;
    let all = [Knowledge::Times, Knowledge::Messages];
    let asked = all.into_iter().filter(|one| options.knowledge.is_none_or(|only| only == *one));
    let found = asked.map(|knowledge| {
        let model = model(options, mean, knowledge);
        let what = format!("messages, mean {mean} s, {}", knowledge.as_str());
        let bar = progress::bar(options.json, 0, "{bar:30} {pos}/{len} {msg}").with_message(what);
        let (needed, _) = needed(&model, Effort { trials, seed, limit }, &bar);
        bar.finish_and_clear();
        (knowledge, needed)
    });
    Row { mean, found: found.collect() }
}

fn model(options: &Options, mean: u32, knowledge: Knowledge) -> Model {
    Model {
        traffic: Traffic::default(),
        users: usize::try_from(options.users).unwrap_or(usize::MAX),
        spacing: Duration::from_secs(options.spacing.into()),
        mail: Duration::from_secs(options.mail.into()),
        acknowledgement: Duration::from_secs(mean.into()),
        mailboxes: options.mailboxes,
        knowledge,
        replies: None,
        loops: true,
    }
}

fn describe(options: &Options, report: &mut Report) {
    let Options { users, spacing, mail, mailboxes, trials, seed, .. } = options;
    report.line(format!(
        "messages until the relays rank Alice first of {users} users in {:.0} % of {trials} trials, \
         seed {seed}",
        SUCCESS * 100.0
    ));
    report.line(format!(
        "Alice writes to Bob once per {spacing} s, every user to a random other once per {mail} s, \
         through {mailboxes} of 2 mailboxes"
    ));
    report.line("");
    let settings = [("users", users), ("spacing", spacing), ("mail", mail), ("trials", trials)];
    for (name, value) in settings.into_iter().chain([("mailboxes", mailboxes)]) {
        report.value(name, *value);
    }
    report.value("seed", *seed);
}

fn table(rows: &[Row], report: &mut Report) {
    report.line(format!(
        "{:>16}  {:>26}  {:>26}",
        "acknowledgement", "relays see times,", "and know"
    ));
    report.line(format!("{:>16}  {:>26}  {:>26}", "mean", "Bob's loops among them", "Bob's loops"));
    for row in rows {
        let cell = |knowledge| {
            let found = row.found.iter().find(|(known, _)| *known == knowledge);
            found.map_or_else(|| "-".to_owned(), |(_, needed)| needed.text())
        };
        let (times, messages) = (cell(Knowledge::Times), cell(Knowledge::Messages));
        report.line(format!("{:>14} s  {times:>26}  {messages:>26}", row.mean));
    }
    report.value("means", rows.iter().map(Row::json).collect::<Vec<_>>());
}

fn judge(rows: &[Row], report: &mut Report) {
    for row in rows {
        let Some(least) = row.found.iter().map(|(_, needed)| needed).min_by_key(|n| n.at_least())
        else {
            continue;
        };
        let (limit, holds) = match row.mean {
            DEFAULT_MEAN => (format!("at least {ENOUGH}"), least.at_least() >= ENOUGH),
            0 => {
                let few = matches!(least, Needed::Messages { count, .. } if *count <= FEW);
                (format!("few, at most {FEW}: the attack works"), few)
            }
            _ => continue,
        };
        report.judge(Verdict {
            what: format!("messages needed at a mean of {} s, best attack", row.mean),
            measured: least.text(),
            limit,
            holds,
        });
    }
}

impl Row {
    fn json(&self) -> Value {
        let found = self.found.iter().map(|(knowledge, needed)| {
            let value = match *needed {
                Needed::Messages { count, method } => {
                    json!({ "messages": count, "method": method })
                }
                Needed::More { played, above } => json!({ "more_than": above, "played": played }),
            };
            (knowledge.as_str().to_owned(), value)
        });
        json!({ "mean": self.mean, "needed": Value::Object(found.collect()) })
    }
}

impl Needed {
    fn text(&self) -> String {
        match self {
            Self::Messages { count, method } => format!("{} ({method})", number((*count).into())),
            Self::More { above, .. } => format!("more than {}", number((*above).into())),
        }
    }
}

/// Seconds; the mean of the design, which `ENOUGH` belongs to.
const DEFAULT_MEAN: u32 = 120;
/// Messages that the attacker must need by default.
const ENOUGH: u32 = 500;
/// Messages at which the attack must work without a delay, a tenth of that at most; else nothing
/// would say that it is not the attack that fails. On Signal five suffice.
const FEW: u32 = ENOUGH / 10;
