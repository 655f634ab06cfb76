//! Revisions that come along with documents: those the documents name, or as of a moment.

use pinyon_core::document::{IncludePath, StoredDocument};
use pinyon_core::host::Timestamp;
use pinyon_core::{ReadTransaction, Result};
use pinyon_storage_native::NativeSnapshot;

use super::push_documents;
use crate::routes::revisions::by_vector;

/// What is asked for.
#[derive(Default)]
pub struct RevisionIncludes {
    /// Properties of the documents that hold change vectors.
    paths: Vec<IncludePath>,
    /// Change vectors given in place of a path.
    change_vectors: Vec<String>,
    moments: Vec<Timestamp>,
}

/// A revision that comes along.
pub struct IncludedRevision {
    pub revision: StoredDocument,
    /// The moment as of which it was asked for.
    before: Option<Timestamp>,
}

impl RevisionIncludes {
    /// Takes a value of `revisions`.
    ///
    /// # Errors
    /// Those of [`IncludePath::parse`].
    pub fn add_path(&mut self, text: &str) -> Result<()> {
        self.paths.push(IncludePath::parse(text)?);
        self.change_vectors.push(text.to_owned());
        Ok(())
    }

    /// Takes a value of `revisionsBefore`.
    ///
    /// # Errors
    /// `InvalidRequest` when it is no date.
    pub fn add_moment(&mut self, text: &str) -> Result<()> {
        self.moments.push(Timestamp::parse(text)?);
        Ok(())
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.moments.is_empty()
    }

    /// What there is of it.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn find(
        &self,
        transaction: &ReadTransaction<NativeSnapshot>,
        documents: &[Option<StoredDocument>],
    ) -> Result<Vec<IncludedRevision>> {
        let mut found = Vec::new();
        if self.is_empty() {
            return Ok(found);
        }
        let documents = || documents.iter().flatten();
        let named = documents()
            .flat_map(|document| self.paths.iter().flat_map(|it| it.ids(document.body())));
        let mut change_vectors: Vec<String> = self.change_vectors.clone();
        change_vectors.extend(named);
        change_vectors.sort_unstable();
        change_vectors.dedup();
        for revision in by_vector(transaction, &change_vectors)
            .await?
            .into_iter()
            .flatten()
        {
            found.push(IncludedRevision {
                revision,
                before: None,
            });
        }
        for moment in &self.moments {
            for document in documents() {
                let revision = transaction.revision_before(document.id(), *moment).await?;
                found.extend(revision.map(|revision| IncludedRevision {
                    revision,
                    before: Some(*moment),
                }));
            }
        }
        Ok(found)
    }
}

/// Appends the member `RevisionIncludes`.
pub fn push_included_revisions(included: &[IncludedRevision], json: &mut Vec<u8>) {
    json.extend_from_slice(b",\"RevisionIncludes\":[");
    for (index, it) in included.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        let mut push = |name: &str, text: &str| {
            json.extend_from_slice(name.as_bytes());
            serde_json::to_writer(&mut *json, text).expect("a Vec takes any text");
        };
        push("{\"Id\":", it.revision.id());
        push(",\"ChangeVector\":", it.revision.change_vector());
        if let Some(before) = it.before {
            push(",\"Before\":", &before.to_text());
        }
        json.extend_from_slice(b",\"Revision\":");
        push_documents([Some(&*it.revision)], false, json);
        json.push(b'}');
    }
    json.push(b']');
}
