//! What a small build leaves out: a page loads it first, and the whole when it needs more.
//!
//! With the feature `whole`, which is on unless switched off, nothing is left out. Without it
//! searches for words and places, indexes by definition, formulas, facets, suggestions, remarks on
//! results and patches are refused with [`ErrorKind::NotLoaded`] where they begin. `IS_WHOLE` is a
//! constant, so the compiler drops what stands behind it from a build without them.
//!
//! Stored data is the same: what a small build cannot work on it refuses to open.

use crate::{Error, ErrorKind};

/// Whether this build has all parts.
pub const IS_WHOLE: bool = cfg!(feature = "whole");

/// That `what` is not in this build.
pub fn not_loaded(what: &str) -> Error {
    Error::new(
        ErrorKind::NotLoaded,
        format!("{what} is in the whole of Pinyon only, of which this program has loaded a part"),
    )
}
