//! Contact cards: what one hands to others so that they can write.
//!
//! Text (`armour`) around version u8 = 5 ‖ network id 32 ‖ expires u32, in hours since the Unix epoch ‖
//! address version u64 ‖ hour u32 in which the prekey was made, zero if unknown ‖ contact (`address`).
//! The last line is a checksum against typing errors: the
//! first four bytes of the BLAKE3 hash, in hex. The same bytes are in a card's QR code (`code`).

mod armour;
mod code;
mod error;

use std::time::Duration;

use rohrpost_packet::envelope::NetworkId;
use rohrpost_proto::courier::Contact;
use rohrpost_proto::time::Time;
use rohrpost_proto::time::calendar::date;

use crate::address::{Address, decode_contact, encode_contact, time};

use error::VERSION;

pub use armour::card_text;
pub use error::CardError;

/// A contact of a network.
pub struct Card {
    /// The network in which the contact can be reached.
    pub network: NetworkId,
    /// End of the card, in hours since the Unix epoch.
    expires: u32,
    /// Keys and mailboxes of the contact, and the number of this version of them.
    pub address: Address,
}

impl Card {
    /// Makes a card that holds from `now` on (since the Unix epoch) for [`CARD_LIFETIME`].
    #[must_use]
    pub fn new(network: NetworkId, address: Address, now: Duration) -> Self {
        Self { network, expires: hours(now.saturating_add(CARD_LIFETIME)), address }
    }

    /// Writes a card as text.
    #[must_use]
    pub fn render(&self) -> String {
        armour::render(&self.encode())
    }

    /// Reads a card of the network `expected` at the time `now`, since the Unix epoch. Text around
    /// it is passed over, and what mail and chat programs have made of it is undone.
    ///
    /// # Errors
    /// The card is refused; the error says why.
    pub fn parse(text: &str, expected: &NetworkId, now: Duration) -> Result<Self, CardError> {
        let bytes = match armour::parse(text) {
            // The text of a QR code has no frame.
            Err(CardError::Frame) => code::find(text).unwrap_or(Err(CardError::Frame))?,
            found => found?,
        };
        let card = Self::decode(&bytes)?;
        if card.network != *expected {
            return Err(CardError::Network);
        }
        if card.expires() <= now {
            return Err(CardError::Expired { on: date(card.expires()), today: date(now) });
        }
        Ok(card)
    }

    /// End of the card, since the Unix epoch.
    #[must_use]
    pub const fn expires(&self) -> Duration {
        Duration::from_secs(self.expires as u64 * HOUR)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.network.as_bytes());
        bytes.extend_from_slice(&self.expires.to_be_bytes());
        bytes.extend_from_slice(&self.address.version.to_be_bytes());
        let made = self.address.contact.made.map_or(0, Time::seconds);
        bytes.extend_from_slice(&hours(Duration::from_secs(made)).to_be_bytes());
        encode_contact(&self.address.contact, &mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, CardError> {
        let (version, rest) = bytes.split_first().ok_or(CardError::Damaged)?;
        if *version != VERSION {
            return Err(CardError::Version(*version));
        }
        let (network, rest) = rest.split_first_chunk().ok_or(CardError::Damaged)?;
        let (expires, rest) = rest.split_first_chunk().ok_or(CardError::Damaged)?;
        let (version, rest) = rest.split_first_chunk().ok_or(CardError::Damaged)?;
        let (made, rest) = rest.split_first_chunk().ok_or(CardError::Damaged)?;
        let made = time(u64::from(u32::from_be_bytes(*made)) * HOUR);
        let contact = decode_contact(rest).map_err(|_| CardError::Damaged)?;
        let contact = Contact { made, ..contact };
        Ok(Self {
            network: NetworkId::new(*network),
            expires: u32::from_be_bytes(*expires),
            address: Address { version: u64::from_be_bytes(*version), contact },
        })
    }
}

/// Text for the QR code of a card that is given as text. [`Card::parse`] reads both. The code has no
/// room for the last-resort prekey and the next mailboxes; the contact's first letters bring them.
///
/// # Errors
/// There is no card in the text.
pub fn card_code(card: &str) -> Result<String, CardError> {
    let mut card = Card::decode(&armour::parse(card)?)?;
    card.address.contact.last_resort = None;
    card.address.contact.reserve.clear();
    Ok(code::render(&card.encode()))
}

/// Whole hours since the Unix epoch.
fn hours(unix: Duration) -> u32 {
    u32::try_from(unix.as_secs() / HOUR).unwrap_or(u32::MAX)
}

/// Time for which a card holds: well within the twenty-four days after which its prekey is erased,
/// of which an envelope waits for seven.
pub const CARD_LIFETIME: Duration = Duration::from_secs(6 * 24 * HOUR);
const HOUR: u64 = 3600;

#[cfg(test)]
mod tests {
    use rohrpost_packet::NodeNumber;
    use rohrpost_packet::envelope::{IdentitySecret, PrekeySecret};
    use rohrpost_proto::courier::ContactMailbox;
    use rohrpost_proto::instruction::{MailboxId, WriteKey};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_000_000);

