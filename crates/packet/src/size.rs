//! Sizes that all suites share (`docs/packet-format.md` §2).

/// Hops that unwrap a packet: three mixes and the last relay.
pub const HOPS: usize = 4;
/// Bytes of a hop's routing instruction.
pub const ROUTE_LEN: usize = 32;
/// Bytes of a ChaCha20-Poly1305 tag (RFC 8439).
pub const TAG_LEN: usize = 16;
/// Zero bytes at the start of a body, checked by the last hop (`docs/packet-format.md` §6).
pub const PREFIX_LEN: usize = 32;
/// Bytes before the envelope in a store instruction.
pub const STORE_HEADER_LEN: usize = 80;
