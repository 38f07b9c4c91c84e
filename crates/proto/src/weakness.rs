//! Laws that can be taken back, alone or some together, so that the attack suite proves that each
//! attack would find the fault (`docs/anonymity.md`).
//!
//! Only a build with the feature `danger-weaken` can take a law back, and only within
//! `danger_with`; the programs of the network are built without it (`ops/check/layers.sh`).

/// A law that is taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Weakness {
    /// A mailbox answers as soon as it holds a SURB, not from a stock of four on.
    AnswersFromTheFirst,
    /// A cell is built when its slot is due, not before.
    BuiltAtItsSlot,
    /// Drop cover seals no envelope, so that it takes less work than a letter.
    CoverSealsNothing,
    /// Pulls choose their mailbox by a coin, not in turns.
    PullsByCoin,
    /// Mixes hold packets for whatever delay their routes name.
    DelaysWithoutBound,
    /// One link may fill the whole pool of a mix.
    PoolWithoutShares,
    /// Mixes of the operator of a path's last relay are left out where a layer has others, so that
    /// the mixes depend on the relay.
    PathsAvoidRelay,
    /// A roster may name an operator's mixes in all layers.
    OperatorsInAllLayers,
    /// The mixes of a path are drawn together, of three operators, so that the first tells of the
    /// last where operators have mixes in all layers.
    MixesDrawnTogether,
    /// A letter that was opened before draws an acknowledgement again, as often as it is served.
    KnownEnvelopesAreAcknowledged,
    /// All loops come under the current write key, so that what comes under its predecessor is mail
    /// for certain.
    LoopsUnderOneKey,
    /// Loops leave in every fourth odd slot, the mailboxes in turns, so that what comes at other
    /// times is mail for certain.
    LoopsInTurns,
    /// Slots of loops carry letters while any wait, so that a mailbox gets fewer loops while its
    /// owner sends.
    LoopsYieldToLetters,
    /// Cards carry the second write key of a mailbox, under which no loop comes then, so that
    /// whatever comes under it is mail of those who read a card.
    CardsHaveKeysOfTheirOwn,
    /// A client counts all that it counts by its entry relay's clock, whatever that shows.
    TheRelaysClockIsBelieved,
    /// Packets are built on any view, however few nodes the document leaves of the roster.
    AnyDocumentWillDo,
    /// A document holds that one relay alone has signed.
    DocumentOfOneRelay,
    /// Old packet keys are dropped before documents that name them are stale.
    GraceBelowStale,
    /// A node that a document left out counts as one that lost its memory.
    OmissionIsLoss,
    /// The cells of a session leave its entry relay at the session's own phase, not all together.
    CellsLeaveAtOnePhase,
    /// Cells of a session that may not leave in a slot wait at the entry relay for the next, so
    /// that a session that was held up once is late ever after.
    CellsWaitAtTheEntry,
    /// A mix's own client has new mailboxes at each of its stays, so that a mailbox that is some
    /// days old is never a mix's.
    MixesChangeMailboxes,
    /// The loops of both mailboxes of a mix's client make one test, so that a relay that drops half
    /// of what is for its own goes unnoticed.
    LoopsAreJudgedTogether,
    /// The watch of a mix counts the whole delay of each packet, so that three of the longest make
    /// an alarm.
    AnyDelayCounts,
    /// A mix gives no alarm of any kind while it answers another.
    AnAlarmSilencesAll,
}

impl Weakness {
    /// True while this law is taken back in this thread.
    #[cfg(feature = "danger-weaken")]
    pub(crate) fn is_active(self) -> bool {
        ACTIVE.with_borrow(|active| active.contains(&self))
    }

    /// Always false: this build holds every law.
    #[cfg(not(feature = "danger-weaken"))]
    pub(crate) const fn is_active(self) -> bool {
        let _ = self;
        false
    }
}

/// Runs `scene` in this thread with these laws taken back, beside those that are so already.
#[cfg(feature = "danger-weaken")]
pub fn danger_with<T>(
    weaknesses: impl IntoIterator<Item = Weakness>,
    scene: impl FnOnce() -> T,
) -> T {
    /// Puts back what was active before, also when the scene panics.
    struct Before(usize);

    impl Drop for Before {
        fn drop(&mut self) {
            ACTIVE.with_borrow_mut(|active| active.truncate(self.0));
        }
    }

    let _before = ACTIVE.with_borrow_mut(|active| {
        let before = Before(active.len());
        active.extend(weaknesses);
        before
    });
    scene()
}

/// Tells whether a test fails once this law is taken back: one that does not would not have found
/// the fault that the law mends.
#[cfg(feature = "danger-weaken")]
pub fn danger_breaks(weakness: Weakness, test: fn()) -> bool {
    std::panic::catch_unwind(|| danger_with([weakness], test)).is_err()
}

#[cfg(feature = "danger-weaken")]
thread_local! {
    static ACTIVE: std::cell::RefCell<Vec<Weakness>> = const { std::cell::RefCell::new(Vec::new()) };
}
