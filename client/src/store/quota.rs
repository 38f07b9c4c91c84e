//! Room for what contacts write, bounded for each contact and for all together, so that nobody fills
//! the disk: neither with long messages that never become complete, nor with messages that nobody
//! reads.
//!
//! What is not complete and short is not counted: of that the courier's window of 128 is the bound, at
//! most 3.2 MiB for a contact. Addresses are not counted either, there are two of each contact. What
//! has no room is not stored; its sender keeps it, and sends it again.

use rohrpost_packet::envelope::{KeyId, Kind};
use rohrpost_proto::courier::MESSAGE_BYTES;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;
use super::file::Store;
use super::state;

/// What a contact has too much of, so that more of it is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// Long messages that are not complete: no more of such is taken.
    Unfinished,
    /// Messages that nobody has read: nothing more is taken.
    Unread,
}

/// A contact of which something was not taken for want of room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom {
    /// The contact that has no room.
    pub contact: KeyId,
    /// What the contact has too much of.
    pub lack: Lack,
    /// Bytes that the contact has of it.
    pub bytes: u64,
    /// Bytes that the contact may have of it at present.
    pub limit: u64,
}

/// A message of which something is stored.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub(super) sender: KeyId,
    pub(super) kind: u8,
    pub(super) fragments: u32,
}

impl Claim {
    fn is_long(&self) -> bool {
        self.fragments > SHORT
    }

    fn is_content(&self) -> bool {
        self.kind == Kind::Content.byte()
    }
}

impl Store {
    /// The contacts of which something was not taken for want of room, and which have none yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn without_room(&self) -> Result<Vec<NoRoom>, StoreError> {
        self.vault.read(|tx| {
            let mut without = Vec::new();
            for record in tx.iter(WITHOUT)? {
                let (key, lack) = record?;
                let key = key.as_slice().try_into().map_err(|_| StoreError::Record)?;
                let contact = KeyId::new(key);
                let lack = Lack::of(&lack).ok_or(StoreError::Record)?;
                let (bytes, limit) = use_of(tx, contact, lack)?;
                if !is_ample(bytes, limit) {
                    without.push(NoRoom { contact, lack, bytes, limit });
                }
            }
            Ok(without)
        })
    }

    /// Sets how many bytes all messages together may have that nobody has read; those of one contact
    /// may have an eighth of it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_unread_room(&self, bytes: u64) -> Result<(), StoreError> {
        self.vault.write(|tx| state::set_unread_room(tx, bytes))
    }
}

/// Takes room for bytes of a message; false, and its sender is noted as one without, if there is none.
pub(super) fn take(tx: &mut WriteTx<'_>, claim: Claim, bytes: u64) -> Result<bool, StoreError> {
    if !claim.is_content() {
        return Ok(true);
    }
    let Claim { sender, .. } = claim;
    if let Some(lack) = lack(tx, claim, bytes)? {
        tx.put(WITHOUT, sender.as_bytes(), &[lack.byte()])?;
        return Ok(false);
    }
    if claim.is_long() {
        UNFINISHED.add(tx, sender, bytes)?;
    }
    note_room(tx, sender)?;
    Ok(true)
}

/// Gives back what a message had taken that is complete, or is forgotten.
pub(super) fn release(tx: &mut WriteTx<'_>, claim: Claim, bytes: u64) -> Result<(), StoreError> {
    if claim.is_content() && claim.is_long() {
        UNFINISHED.subtract(tx, claim.sender, bytes)?;
    }
    Ok(())
}

/// Counts a complete message of so many bytes that is to be read.
pub(super) fn came(tx: &mut WriteTx<'_>, sender: KeyId, bytes: u64) -> Result<(), StoreError> {
    UNREAD.add(tx, sender, bytes + MESSAGE_COST)?;
    note_room(tx, sender)
}

/// Takes a message that was read off the count.
pub(super) fn read(tx: &mut WriteTx<'_>, sender: KeyId, bytes: u64) -> Result<(), StoreError> {
    UNREAD.subtract(tx, sender, bytes + MESSAGE_COST)?;
    note_room(tx, sender)
}

/// Forgets that a contact has had no room.
pub(super) fn forget(tx: &mut WriteTx<'_>, contact: KeyId) -> Result<(), StoreError> {
    tx.remove(WITHOUT, contact.as_bytes())?;
    Ok(())
}

/// Notes that a contact that had no room has enough again, if it has: some, so that it does not come
/// and go with each letter.
fn note_room(tx: &mut WriteTx<'_>, contact: KeyId) -> Result<(), StoreError> {
    let Some(lack) = tx.get(WITHOUT, contact.as_bytes())? else { return Ok(()) };
    let (bytes, limit) = use_of(tx, contact, Lack::of(&lack).ok_or(StoreError::Record)?)?;
    if is_ample(bytes, limit) { forget(tx, contact) } else { Ok(()) }
}

const fn is_ample(bytes: u64, limit: u64) -> bool {
    bytes + TOGETHER <= limit - limit / SPARE * 2
}

