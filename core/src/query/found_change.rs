//! What is done to each document that a query finds, many documents in each of many transactions.

use serde_json::Value;

use super::prepared::PreparedQuery;
use super::rql::Select;
use crate::commands::{BatchCommand, DeleteDocument, ExpectedVersion, PatchDocument};
use crate::document::{DocumentId, PatchScript};
use crate::host::{ScriptEngine, Timestamp, check_program};
use crate::{Error, Result};

/// How many documents are changed in one transaction.
pub const CHANGES_PER_TRANSACTION: usize = 128;

/// A change of each document that a query finds.
#[derive(Debug, Clone)]
pub enum FoundChange {
    /// The `update` of the query.
    Patch(PatchScript),
    /// It is deleted.
    Delete,
}

impl FoundChange {
    /// Takes the `update` of a query, which then only finds documents.
    ///
    /// # Errors
    /// `InvalidRequest` when it has none, or loads what a script cannot.
    pub fn take_patch(query: &mut PreparedQuery) -> Result<Self> {
        let parameters = Value::Object(query.parameters.clone()).to_string();
        let script = PatchScript::from_query(&query.query, &parameters)?;
        // What is loaded is loaded by the script.
        query.query.load.clear();
        Ok(Self::Patch(script))
    }

    /// Checks that a query only finds documents, to be deleted.
    ///
    /// # Errors
    /// `InvalidRequest` when it does more.
    pub fn delete(query: &PreparedQuery) -> Result<Self> {
        let makes_objects = matches!(query.query.select, Some(Select::Object { .. }));
        if query.query.update.is_some() || makes_objects {
            return Err(Error::invalid(
                "a query that deletes has no 'update' and no object to select",
            ));
        }
        Ok(Self::Delete)
    }

    /// Compiles the script of a patch.
    ///
    /// # Errors
    /// `InvalidRequest` with the place; whatever the engine reports.
    pub async fn check(&self, engine: &dyn ScriptEngine, now: Timestamp) -> Result<()> {
        match self {
            Self::Patch(script) => {
                check_program(engine, script.program(), now, "the script of 'update'").await
            }
            Self::Delete => Ok(()),
        }
    }

    /// The commands that change documents.
    ///
    /// # Errors
    /// `InvalidRequest` for an impossible id.
    pub fn commands(&self, ids: &[String], max_id_bytes: usize) -> Result<Vec<BatchCommand>> {
        let command = |id: &String| {
            let id = DocumentId::new(id.as_str(), max_id_bytes)?;
            Ok(match self {
                Self::Patch(script) => {
                    BatchCommand::Patch(Box::new(PatchDocument::new(id, script.clone())))
                }
                Self::Delete => BatchCommand::Delete(DeleteDocument {
                    id,
                    expected: ExpectedVersion::Any,
                }),
            })
        };
        ids.iter().map(command).collect()
    }
}
