//! Checksums that also say where a record belongs, so that a misplaced one is found too.

use bytes::Bytes;
use pinyon_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::tables::{Table, TableKey};

const LENGTH: usize = size_of::<u64>();

fn checksum(table: Table, key: TableKey, content: &[u8]) -> [u8; LENGTH] {
    let place = key.number() ^ (table.number() << 60);
    xxh3_64_with_seed(content, place).to_le_bytes()
}

/// `content`, with its checksum behind it.
pub(crate) fn seal(table: Table, key: TableKey, mut content: Vec<u8>) -> Vec<u8> {
    let sum = checksum(table, key, &content);
    content.extend_from_slice(&sum);
    content
}

/// What [`seal`] was given.
///
/// # Errors
/// `Corrupted` when these are not the bytes that were sealed for this place.
pub(crate) fn unseal(table: Table, key: TableKey, mut sealed: Bytes) -> Result<Bytes> {
    let content = sealed.split_to(sealed.len().saturating_sub(LENGTH));
    if checksum(table, key, &content) == sealed[..] {
        return Ok(content);
    }
    Err(Error::corrupted(format!(
        "record {} of '{}' is damaged or not where it belongs",
        key.number(),
        table.name()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_and_misplacement_are_found() {
        let key = TableKey::new(3, 7);
        let sealed = Bytes::from(seal(Table::Pages, key, b"content".to_vec()));
        assert_eq!(
            unseal(Table::Pages, key, sealed.clone()).unwrap(),
            "content"
        );
        assert!(unseal(Table::Log, key, sealed.clone()).is_err());
        assert!(unseal(Table::Pages, TableKey::new(3, 8), sealed.clone()).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.to_vec();
            damaged[at] ^= 1;
            assert!(unseal(Table::Pages, key, damaged.into()).is_err());
            assert!(unseal(Table::Pages, key, sealed.slice(..at)).is_err());
        }
    }
}
