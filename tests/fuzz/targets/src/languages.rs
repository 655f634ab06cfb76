//! Query texts, index definitions and formulas.

use pinyon_core::formula::{
    Formula, MapDefinition, MapFunction, ReduceDefinition, ReduceFunction, Value,
};
use pinyon_core::query::{Parameters, PreparedQuery, rql};

use super::two_texts;

/// Queries: errors stand inside the text and can be shown; what parses stands inside it too.
pub fn rql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match rql::parse(text) {
        Ok(query) => {
            // Whatever is asked for is understood or refused.
            let _ = PreparedQuery::parse(text, Parameters::new());
            if let Some(condition) = &query.condition {
                assert!(
                    text.get(condition.span.clone()).is_some(),
                    "a span cuts a character"
                );
            }
            if let Some(update) = &query.update {
                assert_eq!(text.get(update.span.clone()), Some(&*update.text));
            }
        }
        Err(error) => {
            assert!(
                error.span.start <= text.len(),
                "the error is outside: {error:?}"
            );
            let shown = error.render(text);
            let place = error.position(text);
            let begins = format!("{}:{} ", place.line, place.column);
            assert!(shown.starts_with(&begins), "{shown}");
        }
    }
}

/// Definitions, the text in the first line and a document in the rest: what translates can be
/// evaluated, always to the same.
pub fn definition(input: &[u8]) {
    let Some((text, document)) = two_texts(input) else {
        return;
    };
    if pinyon_core::document::check_json(document, 50).is_err() {
        return;
    }
    if let Ok(map) = MapDefinition::parse(text)
        && let MapFunction::Formula(formula) = &map.function
    {
        evaluate(formula, document);
    }
    if let Ok(reduce) = ReduceDefinition::parse(text)
        && let ReduceFunction::Formula { key, aggregate } = &reduce.function
    {
        evaluate(key, document);
        evaluate(aggregate, document);
    }
    if let Ok(formula) = Formula::from_javascript(text) {
        evaluate(&formula, document);
    }
}

fn evaluate(formula: &Formula, document: &str) {
    let run = || {
        let value = formula.evaluate(Value::from_json(document)).ok()?;
        Some(value.to_json())
    };
    let first = run();
    if let Some(json) = &first {
        let checked = serde_json::from_str::<serde::de::IgnoredAny>(json);
        // Deep results are the document's own depth and a bounded number of levels.
        assert!(checked.is_ok(), "no JSON: {json}");
    }
    assert_eq!(first, run(), "evaluating twice differs");
}
