//! The content of an attachment on its way in.

use bytes::Bytes;

use crate::schema::blobs::{ContentHash, ContentId};

/// A complete content whose hash is known.
#[derive(Debug, Clone)]
pub enum AttachmentContent {
    /// Small enough to travel with the command that refers to it.
    Inline {
        /// The content.
        bytes: Bytes,
        /// Its BLAKE2b-256.
        hash: ContentHash,
    },
    /// Already in the store, loose, under an id of its own.
    Uploaded {
        /// Where its pieces are.
        content: ContentId,
        /// Its BLAKE2b-256.
        hash: ContentHash,
        /// Its length.
        size: u64,
    },
    /// Referred to already, by whatever: nothing is added but one more reference.
    Stored {
        /// Its BLAKE2b-256.
        hash: ContentHash,
        /// Its length.
        size: u64,
    },
}

impl AttachmentContent {
    /// The content's hash.
    pub fn hash(&self) -> &ContentHash {
        match self {
            Self::Inline { hash, .. } | Self::Uploaded { hash, .. } | Self::Stored { hash, .. } => {
                hash
            }
        }
    }

    /// The content's length.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline { bytes, .. } => bytes.len() as u64,
            Self::Uploaded { size, .. } | Self::Stored { size, .. } => *size,
        }
    }
}
