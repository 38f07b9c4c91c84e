//! Tables: what a caller declares, and how their records are named in the file.

/// A table whose records the caller names by keys of at most [`KEY_LIMIT`] bytes. The file shows
/// neither the keys nor their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyedTable(Table);

/// A table whose records are numbered by the vault in the order in which they were appended. The
/// file shows the numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderedTable(Table);

/// A table of any kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    kind: u8,
    name: &'static str,
}

impl KeyedTable {
    /// Declares a table, in a constant. Tables of one kind are told apart by their names alone.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Table::named(KEYED, name))
    }

    /// Declares a table from which what is removed or replaced is gone for good when the
    /// [`Vault::write`](crate::Vault::write) returns: nobody can read it any more, not even who has
    /// all bytes of the file and what opens it. For few and small records: each such write encrypts
    /// those of all erasable tables anew, and flushes twice more.
    #[must_use]
    pub const fn erasable(name: &'static str) -> Self {
        Self(Table::named(ERASABLE, name))
    }
}

impl OrderedTable {
    /// Declares a table, in a constant. Tables of one kind are told apart by their names alone.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Table::named(ORDERED, name))
    }
}

impl Table {
    const fn named(kind: u8, name: &'static str) -> Self {
        assert!(!name.is_empty() && name.len() <= NAME_LIMIT, "a table's name has 1 to 64 bytes");
        Self { kind, name }
    }

    /// `kind u8 ‖ name`, from which the table's keys are derived.
    pub(crate) fn label(self) -> Vec<u8> {
        [&[self.kind], self.name.as_bytes()].concat()
    }
}

/// True if the table with this label is encrypted under the erasure key.
pub(crate) fn is_erasable(label: &[u8]) -> bool {
    label.first() == Some(&ERASABLE)
}

impl From<KeyedTable> for Table {
    fn from(table: KeyedTable) -> Self {
        table.0
    }
}

impl From<OrderedTable> for Table {
    fn from(table: OrderedTable) -> Self {
        table.0
    }
}

/// The longest key of a record.
pub const KEY_LIMIT: usize = 1024;
/// The longest value of a record: a transaction holds it in memory three times.
pub const VALUE_LIMIT: usize = 32 << 20;
const NAME_LIMIT: usize = 64;
const KEYED: u8 = 1;
const ORDERED: u8 = 2;
/// Kind of keyed tables that are erasable.
const ERASABLE: u8 = 3;
