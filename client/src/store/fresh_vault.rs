//! A vault for a unit test: new, empty, and gone when the test is over.

use std::fs;
use std::path::PathBuf;

use rohrpost_vault::{Cost, Unlock, Vault, WriteTx};
use zeroize::Zeroizing;

use super::error::StoreError;

/// Directory that goes with the test, whether it succeeds or not.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Does some work in one transaction of a vault of its own.
pub(super) fn in_fresh_vault(
    test: &str,
    work: impl FnOnce(&mut WriteTx<'_>) -> Result<(), StoreError>,
) {
    let path = std::env::temp_dir().join(format!("rohrpost-{test}-{}", std::process::id()));
    fs::create_dir(&path).unwrap();
    let directory = Directory(path);
    #[cfg(unix)]
    fs::set_permissions(&directory.0, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let unlock = Unlock::passphrase_at(Zeroizing::new("x".into()), Cost::danger_cheap());
    let vault = Vault::create(&directory.0.join("vault"), &unlock).unwrap();
    vault.write(work).unwrap();
}
