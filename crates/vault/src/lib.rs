//! The vault: everything durable of a client, in one encrypted file. Implements docs/store.md.
//!
//! A vault knows tables of records, and nothing of what they mean. A [`Vault::write`] is one
//! transaction: on the disk, whole, when it returns, and without a trace when it fails. Keys and
//! values of records are encrypted before they reach the database, so neither its file nor its
//! cache ever holds them in clear.
//!
//! The database is redb. It is Rust alone, so no C library reads what may come from a damaged disk;
//! it commits by copy on write with one flush, so a power cut leaves the commit before or the one
//! after; and it keeps a checksum over each page, so decay is noticed. SQLite would bring a second
//! C code base, files beside the file (journal, temporary tables) that can hold plaintext pages,
//! and a query language for what are two kinds of maps. One flush per commit is enough: redb's
//! second one guards against contents chosen to collide with its checksum, and ciphertext under
//! random nonces cannot be chosen.
//!
//! redb never overwrites in place, so what was removed stays in its free pages. Tables that must
//! not keep it are *erasable*: their keys come from an erasure key in the head as well, which is
//! replaced whenever something of them is removed (`erasure`).
//!
//! Methods block on the disk; an asynchronous caller gives them a thread.

mod check;
mod compaction;
mod disk;
mod erasure;
mod error;
mod file;
mod header;
mod keys;
mod ledger;
mod open;
mod private;
mod remnants;
mod seals;
mod table;
mod transaction;
mod unlock;
mod vault;

pub use check::Check;
pub use disk::{SimulatedDisk, Written};
pub use error::VaultError;
pub use table::{KEY_LIMIT, KeyedTable, OrderedTable, Table, VALUE_LIMIT};
pub use transaction::{Entries, Iter, ReadTx, WriteTx};
pub use unlock::{Cost, Unlock};
pub use vault::{SpareKey, Vault};
