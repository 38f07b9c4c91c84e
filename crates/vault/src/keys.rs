//! The keys of a vault, and how a record is sealed. Implements docs/store.md, "Keys" and "Records".
//!
//! One random master key; everything else is derived from it with BLAKE3's key derivation, each
//! key for one purpose and, where it belongs to a table, for that table alone. Keys are wiped when
//! dropped and have neither `Clone` nor `Debug`.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use data_encoding::HEXLOWER;
use rand::Rng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::table::is_erasable;

/// 32 secret bytes for one purpose.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key(Box<[u8; 32]>);

impl Key {
    pub(crate) fn generate() -> Self {
        let mut key = Self::zero();
        rand::rng().fill_bytes(&mut key.0[..]);
        key
    }

    /// A key whose bytes the caller writes.
    pub(crate) fn zero() -> Self {
        Self(Box::new([0; 32]))
    }

    /// `BLAKE3 derive_key(context, material)`, the parts of the material one after the other.
    pub(crate) fn derive(context: &str, material: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in material {
            hasher.update(part);
        }
        let mut hash = hasher.finalize();
        let mut key = Self::zero();
        key.0.copy_from_slice(hash.as_bytes());
        hash.zeroize();
        hasher.zeroize();
        key
    }

    /// `BLAKE3 keyed_hash(key, parts)`.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        let hash = hasher.finalize();
        hasher.zeroize();
        hash
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }

    pub(crate) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// Everything that an open vault computes with.
pub(crate) struct Keys {
    /// The key that the file's header wraps.
    pub(crate) master: Key,
    /// The key that seals the ledger.
    pub(crate) ledger: Key,
    /// The key that authenticates the number of the newest commit.
    pub(crate) anchor: Key,
    /// The key that wraps the erasure key.
    pub(crate) place: Key,
    names: Key,
}

impl Keys {
    pub(crate) fn of(master: Key) -> Self {
        let derive = |context| Key::derive(context, &[master.expose()]);
        Self {
            ledger: derive("rohrpost vault 1 ledger"),
            anchor: derive("rohrpost vault 1 anchor"),
            place: derive("rohrpost vault 1 erasure slot"),
            names: derive("rohrpost vault 1 names of tables"),
            master,
        }
    }

    /// The key that seals pages.
    pub(crate) fn seals(&self) -> Key {
        Key::derive("rohrpost vault 1 seals of pages", &[self.master.expose()])
    }

    /// The keys of the table with this label. Those of an erasable table come from the erasure key
    /// as well, but for its name: `root = derive_key(context, master key ‖ erasure key)` stands in
    /// the master key's place.
    pub(crate) fn table(&self, label: &[u8], erasure: &ErasureKey) -> TableKeys {
        let root = is_erasable(label).then(|| {
            let parts: [&[u8]; 2] = [self.master.expose(), erasure.expose()];
            Key::derive("rohrpost vault 1 erasable tables", &parts)
        });
        let root = root.as_ref().unwrap_or(&self.master);
        let derive = |context| Key::derive(context, &[root.expose(), label]);
        TableKeys {
            name: HEXLOWER.encode(&self.names.hash(&[label]).as_bytes()[..16]),
            label: label.to_vec(),
            values: derive("rohrpost vault 1 values of a table"),
            blinding: derive("rohrpost vault 1 record keys of a table"),
            prints: derive("rohrpost vault 1 fingerprints of a table"),
        }
    }
}

/// Half of the secret behind the erasable tables, between two erasures.
pub(crate) struct ErasureKey {
    /// Number that rises by one with each erasure.
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

