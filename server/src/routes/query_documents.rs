//! Queries that need no index: a whole collection, ids, and the beginnings of ids.

use std::collections::VecDeque;

use pinyon_core::document::to_id_key;
use pinyon_core::query::Parameters;
use pinyon_core::query::rql::{
    Comparison, Expression, ExpressionKind, Literal, Method, Query, Source,
};
use pinyon_core::schema::etags::ItemKind;
use pinyon_core::version::Etag;
use pinyon_core::{Error, PrefixQuery, ReadTransaction, Result};
use pinyon_storage_native::NativeSnapshot;
use serde_json::Value;

/// Which documents a query finds.
pub struct DocumentQuery {
    /// `None` for all documents.
    collection: Option<String>,
    by: By,
}

enum By {
    Everything,
    Ids(VecDeque<String>),
    Prefix(String),
}

impl DocumentQuery {
    /// Understands a query; `None` when it needs an index.
    ///
    /// # Errors
    /// `InvalidRequest` for a parameter that is missing or no id.
    pub fn plan(query: &Query, parameters: &Parameters) -> Result<Option<Self>> {
        let collection = match &query.source {
            Source::Collection(name) => Some(name.clone()),
            Source::AllDocuments => None,
            Source::Index(_) => return Ok(None),
        };
        let is_plain = query.group_by.is_empty()
            && query.filter.is_none()
            && query.paging == pinyon_core::query::rql::Paging::default();
        if !is_plain {
            return Ok(None);
        }
        let by = match query.condition.as_ref().map(|it| &it.kind) {
            None | Some(ExpressionKind::Literal(Literal::Bool(true))) => By::Everything,
            Some(condition) => match by_id(condition, parameters)? {
                Some(by) => by,
                None => return Ok(None),
            },
        };
        Ok(Some(Self { collection, by }))
    }

    /// How many documents there are to go through, as far as it is known beforehand.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn count(&self, read: &ReadTransaction<NativeSnapshot>) -> Result<u64> {
        Ok(match (&self.by, &self.collection) {
            (By::Ids(ids), _) => ids.len() as u64,
            (By::Everything, None) => read.statistics().await?.document_count,
            (By::Everything, Some(name)) => {
                let collections = read.collections().await?;
                let found = collections
                    .iter()
                    .find(|it| it.name.eq_ignore_ascii_case(name));
                found.map_or(0, |it| it.document_count)
            }
            (By::Prefix(_), _) => 0,
        })
    }

    /// The pages of ids it finds.
    pub fn pages(self) -> DocumentPages {
        DocumentPages {
            query: self,
            after: Etag::ZERO,
            after_id: String::new(),
            is_done: false,
        }
    }
}

fn by_id(condition: &ExpressionKind, parameters: &Parameters) -> Result<Option<By>> {
    let is_id = |it: &Expression| matches!(&it.kind, ExpressionKind::Call(call) if call.method == Method::Id);
    match condition {
        ExpressionKind::Compare {
            comparison: Comparison::Equal,
            left,
            right,
        } if is_id(left) => {
            let mut ids = VecDeque::new();
            add_ids(right, parameters, &mut ids)?;
            Ok(Some(By::Ids(ids)))
        }
        ExpressionKind::In {
            value,
            list,
            all: false,
        } if is_id(value) => {
            let mut ids = VecDeque::new();
            for it in list {
                add_ids(it, parameters, &mut ids)?;
            }
            Ok(Some(By::Ids(ids)))
        }
        ExpressionKind::Call(call)
            if call.method == Method::StartsWith && call.arguments.first().is_some_and(is_id) =>
        {
            let mut texts = VecDeque::new();
            for it in call.arguments.iter().skip(1) {
                add_ids(it, parameters, &mut texts)?;
            }
            Ok(Some(By::Prefix(texts.pop_front().unwrap_or_default())))
        }
        _ => Ok(None),
    }
}

fn add_ids(value: &Expression, parameters: &Parameters, ids: &mut VecDeque<String>) -> Result<()> {
    let mut add = |value: &Value| match value {
        Value::String(id) => {
            if !ids.contains(id) {
                ids.push_back(id.clone());
            }
            Ok(())
        }
        Value::Null => Ok(()),
        other => Err(Error::invalid(format!("an id is a text, not {other}"))),
    };
    match &value.kind {
        ExpressionKind::Literal(Literal::Text(id)) => add(&Value::String(id.clone())),
        ExpressionKind::Parameter(name) => match parameters.get(name) {
            Some(Value::Array(values)) => values.iter().try_for_each(add),
            Some(value) => add(value),
            None => Err(Error::invalid(format!(
                "the parameter '${name}' has no value"
            ))),
        },
        _ => Err(Error::invalid("an id is a text")),
    }
}

/// Ids page by page, all from one snapshot.
pub struct DocumentPages {
    query: DocumentQuery,
    after: Etag,
    after_id: String,
    is_done: bool,
}

impl DocumentPages {
    /// At most `size` more ids; a page may be empty though there are more. `None` at the end.
    ///
    /// # Errors
    /// Whatever the store reports.
    pub async fn next(
        &mut self,
        read: &ReadTransaction<NativeSnapshot>,
        size: usize,
    ) -> Result<Option<Vec<String>>> {
        if self.is_done {
            return Ok(None);
        }
        let found = match &mut self.query.by {
            By::Ids(ids) => {
                let taken: Vec<String> = ids.drain(..size.min(ids.len())).collect();
                self.is_done = ids.is_empty();
                let found = read.documents(&taken).await?;
                found.into_iter().flatten().collect()
            }
            By::Everything => {
                let (found, last) = read
                    .of_kind_after(ItemKind::Document, self.after, size)
                    .await?;
                match last {
                    Some(last) => self.after = last,
                    None => self.is_done = true,
                }
                found
            }
            By::Prefix(prefix) => {
                let query = PrefixQuery {
                    prefix: prefix.clone(),
                    start_after: self.after_id.clone(),
                    page_size: size,
                    ..PrefixQuery::default()
                };
                let found = read.documents_by_prefix(&query).await?;
                self.after_id = found.last().map_or(String::new(), |it| it.id().to_owned());
                self.is_done = found.len() < size;
                found
            }
        };
        let is_wanted = |collection: &str| match &self.query.collection {
            Some(wanted) => to_id_key(wanted) == to_id_key(collection),
            None => true,
        };
        let ids = found.iter().filter(|it| is_wanted(it.collection()));
        Ok(Some(ids.map(|it| it.id().to_owned()).collect()))
    }
}
