//! The demonstration's data: `www/kindergarten/sample.json`, complete documents.

use anyhow::{Context, Result};
use serde_json::json;

use super::{INFO_ID, SampleDocument, read_list, text};
use crate::workspace::Workspace;

/// All documents, the completing one last.
pub fn documents(workspace: &Workspace) -> Result<Vec<SampleDocument>> {
    let path = workspace.path("www/kindergarten/sample.json");
    let mut documents = read_list(&path)?
        .into_iter()
        .map(|content| {
            let id = text(&content["@metadata"], "@id")
                .with_context(|| path.display().to_string())?
                .to_owned();
            Ok(SampleDocument { id, content })
        })
        .collect::<Result<Vec<_>>>()?;
    let content =
        json!({ "description": "A kindergarten, for the demonstration at /kindergarten/" });
    documents.push(SampleDocument::new(INFO_ID.to_owned(), "Sample", content));
    Ok(documents)
}