    /// `number u64 ‖ nonce ‖ XChaCha20-Poly1305(place key, nonce, number; erasure key) ‖ tag`, the
    /// nonce random.
    pub(crate) fn wrap(&self, keys: &Keys) -> [u8; PLACE_LEN] {
        let number = self.number.to_be_bytes();
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        let mut wrapped = Zeroizing::new(*self.key.expose());
        let tag = keys
            .place
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), &number, wrapped.as_mut_slice().into())
            .expect("32 bytes are not too long for the cipher");
        let mut place = [0; PLACE_LEN];
        place[..8].copy_from_slice(&number);
        place[8..WRAPPED].copy_from_slice(&nonce);
        place[WRAPPED..SLOT_TAG].copy_from_slice(&*wrapped);
        place[SLOT_TAG..].copy_from_slice(&tag);
        place
    }

    /// Undoes [`ErasureKey::wrap`]; none if a byte is not what was written.
    pub(crate) fn unwrap(place: &[u8; PLACE_LEN], keys: &Keys) -> Option<Self> {
        let (number, rest) = place.split_first_chunk::<8>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (wrapped, tag) = rest.split_first_chunk::<32>()?;
        let mut key = Key::zero();
        *key.expose_mut() = *wrapped;
        let opened = keys.place.cipher().decrypt_inout_detached(
            &XNonce::from(*nonce),
            number,
            key.expose_mut().as_mut_slice().into(),
            &Tag::try_from(tag).ok()?,
        );
        opened.ok().map(|()| Self { number: u64::from_be_bytes(*number), key })
    }
}

/// The keys of one table.
pub(crate) struct TableKeys {
    /// The table's name in the file: a keyed hash.
    pub(crate) name: String,
    label: Vec<u8>,
    values: Key,
    blinding: Key,
    prints: Key,
}

impl TableKeys {
    pub(crate) fn label(&self) -> &[u8] {
        &self.label
    }

    /// The key under which the file keeps a record: `keyed_hash(blinding, key)`.
    pub(crate) fn blind(&self, key: &[u8]) -> [u8; 32] {
        *self.blinding.hash(&[key]).as_bytes()
    }

    pub(crate) fn seal(&self, stored: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
        seal(&self.values, &self.label, stored, key, value)
    }

    pub(crate) fn open(&self, stored: &[u8], sealed: &[u8]) -> Option<Record> {
        open(&self.values, &self.label, stored, sealed)
    }

    /// The record that begins here, if these bytes are the begin of a sealed record of this table.
    /// The length fields alone tell: without the record's place the tag cannot be checked.
    pub(crate) fn guess(&self, sealed: &[u8]) -> Option<Record> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let cipher = self.values.cipher();
        let decrypt = |bytes: &mut [u8]| {
            // The cipher is its own inverse, and the tag of nonsense means nothing.
            let nonce = XNonce::from(*nonce);
            cipher.encrypt_inout_detached(&nonce, &[], bytes.into()).ok().map(drop)
        };
        let mut head = *rest.first_chunk::<FRAME_LEN>()?;
        decrypt(&mut head)?;
        let (key_len, value_len) = lengths(&head)?;
        let len = FRAME_LEN.checked_add(key_len)?.checked_add(value_len)?;
        let mut frame = Zeroizing::new(rest.get(..len)?.to_vec());
        decrypt(&mut frame)?;
        record(&frame)
    }

    /// `keyed_hash(prints, stored key ‖ nonce ‖ tag)`: names one version of one record, and nobody
    /// without the key can compute it, so that no set of other versions can be found with the
    /// same sum.
    pub(crate) fn fingerprint(&self, stored: &[u8], sealed: &[u8]) -> Option<Fingerprint> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (_, tag) = rest.split_last_chunk::<TAG_LEN>()?;
        let print = *self.prints.hash(&[stored, nonce, tag]).as_bytes();
        let len = u64::try_from(stored.len() + sealed.len()).ok()?;
        Some(Fingerprint { print, len })
    }
}

/// Name of one version of one record; see [`TableKeys::fingerprint`].
pub(crate) struct Fingerprint {
    pub(crate) print: [u8; 32],
    /// Bytes of the record, with its key, in the file.
    pub(crate) len: u64,
}

