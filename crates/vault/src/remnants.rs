//! Remnants in a seized file: for tests of erasure, and for whoever doubts it.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::file::VaultFile;
use crate::keys::Keys;
use crate::table::{Table, is_erasable};
use crate::unlock::Unlock;
use crate::vault::Vault;

impl Vault {
    /// Values of all records of these tables that can be read in the file by whoever has it and
    /// what opens it: the living ones, and those that were removed or replaced and lie in free
    /// pages.
    ///
    /// Tries every byte of the file as the begin of a record, with each key that the head gives,
    /// and believes in no page's layout and no ledger. The file is not changed. Dangerous because
    /// what was removed was to be forgotten.
    ///
    /// # Errors
    /// The file cannot be read, or its header does not open.
    pub fn danger_remnants(
        path: &Path,
        unlock: &Unlock,
        tables: &[Table],
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, VaultError> {
        let file = VaultFile::open(path)?;
        let (header, _) = file.header()?;
        let keys = Keys::of(header.unwrap(unlock, path)?);
        let places: Vec<_> = file.erasure_keys(&keys)?.into_iter().flatten().collect();
        let image = file.image()?;
        let mut found = Vec::new();
        for table in tables {
            let label = table.label();
            // The places make no difference to other tables.
            let count = if is_erasable(&label) { places.len() } else { 1 };
            for erasure in places.iter().take(count) {
                let table = keys.table(&label, erasure);
                let begins =
                    (0..image.len()).filter(|at| image[*at..].iter().take(8).any(|b| *b != 0));
                let records = begins.filter_map(|at| table.guess(&image[at..]));
                found.extend(records.map(|record| record.value));
            }
        }
        Ok(found)
    }
}
