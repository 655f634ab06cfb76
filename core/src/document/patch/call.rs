//! One run of a patch's script: what it is given, and what it wants done.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::number_texts::keep_number_texts;
use super::script::{PatchScript, raw};
use crate::document::{DocumentText, StoredDocument, parse_document, to_id_key};
use crate::host::{CarriedNumbers, ScriptCall, ScriptEngine, Timestamp};
use crate::limits::Limits;
use crate::storage::Snapshot;
use crate::version::Etag;
use crate::{Error, ErrorKind, ReadTransaction, Result};

/// How often a script may ask for further documents.
const MAX_ROUNDS: usize = 1024;

/// A document that a script saw; it was missing if there is no version.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) key: Bytes,
    pub(crate) document: Option<StoredDocument>,
}

/// What a script wants done.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchEffect {
    /// The patched document, unless it is unchanged or the script itself stored or deleted it.
    pub document: Option<DocumentText>,
    /// What the script stores and deletes besides, in order.
    pub actions: Vec<PatchAction>,
    /// What it passed to `output()`.
    pub output: Vec<String>,
}

/// A document that a script stores or deletes.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchAction {
    /// Its id.
    pub id: String,
    /// The document; `None` to delete it.
    pub document: Option<DocumentText>,
    /// The change vector that must stand there, as the protocol writes it.
    pub change_vector: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    needs: Vec<String>,
    document: Option<String>,
    #[serde(default)]
    actions: Vec<Action>,
    #[serde(default)]
    output: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    kind: String,
    id: String,
    document: Option<String>,
    change_vector: Option<String>,
}

/// What a run needs besides the script.
pub(crate) struct Run<'a, S> {
    pub(crate) engine: &'a dyn ScriptEngine,
    pub(crate) read: &'a ReadTransaction<S>,
    pub(crate) limits: &'a Limits,
    pub(crate) now: Timestamp,
    pub(crate) next_etag: Etag,
    pub(crate) id_suffix: &'a str,
}

/// Runs `script` on the document `id`. Documents are those of `known` where it has them, else those
/// of the read transaction. Answers with all that the script saw.
pub(crate) async fn run_script<S: Snapshot>(
    run: &Run<'_, S>,
    script: &PatchScript,
    id: &str,
    known: Vec<Seen>,
) -> Result<(Vec<Seen>, PatchEffect)> {
    let mut seen = known;
    if !seen.iter().any(|it| it.key == to_id_key(id)) {
        seen.push(see(run.read, id).await?);
    }
    for _ in 0..MAX_ROUNDS {
        let input = input(run, script, id, &seen)?;
        let call = ScriptCall {
            program: script.program.clone(),
            input: input.clone(),
            now: run.now,
        };
        let answer = run.engine.call(call).await?;
        let answer: Answer = serde_json::from_str(&answer).map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("a patch's script answered badly: {reason}"),
            )
        })?;
        if answer.needs.is_empty() {
            let effect = effect(run.limits, id, &seen, &input, answer)?;
            return Ok((seen, effect));
        }
        for needed in answer.needs {
            if !seen.iter().any(|it| it.key == to_id_key(&needed)) {
                seen.push(see(run.read, &needed).await?);
            }
        }
    }
    Err(Error::new(
        ErrorKind::LimitExceeded,
        format!("the script for '{id}' asked for documents more than {MAX_ROUNDS} times"),
    ))
}

async fn see<S: Snapshot>(read: &ReadTransaction<S>, id: &str) -> Result<Seen> {
    Ok(Seen {
        id: id.to_owned(),
        key: to_id_key(id),
        document: read.document(id).await?,
    })
}

fn input<S>(run: &Run<'_, S>, script: &PatchScript, id: &str, seen: &[Seen]) -> Result<String> {
    let own = to_id_key(id);
    let mut known = BTreeMap::new();
    let mut document = "null".to_owned();
    for it in seen {
        let text = match &it.document {
            Some(stored) => {
                let mut json = Vec::new();
                stored.write_json(&mut json);
                String::from_utf8(json).map_err(|_| Error::corrupted("a document is not UTF-8"))?
            }
            None => "null".to_owned(),
        };
        if it.key == own {
            document.clone_from(&text);
        }
        // As JavaScript lower-cases, which is how the script looks it up.
        known.insert(it.id.to_lowercase(), raw(&text)?);
    }
    let input = serde_json::json!({
        "id": id,
        "names": &*script.names,
        "nextEtag": run.next_etag.number(),
        "idSuffix": run.id_suffix,
    });
    let mut json = input.to_string();
    json.pop();
    let known = serde_json::to_string(&known)
        .map_err(|reason| Error::new(ErrorKind::Internal, reason.to_string()))?;
    json.push_str(&format!(
        ",\"args\":{},\"document\":{document},\"known\":{known}}}",
        script.values
    ));
    Ok(json)
}

fn effect(
    limits: &Limits,
    id: &str,
    seen: &[Seen],
    input: &str,
    answer: Answer,
) -> Result<PatchEffect> {
    let carried = CarriedNumbers::new([input]);
    let stored = |id: &str| {
        let key = to_id_key(id);
        let found = seen.iter().find(|it| it.key == key);
        found.and_then(|it| it.document.as_ref())
    };
    let parse = |id: &str, text: &str| -> Result<DocumentText> {
        // First what was moved; what stands where it stood then comes back as it was.
        let text = carried.restore_numbers(text.to_owned());
        let mut document = parse_document(&text, limits).map_err(|error| {
            let message = format!("what the script made of '{id}': {}", error.message());
            Error::new(error.kind(), message)
        })?;
        if let Some(stored) = stored(id) {
            document.body = keep_number_texts(stored.body(), &document.body);
            let texts =
                [stored.stored_metadata(), &document.metadata].map(|it| format!("{{{it}}}"));
            let kept = keep_number_texts(&texts[0], &texts[1]);
            document.metadata = kept[1..kept.len() - 1].to_owned();
        }
        Ok(document)
    };
    let mut actions = Vec::with_capacity(answer.actions.len());
    for action in answer.actions {
        let document = match (&*action.kind, &action.document) {
            ("put", Some(text)) => Some(parse(&action.id, text)?),
            _ => None,
        };
        actions.push(PatchAction {
            id: action.id,
            document,
            change_vector: action.change_vector,
        });
    }
    let document = match &answer.document {
        Some(text) => {
            let patched = parse(id, text)?;
            let is_same = stored(id).is_some_and(|it| {
                it.body() == patched.body && it.stored_metadata() == patched.metadata
            });
            (!is_same).then_some(patched)
        }
        None => None,
    };
    Ok(PatchEffect {
        document,
        actions,
        output: answer.output,
    })
}