/// What there is too much of to take bytes of a message; none if there is room.
fn lack(tx: &ReadTx<'_>, claim: Claim, bytes: u64) -> Result<Option<Lack>, StoreError> {
    let (unread, limit) = use_of(tx, claim.sender, Lack::Unread)?;
    // The rest is for texts.
    let limit = if claim.is_long() { limit - limit / SPARE } else { limit };
    if unread + bytes > limit {
        return Ok(Some(Lack::Unread));
    }
    let (unfinished, limit) = use_of(tx, claim.sender, Lack::Unfinished)?;
    Ok((claim.is_long() && unfinished + bytes > limit).then_some(Lack::Unfinished))
}

/// Bytes that a contact has, and those that it may have. What is not complete counts as unread as
/// well, for it will be that.
fn use_of(tx: &ReadTx<'_>, contact: KeyId, lack: Lack) -> Result<(u64, u64), StoreError> {
    let unfinished = UNFINISHED.of(tx, contact)?;
    Ok(match lack {
        Lack::Unfinished => (unfinished, UNFINISHED.limit(tx, CONTACT_BYTES, ALL_BYTES)?),
        Lack::Unread => {
            let all = state::unread_room(tx)?.unwrap_or(UNREAD_BYTES);
            (UNREAD.of(tx, contact)? + unfinished, UNREAD.limit(tx, all / 8, all)?)
        }
    })
}

impl Lack {
    const fn byte(self) -> u8 {
        match self {
            Self::Unfinished => 0,
            Self::Unread => 1,
        }
    }

    const fn of(record: &[u8]) -> Option<Self> {
        match record {
            [0] => Some(Self::Unfinished),
            [1] => Some(Self::Unread),
            _ => None,
        }
    }
}

/// An account of bytes: those of each contact, and of all.
#[derive(Clone, Copy)]
struct Account(KeyedTable);

impl Account {
    fn of(self, tx: &ReadTx<'_>, contact: KeyId) -> Result<u64, StoreError> {
        self.bytes(tx, contact.as_bytes())
    }

    /// Bytes that a contact may have: so many, and half of what all others leave. So all who take as
    /// much as they can are left the same, and whoever comes next two thirds of it.
    fn limit(self, tx: &ReadTx<'_>, one: u64, all: u64) -> Result<u64, StoreError> {
        let share = all.saturating_sub(self.bytes(tx, ALL)?) / 2;
        Ok(one.min(share))
    }

    fn add(self, tx: &mut WriteTx<'_>, contact: KeyId, bytes: u64) -> Result<(), StoreError> {
        for of in [contact.as_bytes(), ALL] {
            let sum = self.bytes(tx, of)?.saturating_add(bytes);
            tx.put(self.0, of, &sum.to_be_bytes())?;
        }
        Ok(())
    }

    fn subtract(self, tx: &mut WriteTx<'_>, contact: KeyId, bytes: u64) -> Result<(), StoreError> {
        for of in [contact.as_bytes(), ALL] {
            match self.bytes(tx, of)?.saturating_sub(bytes) {
                0 => drop(tx.remove(self.0, of)?),
                left => tx.put(self.0, of, &left.to_be_bytes())?,
            }
        }
        Ok(())
    }

    fn bytes(self, tx: &ReadTx<'_>, of: &[u8]) -> Result<u64, StoreError> {
        let Some(record) = tx.get(self.0, of)? else { return Ok(0) };
        let bytes = record.as_slice().try_into().map_err(|_| StoreError::Record)?;
        Ok(u64::from_be_bytes(bytes))
    }
}

/// Fragments of a message that counts as short: a text is seldom longer.
pub(crate) const SHORT: u32 = 4;
/// Bytes of one contact's long messages that are not complete: three of the longest. The courier of
/// a contact has two of them under way, to all whom it writes to.
const CONTACT_BYTES: u64 = 3 * MESSAGE_LEN;
/// Bytes of all contacts' together. A contact gets half of what is left of it: twenty who take all
/// they can have 46 MiB each, a hundred have 10 MiB, and one more has two thirds of that.
const ALL_BYTES: u64 = 1 << 30;
/// Bytes of all messages that nobody has read, unless the user says otherwise: what the disk of an
/// office machine can do without. A contact has an eighth of it, 64 of the longest files, or half a
/// million texts: what it can send in a day and a half by the default rates, at full speed.
const UNREAD_BYTES: u64 = 8 << 30;
/// Bytes that a message has on the disk beside its own: a million short texts have 2.2 GiB.
const MESSAGE_COST: u64 = 2 << 10;
/// Bytes of letters that come together, and are all taken or none: 64 of the hybrid suite.
const TOGETHER: u64 = 512 << 10;
/// A part of the room, one of so many, is for texts alone; and who had none has some again when two of
/// them are free, and what comes together fits.
const SPARE: u64 = 16;
const MESSAGE_LEN: u64 = 16 << 20;
const _: () = assert!(MESSAGE_BYTES == 16 << 20);

