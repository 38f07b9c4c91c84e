//! What a courier refuses.

/// Why a letter is not accepted. Always the caller's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// No such contact.
    #[error("no such contact; add its card first")]
    Contact,
    /// It is too long.
    #[error("{len} bytes are too long: a message holds {limit}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// Too much waits.
    #[error("the outbox is full; wait until some messages have arrived")]
    Full,
    /// Its number is not above that of the message before it.
    #[error("a message was posted before that bears this number, or a higher one")]
    Order,
}
