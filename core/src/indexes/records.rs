//! The records of an index's store, looked at one by one, as a search for damage does.

use bytes::Bytes;

use super::output::PendingOutput;
use super::tables::{
    self, ENTRIES, Entry, GROUPS, PAGES, PENDING_OUTPUTS, POSTINGS, Progress, REFERRERS, SLOTS,
    SOURCES, STATE,
};
use super::{decode_positions, entry_builder, reduce, references};
use crate::Result;
use crate::storage::KeySpace;

/// Reads a record's value and writes it as this version writes it; `None` where values are empty
/// or texts that nothing is read from.
///
/// # Errors
/// `Corrupted` when it does not fit.
pub fn rewrite_record(space: KeySpace, value: &Bytes) -> Result<Option<Vec<u8>>> {
    Ok(Some(match space {
        STATE => Progress::decode(value)?.encode(),
        ENTRIES => Entry::decode(value)?.encode(),
        SOURCES => tables::encode_numbers(&tables::decode_numbers(value)?),
        POSTINGS => {
            let (words, places) = decode_positions(value)?;
            entry_builder::encode_positions(words, &places)
        }
        REFERRERS => references::encode(&references::decode(value)?),
        GROUPS | PAGES | SLOTS => reduce::rewrite_record(space, value)?,
        PENDING_OUTPUTS => PendingOutput::decode(value)?.encode(),
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_fits_is_read_again_as_the_same(number in 0..13u8, value: Vec<u8>) {
            let space = KeySpace::new(number);
            if let Ok(Some(written)) = rewrite_record(space, &value.into()) {
                let again = rewrite_record(space, &written.clone().into()).unwrap();
                prop_assert_eq!(again, Some(written));
            }
        }
    }
}
