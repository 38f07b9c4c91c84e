//! The course of trouble with the disk under the store: how long it lasts, and when to try again.

use std::time::{Duration, Instant};

/// The course of the disk's trouble. Time is an argument.
#[derive(Default)]
pub(super) struct Trouble {
    /// Begin of the trouble, and time of the next try; none while all is well.
    now: Option<(Instant, Instant)>,
    /// Begin of the last trouble and when it was over.
    last: Option<(Instant, Instant)>,
    /// Tries in vain.
    tries: u32,
}

impl Trouble {
    /// Notes that the disk has failed; true if it was well before. What comes soon after another
    /// trouble is the same one.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.now.is_some() {
            return false;
        }
        let recent = self.last.filter(|(_, over)| now.duration_since(*over) < RECENT);
        if recent.is_none() {
            self.tries = 0;
        }
        self.now = Some((recent.map_or(now, |(began, _)| began), now + self.pause()));
        true
    }

    /// Notes a try in vain; false if the trouble has lasted for too long.
    pub(super) fn go_on(&mut self, now: Instant) -> bool {
        self.tries += 1;
        let pause = self.pause();
        self.now.as_mut().is_none_or(|(began, next)| {
            *next = now + pause;
            now.duration_since(*began) < BOUND
        })
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.last = self.now.take().map(|(began, _)| (began, now));
    }

    /// Time of the next try, if there is trouble.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.now.map(|(_, next)| next)
    }

    fn pause(&self) -> Duration {
        (FIRST_PAUSE * (1 << self.tries.min(10))).min(LONGEST_PAUSE)
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Time after a trouble in which the next is taken for the same.
const RECENT: Duration = Duration::from_secs(120);
/// Time after which a client gives up: its user may not look at it, but whoever supervises it does.
pub(super) const BOUND: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_bound_counts_over_short_recoveries() {
        let (mut trouble, mut now) = (Trouble::default(), Instant::now());
        let began = now;
        assert!(trouble.begin(now) && !trouble.begin(now));
        let mut pauses = Vec::new();
        loop {
            let next = trouble.next_try().unwrap();
            pauses.push(next.duration_since(now).as_secs());
            now = next;
            if pauses.len() % 7 == 0 {
                trouble.end(now);
                assert!(trouble.next_try().is_none() && trouble.begin(now + RECENT / 2));
            } else if !trouble.go_on(now) {
                break;
            }
        }
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30]);
        let lasted = now.duration_since(began);
        assert!((BOUND..BOUND + LONGEST_PAUSE + RECENT).contains(&lasted), "{lasted:?}");
        trouble.end(now);
        assert!(trouble.begin(now + RECENT));
        assert_eq!(trouble.next_try(), Some(now + RECENT + FIRST_PAUSE));
    }
}
