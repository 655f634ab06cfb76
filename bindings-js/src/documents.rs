//! Reading documents. Answers are JSON texts in the forms of the client protocol.

use pinyon_core::document::{IncludePath, StoredDocument};
use pinyon_core::{Error, PrefixQuery};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use crate::database::Database;
use crate::error::{JsResult, to_js, to_text};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct StartsWith {
    prefix: String,
    matches: Option<String>,
    exclude: Option<String>,
    start_after: Option<String>,
    start: usize,
    page_size: Option<usize>,
}

/// Appends a list of documents; answers where each ends.
pub(crate) fn push_documents<'a>(
    documents: impl IntoIterator<Item = Option<&'a StoredDocument>>,
    json: &mut Vec<u8>,
) -> Vec<usize> {
    let mut ends = Vec::new();
    json.push(b'[');
    for (at, document) in documents.into_iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        match document {
            Some(document) => document.write_json(json),
            None => json.extend_from_slice(b"null"),
        }
        ends.push(json.len());
    }
    json.push(b']');
    ends
}

/// Places in a text as JavaScript counts them, in units of UTF-16.
fn count_units(json: &[u8], places: &mut [usize]) {
    if json.is_ascii() {
        return;
    }
    let (mut from, mut units) = (0, 0);
    for place in places {
        // Where a character begins, and again where it takes two.
        let of = |byte: &u8| usize::from(byte & 0xc0 != 0x80) + usize::from(*byte >= 0xf0);
        units += json[from..*place].iter().map(of).sum::<usize>();
        from = *place;
        *place = units;
    }
}

impl Database {
    async fn load_json(&self, ids: &[String], includes: &[String]) -> Result<Vec<u8>, Error> {
        let paths: Vec<IncludePath> = includes
            .iter()
            .map(|path| IncludePath::parse(path))
            .collect::<Result<_, _>>()?;
        let read = self.database.read().await?;
        let found = read.documents(ids).await?;
        let present: Vec<&StoredDocument> = found.iter().flatten().collect();
        let mut json = b"{\"Results\":".to_vec();
        let mut ends = push_documents(found.iter().map(Option::as_ref), &mut json);
        count_units(&json, &mut ends);
        json.extend_from_slice(b",\"Includes\":{");
        for (at, (id, included)) in read.includes(&present, &paths).await?.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            serde_json::to_writer(&mut json, id).expect("a Vec takes any text");
            json.push(b':');
            match included {
                Some(document) => document.write_json(&mut json),
                None => json.extend_from_slice(b"null"),
            }
        }
        json.extend_from_slice(b"},\"Ends\":");
        // The page keeps the texts of the documents, and need not look for their ends.
        serde_json::to_writer(&mut json, &ends).expect("a Vec takes any number");
        json.push(b'}');
        Ok(json)
    }

    async fn starts_with_json(&self, query: &str) -> Result<Vec<u8>, Error> {
        let query: StartsWith = serde_json::from_str(query)
            .map_err(|reason| Error::invalid(format!("the query does not fit: {reason}")))?;
        let read = self.database.read().await?;
        let found = read
            .documents_by_prefix(&PrefixQuery {
                prefix: query.prefix,
                matches: query.matches.unwrap_or_default(),
                exclude: query.exclude.unwrap_or_default(),
                start_after: query.start_after.unwrap_or_default(),
                start: query.start,
                page_size: query.page_size.unwrap_or(25),
                max_bytes: 0,
            })
            .await?;
        let mut json = b"{\"Results\":".to_vec();
        push_documents(found.iter().map(Some), &mut json);
        json.push(b'}');
        Ok(json)
    }
}

#[wasm_bindgen(wasm_bindgen_futures = crate::promises)]
impl Database {
    /// Documents by id, with what they refer to by `includes`.
    pub async fn load(&self, ids: Vec<String>, includes: Vec<String>) -> JsResult<String> {
        let json = self.load_json(&ids, &includes).await.map_err(to_js)?;
        to_text(json)
    }

    /// Documents by the beginning of their ids; `query` is JSON.
    #[wasm_bindgen(js_name = startsWith)]
    pub async fn starts_with(&self, query: String) -> JsResult<String> {
        let json = self.starts_with_json(&query).await.map_err(to_js)?;
        to_text(json)
    }
}
