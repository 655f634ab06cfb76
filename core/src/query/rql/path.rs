//! Paths to fields: `Lines[].Product`, `@metadata.'@collection'`.

use std::fmt;

/// A path from a document, an index entry or a loaded document. The query's alias for its source
/// has been taken off; without segments it means the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Path {
    /// The alias of the loaded document the path begins at; `None` for the source.
    pub loaded: Option<String>,
    /// The steps.
    pub segments: Vec<Segment>,
    /// All of it stood in quotes, as a text would.
    pub quoted: bool,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A property's value.
    Property(String),
    /// `[]`: each element of an array.
    Each,
    /// `[n]`: one element, from 0.
    At(u32),
}

impl Path {
    /// A path of one property.
    pub fn property(name: impl Into<String>) -> Self {
        Self {
            segments: vec![Segment::Property(name.into())],
            ..Self::default()
        }
    }

    /// The property's name, if the path is just that.
    pub fn as_property(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [Segment::Property(name)] => Some(name),
            _ => None,
        }
    }
}

/// The path without quotes or the loaded document's alias, as indexes name their fields.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Property(name) if place == 0 => f.write_str(name)?,
                Segment::Property(name) => write!(f, ".{name}")?,
                Segment::Each => f.write_str("[]")?,
                Segment::At(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