pub(super) const TABLES: [KeyedTable; 3] = [UNFINISHED.0, UNREAD.0, WITHOUT];
/// Bytes u64 by contact, and of all.
const UNFINISHED: Account = Account(KeyedTable::new("room of open messages"));
/// Bytes u64 by contact, and of all.
const UNREAD: Account = Account(KeyedTable::new("room of unread messages"));
const ALL: &[u8] = b"all";
/// Contacts of which something was not taken, with a byte that says what they have too much of.
const WITHOUT: KeyedTable = KeyedTable::new("contacts without room");

#[cfg(test)]
mod tests {
    use super::super::fresh_vault::in_fresh_vault;
    use super::*;

    const MIB: u64 = 1 << 20;
    const MANY: u8 = 60;

    fn contact(number: u8) -> KeyId {
        KeyId::new([number; 32])
    }

    const fn claim(number: u8, fragments: u32) -> Claim {
        let sender = KeyId::new([number; 32]);
        Claim { sender, kind: Kind::Content.byte(), fragments }
    }

    /// A part of a file of a contact.
    fn long(tx: &mut WriteTx<'_>, number: u8) -> Result<bool, StoreError> {
        take(tx, claim(number, SHORT + 1), MIB)
    }

    /// A text of a contact.
    fn short(tx: &mut WriteTx<'_>, number: u8) -> Result<bool, StoreError> {
        take(tx, claim(number, 1), 1000)
    }

    /// Room that a contact gets which takes all it can.
    fn most(tx: &mut WriteTx<'_>, number: u8) -> Result<u64, StoreError> {
        while long(tx, number)? {}
        UNFINISHED.of(tx, contact(number))
    }

    #[test]
    fn those_who_take_all_they_can_leave_room_for_each_other_and_for_the_next() {
        in_fresh_vault("quota", |tx| {
            assert_eq!(most(tx, 0)?, CONTACT_BYTES);
            assert!(short(tx, 0)?, "a short message");
            release(tx, claim(0, SHORT + 1), CONTACT_BYTES)?;
            let mut any = true;
            while any {
                any = false;
                for number in 0..MANY {
                    any |= long(tx, number)?;
                }
            }
            for number in 0..MANY {
                let own = UNFINISHED.of(tx, contact(number))?;
                assert!((16 * MIB..=17 * MIB).contains(&own), "{own}");
            }
            assert_eq!(most(tx, MANY)?, 11 * MIB);
            for number in 0..=MANY {
                let own = UNFINISHED.of(tx, contact(number))?;
                release(tx, claim(number, SHORT + 1), own)?;
            }
            assert_eq!(tx.count(UNFINISHED.0), 0);
            Ok(())
        });
    }

    /// Whole files of a contact come for as long as they are taken; gives their bytes.
    fn fill(tx: &mut WriteTx<'_>, number: u8) -> Result<u64, StoreError> {
        let mut bytes = 0;
        while long(tx, number)? {
            release(tx, claim(number, SHORT + 1), MIB)?;
            came(tx, contact(number), MIB)?;
            bytes += MIB;
        }
        Ok(bytes)
    }

    #[test]
    fn what_nobody_reads_is_bounded_for_each_contact_and_for_all() {
        in_fresh_vault("quota-unread", |tx| {
            let all = 4096 * MIB;
            state::set_unread_room(tx, all)?;
            let own = fill(tx, 0)?;
            assert!((478 * MIB..=480 * MIB).contains(&own), "{own}");
            // Its texts come through until they have taken the rest; others' are not touched.
            let mut texts = 0;
            while short(tx, 0)? {
                came(tx, contact(0), 1000)?;
                texts += 1;
            }
            assert!((10_000..12_000).contains(&texts), "{texts}");
            assert!(short(tx, 1)? && long(tx, 1)?);
            let bytes: u64 = (1..100).map(|number| fill(tx, number)).sum::<Result<_, _>>()?;
            assert!(own + bytes < all && own + bytes > all - all / 20, "{bytes}");
            let part = take(tx, claim(200, SHORT + 1), 200_000)?;
            assert!(part && short(tx, 200)?, "whoever comes next has room");
            Ok(())
        });
    }

    #[test]
    fn room_is_back_when_some_was_read_and_then_only() {
        in_fresh_vault("quota-read", |tx| {
            state::set_unread_room(tx, 1024 * MIB)?;
            fill(tx, 0)?;
            assert!(tx.contains(WITHOUT, contact(0).as_bytes())?);
            read(tx, contact(0), MIB)?;
            assert!(tx.contains(WITHOUT, contact(0).as_bytes())?, "one file more or less");
            (0..8).try_for_each(|_| read(tx, contact(0), MIB))?;
            assert!(!tx.contains(WITHOUT, contact(0).as_bytes())? && long(tx, 0)?);
            let left = UNREAD.of(tx, contact(0))?;
            read(tx, contact(0), left)?;
            assert_eq!(tx.count(UNREAD.0), 0);
            Ok(())
        });
    }
}
