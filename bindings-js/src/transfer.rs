//! Export and import, piece by piece.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use js_sys::Uint8Array;
use pinyon_core::Error;
use pinyon_core::attachments::AttachmentUpload;
use pinyon_core::commands::{BatchCommand, Configure};
use pinyon_core::document::DocumentId;
use pinyon_core::indexes::PortableIndex;
use pinyon_core::smuggler::{
    DatabaseTarget, ExistingDocument, ExportFormat, Exporter, Format, ImportOptions, ImportReport,
    ImportTarget, import,
};
use pinyon_core::storage::Durability;
use pinyon_storage_browser::{BrowserSnapshot, BrowserStore};
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::database::{CoreDatabase, Database};
use crate::error::{JsResult, to_js};
use crate::queries::{BrowserIndexes, OpeningIndexes};

/// The version of RavenDB whose form of dump is written.
const DUMP_BUILD: u64 = 72_000;

/// An export under way: what it writes comes from one state of the database.
#[wasm_bindgen]
pub struct Export {
    exporter: Exporter<BrowserSnapshot>,
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Export {
    /// The next piece; nothing at the end.
    pub async fn next(&mut self) -> JsResult<Option<Uint8Array>> {
        let mut text = Vec::new();
        while text.is_empty() {
            let has_more = self.exporter.write_next(&mut text).await.map_err(to_js)?;
            if !has_more && text.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(Uint8Array::from(&text[..])))
    }
}

/// Where an import goes: the database, and its indexes, which are open here.
struct Target {
    documents: DatabaseTarget<BrowserStore>,
    indexes: Arc<BrowserIndexes>,
}

impl ImportTarget for Target {
    type Upload = AttachmentUpload<BrowserStore>;

    fn begin_upload(&self) -> Result<Self::Upload, Error> {
        self.documents.begin_upload()
    }

    async fn configure(&self, configure: Configure) -> Result<(), Error> {
        match configure {
            // Servers resolve conflicts and judge what edges write.
            Configure::Conflicts(_) | Configure::Validation(_) => Ok(()),
            configure => self.documents.configure(configure).await,
        }
    }

    async fn define_index(&self, index: PortableIndex) -> Result<(), Error> {
        self.indexes.put_portable(index).await
    }

    async fn write(&self, commands: Arc<[BatchCommand]>) -> Result<(), Error> {
        self.documents.write(commands).await
    }

    async fn existing(&self, ids: &[DocumentId]) -> Result<Vec<Option<ExistingDocument>>, Error> {
        self.documents.existing(ids).await
    }

    async fn raise_identity(&self, name: &str, value: i64) -> Result<(), Error> {
        self.documents.raise_identity(name, value).await
    }
}

/// An import: bytes are gathered, then taken in whole.
#[wasm_bindgen]
pub struct Import {
    database: CoreDatabase,
    indexes: OpeningIndexes,
    chunks: Rc<RefCell<Vec<Bytes>>>,
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Import {
    /// Takes the next bytes.
    pub fn write(&self, bytes: &[u8]) {
        self.chunks.borrow_mut().push(Bytes::copy_from_slice(bytes));
    }

    /// Stores what came; answers with a report as JSON.
    pub async fn finish(&self) -> JsResult<String> {
        let chunks = self.chunks.take();
        let beginning = chunks.first().cloned().unwrap_or_default();
        let target = Target {
            documents: DatabaseTarget {
                database: self.database.clone(),
                durability: Durability::Relaxed,
            },
            indexes: self.indexes.get().await.map_err(to_js)?,
        };
        let options = ImportOptions::new(Format::detect(&beginning));
        let mut report = ImportReport::default();
        let stream = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, Error>));
        import(&target, stream, &options, &mut report, |_| ())
            .await
            .map_err(to_js)?;
        Ok(json!({
            "documents": report.documents,
            "revisions": report.revisions,
            "attachments": report.attachments,
            "configurations": report.configurations,
            "indexes": report.indexes,
            "leftOut": report.left_out(),
        })
        .to_string())
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Begins an export: `dump`, as servers write it, or `jsonl`, documents line by line.
    pub async fn export(&self, format: String) -> JsResult<Export> {
        let format = match format.as_str() {
            "dump" => ExportFormat::Dump {
                build_version: DUMP_BUILD,
            },
            "jsonl" => ExportFormat::JsonLines,
            other => {
                let message = format!("the form '{other}' is neither 'dump' nor 'jsonl'");
                return Err(to_js(Error::invalid(message)));
            }
        };
        let read = self.database.read().await.map_err(to_js)?;
        Ok(Export {
            exporter: Exporter::new(read, format),
        })
    }

    /// Begins an import of a dump, a JSON array or JSON lines.
    #[wasm_bindgen(js_name = beginImport)]
    pub fn begin_import(&self) -> Import {
        Import {
            database: self.database.clone(),
            indexes: self.indexes.clone(),
            chunks: Rc::default(),
        }
    }
}
