//! What a measurement says, to people and to scripts.

use rohrpost_localnet::output::say;
use serde_json::{Map, Value, json};

/// Lines for people, values for scripts, and the verdicts over both.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    values: Map<String, Value>,
    verdicts: Vec<Verdict>,
}

/// Whether a measured value keeps within its limit.
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) limit: String,
    pub(crate) holds: bool,
}

impl Report {
    pub(crate) fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    pub(crate) fn value(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    pub(crate) fn judge(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    /// Whether every verdict holds.
    pub(crate) fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }

    /// Prints it to standard output.
    pub(crate) fn show(&self, as_json: bool) {
        if as_json {
            let mut values = self.values.clone();
            values.insert("holds".into(), self.holds().into());
            values.insert("verdicts".into(), self.verdicts.iter().map(Verdict::json).collect());
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

    fn json(&self) -> Value {
        let Self { what, measured, limit, holds } = self;
        json!({ "what": what, "measured": measured, "limit": limit, "holds": holds })
    }
}

/// A rate or count with a thin space between thousands.
pub(crate) fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", &digits[..]), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
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
