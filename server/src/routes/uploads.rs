//! Contents of attachments on their way in: straight into the store, in bounded memory.
//!
//! What breaks off before its batch is committed stays loose and is swept.

use bytes::{Bytes, BytesMut};
use pinyon_core::attachments::{AttachmentContent, AttachmentUpload};
use pinyon_core::{Error, ErrorKind, Result};
use pinyon_storage_native::NativeStore;

use crate::databases::OpenDatabase;
use crate::http::Call;
use crate::multipart::{Multipart, Part};

/// Memory is taken in steps of this size.
const STEP_BYTES: usize = 1 << 20;

/// A batch whose first part is its JSON, followed by one part for each attachment it puts.
pub struct Uploads {
    parts: Multipart,
    held: Held,
}

/// What a batch holds in memory until it is committed: its JSON and small contents.
#[derive(Default)]
struct Held {
    bytes: usize,
    reserved: usize,
}

impl Held {
    async fn add(&mut self, call: &mut Call<'_>, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        let limit = call.server.config.max_request_bytes;
        if self.bytes > limit {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the batch holds more than {limit} bytes besides large attachments"),
            ));
        }
        while self.reserved < self.bytes {
            call.body.reserve(call.server, STEP_BYTES).await?;
            self.reserved += STEP_BYTES;
        }
        Ok(())
    }
}

impl Uploads {
    /// Begins to read the body of `call`.
    ///
    /// # Errors
    /// Those of [`crate::http::RequestBody::take_pieces`].
    pub fn begin(call: &mut Call<'_>, boundary: &str) -> Result<Self> {
        let pieces = call.body.take_pieces(call.server, call.headers)?;
        Ok(Self {
            parts: Multipart::new(pieces, boundary),
            held: Held::default(),
        })
    }

    /// The batch's JSON.
    ///
    /// # Errors
    /// `InvalidRequest` when it is not there; `LimitExceeded` when it is too large.
    pub async fn read_main(&mut self, call: &mut Call<'_>) -> Result<Bytes> {
        let part = self.parts.next().await?;
        let mut part = part
            .filter(|part| part.name() == "main")
            .ok_or_else(|| Error::invalid("the first part of a batch must be 'main', its JSON"))?;
        let mut text = BytesMut::new();
        while let Some(chunk) = part.next().await? {
            self.held.add(call, chunk.len()).await?;
            text.extend_from_slice(&chunk);
        }
        Ok(text.freeze())
    }

    /// Takes one part for each of `contents`, in their order, and no more.
    ///
    /// # Errors
    /// `InvalidRequest` when the numbers differ; those of the upload.
    pub async fn read_contents(
        &mut self,
        call: &mut Call<'_>,
        database: &OpenDatabase,
        contents: impl Iterator<Item = &mut AttachmentContent>,
    ) -> Result<()> {
        let mut count = 0;
        for content in contents {
            let part = self.parts.next().await?.ok_or_else(|| {
                Error::invalid(format!(
                    "the batch puts more attachments than the {count} that were sent"
                ))
            })?;
            *content = upload_part(database, part).await?;
            if let AttachmentContent::Inline { bytes, .. } = content {
                self.held.add(call, bytes.len()).await?;
            }
            count += 1;
        }
        if self.parts.next().await?.is_some() {
            return Err(Error::invalid(format!(
                "the batch puts {count} attachments, but more parts were sent"
            )));
        }
        Ok(())
    }
}

/// Takes the bytes of one part.
///
/// # Errors
/// Those of the body and of the store.
pub async fn upload_part(database: &OpenDatabase, mut part: Part) -> Result<AttachmentContent> {
    let mut upload = begin(database)?;
    while let Some(chunk) = part.next().await? {
        database.use_store(upload.write(&chunk).await)?;
    }
    database.use_store(upload.finish().await)
}

/// Takes the whole body of `call`.
///
/// # Errors
/// Those of the body and of the store.
pub async fn upload_body(
    call: &mut Call<'_>,
    database: &OpenDatabase,
) -> Result<AttachmentContent> {
    let mut pieces = call.body.take_pieces(call.server, call.headers)?;
    let mut upload = begin(database)?;
    while let Some(piece) = pieces.next().await? {
        database.use_store(upload.write(&piece).await)?;
    }
    database.use_store(upload.finish().await)
}

fn begin(database: &OpenDatabase) -> Result<AttachmentUpload<NativeStore>> {
    database.documents.begin_upload()
}
