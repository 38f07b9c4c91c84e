//! Kinds of attack that a mix notices.

/// Kind of attack that a mix has noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// Somebody fills the pool: packets ask for too much delay, or a link's share is used up.
    Filled,
    /// The packets of more than one operator have stopped.
    Starved,
    /// An operator's packets stopped, and came all at once later.
    HeldBack,
    /// Own loops do not come back, or come late.
    Loops,
    /// Own pulls are not answered.
    Answers,
}

impl Alarm {
    /// All the alarms, so that each has its series from the start.
    pub const ALL: [Self; 5] =
        [Self::Filled, Self::Starved, Self::HeldBack, Self::Loops, Self::Answers];

    /// Place of the alarm in [`Self::ALL`].
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Filled => 0,
            Self::Starved => 1,
            Self::HeldBack => 2,
            Self::Loops => 3,
            Self::Answers => 4,
        }
    }

    /// Label of the alarm in the metric and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Starved => "starved",
            Self::HeldBack => "held_back",
            Self::Loops => "loops",
            Self::Answers => "answers",
        }
    }

    /// Meaning of the alarm, in words for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Filled => "somebody fills the pool of this mix",
            Self::Starved => "packets from more than one operator have stopped",
            Self::HeldBack => "packets of an operator were held back",
            Self::Loops => "own loops do not come back in time",
            Self::Answers => "mailbox relays do not answer own pulls",
        }
    }
}
