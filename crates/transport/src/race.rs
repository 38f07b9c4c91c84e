//! The first address of a node that answers, of several that are tried one shortly after the other (RFC
//! 8305, section 5): one that is not reached from here, such as of IPv6 where there is none, holds nobody
//! up for as long as its attempt takes.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Makes attempts in their order, each [`STAGGER`] after the one before or as soon as all before have
/// failed. Gives what the first that succeeds brings, and ends the others; or the last failure.
pub(crate) async fn first<T, E, F>(attempts: impl IntoIterator<Item = F>) -> Result<T, Option<E>>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let (mut attempts, mut running) = (attempts.into_iter().fuse(), JoinSet::new());
    let (mut last, mut due) = (None, Instant::now());
    loop {
        if running.is_empty() || Instant::now() >= due {
            match attempts.next() {
                Some(attempt) => drop(running.spawn(attempt)),
                None if running.is_empty() => return Err(last),
                None => {}
            }
            due = Instant::now() + STAGGER;
        }
        tokio::select! {
            Some(ended) = running.join_next() => match ended {
                Ok(Ok(brought)) => return Ok(brought),
                Ok(Err(error)) => last = Some(error),
                Err(_) => {}
            },
            () = sleep_until(due) => {}
        }
    }
}

/// Time after which the next address is tried beside those before (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(30);

    /// Makes attempts that take so long and succeed or fail; gives the number of the one that won or that
    /// failed last, and how long all took.
    async fn race(attempts: &[(Duration, bool)]) -> (Result<usize, Option<usize>>, Duration) {
        let begun = Instant::now();
        let attempts = attempts.iter().copied().enumerate();
        let attempt = |(number, (took, succeeds))| async move {
            tokio::time::sleep(took).await;
            if succeeds { Ok(number) } else { Err(number) }
        };
        (first(attempts.map(attempt)).await, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        assert_eq!(race(&[(LONG, false), (SHORT, true)]).await, (Ok(1), STAGGER + SHORT));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_at_once_costs_nothing() {
        assert_eq!(race(&[(Duration::ZERO, false), (SHORT, true)]).await, (Ok(1), SHORT));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_address_that_answers_wins() {
        assert_eq!(race(&[(SHORT, true), (SHORT, true)]).await, (Ok(0), SHORT));
        let slow_first = [(STAGGER + SHORT * 2, true), (SHORT, true)];
        assert_eq!(race(&slow_first).await, (Ok(1), STAGGER + SHORT));
    }

    #[tokio::test(start_paused = true)]
    async fn all_failures_are_waited_for_and_the_last_is_told() {
        assert_eq!(race(&[(LONG, false), (SHORT, false)]).await, (Err(Some(0)), LONG));
        assert_eq!(race(&[]).await, (Err(None), Duration::ZERO));
    }
}
