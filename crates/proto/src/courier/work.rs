//! The count of what it takes to build cells.

/// Operations that building cells has taken, from which a model reckons time. The counts of the
/// virtual network's cells are public; those of a person's client never leave it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Work {
    /// Envelopes that were sealed, those of cover among them.
    pub seals: u32,
    /// SURBs that were built and signed for.
    pub surbs: u32,
    /// Packets that were wrapped.
    pub packets: u32,
}
