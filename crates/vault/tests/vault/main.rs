//! The vault from outside: what it keeps, what it refuses, and what damage and sudden death do to
//! it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compaction;
mod damage;
mod erasure;
mod power_cut;
mod stories;

use std::fs;
use std::path::{Path, PathBuf};

use rohrpost_vault::{Cost, Unlock, Vault};
use zeroize::Zeroizing;

/// A directory of mode 0700 that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        Self::at(&std::env::temp_dir(), test)
    }

    /// A folder in memory where the system offers that: for tests that open a vault a thousand
    /// times and for which a flush to the disk means nothing but its time.
    fn in_memory(test: &str) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::at(memory, test) } else { Self::new(test) }
    }

    fn at(parent: &Path, test: &str) -> Self {
        let name = format!("rohrpost-vault-{test}-{}", std::process::id());
        let folder = Self(parent.join(name));
        fs::create_dir(&folder.0).unwrap();
        set_mode(&folder.0, 0o700);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn vault(&self) -> Vault {
        Vault::create(&self.path("vault"), &unlock("right")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn unlock(passphrase: &str) -> Unlock {
    Unlock::passphrase_at(Zeroizing::new(passphrase.into()), Cost::danger_cheap())
}

fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    #[cfg(not(unix))]
    let _ = (path, mode);
}

/// Bytes for which a number stands, of a length that varies.
fn body(number: u64) -> Vec<u8> {
    let len = number.wrapping_mul(0x9e37_79b9) % 3000;
    let mut body = vec![0; usize::try_from(len).unwrap()];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut body);
    body
}
