//! Small public identifiers that stand in headers and frames.

use std::fmt;

/// Defines a newtype of bytes that says their role, with its two ways to and from them.
macro_rules! bytes_newtype {
    ($(#[$meta:meta])* pub struct $name:ident([u8; $len:expr]);) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Reads the value from its bytes, as they stand on the wire or in storage.
            #[must_use]
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The value's bytes, for the wire or for storage.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }
    };
}
pub(crate) use bytes_newtype;

/// Number of a node in the roster; unique and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeNumber(u32);

impl NodeNumber {
    /// Makes the node number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number as it stands on the wire.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Generation of a node's packet key: the Unix second in which it was made, so that a node
/// without memory goes above its former self.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(u32);

impl Generation {
    /// Makes the generation of a key that was made in this Unix second.
    #[must_use]
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Unix second in which the key was made.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The low 16 bits, which frames and routes carry to select a key.
    #[must_use]
    pub const fn short(self) -> ShortGeneration {
        let [_, _, high, low] = self.0.to_be_bytes();
        ShortGeneration(u16::from_be_bytes([high, low]))
    }
}

/// Low 16 bits of a [`Generation`]; selects one of the few keys that a node holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ShortGeneration(u16);

impl ShortGeneration {
    /// Makes the short generation from the 16 bits on the wire.
    #[must_use]
    pub const fn new(bits: u16) -> Self {
        Self(bits)
    }

    /// The 16 bits as they stand on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

bytes_newtype! {
    /// Name of a client's session at its entry relay: 16 random bytes drawn by the client.
    ///
    /// There is no `Debug`: a session never appears in a log.
    pub struct SessionId([u8; 16]);
}

impl SessionId {
    /// The absent session, in routes that need none.
    pub const NONE: Self = Self([0; 16]);
}

/// Mark that a hop remembers of a packet, to refuse the packet a second time: 16 bytes of the hop's
/// key schedule, so that nobody else can compute it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayTag([u8; 16]);

impl ReplayTag {
    pub(crate) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The tag's bytes, uniformly distributed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

bytes_newtype! {
    /// Mark by which the maker of a SURB tells which one a reply used: the replay tag of the SURB's
    /// last hop, known to that hop and to the maker alone.
    pub struct ReplyId([u8; 16]);
}

impl From<ReplayTag> for ReplyId {
    fn from(tag: ReplayTag) -> Self {
        Self(tag.0)
    }
}
