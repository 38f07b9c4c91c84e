//! Status of a message on its way and at its end.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Status of a message that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// The message was accepted; not all of it has left.
    Queued,
    /// All fragments of the message have left at least once.
    Sent,
    /// The recipient's client has the message.
    Delivered,
    /// The message was not acknowledged in its time, and is given up; it may have arrived.
    Expired,
    /// The message is given up: the contact's keys are unusable, or it was blocked or removed.
    Undeliverable,
    /// The message was taken back by its sender; if all of it had left, it may have arrived.
    Cancelled,
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Undeliverable => "given up",
            Self::Cancelled => "cancelled",
        })
    }
}

impl DeliveryStatus {
    /// True while the courier still has to do with the message.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sent)
    }
}
