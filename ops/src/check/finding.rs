//! What is said of one node, to people and to programs.

use rohrpost_measure::output::say;
use serde_json::{Value, json};

/// What was found of one node, or of the files at hand.
pub(super) struct Finding {
    pub(super) of: String,
    /// What was seen, in words.
    pub(super) text: String,
    /// The same for programs.
    pub(super) values: Value,
    /// What is not as it should be, each with what to do.
    pub(super) problems: Vec<String>,
}

impl Finding {
    pub(super) fn say(&self) {
        say(&format!("{:<18} {}", self.of, self.text));
        self.problems.iter().for_each(|problem| say(&format!("  problem: {problem}")));
    }

    pub(super) fn json(&self) -> Value {
        let mut value = self.values.clone();
        value["of"] = json!(self.of);
        value["problems"] = json!(self.problems);
        value
    }
}
