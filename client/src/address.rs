//! An address: how a client is reached, in one of its versions. Its card carries the address
//! without the version, its contacts hear of newer ones by sealed message (`docs/delivery.md`).
//!
//! Address: format u8 = 6 ‖ address version u64 ‖ made u64 ‖ keys since u64 ‖ contact. Contact: identity
//! 32 ‖ prekey 1216 ‖ count of last-resort prekeys u8 (0 or 1) ‖ the prekey 1216 ‖ count of mailboxes
//! u8 (1 or 2) ‖ for each: relay u32 ‖ id 32 ‖ write key 32 ‖ count of next mailboxes u8 (0 to 2) ‖ for
//! each the same. Times are Unix seconds, zero if unknown.

use std::ops::RangeInclusive;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{IdentityPublic, PREKEY_PUBLIC_LEN, PrekeyPublic};
use rohrpost_proto::courier::{Contact, ContactMailbox, RESERVED};
use rohrpost_proto::instruction::{MailboxId, WriteKey};
use rohrpost_proto::time::Time;

/// Address of a client, in a version of it.
#[derive(Clone)]
pub struct Address {
    /// Number of the address version, which rises: a newer one replaces an older.
    pub version: u64,
    /// Keys and mailboxes by which the client is reached.
    pub contact: Contact,
}

/// The bytes have not the layout of an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an address")]
pub struct AddressError;

impl Address {
    /// Encodes the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.version.to_be_bytes());
        for time in [self.contact.made, self.contact.keys_since] {
            bytes.extend_from_slice(&time.map_or(0, Time::seconds).to_be_bytes());
        }
        encode_contact(&self.contact, &mut bytes);
        bytes
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// The bytes are not of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, AddressError> {
        let mut rest = bytes;
        if take(&mut rest)? != [VERSION] {
            return Err(AddressError);
        }
        let version = u64::from_be_bytes(take(&mut rest)?);
        let made = time(u64::from_be_bytes(take(&mut rest)?));
        let keys_since = time(u64::from_be_bytes(take(&mut rest)?));
        Ok(Self { version, contact: Contact { made, keys_since, ..decode_contact(rest)? } })
    }
}

/// Appends a contact, which has one or two mailboxes, and at most [`RESERVED`] next ones.
pub(crate) fn encode_contact(contact: &Contact, bytes: &mut Vec<u8>) {
    let Contact { identity, prekey, last_resort, mailboxes, reserve, .. } = contact;
    bytes.extend_from_slice(identity.as_bytes());
    bytes.extend_from_slice(prekey.as_bytes());
    bytes.push(u8::from(last_resort.is_some()));
    bytes.extend(last_resort.iter().flat_map(PrekeyPublic::as_bytes));
    bytes.push(u8::try_from(mailboxes.len()).expect("a client has one or two mailboxes"));
    mailboxes.iter().for_each(|mailbox| encode_mailbox(mailbox, bytes));
    bytes.push(u8::try_from(reserve.len()).expect("a client tells two next mailboxes at most"));
    reserve.iter().for_each(|mailbox| encode_mailbox(mailbox, bytes));
}

fn encode_mailbox(mailbox: &ContactMailbox, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&mailbox.relay.get().to_be_bytes());
    bytes.extend_from_slice(mailbox.id.as_bytes());
    bytes.extend_from_slice(mailbox.write_key.expose());
}

/// Reads a contact, to the last byte.
pub(crate) fn decode_contact(bytes: &[u8]) -> Result<Contact, AddressError> {
    let mut rest = bytes;
    let identity = IdentityPublic::from_bytes(take(&mut rest)?);
    let prekey = decode_prekey(&mut rest)?;
    let last_resort = match take(&mut rest)? {
        [0] => None,
        [1] => Some(decode_prekey(&mut rest)?),
        _ => return Err(AddressError),
    };
    let mailboxes = decode_mailboxes(&mut rest, 1..=MOST_MAILBOXES)?;
    let reserve = decode_mailboxes(&mut rest, 0..=RESERVED)?;
    let (made, keys_since) = (None, None);
    let contact = Contact { identity, prekey, last_resort, made, keys_since, mailboxes, reserve };
    if rest.is_empty() { Ok(contact) } else { Err(AddressError) }
}

