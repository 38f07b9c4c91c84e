//! The unlocking of a vault by a passphrase or a key file. Implements docs/store.md, "Unlocking".

use std::io::Write;
use std::path::Path;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use rohrpost_secret_file::{self as secret_file, SecretFileError};
use zeroize::{Zeroize, Zeroizing};

use crate::error::VaultError;
use crate::keys::Key;
use crate::private::sync_directory;

/// A passphrase or the contents of a key file; wiped when dropped.
pub struct Unlock(pub(crate) Secret);

pub(crate) enum Secret {
    Passphrase { text: Zeroizing<String>, cost: Cost },
    KeyFile { key: Key },
}

impl Unlock {
    /// Unlocks by a passphrase; a vault made with it is guarded at [`Cost::DEFAULT`].
    #[must_use]
    pub fn passphrase(text: Zeroizing<String>) -> Self {
        Self::passphrase_at(text, Cost::DEFAULT)
    }

    /// Unlocks by a passphrase, with another cost for a vault that is made or relocked with it. To
    /// open a vault takes the cost that its header says.
    #[must_use]
    pub fn passphrase_at(text: Zeroizing<String>, cost: Cost) -> Self {
        Self(Secret::Passphrase { text, cost })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// The key file is not there, other users can read it, or it holds no key.
    pub fn key_file(path: &Path) -> Result<Self, VaultError> {
        let text = secret_file::read(path, KEY_FILE_LEN).map_err(|error| match error {
            SecretFileError::Exposed(path) => VaultError::Exposed { path, mode: "600" },
            SecretFileError::Io { path, source } => VaultError::io(&path)(source),
            _ => VaultError::KeyFile(path.to_owned()),
        })?;
        let text = str::from_utf8(&text).ok();
        let key = text.and_then(parse).ok_or_else(|| VaultError::KeyFile(path.to_owned()))?;
        Ok(Self(Secret::KeyFile { key }))
    }

    /// Writes a new key file that its owner alone can read.
    ///
    /// # Errors
    /// There is a file already, or it cannot be written.
    pub fn make_key_file(path: &Path) -> Result<Self, VaultError> {
        let key = Key::generate();
        let hex = Zeroizing::new(HEXLOWER.encode(key.expose()));
        let text = Zeroizing::new(format!("{KEY_FILE_COMMENT}\n{}\n", *hex));
        let mut file = secret_file::create(path).map_err(VaultError::io(path))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(VaultError::io(path))?;
        sync_directory(path)?;
        Ok(Self(Secret::KeyFile { key }))
    }
}

/// Cost by Argon2id (RFC 9106) of each guess at a passphrase, and of each opening of the vault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    /// 64 MiB and three passes, the second recommendation of RFC 9106, on one lane because the
    /// lanes are computed one after the other: a fraction of a second.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// A cost for tests, which is no hindrance to anyone who guesses.
    #[must_use]
    pub const fn danger_cheap() -> Self {
        Self { memory_kib: 8, passes: 1, lanes: 1 }
    }

    /// A cost of at most 1 GiB, 64 passes and 16 lanes: a forged header cannot stall the machine.
    pub(crate) const fn checked(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let fits = lanes >= 1
            && lanes <= 16
            && passes >= 1
            && passes <= 64
            && memory_kib >= 8 * lanes
            && memory_kib <= 1024 * 1024;
        if fits { Some(Self { memory_kib, passes, lanes }) } else { None }
    }
}

/// `Argon2id(passphrase, salt; cost)`, 32 bytes.
pub(crate) fn stretch(text: &str, salt: &[u8; 32], cost: Cost) -> Result<Key, VaultError> {
    let refused = || VaultError::Memory { mebibytes: cost.memory_kib / 1024 };
    let Cost { memory_kib, passes, lanes } = cost;
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| refused())?;
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| refused())?;
    memory.resize(params.block_count(), Block::new());
    let mut key = Key::zero();
    let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(text.as_bytes(), salt, key.expose_mut(), &mut memory[..]);
    memory.zeroize();
    hashed.map_err(|_| refused()).map(|()| key)
}

fn parse(text: &str) -> Option<Key> {
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next()?;
    let bytes = match line.len() {
        64 => HEXLOWER_PERMISSIVE.decode(line.as_bytes()),
        _ => BASE64.decode(line.as_bytes()),
    };
    let bytes = Zeroizing::new(bytes.ok()?);
    let mut key = Key::zero();
    *key.expose_mut() = *<&[u8; 32]>::try_from(bytes.as_slice()).ok()?;
    lines.next().is_none().then_some(key)
}

const KEY_FILE_COMMENT: &str = "# Key file of a rohrpost vault. Whoever has it can read the vault; \
                                without it nobody can. Keep a copy elsewhere.";
/// Bytes of the longest key file: comments have room.
const KEY_FILE_LEN: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_hex_and_base64_among_comments() {
        let hex = format!("# one\n\n  {}\n", "0A".repeat(32));
        let base64 = format!("{}\r\n# two", BASE64.encode(&[10; 32]));
        for text in [hex, base64] {
            assert!(*parse(&text).unwrap().expose() == [10; 32], "{text}");
        }
    }

    #[test]
    fn short_long_doubled_and_missing_keys_are_refused() {
        let line = "0a".repeat(32);
        let cases = [
            String::new(),
            "# only".into(),
            line[2..].into(),
            format!("{line}0a"),
            format!("{line}\n{line}"),
        ];
        for text in cases {
            assert!(parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn costs_beyond_the_limits_are_refused() {
        assert!(Cost::checked(8, 1, 1).is_some());
        for (memory, passes, lanes) in
            [(7, 1, 1), (8, 0, 1), (8, 1, 0), (8, 1, 2), (u32::MAX, 1, 1), (8, 65, 1), (256, 1, 17)]
        {
            assert!(Cost::checked(memory, passes, lanes).is_none());
        }
    }
}
