//! Where in the input something stands.

use std::fmt;

use super::Section;

/// The place of an item, for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The section the item is in.
    pub section: Section,
    /// Its number in the section, from 1.
    pub number: u64,
    /// The line it begins in, from 1.
    pub line: u64,
    /// The byte it begins at, from 0, after decompression.
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            section,
            number,
            line,
            offset,
        } = self;
        write!(f, "{section} item {number} (line {line}, byte {offset})")
    }
}