/// Contents of a sealed record.
pub(crate) struct Record {
    pub(crate) key: Zeroizing<Vec<u8>>,
    pub(crate) value: Zeroizing<Vec<u8>>,
}

/// `nonce ‖ XChaCha20-Poly1305(key, nonce, len(label) u8 ‖ label ‖ stored key; frame) ‖ tag`
/// (draft-irtf-cfrg-xchacha-03), the nonce random, and
/// `frame = len(record key) u32 ‖ len(value) u32 ‖ record key ‖ value ‖ zeros` up to the next
/// multiple of [`SIZE_CLASS`].
///
/// The label and the stored key tie the record to its place: elsewhere it does not open.
pub(crate) fn seal(secret: &Key, label: &[u8], stored: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let padded = (FRAME_LEN + key.len() + value.len()).next_multiple_of(SIZE_CLASS);
    // Encrypted where it stands, and never grown, so that no copy of the value stays behind.
    let mut sealed = Vec::with_capacity(NONCE_LEN + padded + TAG_LEN);
    sealed.resize(NONCE_LEN, 0);
    rand::rng().fill_bytes(&mut sealed);
    sealed.extend_from_slice(&length(key).to_be_bytes());
    sealed.extend_from_slice(&length(value).to_be_bytes());
    sealed.extend_from_slice(key);
    sealed.extend_from_slice(value);
    sealed.resize(NONCE_LEN + padded, 0);
    let (nonce, frame) = sealed.split_at_mut(NONCE_LEN);
    let nonce = XNonce::try_from(&*nonce).expect("cut to the length of a nonce");
    let tag = secret
        .cipher()
        .encrypt_inout_detached(&nonce, &place(label, stored), frame.into())
        .expect("a record is shorter than the cipher's 256 GiB");
    sealed.extend_from_slice(&tag);
    sealed
}

/// Undoes [`seal`]; none if a byte or the place is not what was sealed.
pub(crate) fn open(secret: &Key, label: &[u8], stored: &[u8], sealed: &[u8]) -> Option<Record> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let (frame, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let mut frame = Zeroizing::new(frame.to_vec());
    secret
        .cipher()
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            &place(label, stored),
            frame.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .ok()?;
    record(&frame)
}

fn record(frame: &[u8]) -> Option<Record> {
    let (head, rest) = frame.split_first_chunk::<FRAME_LEN>()?;
    let (key_len, value_len) = lengths(head)?;
    let (key, rest) = rest.split_at_checked(key_len)?;
    let (value, _) = rest.split_at_checked(value_len)?;
    Some(Record { key: Zeroizing::new(key.to_vec()), value: Zeroizing::new(value.to_vec()) })
}

/// Lengths of key and value.
fn lengths(head: &[u8; FRAME_LEN]) -> Option<(usize, usize)> {
    let (key, value) = head.split_first_chunk::<4>()?;
    let value = value.first_chunk::<4>()?;
    let length = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
    Some((length(key)?, length(value)?))
}

fn place(label: &[u8], stored: &[u8]) -> Vec<u8> {
    let len = u8::try_from(label.len()).expect("the constructors of tables bound their names");
    [&[len], label, stored].concat()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("keys and values are bounded far below 4 GiB")
}

/// Bytes of a nonce. A sealed record is longer than a multiple of [`SIZE_CLASS`] by these and the
/// tag.
pub(crate) const NONCE_LEN: usize = 24;
pub(crate) const TAG_LEN: usize = 16;
const FRAME_LEN: usize = 8;
/// Lengths in the file are rounded up to multiples of this: one class for short texts and all
/// bookkeeping.
const SIZE_CLASS: usize = 256;
/// Place in a place at which the wrapped key begins.
const WRAPPED: usize = 8 + NONCE_LEN;
const SLOT_TAG: usize = WRAPPED + 32;
/// Bytes of an erasure key's place.
pub(crate) const PLACE_LEN: usize = SLOT_TAG + TAG_LEN;
