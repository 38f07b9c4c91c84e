//! Housekeeping of the store: what no request asks for, in slices so short that mail and requests
//! wait for none of them noticeably.

use std::time::{Duration, Instant};

use rohrpost_vault::Check;

use crate::store::{Store, StoreError};

/// The daily check of the whole store, the forgetting of what is over where that is much, and when
/// the next slice is due. Time is an argument.
pub(super) struct Housekeeping {
    check: Option<Check>,
    check_due: Instant,
    /// Time of the next slice of forgetting, while there is more to forget.
    prune_due: Option<Instant>,
}

impl Housekeeping {
    /// Begins with the first check some minutes after the start: whoever starts a client wants its
    /// mail first.
    pub(super) fn new(now: Instant) -> Self {
        Self { check: None, check_due: now + FIRST_CHECK, prune_due: None }
    }

    /// Time at which a slice is due.
    pub(super) fn due(&self) -> Instant {
        self.prune_due.map_or(self.check_due, |due| due.min(self.check_due))
    }

    /// Notes whether there is more to forget than what was forgotten at once.
    pub(super) fn pruned(&mut self, more: bool, now: Instant) {
        self.prune_due = more.then(|| now + PAUSE);
    }

    /// Tells whether the slice that is due is one of forgetting.
    pub(super) fn forgets(&self, now: Instant) -> bool {
        self.prune_due.is_some_and(|due| due <= now)
    }

    /// Does a slice of the check, or begins one. Gives the result of a check that ends.
    pub(super) fn check(&mut self, store: &Store, now: Instant) -> Option<Result<(), StoreError>> {
        let step = match &mut self.check {
            Some(check) => store.go_on(check, SLICE),
            None => store.begin_check().map(|begun| {
                self.check = Some(begun);
                false
            }),
        };
        self.check_due = now + PAUSE;
        let ended = match step {
            Ok(false) => return None,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        // A store that was opened again has to be checked from the begin.
        self.check = None;
        let broken_off = matches!(&ended, Err(error) if !error.is_damage());
        self.check_due = now + if broken_off { FIRST_CHECK } else { DAY };
        Some(ended)
    }
}

const FIRST_CHECK: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
/// Time between slices, in which mail and requests have their turn: a store of a million messages
/// is checked in some minutes.
const PAUSE: Duration = Duration::from_millis(50);
/// Records of a slice: some milliseconds of work.
const SLICE: usize = 500;
