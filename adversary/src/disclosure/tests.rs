//! The attack at a size that a test can bear, on fixed seeds.

use std::time::Duration;

use indicatif::ProgressBar;
use rohrpost_proto::directory::roster::Traffic;

use super::model::{Knowledge, Model, Replies};
use super::search::{Effort, Needed, needed};

/// The worst case with a hundred users and a delay of 120 s.
pub(super) fn model() -> Model {
    Model {
        traffic: Traffic::default(),
        users: 100,
        spacing: Duration::from_secs(300),
        mail: Duration::from_secs(1_800),
        acknowledgement: Duration::from_secs(120),
        mailboxes: 1,
        knowledge: Knowledge::Messages,
        replies: None,
        loops: true,
    }
}

fn attack(model: Model, limit: u32) -> Needed {
    needed(&model, Effort { trials: 10, seed: 1, limit }, &ProgressBar::hidden()).0
}

#[test]
fn without_a_delay_a_few_messages_suffice() {
    let found = attack(Model { acknowledgement: Duration::ZERO, ..model() }, 100);
    assert!(matches!(found, Needed::Messages { count, .. } if count <= 50), "{found:?}");
}

#[test]
fn with_the_default_delay_five_hundred_do_not() {
    let found = attack(model(), 500);
    assert!(matches!(found, Needed::More { .. }), "{found:?}");
}

/// Sums of small parts need about this: the square of a distance of 4.25, times the rate of loops,
/// over the share of Alice's messages and the squared density of the delay, which is 0.05 per
/// second less what the way smears; about 150.
#[test]
fn ten_seconds_cost_what_the_theory_says() {
    let found = attack(Model { acknowledgement: Duration::from_secs(10), ..model() }, 400);
    let Needed::Messages { count, .. } = found else { panic!("{found:?}") };
    assert!((70..300).contains(&count), "{count}");
}

#[test]
fn what_is_acknowledged_hours_later_says_nothing_yet() {
    let found = attack(Model { acknowledgement: Duration::from_secs(3_600), ..model() }, 30);
    assert!(matches!(found, Needed::More { .. }), "{found:?}");
}

/// A person who answers every message within seconds is no better than no delay.
#[test]
fn quick_replies_undo_the_delay() {
    let replies = Replies { chance: 1.0, median: Duration::from_secs(5), spread: 0.2 };
    let found = attack(Model { replies: Some(replies), ..model() }, 100);
    assert!(matches!(found, Needed::Messages { count, .. } if count <= 60), "{found:?}");
}
