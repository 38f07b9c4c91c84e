//! Contact cards: what one hands to others so that they can write.
//!
//! Text armour around version 1, network id 32, identity 32, prekey 1216, count of mailboxes u8,
//! and for each: relay u32, id 32, write key 32. The last line is a checksum against typing errors:
//! the first four bytes of the BLAKE3 hash, in hex.

use data_encoding::{BASE64, HEXLOWER};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{IdentityPublic, NetworkId, PREKEY_PUBLIC_LEN, PrekeyPublic};
use rohrpost_proto::courier::{Contact, ContactMailbox};
use rohrpost_proto::instruction::{MailboxId, WriteKey};

/// A contact of a network.
pub struct Card {
    /// Where the contact can be reached.
    pub network: NetworkId,
    /// Its keys and mailboxes.
    pub contact: Contact,
}

impl Card {
    /// Writes a card as text.
    #[must_use]
    pub fn render(&self) -> String {
        let bytes = self.encode();
        let body = BASE64.encode(&bytes);
        let mut text = format!("{BEGIN}\n");
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(LINE));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str(&format!("={}\n{END}\n", checksum(&bytes)));
        text
    }

    /// Reads a card of the network `expected`; text before and after it is passed over.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn parse(text: &str, expected: &NetworkId) -> Result<Self, CardError> {
        let start = text.find(BEGIN).ok_or(CardError::Frame)? + BEGIN.len();
        let len = text[start..].find(END).ok_or(CardError::Frame)?;
        let mut lines: Vec<&str> = text[start..start + len].split_whitespace().collect();
        let sum = lines.pop().and_then(|line| line.strip_prefix('=')).ok_or(CardError::Frame)?;
        let body = lines.concat();
        let bytes = BASE64.decode(body.as_bytes()).map_err(|_| CardError::Damaged)?;
        if checksum(&bytes) != sum {
            return Err(CardError::Damaged);
        }
        let card = Self::decode(&bytes)?;
        if card.network != *expected {
            return Err(CardError::Network);
        }
        Ok(card)
    }

    fn encode(&self) -> Vec<u8> {
        let Contact { identity, prekey, mailboxes } = &self.contact;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.network.as_bytes());
        bytes.extend_from_slice(identity.as_bytes());
        bytes.extend_from_slice(prekey.as_bytes());
        bytes.push(u8::try_from(mailboxes.len()).expect("a client has one or two mailboxes"));
        for mailbox in mailboxes {
            bytes.extend_from_slice(&mailbox.relay.get().to_be_bytes());
            bytes.extend_from_slice(mailbox.id.as_bytes());
            bytes.extend_from_slice(mailbox.write_key.expose());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, CardError> {
        let mut rest = bytes;
        let mut take = |len: usize| {
            let (taken, after) = rest.split_at_checked(len).ok_or(CardError::Damaged)?;
            rest = after;
            Ok::<_, CardError>(taken)
        };
        if take(1)? != [VERSION] {
            return Err(CardError::Version);
        }
        let network = NetworkId::new(array(take(32)?)?);
        let identity = IdentityPublic::from_bytes(array(take(32)?)?);
        let prekey = take(PREKEY_PUBLIC_LEN)?;
        let prekey = PrekeyPublic::from_bytes(prekey).map_err(|_| CardError::Damaged)?;
        let mut mailboxes = Vec::new();
        for _ in 0..take(1)?[0] {
            mailboxes.push(ContactMailbox {
                relay: NodeNumber::new(u32::from_be_bytes(array(take(4)?)?)),
                id: MailboxId::new(array(take(32)?)?),
                write_key: WriteKey::new(array(take(32)?)?),
            });
        }
        if mailboxes.is_empty() || !rest.is_empty() {
            return Err(CardError::Damaged);
        }
        Ok(Self { network, contact: Contact { identity, prekey, mailboxes } })
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], CardError> {
    bytes.try_into().map_err(|_| CardError::Damaged)
}

fn checksum(bytes: &[u8]) -> String {
    HEXLOWER.encode(&blake3::hash(bytes).as_bytes()[..4])
}

/// Why a card is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardError {
    /// Begin or end is missing.
    #[error("not a contact card; it begins with {BEGIN} and ends with {END}")]
    Frame,
    /// Something was changed on the way.
    #[error("the card is damaged; ask for it again")]
    Damaged,
    /// Made by a newer program.
    #[error("the card has a version that this program does not know; get a newer rohrpost")]
    Version,
    /// Of another network.
    #[error("the card is of another network than --network")]
    Network,
}

const BEGIN: &str = "-----BEGIN ROHRPOST CARD-----";
const END: &str = "-----END ROHRPOST CARD-----";
const LINE: usize = 64;
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use rohrpost_packet::envelope::{IdentitySecret, PrekeySecret};

    use super::*;

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
            mailboxes: vec![mailbox.clone(), mailbox],
        };
        Card { network: NetworkId::new([1; 32]), contact }
    }

    #[test]
    fn a_card_survives_mail_programs() {
        let card = card();
        let text = format!("Hello,\r\n> {}\nBye", card.render().replace('\n', "\r\n"));
        let again = Card::parse(&text, &card.network).unwrap();
        assert_eq!(again.encode(), card.encode());
    }

    #[test]
    fn damaged_cut_and_foreign_cards_are_refused_with_the_reason() {
        let card = card();
        let text = card.render();
        let error = |text: &str| Card::parse(text, &card.network).err();
        assert_eq!(error("hello"), Some(CardError::Frame));
        let changed = text.replacen("\nA", "\nB", 1);
        assert_eq!(error(&changed), Some(CardError::Damaged));
        let mut lines: Vec<_> = text.lines().collect();
        lines.remove(3);
        assert_eq!(error(&lines.join("\n")), Some(CardError::Damaged));
        let other = Card::parse(&text, &NetworkId::new([2; 32])).err();
        assert_eq!(other, Some(CardError::Network));
    }
}