    fn card() -> Card {
        let rng = &mut rand::rng();
        let mailbox = ContactMailbox {
            relay: NodeNumber::new(3),
            id: MailboxId::new([5; 32]),
            write_key: WriteKey::new([6; 32]),
        };
        let contact = Contact {
            identity: IdentitySecret::generate(rng).public().clone(),
            prekey: PrekeySecret::generate(rng).public().clone(),
            last_resort: Some(PrekeySecret::generate(rng).public().clone()),
            made: None,
            keys_since: None,
            mailboxes: vec![mailbox.clone(), mailbox.clone()],
            reserve: vec![mailbox.clone(), mailbox],
        };
        Card::new(NetworkId::new([1; 32]), Address { version: 0x0102, contact }, NOW)
    }

    #[test]
    fn a_card_survives_mail_programs() {
        let card = card();
        let text = format!("Hello,\r\n> {}\nBye", card.render().replace('\n', "\r\n"));
        let again = Card::parse(&text, &card.network, NOW).unwrap();
        assert_eq!(again.encode(), card.encode());
        assert_eq!(card.encode()[37..45], [0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn the_text_of_a_code_is_a_card() {
        let card = card();
        let code = card_code(&card.render()).unwrap();
        assert!(code.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase() || c == ':'));
        // A code of 133 by 133 modules holds 2 369 such letters (ISO/IEC 18004, version 29, L).
        assert!(code.len() <= 2369, "{}", code.len());
        let wrapped: String = code.as_bytes().chunks(70).fold(String::new(), |text, line| {
            format!("{text}{}\n ", std::str::from_utf8(line).unwrap())
        });
        for text in [
            code.clone(),
            format!("Rohrpost: hi!\n{wrapped}\nBye: Bob"),
            code.to_lowercase(),
            format!("{}{code}", &code[..90]),
        ] {
            let again = Card::parse(&text, &card.network, NOW).unwrap();
            let mut shorter = card.address.contact.clone();
            shorter.last_resort = None;
            shorter.reserve.clear();
            let address = Address { version: card.address.version, contact: shorter };
            assert!(again.encode() == Card::new(card.network, address, NOW).encode());
        }
        let error = |text: &str| Card::parse(text, &card.network, NOW).err();
        assert_eq!(error(&code[..1000]), Some(CardError::Cut));
        assert_eq!(error(&code.replacen('A', "B", 1)), Some(CardError::Damaged));
        assert_eq!(error("ROHRPOST::"), Some(CardError::Damaged));
        assert_eq!(card_code("hello"), Err(CardError::Frame));
    }

    #[test]
    fn damaged_cut_and_foreign_cards_are_refused_with_the_reason() {
        let card = card();
        let text = card.render();
        let error = |text: &str| Card::parse(text, &card.network, NOW).err();
        assert_eq!(error("hello"), Some(CardError::Frame));
        let mut lines: Vec<_> = text.lines().collect();
        lines.remove(3);
        assert_eq!(error(&lines.join("\n")), Some(CardError::Damaged));
        let other = Card::parse(&text, &NetworkId::new([2; 32]), NOW).err();
        assert_eq!(other, Some(CardError::Network));
    }

    #[test]
    fn a_card_holds_for_six_days() {
        let card = card();
        let parse = |now| Card::parse(&card.render(), &card.network, now).err();
        let hour = Duration::from_secs(HOUR);
        assert_eq!(parse(NOW + CARD_LIFETIME - hour), None);
        let expired = |today: &str| {
            Some(CardError::Expired { on: "2026-11-24".to_owned(), today: today.to_owned() })
        };
        assert_eq!(parse(NOW + CARD_LIFETIME), expired("2026-11-24"));
        assert_eq!(parse(NOW + CARD_LIFETIME + hour * 50), expired("2026-11-26"));
    }

    #[test]
    fn a_card_says_in_which_hour_its_prekey_was_made() {
        let Card { network, address, .. } = card();
        for made in [None, time(NOW.as_secs() - 20 * 24 * HOUR)] {
            let contact = Contact { made, ..address.contact.clone() };
            let card = Card::new(network, Address { contact, ..address }, NOW);
            let read = Card::decode(&card.encode()).unwrap().address.contact.made;
            let hours = |made: Option<Time>| made.map(|made| made.seconds() / HOUR);
            assert_eq!(hours(read), hours(made));
        }
    }

    /// Checks that a card to whose prekey nothing could be sealed is no card.
    #[test]
    fn a_card_with_a_prekey_of_small_order_is_refused() {
        let mut bytes = card().encode();
        let prekey = 1 + 32 + 4 + 8 + 4 + 32;
        bytes[prekey..prekey + 32].fill(0);
        assert_eq!(Card::decode(&bytes).err(), Some(CardError::Damaged));
    }

    #[test]
    fn a_card_of_another_version_is_refused() {
        let mut bytes = card().encode();
        for version in [0, 1, 2, 3, 4, 6] {
            bytes[0] = version;
            assert_eq!(Card::decode(&bytes).err(), Some(CardError::Version(version)));
        }
    }
}
