//! Reading fixed layouts without panics: each step takes what it needs or gives up.

/// Failure to read a fixed layout: the input ended early or holds a value that its place does not
/// allow.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("malformed message")]
#[non_exhaustive]
pub struct Malformed;

/// Bytes that are left to read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads `N` bytes, which must be zero.
    pub(crate) fn zeros<const N: usize>(&mut self) -> Result<(), Malformed> {
        if self.array::<N>()? == [0; N] { Ok(()) } else { Err(Malformed) }
    }

    /// Reads a byte, which must be `expected`.
    pub(crate) fn expect(&mut self, expected: u8) -> Result<(), Malformed> {
        if self.u8()? == expected { Ok(()) } else { Err(Malformed) }
    }

    /// True if nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the reading; nothing may be left.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// How many nodes or signatures follow, u16.
pub(crate) fn count(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("rosters have fewer than 64 Ki nodes").to_be_bytes()
}
