//! Judging one write.

use serde::Deserialize;

use super::ValidationConfiguration;
use crate::attachments::ListedAttachment;
use crate::document::DocumentText;
use crate::host::{ScriptCall, ScriptEngine, ScriptFailure, ScriptFailureKind, Timestamp};
use crate::schema::conflicts::DocumentVersion;
use crate::schema::edge::Refusal;
use crate::version::{Dot, Siblings};
use crate::{Error, ErrorKind, Result};

/// The longest reason that is passed on.
const MAX_REASON_CHARACTERS: usize = 1024;
/// The code of a write that its function did not want.
const REFUSED: &str = "ValidationFailed";
/// The code of a write whose function failed.
pub(crate) const FAILED: &str = "ValidatorFailed";

/// What the functions said of a write, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    seen: Vec<Dot>,
    fingerprint: u64,
    /// Why it may not come in.
    pub(crate) refusal: Option<Refusal>,
}

impl Judgement {
    /// Whether it is about a write over `stored`, by the functions of `configuration`.
    pub(crate) fn fits(
        &self,
        stored: &Siblings<DocumentVersion>,
        configuration: &ValidationConfiguration,
    ) -> bool {
        let dots = stored.live.iter().map(|it| it.dot);
        self.fingerprint == configuration.fingerprint() && dots.eq(self.seen.iter().copied())
    }
}

/// A judgement, and whether a function reached a limit.
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    pub(crate) reached_limit: bool,
}

/// Runs functions for the writes of one push.
pub(crate) struct Judge<'a> {
    pub(crate) engine: Option<&'a dyn ScriptEngine>,
    pub(crate) configuration: &'a ValidationConfiguration,
    pub(crate) now: Timestamp,
    /// Who writes, as JSON.
    pub(crate) user: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    reason: Option<String>,
}

impl Judge<'_> {
    /// Judges `new`, whose text is `text` unless it is a deletion. `None` where no function is
    /// asked.
    ///
    /// # Errors
    /// Whatever the engine reports that is not the function's doing.
    pub(crate) async fn judge(
        &self,
        stored: &Siblings<DocumentVersion>,
        new: &DocumentVersion,
        text: Option<&DocumentText>,
    ) -> Result<Option<Judged>> {
        let functions = self.configuration.functions_for(new, stored);
        if functions.is_empty() {
            return Ok(None);
        }
        let mut judged = Judged {
            judgement: Judgement {
                seen: stored.live.iter().map(|it| it.dot).collect(),
                fingerprint: self.configuration.fingerprint(),
                refusal: None,
            },
            reached_limit: false,
        };
        let input = self.input(stored, new, text);
        for (name, validator) in functions {
            let Some(engine) = self.engine else {
                let reason = "this server runs no validation functions".to_owned();
                judged.judgement.refusal = Some(refusal(FAILED, reason));
                break;
            };
            let call = ScriptCall {
                program: validator.program(),
                input: input.clone(),
                now: self.now,
            };
            judged.judgement.refusal = match engine.call(call).await {
                Ok(answer) => reason_of(&answer)?,
                Err(error) => {
                    let Some(failure) = error.details::<ScriptFailure>() else {
                        return Err(error);
                    };
                    judged.reached_limit = !matches!(
                        failure.kind,
                        ScriptFailureKind::Thrown | ScriptFailureKind::Syntax
                    );
                    let reason = format!("the validation function of '{name}' failed: {failure}");
                    Some(refusal(FAILED, reason))
                }
            };
            if judged.judgement.refusal.is_some() {
                break;
            }
        }
        Ok(Some(judged))
    }

    fn input(
        &self,
        stored: &Siblings<DocumentVersion>,
        new: &DocumentVersion,
        text: Option<&DocumentText>,
    ) -> String {
        // Each version that lives is something that is replaced; a new document replaces nothing.
        let mut olds: Vec<String> = stored
            .live
            .iter()
            .map(|it| match it.value.is_deletion {
                true => "null".to_owned(),
                false => json_of(&it.value, &it.value.body, &it.value.metadata),
            })
            .collect();
        olds.dedup();
        if olds.is_empty() {
            olds.push("null".to_owned());
        }
        let doc = match text {
            Some(text) => json_of(new, &text.body, &text.metadata),
            None => "null".to_owned(),
        };
        format!(
            "{{\"id\":{},\"user\":{},\"doc\":{doc},\"olds\":[{}]}}",
            json_text(&new.id),
            self.user,
            olds.join(",")
        )
    }
}

/// A version as scripts see it, with its id and its attachments among the metadata. `body` and
/// `metadata` are known to be JSON; the list of attachments may be what an edge says.
pub(crate) fn json_of(version: &DocumentVersion, body: &str, metadata: &str) -> String {
    let separated = |text: &str, opening| if text.trim() == opening { "" } else { "," };
    let inside = body.trim_end().strip_suffix('}').unwrap_or("{").trim_end();
    let mut json = format!(
        "{inside}{}\"@metadata\":{{{metadata}{}\"@id\":{}",
        separated(inside, "{"),
        separated(metadata, ""),
        json_text(&version.id)
    );
    if let Ok(list) = ListedAttachment::parse_list(&version.attachments)
        && !list.is_empty()
    {
        let list = ListedAttachment::text_of(&list);
        json.push_str(&format!(",\"@attachments\":{list}"));
    }
    json.push_str("}}");
    json
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("any text can be a JSON string")
}

fn refusal(code: &str, reason: String) -> Refusal {
    Refusal {
        code: code.to_owned(),
        reason,
    }
}

fn reason_of(answer: &str) -> Result<Option<Refusal>> {
    let answer: Answer = serde_json::from_str(answer).map_err(|reason| {
        Error::new(
            ErrorKind::Internal,
            format!("a validation function answered badly: {reason}"),
        )
    })?;
    Ok(answer.reason.map(|reason| {
        let shown: String = reason.chars().take(MAX_REASON_CHARACTERS).collect();
        let shown = match shown.trim() {
            "" => "the validation function gave no reason".to_owned(),
            _ => shown,
        };
        refusal(REFUSED, shown)
    }))
}
