//! A set of the fragments of one message.

/// A set of indices below `count`, as bits; one bit each, so at most 2.5 KiB for the largest
/// message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fragments {
    words: Vec<u64>,
    count: u32,
    /// Number of fragments held. Invariant: bits set in `words`; at most `count`.
    held: u32,
}

impl Fragments {
    /// An empty set for a message of `count` fragments.
    pub(super) fn none(count: u32) -> Self {
        let words = count.div_ceil(u64::BITS);
        Self { words: vec![0; usize::try_from(words).unwrap_or(0)], count, held: 0 }
    }

    /// Adds a fragment; false if it was there or is none of this message.
    pub(super) fn insert(&mut self, index: u32) -> bool {
        let Some((word, bit)) = self.place(index) else {
            return false;
        };
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.held += u32::from(new);
        new
    }

    /// Removes a fragment.
    pub(super) fn remove(&mut self, index: u32) {
        if let Some((word, bit)) = self.place(index) {
            self.held -= u32::from(self.words[word] & bit != 0);
            self.words[word] &= !bit;
        }
    }

    pub(super) fn contains(&self, index: u32) -> bool {
        self.place(index).is_some_and(|(word, bit)| self.words[word] & bit != 0)
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    pub(super) const fn held(&self) -> u32 {
        self.held
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.held == self.count
    }

    /// Ranges of held fragments, in order: first index and length.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = (next..self.count).find(|index| self.contains(*index))?;
            let end = (first..self.count).find(|index| !self.contains(*index));
            let end = end.unwrap_or(self.count);
            next = end;
            Some((first, end - first))
        })
    }

    fn place(&self, index: u32) -> Option<(usize, u64)> {
        let word = usize::try_from(index / u64::BITS).ok()?;
        (index < self.count).then_some((word, 1 << (index % u64::BITS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_was_inserted() {
        let mut set = Fragments::none(200);
        assert_eq!(set.ranges().count(), 0);
        for index in (3..70).chain([127, 128]).chain(190..200) {
            assert!(set.insert(index));
            assert!(!set.insert(index));
        }
        assert!(!set.insert(200));
        assert_eq!(set.held(), 67 + 2 + 10);
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(3, 67), (127, 2), (190, 10)]);
        assert!(!set.is_complete());
        set.remove(127);
        set.remove(127);
        assert_eq!((set.held(), set.contains(127)), (78, false));
        (0..200).for_each(|index| {
            set.insert(index);
        });
        assert!(set.is_complete());
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(0, 200)]);
    }
}
