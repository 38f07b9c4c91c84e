//! Room for long messages that are not complete: bounded for each contact, and for all together, so
//! that nobody fills the disk with messages that never end.
//!
//! Short messages are not counted: of those, the courier's window of 128 is the bound, at most
//! 3.2 MiB for a contact, and a text comes through however much of files is there.

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::MESSAGE_BYTES;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;

/// Takes room for bytes of a contact's message of so many fragments; false if there is none.
pub(super) fn take(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    fragments: u32,
    bytes: u64,
) -> Result<bool, StoreError> {
    if fragments <= SHORT {
        return Ok(true);
    }
    let (own, all) = (taken(tx, sender.as_bytes())?, taken(tx, ALL)?);
    // All who take as much as they can are left the same, and whoever comes next two thirds of it.
    let share = ALL_BYTES.saturating_sub(all) / 2;
    if own + bytes > CONTACT_BYTES.min(share) {
        return Ok(false);
    }
    put(tx, sender.as_bytes(), own + bytes)?;
    put(tx, ALL, all + bytes)?;
    Ok(true)
}

/// Gives back what a message had taken.
pub(super) fn release(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    fragments: u32,
    bytes: u64,
) -> Result<(), StoreError> {
    if fragments <= SHORT {
        return Ok(());
    }
    for of in [sender.as_bytes(), ALL] {
        let left = taken(tx, of)?.saturating_sub(bytes);
        put(tx, of, left)?;
    }
    Ok(())
}

fn taken(tx: &ReadTx<'_>, of: &[u8]) -> Result<u64, StoreError> {
    let Some(record) = tx.get(TAKEN, of)? else { return Ok(0) };
    let bytes = record.as_slice().try_into().map_err(|_| StoreError::Record)?;
    Ok(u64::from_be_bytes(bytes))
}

fn put(tx: &mut WriteTx<'_>, of: &[u8], bytes: u64) -> Result<(), StoreError> {
    match bytes {
        0 => drop(tx.remove(TAKEN, of)?),
        bytes => tx.put(TAKEN, of, &bytes.to_be_bytes())?,
    }
    Ok(())
}

/// Fragments of a message that counts as short: a text is seldom longer.
pub(crate) const SHORT: u32 = 4;
/// Bytes of one contact's long messages that are not complete: three of the longest. The courier of
/// a contact has two of them under way, to all whom it writes to.
pub(crate) const CONTACT_BYTES: u64 = 3 * MESSAGE_LEN;
/// Bytes of all contacts' together. A contact gets half of what is left of it: twenty who take all
/// they can have 46 MiB each, a hundred have 10 MiB, and one more has two thirds of that.
const ALL_BYTES: u64 = 1 << 30;
const MESSAGE_LEN: u64 = 16 << 20;
const _: () = assert!(MESSAGE_BYTES == 16 << 20);

pub(super) const TABLES: [KeyedTable; 1] = [TAKEN];
/// Bytes u64 by contact, and of all.
const TAKEN: KeyedTable = KeyedTable::new("room of open messages");
const ALL: &[u8] = b"all";

#[cfg(test)]
mod tests {
    use super::super::fresh_vault::in_fresh_vault;
    use super::*;

    const MIB: u64 = 1 << 20;
    const MANY: u8 = 60;

    fn contact(number: u8) -> KeyId {
        KeyId::new([number; 32])
    }

    /// Room that a contact gets which takes all it can.
    fn most(tx: &mut WriteTx<'_>, number: u8) -> Result<u64, StoreError> {
        while take(tx, contact(number), SHORT + 1, MIB)? {}
        taken(tx, contact(number).as_bytes())
    }

    #[test]
    fn those_who_take_all_they_can_leave_room_for_each_other_and_for_the_next() {
        in_fresh_vault("quota", |tx| {
            assert_eq!(most(tx, 0)?, CONTACT_BYTES);
            assert!(take(tx, contact(0), SHORT, MIB)?, "a short message");
            release(tx, contact(0), SHORT + 1, CONTACT_BYTES)?;
            let mut any = true;
            while any {
                any = false;
                for number in 0..MANY {
                    any |= take(tx, contact(number), SHORT + 1, MIB)?;
                }
            }
            for number in 0..MANY {
                let own = taken(tx, contact(number).as_bytes())?;
                assert!((16 * MIB..=17 * MIB).contains(&own), "{own}");
            }
            assert_eq!(most(tx, MANY)?, 11 * MIB);
            for number in 0..=MANY {
                let own = taken(tx, contact(number).as_bytes())?;
                release(tx, contact(number), SHORT + 1, own)?;
            }
            assert_eq!(tx.count(TAKEN), 0);
            Ok(())
        });
    }
}
