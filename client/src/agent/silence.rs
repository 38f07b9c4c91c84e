//! What is said of contacts of which there is no sign of life.

use std::time::Duration;

use rohrpost_proto::time::calendar::date;

use super::task::AgentTask;
use crate::store::{KnownContact, LONGEST_ABSENCE, Silence, Store, StoreError};

impl AgentTask {
    /// The sentence on a contact's silence, if there is something to say of it.
    pub(super) fn silence(&self, known: &KnownContact) -> Result<Option<String>, StoreError> {
        let now = self.clocks.machine();
        let silence = self.store.with(|store| store.silence(known, now))?;
        Ok(silence.map(|silence| sentence(&known.name, silence, now)))
    }

    /// Sentences on all contacts of which nothing is heard though letters have left; of many, on the
    /// first ones.
    pub(super) fn silences(&self) -> Result<Vec<String>, StoreError> {
        let now = self.clocks.machine();
        let silences = self.store.with(|store: &Store| store.silences(now))?;
        let mut sentences: Vec<_> =
            silences.iter().map(|(known, silence)| sentence(&known.name, *silence, now)).collect();
        if sentences.len() > LISTED {
            let more = sentences.len() - LISTED;
            sentences.truncate(LISTED);
            sentences.push(format!("so it is with {more} more; `rohrpost contacts` lists all"));
        }
        Ok(sentences)
    }
}

/// Sentence on a contact's silence, with what to do. Within the time in which two clients find each
/// other again by themselves, that is nothing.
fn sentence(name: &str, Silence { heard, first }: Silence, now: Duration) -> String {
    let Some(heard) = heard else {
        return format!(
            "nothing was ever heard of {name}, though letters left from {} (UTC) on: it may not have \
             accepted you, which it does by `rohrpost requests` or by adding your card. Hand that \
             over once more (`rohrpost card`), and compare words",
            date(first)
        );
    };
    let since = date(heard);
    let begin = format!("nothing heard of {name} since {since} (UTC), though letters left:");
    if now.saturating_sub(heard) < LONGEST_ABSENCE {
        return format!(
            "{begin} it may be away. Nothing is to be done; within 120 days both clients find each \
             other again by themselves, and what expired meanwhile is to be sent again"
        );
    }
    format!(
        "{begin} that is longer than the 120 days after which both clients find each other again by \
         themselves. Hand each other new cards in another way, and add it under this name; then \
         send again what expired"
    )
}

/// Contacts of which an answer to `status` speaks.
const LISTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_to_be_done_before_two_leaves_are_over() {
        const DAY: Duration = Duration::from_secs(86_400);
        let heard = Duration::from_secs(1_795_000_000);
        let told = |heard, now| sentence("bob", Silence { heard, first: now - DAY * 6 }, now);
        for (heard, days, words) in [
            (Some(heard), 119, "nothing heard of bob since 2026-11-18 (UTC), though letters left"),
            (Some(heard), 119, "Nothing is to be done"),
            (Some(heard), 120, "nothing heard of bob since 2026-11-18 (UTC), though letters left"),
            (Some(heard), 120, "Hand each other new cards"),
            (
                None,
                6,
                "nothing was ever heard of bob, though letters left from 2026-11-18 (UTC) on",
            ),
            (None, 600, "`rohrpost card`"),
        ] {
            let now = Duration::from_secs(1_795_000_000) + DAY * days;
            let told = told(heard, now);
            assert!(told.contains(words), "{days}: {told}");
        }
    }
}
