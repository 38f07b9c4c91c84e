//! Record of a run of attacks, as `attack --json` prints it and `report` shows it.

use rohrpost_node::version;
use rohrpost_proto::time::calendar::date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::definition::{Bound, Curve, Interval, Measured};

/// A run of attacks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Revision and wire versions of the program that attacked.
    pub(crate) version: String,
    /// Day in UTC, `YYYY-MM-DD`.
    pub(crate) date: String,
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    /// True if every attack's limit holds and its weakened builds break.
    pub(crate) holds: bool,
    pub(crate) attacks: Vec<Record>,
}

/// What came of one attack; the fields of `Attack` and `Outcome`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) claim: String,
    pub(crate) attacker: String,
    pub(crate) sees: String,
    pub(crate) knows: String,
    pub(crate) number: String,
    pub(crate) found: Found,
    pub(crate) limit: Option<Bound>,
    pub(crate) limit_holds: bool,
    pub(crate) weakened: Vec<Build>,
    pub(crate) holds: bool,
    /// Time that the attack took, its weakened builds included.
    pub(crate) seconds: f64,
}

/// What came of a build that lacks a law.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Build {
    pub(crate) build: String,
    pub(crate) must_be: Bound,
    /// Null where the program could not take the law back.
    pub(crate) found: Option<Found>,
    pub(crate) broken: Option<bool>,
}

/// A number, what it is made of, and its curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) interval: Interval,
    pub(crate) details: Map<String, Value>,
    pub(crate) curve: Option<Curve>,
}

impl Run {
    /// A run of this program on this day.
    pub(crate) fn today(seed: u64, quick: bool, attacks: Vec<Record>) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let date = date(now.unwrap_or_default());
        let holds = attacks.iter().all(|attack| attack.holds);
        Self { version: version().into(), date, seed, quick, holds, attacks }
    }
}

impl Found {
    pub(super) fn of(measured: &Measured) -> Self {
        Self {
            interval: measured.estimate.into(),
            details: measured.details.clone(),
            curve: measured.curve.clone(),
        }
    }
}
