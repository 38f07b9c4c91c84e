//! Reasons why a card is refused.

/// Reason why a card is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardError {
    /// Nothing in the text begins as a card does.
    #[error(
        "there is no contact card in this; it begins with -----BEGIN ROHRPOST CARD----- and ends \
         with -----END ROHRPOST CARD-----; the text of a QR code begins with ROHRPOST:"
    )]
    Frame,
    /// The line with which a card ends is missing.
    #[error(
        "the end of the card is missing; copy all of it, down to -----END ROHRPOST CARD----- or \
         the colon after the text of a QR code"
    )]
    Cut,
    /// The last characters of the card are missing.
    #[error(
        "the card lacks its checksum, the = and eight characters at its end; copy all of it, or \
         ask for it as a file"
    )]
    Checksum,
    /// The program by which the card came has put something into it.
    #[error(
        "the card has a {0:?} in it, which the program by which it came has put there; ask for it \
         as a file"
    )]
    Foreign(char),
    /// Characters were changed or lost on the way.
    #[error(
        "characters of the card were changed or lost on the way, capital letters count as well; \
         ask for it again, as a file"
    )]
    Damaged,
    /// The text holds several cards.
    #[error("there are {0} different cards in this; give the one that you mean")]
    Several(usize),
    /// The card was made by a newer program, or by one from before the first release.
    #[error(
        "the card has version {0}, this program reads version {VERSION}; whoever has the older rohrpost needs a newer one"
    )]
    Version(u8),
    /// The card is of another network.
    #[error("the card is of another network than --network")]
    Network,
    /// The card's time is over.
    #[error(
        "the card expired on {on} (UTC), and by this machine's clock it is {today}; ask for a new one (a card holds for six days)"
    )]
    Expired {
        /// The day on which it ended.
        on: String,
        /// The day on which it was read.
        today: String,
    },
}

/// Version of the card's layout.
pub(super) const VERSION: u8 = 5;
