//! Contents of attachments, in and out piece by piece.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::Uint8Array;
use pinyon_core::Error;
use pinyon_core::attachments::{AttachmentContent, AttachmentUpload, hash_text, parse_hash};
use pinyon_storage_browser::BrowserStore;
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js};

/// Contents that were uploaded and wait for the batch that refers to them.
#[derive(Clone, Default)]
pub(crate) struct FinishedUploads {
    inner: Rc<RefCell<Finished>>,
}

#[derive(Default)]
struct Finished {
    next: u32,
    contents: BTreeMap<u32, AttachmentContent>,
}

impl FinishedUploads {
    fn add(&self, content: AttachmentContent) -> u32 {
        let mut inner = self.inner.borrow_mut();
        let number = inner.next;
        inner.next = inner.next.wrapping_add(1);
        inner.contents.insert(number, content);
        number
    }

    /// The content stays until its [`Upload`] is freed, for a second attempt of its batch.
    pub(crate) fn get(&self, number: u32) -> Result<AttachmentContent, Error> {
        let inner = self.inner.borrow();
        let content = inner.contents.get(&number).cloned();
        content.ok_or_else(|| Error::invalid(format!("there is no upload {number}")))
    }
}

/// A content on its way in.
#[wasm_bindgen]
pub struct Upload {
    upload: Option<AttachmentUpload<BrowserStore>>,
    uploads: FinishedUploads,
    finished: Option<u32>,
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Upload {
    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> JsResult<()> {
        match &mut self.upload {
            Some(upload) => upload.write(bytes).await.map_err(to_js),
            None => Err(to_js(Error::invalid("the upload is finished"))),
        }
    }

    /// Ends the content; the number is for the `Content` of an `AttachmentPUT`.
    pub async fn finish(&mut self) -> JsResult<u32> {
        let upload = self.upload.take();
        let upload = upload.ok_or_else(|| to_js(Error::invalid("the upload is finished")))?;
        let content = upload.finish().await.map_err(to_js)?;
        let number = self.uploads.add(content);
        self.finished = Some(number);
        Ok(number)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(number) = self.finished {
            self.uploads.inner.borrow_mut().contents.remove(&number);
        }
    }
}

impl Database {
    async fn attachment_json(&self, id: &str, name: &str) -> Result<Option<String>, Error> {
        let read = self.database.read().await?;
        let Some(record) = read.attachment(id, name).await? else {
            return Ok(None);
        };
        let details = json!({
            "Name": record.name,
            "ContentType": record.content_type,
            "Hash": hash_text(&record.hash),
            "Size": record.size,
            "ChangeVector": read.attachment_change_vector(&record)?,
            "IsLocal": read.content_of(id, &record).await.is_ok(),
        });
        Ok(Some(details.to_string()))
    }

    async fn content(&self, hash: &str, offset: f64) -> Result<Option<bytes::Bytes>, Error> {
        let read = self.database.read().await?;
        let Some(content) = read.content(&parse_hash(hash)?).await? else {
            return Ok(None);
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes of contents fit 53 bits; anything else is clamped"
        )]
        let offset = offset as u64;
        read.content_at(&content, offset).await.map(Some)
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Begins a content.
    #[wasm_bindgen(js_name = beginUpload)]
    pub fn begin_upload(&self) -> JsResult<Upload> {
        Ok(Upload {
            upload: Some(self.database.begin_upload().map_err(to_js)?),
            uploads: self.uploads.clone(),
            finished: None,
        })
    }

    /// An attachment's details as JSON; nothing when there is no such attachment.
    pub async fn attachment(&self, id: String, name: String) -> JsResult<Option<String>> {
        self.attachment_json(&id, &name).await.map_err(to_js)
    }

    /// The bytes of a content from `offset` to the end of a piece; empty at its end.
    #[wasm_bindgen(js_name = contentAt)]
    pub async fn content_at(&self, hash: String, offset: f64) -> JsResult<Option<Uint8Array>> {
        let piece = self.content(&hash, offset).await.map_err(to_js)?;
        Ok(piece.map(|piece| Uint8Array::from(&piece[..])))
    }
}
