//! Key spaces: the few, separate, ordered maps that make up a store.

/// One ordered map of bytes to bytes inside a store, identified by a small number.
///
/// The numbers are part of the stored format: core's schema gives each a meaning and never
/// reuses one. A backend treats all spaces alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeySpace(u8);

impl KeySpace {
    /// How many spaces a store has; backends may create one table for each.
    pub const COUNT: u8 = 32;

    /// The space with this number.
    ///
    /// # Panics
    /// At compile time (in constants) or at run time when `number` is not below [`Self::COUNT`].
    pub const fn new(number: u8) -> Self {
        assert!(
            number < Self::COUNT,
            "key space numbers are below KeySpace::COUNT"
        );
        Self(number)
    }

    /// The space's number, below [`Self::COUNT`].
    pub const fn number(self) -> u8 {
        self.0
    }

    /// All spaces in order.
    pub fn all() -> impl Iterator<Item = KeySpace> {
        (0..Self::COUNT).map(KeySpace)
    }
}
