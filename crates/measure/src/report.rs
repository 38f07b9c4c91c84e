//! Reports of a measurement, to people and to scripts.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::output::say;

/// Lines for people, values for scripts, and the verdicts over both.
#[derive(Default)]
pub struct Report {
    lines: Vec<String>,
    values: Map<String, Value>,
    verdicts: Vec<Verdict>,
}

/// A measured value held against its limit.
#[derive(Serialize)]
pub struct Verdict {
    /// The value that is judged.
    pub what: String,
    /// The value as it was found.
    pub measured: String,
    /// The limit in words.
    pub limit: String,
    /// True if the value keeps within the limit.
    pub holds: bool,
}

impl Report {
    /// Adds a line for people.
    pub fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Adds a value for scripts.
    pub fn value(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Adds a verdict, which is shown to both.
    pub fn judge(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    /// Tells whether every verdict holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }

    /// Prints the lines and verdicts, or all values as one JSON object, to standard output.
    pub fn show(&self, as_json: bool) {
        if as_json {
            let mut values = self.values.clone();
            values.insert("holds".into(), self.holds().into());
            values.insert("verdicts".into(), json!(self.verdicts));
            return say(&Value::Object(values).to_string());
        }
        self.lines.iter().for_each(|line| say(line));
        say("");
        self.verdicts.iter().for_each(|verdict| say(&verdict.line()));
    }
}

impl Verdict {
    fn line(&self) -> String {
        let Self { what, measured, limit, holds } = self;
        let word = if *holds { "holds" } else { "FAILS" };
        format!("{word}  {what}: {measured} (limit: {limit})")
    }
}

/// A rate or count as text, with a space between thousands.
#[must_use]
pub fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", &digits[..]), |rest| ("-", rest));
    let digits: Vec<_> = digits.chars().collect();
    let groups: Vec<_> = digits.rchunks(3).rev().map(String::from_iter).collect();
    format!("{sign}{}", groups.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_gaps_between_thousands() {
        assert_eq!(number(1234567.4), "1 234 567");
        assert_eq!(number(-1234.0), "-1 234");
        assert_eq!(number(999.0), "999");
    }

    #[test]
    fn one_verdict_that_fails_is_enough() {
        let verdict = |holds| Verdict {
            what: "sum".into(),
            measured: "12 %".into(),
            limit: "10 %".into(),
            holds,
        };
        let mut report = Report::default();
        assert!(report.holds());
        report.judge(verdict(true));
        assert!(report.holds());
        report.judge(verdict(false));
        assert!(!report.holds());
        assert_eq!(report.verdicts[1].line(), "FAILS  sum: 12 % (limit: 10 %)");
    }
}
