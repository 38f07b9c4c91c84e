//! Housekeeping of the store: what no request asks for, in slices so short that mail and requests
//! wait for none of them noticeably.

use std::time::{Duration, Instant};

use rohrpost_vault::Check;

use crate::store::{Store, StoreError};

/// The daily check of the whole store, and when its next slice is due. Time is an argument.
pub(super) struct Housekeeping {
    check: Option<Check>,
    due: Instant,
}

impl Housekeeping {
    /// Begins with the first check some minutes after the start: whoever starts a client wants its
    /// mail first.
    pub(super) fn new(now: Instant) -> Self {
        Self { check: None, due: now + FIRST_CHECK }
    }

    /// Time at which [`Housekeeping::step`] is due.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// Does a slice of the check, or begins one. Gives its result when it ends.
    pub(super) fn step(&mut self, store: &Store, now: Instant) -> Option<Result<(), StoreError>> {
        let step = match &mut self.check {
            Some(check) => store.go_on(check, SLICE),
            None => store.begin_check().map(|begun| {
                self.check = Some(begun);
                false
            }),
        };
        self.due = now + PAUSE;
        let ended = match step {
            Ok(false) => return None,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        self.check = None;
        self.due = now + DAY;
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
