//! Erasure: what is removed from an erasable table is gone from the file. Implements docs/store.md,
//! "Erasure".
//!
//! redb writes each change to other pages than those it replaces, and leaves the old ones as they
//! are. So the records of erasable tables are encrypted under keys that come from the master key and
//! a random *erasure key*. That lies in two slots of the file's head, where it is overwritten in
//! place. An erasure encrypts all records that are left under a new erasure key, in the transaction
//! that removes the others, and then overwrites the old key: no earlier version of any of them can
//! be read again, wherever it lies.
//!
//! The order makes it safe at every point. A new key goes into one slot, and to the disk, before
//! the commit that needs it; the old key leaves the other slot after that commit is on the disk. The
//! ledger names the key of its commit, so opening knows which of two keys counts, and overwrites
//! the other. Erasures use the slots in turns: the first to be overwritten is never the only one
//! that holds the current key.

use std::path::Path;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Tag, XNonce};
use rand::Rng;
use redb::{ReadableTable, WriteTransaction};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::keys::{Key, Keys, NONCE_LEN, TAG_LEN, TableKeys};
use crate::ledger::{Account, Ledger, definition};
use crate::table::is_erasable;

/// Half of the secret behind the erasable tables, between two erasures.
pub(crate) struct ErasureKey {
    /// Rises by one with each erasure.
    pub(crate) number: u64,
    key: Key,
}

impl ErasureKey {
    pub(crate) fn generate(number: u64) -> Self {
        Self { number, key: Key::generate() }
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }

    /// `number u64 ‖ nonce ‖ XChaCha20-Poly1305(slot key, nonce, number; erasure key) ‖ tag`, the
    /// nonce random.
    pub(crate) fn wrap(&self, keys: &Keys) -> [u8; SLOT_LEN] {
        let number = self.number.to_be_bytes();
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        let mut wrapped = Zeroizing::new(*self.key.expose());
        let tag = keys
            .slot
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), &number, wrapped.as_mut_slice().into())
            .expect("32 bytes are not too long for the cipher");
        let mut slot = [0; SLOT_LEN];
        slot[..8].copy_from_slice(&number);
        slot[8..WRAPPED].copy_from_slice(&nonce);
        slot[WRAPPED..TAG].copy_from_slice(&*wrapped);
        slot[TAG..].copy_from_slice(&tag);
        slot
    }

    /// Undoes [`ErasureKey::wrap`]; nothing if a byte is not what was written.
    pub(crate) fn unwrap(slot: &[u8; SLOT_LEN], keys: &Keys) -> Option<Self> {
        let (number, rest) = slot.split_first_chunk::<8>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (wrapped, tag) = rest.split_first_chunk::<32>()?;
        let mut key = Key::zero();
        *key.expose_mut() = *wrapped;
        let opened = keys.slot.cipher().decrypt_inout_detached(
            &XNonce::from(*nonce),
            number,
            key.expose_mut().as_mut_slice().into(),
            &Tag::try_from(tag).ok()?,
        );
        opened.ok().map(|()| Self { number: u64::from_be_bytes(*number), key })
    }
}

/// The key that a ledger names, and whether both slots hold it.
pub(crate) fn choose(
    slots: [Option<ErasureKey>; 2],
    number: u64,
    path: &Path,
) -> Result<(ErasureKey, bool), VaultError> {
    let mut fitting: Vec<_> =
        slots.into_iter().flatten().filter(|slot| slot.number == number).collect();
    let settled = fitting.len() == 2;
    let chosen = fitting.pop();
    let missing = || VaultError::damaged(path, "neither copy of its erasure key can be read");
    Ok((chosen.ok_or_else(missing)?, settled))
}

/// Encrypts the records of all erasable tables under the next erasure key, and has the ledger say so.
pub(crate) fn rekey(
    transaction: &WriteTransaction,
    ledger: &mut Ledger,
    keys: &Keys,
    before: &ErasureKey,
    path: &Path,
) -> Result<ErasureKey, VaultError> {
    let next = ErasureKey::generate(before.number + 1);
    for (label, account) in ledger.tables.iter_mut().filter(|(label, _)| is_erasable(label)) {
        rekey_table(transaction, account, [before, &next].map(|key| keys.table(label, key)), path)?;
    }
    ledger.erasure = next.number;
    Ok(next)
}

fn rekey_table(
    transaction: &WriteTransaction,
    account: &mut Account,
    [old, new]: [TableKeys; 2],
    path: &Path,
) -> Result<(), VaultError> {
    let definition = definition(&old.name);
    let mut store = transaction.open_table(definition).map_err(VaultError::store(path))?;
    let mut records = Vec::new();
    for record in store.iter().map_err(VaultError::store(path))? {
        let (stored, sealed) = record.map_err(VaultError::store(path))?;
        records.push((stored.value().to_vec(), sealed.value().to_vec()));
    }
    let unreadable = || VaultError::damaged(path, "a record does not open");
    for (stored, sealed) in records {
        let record = old.open(&stored, &sealed).ok_or_else(unreadable)?;
        account.subtract(&old.fingerprint(&stored, &sealed).ok_or_else(unreadable)?);
        store.remove(stored.as_slice()).map_err(VaultError::store(path))?;
        let stored = new.blind(&record.key);
        let sealed = new.seal(&stored, &record.key, &record.value);
        account.add(&new.fingerprint(&stored, &sealed).ok_or_else(unreadable)?);
        store.insert(stored.as_slice(), sealed.as_slice()).map_err(VaultError::store(path))?;
    }
    Ok(())
}

const WRAPPED: usize = 8 + NONCE_LEN;
const TAG: usize = WRAPPED + 32;
/// Bytes of a slot.
pub(crate) const SLOT_LEN: usize = TAG + TAG_LEN;
