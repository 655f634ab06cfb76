//! Sets of entries' numbers: made quickly, and asked quickly.

use roaring::{RoaringBitmap, RoaringTreemap};

/// Where there is a number for so many bytes of bits, the bits are the shorter way.
const SPARSE_BYTES: u64 = 64;
/// The largest number, below this, of which bits are kept.
const MOST_BITS: u64 = 1 << 24;
/// For fewer than one of so many numbers, clearing bits would take longer than what they save.
const WORTH_BITS: u64 = 4_096;

/// The set of ascending numbers, each once.
pub(super) fn of_ascending(numbers: &[u64]) -> RoaringTreemap {
    let parts = numbers.chunk_by(|a, b| a >> 32 == b >> 32);
    RoaringTreemap::from_bitmaps(parts.map(|part| {
        let high = u32::try_from(part[0] >> 32).expect("half of its bits");
        (high, bitmap_of(part))
    }))
}

/// The lower halves of numbers that have the upper one in common.
fn bitmap_of(part: &[u64]) -> RoaringBitmap {
    let low = |number: u64| (number & u64::from(u32::MAX)) as u32;
    let (first, last) = (low(part[0]), low(part[part.len() - 1]));
    let start = first & !7;
    let byte_count = u64::from(last - start) / 8 + 1;
    if byte_count > SPARSE_BYTES.saturating_mul(part.len() as u64) {
        let bitmap = RoaringBitmap::from_sorted_iter(part.iter().map(|it| low(*it)));
        return bitmap.expect("they ascend");
    }
    let mut bytes = vec![0u8; byte_count as usize];
    for number in part {
        let bit = low(*number) - start;
        bytes[bit as usize / 8] |= 1 << (bit % 8);
    }
    RoaringBitmap::from_lsb0_bytes(start, &bytes)
}

/// A set that is asked for one number after the other, in any order.
pub(super) enum EntryBits {
    Flat(Vec<u64>),
    Sparse(RoaringTreemap),
}

impl EntryBits {
    /// An empty set for numbers below `beyond`, of which about `expected` will come.
    pub(super) fn new(beyond: u64, expected: u64) -> Self {
        if beyond > MOST_BITS || expected < beyond / WORTH_BITS {
            return Self::Sparse(RoaringTreemap::new());
        }
        Self::Flat(vec![0; (beyond / 64) as usize + 1])
    }

    /// Adds a number; whether it is new. One beyond the bound is none.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        match self {
            Self::Sparse(set) => set.insert(number),
            Self::Flat(words) => {
                let (at, bit) = ((number / 64) as usize, 1 << (number % 64));
                let Some(word) = words.get_mut(at) else {
                    return false;
                };
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            }
        }
    }

    /// Whether a number is in it.
    pub(super) fn contains(&self, number: u64) -> bool {
        match self {
            Self::Sparse(set) => set.contains(number),
            Self::Flat(words) => {
                let word = words.get((number / 64) as usize);
                word.is_some_and(|it| it & 1 << (number % 64) != 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_numbers() -> impl Strategy<Value = Vec<u64>> {
        let number = prop_oneof![
            0..200u64,
            65_000..66_000u64,
            any::<u64>(),
            (1u64 << 32) - 9..1u64 << 33
        ];
        proptest::collection::btree_set(number, 0..300).prop_map(|it| it.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_set_has_its_numbers(numbers in any_numbers(), dense in 0..100_000u64, length in 0..9_000u64) {
            let set = of_ascending(&numbers);
            prop_assert!(set.iter().eq(numbers.iter().copied()));
            let range: Vec<u64> = (dense..dense + length).collect();
            prop_assert!(of_ascending(&range).iter().eq(range.iter().copied()));
        }

        #[test]
        fn bits_are_a_set(numbers in proptest::collection::vec(0..1_000u64, 0..300)) {
            for beyond in [1_000, MOST_BITS + 1] {
                let (mut bits, mut model) = (EntryBits::new(beyond, 300), RoaringTreemap::new());
                for number in &numbers {
                    prop_assert_eq!(bits.insert(*number), model.insert(*number));
                }
                for number in 0..2_000 {
                    prop_assert_eq!(bits.contains(number), model.contains(number));
                }
            }
        }
    }
}
