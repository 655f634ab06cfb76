//! One redb table for each key space, created when the space is first written.

use pinyon_core::storage::KeySpace;
use redb::TableDefinition;

/// A key space's table.
pub(crate) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The names of the tables; part of the stored format.
const NAMES: [&str; KeySpace::COUNT as usize] = [
    "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15",
    "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31",
];

/// The table that holds `space`.
pub(crate) fn table_of(space: KeySpace) -> Table {
    TableDefinition::new(NAMES[usize::from(space.number())])
}

/// No table opened yet, for each space.
pub(crate) fn none<'txn>()
-> [Option<redb::Table<'txn, &'static [u8], &'static [u8]>>; KeySpace::COUNT as usize] {
    std::array::from_fn(|_| None)
}