/// Reads so many mailboxes: count u8, and for each relay u32, id 32, write key 32.
fn decode_mailboxes(
    rest: &mut &[u8],
    allowed: RangeInclusive<usize>,
) -> Result<Vec<ContactMailbox>, AddressError> {
    let [count] = take(rest)?;
    if !allowed.contains(&usize::from(count)) {
        return Err(AddressError);
    }
    let mailbox = |_| {
        Ok(ContactMailbox {
            relay: NodeNumber::new(u32::from_be_bytes(take(rest)?)),
            id: MailboxId::new(take(rest)?),
            write_key: WriteKey::new(take(rest)?),
        })
    };
    (0..count).map(mailbox).collect()
}

fn decode_prekey(rest: &mut &[u8]) -> Result<PrekeyPublic, AddressError> {
    let prekey: [u8; PREKEY_PUBLIC_LEN] = take(rest)?;
    PrekeyPublic::from_bytes(&prekey).map_err(|_| AddressError)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], AddressError> {
    let (taken, after) = rest.split_first_chunk().ok_or(AddressError)?;
    *rest = after;
    Ok(*taken)
}

/// The time of so many Unix seconds; none for zero.
pub(crate) fn time(seconds: u64) -> Option<Time> {
    (seconds > 0).then(|| Time::from_micros(0) + Duration::from_secs(seconds))
}

const VERSION: u8 = 6;
const MOST_MAILBOXES: usize = 2;

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
    use rohrpost_packet::envelope::{IdentitySecret, PrekeySecret};

    use super::*;

    fn address(mailboxes: u32) -> Address {
        let rng = &mut ChaCha20Rng::from_seed([5; 32]);
        let mailbox = |relay| ContactMailbox {
            relay: NodeNumber::new(relay),
            id: MailboxId::new([5; 32]),
            write_key: WriteKey::new([6; 32]),
        };
        let contact = Contact {
            identity: IdentitySecret::generate(rng).public().clone(),
            prekey: PrekeySecret::generate(rng).public().clone(),
            last_resort: Some(PrekeySecret::generate(rng).public().clone()),
            made: time(6),
            keys_since: time(7),
            mailboxes: (0..mailboxes).map(mailbox).collect(),
            reserve: (7..6 + mailboxes).map(mailbox).collect(),
        };
        Address { version: 0x0102, contact }
    }

    #[test]
    fn an_address_stands_in_its_message_as_documented() {
        for mailboxes in [1, 2] {
            let bytes = address(mailboxes).encode();
            assert_eq!(bytes[..9], [6, 0, 0, 0, 0, 0, 0, 1, 2]);
            assert_eq!(bytes[9..25], [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 7]);
            let keys = 32 + 1216 + 1 + 1216;
            let places = 25 + keys + 1 + usize::try_from(mailboxes).unwrap() * 68;
            assert_eq!(bytes[25 + keys + 1..][..5], [0, 0, 0, 0, 5]);
            // With two mailboxes there is one that will be next, with one there is none.
            let reserve = [&[0][..], &[1, 0, 0, 0, 7, 5]][usize::from(mailboxes == 2)];
            assert_eq!(&bytes[places..][..reserve.len()], reserve);
            assert_eq!(bytes.len(), places + [1, 1 + 68][usize::from(mailboxes == 2)]);
            assert_eq!(Address::decode(&bytes).unwrap().encode(), bytes);
        }
    }

    #[test]
    fn what_is_cut_short_or_too_long_or_without_mailbox_is_refused() {
        let bytes = address(2).encode();
        for len in 0..bytes.len() {
            assert!(Address::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(Address::decode(&[&bytes[..], &[0]].concat()).is_err());
        for mailboxes in [0, 3] {
            assert!(Address::decode(&address(mailboxes).encode()).is_err());
        }
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 0x41;
            let _ = Address::decode(&bent);
        }
    }
}
