//! Contents of attachments on their way: uploaded already, not yet known to be referred to.
//!
//! In a dump a content stands before the first item that has it, and later items only name it. It
//! is remembered until the commands that refer to it are done; from then on the target knows it.

use std::collections::HashMap;

use serde::Deserialize;

use super::{ImportUpload, Item, Place};
use crate::attachments::{
    AttachmentContent, AttachmentName, ImportedAttachment, ListedAttachment, hash_text, parse_hash,
};
use crate::document::find_property;
use crate::schema::blobs::ContentHash;
use crate::{Error, Result};

/// The content that is being read.
struct Incoming<U> {
    place: Place,
    /// What the dump says its hash is.
    hash: Option<ContentHash>,
    upload: U,
}

/// A content that was read.
struct Known {
    content: AttachmentContent,
    is_used: bool,
}

/// Contents that items may refer to.
pub(super) struct Contents<U> {
    incoming: Option<Incoming<U>>,
    known: HashMap<ContentHash, Known>,
    byte_count: usize,
}

/// What a dump tells of a content.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "Hash", default)]
    hash: Option<String>,
}

impl<U: ImportUpload> Contents<U> {
    /// How many bytes and contents are remembered before the items that have them must be done.
    const MAX_BYTES: usize = 4 << 20;
    const MAX_CONTENTS: usize = 8192;

    pub(super) fn new() -> Self {
        Self {
            incoming: None,
            known: HashMap::new(),
            byte_count: 0,
        }
    }

    /// Begins the content that `item` tells of.
    pub(super) fn begin(&mut self, item: Item<'_>, upload: U) -> Result<()> {
        let head: Head = serde_json::from_slice(item.bytes)
            .map_err(|reason| Error::invalid(format!("the JSON is not valid: {reason}")))?;
        self.incoming = Some(Incoming {
            place: item.place,
            hash: head.hash.as_deref().map(parse_hash).transpose()?,
            upload,
        });
        Ok(())
    }

    /// Takes the next bytes of the content that began last. What comes after a bad beginning is
    /// passed over.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.incoming {
            Some(incoming) => incoming.upload.write(bytes).await,
            None => Ok(()),
        }
    }

    /// Ends the content that began last. The inner result is about the content itself.
    pub(super) async fn finish(&mut self) -> Result<Option<(Place, Result<()>)>> {
        let Some(incoming) = self.incoming.take() else {
            return Ok(None);
        };
        let content = incoming.upload.finish().await?;
        let real = *content.hash();
        if incoming.hash.is_some_and(|hash| hash != real) {
            let what = format!(
                "the attachment's content has the hash {}, not the one it is said to have",
                hash_text(&real)
            );
            return Ok(Some((incoming.place, Err(Error::invalid(what)))));
        }
        if let AttachmentContent::Inline { bytes, .. } = &content {
            self.byte_count += bytes.len();
        }
        let is_used = false;
        self.known.insert(real, Known { content, is_used });
        Ok(Some((incoming.place, Ok(()))))
    }

    /// Whether what is remembered has become much.
    pub(super) fn are_many(&self) -> bool {
        self.byte_count > Self::MAX_BYTES || self.known.len() > Self::MAX_CONTENTS
    }

    /// Forgets contents that items have used, once those items are stored.
    pub(super) fn forget_used(&mut self) {
        self.known.retain(|_, known| !known.is_used);
        let inline = self.known.values().map(|known| match &known.content {
            AttachmentContent::Inline { bytes, .. } => bytes.len(),
            _ => 0,
        });
        self.byte_count = inline.sum();
    }

    /// Forgets everything; how many contents no item has used, and their bytes.
    pub(super) fn forget_all(&mut self) -> (u64, u64) {
        self.byte_count = 0;
        let known = std::mem::take(&mut self.known);
        let unused = known.values().filter(|known| !known.is_used);
        unused.fold((0, 0), |(count, bytes), known| {
            (count + 1, bytes + known.content.size())
        })
    }

    /// The attachments that the metadata of an item's text lists.
    pub(super) fn attachments_of(&mut self, text: &str) -> Result<Vec<ImportedAttachment>> {
        let metadata = find_property(text, "@metadata").unwrap_or("{}");
        let Some(list) = find_property(metadata, "@attachments") else {
            return Ok(Vec::new());
        };
        let list: Option<Vec<ListedAttachment>> = serde_json::from_str(list)
            .map_err(|reason| Error::invalid(format!("@metadata.@attachments: {reason}")))?;
        let attachments = list.unwrap_or_default().into_iter().map(|listed| {
            let hash = parse_hash(&listed.hash)?;
            let content = match self.known.get_mut(&hash) {
                Some(known) => {
                    known.is_used = true;
                    known.content.clone()
                }
                None => AttachmentContent::Stored {
                    hash,
                    size: listed.size,
                },
            };
            if content.size() != listed.size {
                return Err(Error::invalid(format!(
                    "its attachment '{}' is said to have {} bytes; the content has {}",
                    listed.name,
                    listed.size,
                    content.size()
                )));
            }
            Ok(ImportedAttachment {
                name: AttachmentName::new(listed.name)?,
                content_type: listed.content_type,
                content,
            })
        });
        attachments.collect()
    }
}
