//! Reasons why a courier refuses a message.

/// Reason why a message is not accepted; always the caller's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// The contact is unknown.
    #[error("no such contact; add its card first")]
    Contact,
    /// The message is too long.
    #[error("{len} bytes are too long: a message holds {limit}")]
    TooLong {
        /// Bytes of text that were given.
        len: usize,
        /// Bytes of text that fit.
        limit: usize,
    },
    /// No room is left for another message that waits.
    #[error("the outbox is full; wait until some messages have arrived")]
    Full,
    /// The message's number is not above that of the message before it.
    #[error("a message was posted before that bears this number, or a higher one")]
    Order,
}
