//! Include paths: which properties of a document hold the ids of others.
//!
//! Forms (semantics.md §1 and §10): `Company`, `Address.CityId`, `Lines[].Product` (`Lines,Product`
//! is its old form), `Parents` where it is an array, `Map.$Keys` and `Map.$Values` of an object,
//! `Number(prefix/)` and `Number[prefix/{0}-suffix]` where the property holds a part of an id.

use serde_json::value::RawValue;

use super::json::find_property;
use crate::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Property(String),
    Each,
    Keys,
    Values,
}

/// A parsed include path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludePath {
    steps: Vec<Step>,
    before: String,
    after: String,
}

impl IncludePath {
    /// Reads a path.
    ///
    /// # Errors
    /// `InvalidRequest` when a part of it is empty or a bracket stays open.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::invalid(format!("the include path '{text}' {why}"));
        let (path, before, after) = split_template(text.trim()).map_err(&invalid)?;
        let mut steps = Vec::new();
        for part in path.split(['.', ',']) {
            let mut name = part;
            let mut arrays = 0;
            while let Some(rest) = name.strip_suffix("[]") {
                name = rest;
                arrays += 1;
            }
            match name {
                "" => return Err(invalid("has an empty part")),
                "$Keys" => steps.push(Step::Keys),
                "$Values" => steps.push(Step::Values),
                name => steps.push(Step::Property(name.to_owned())),
            }
            steps.extend((0..arrays).map(|_| Step::Each));
        }
        Ok(Self {
            steps,
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// The ids that `document`, a valid JSON text, refers to, in the order they stand.
    ///
    /// ```
    /// use pinyon_core::document::IncludePath;
    /// let path = IncludePath::parse("Lines[].Product").unwrap();
    /// let ids = path.ids(r#"{"Lines":[{"Product":"p/1"},{"Product":null},{"Product":"p/2"}]}"#);
    /// assert_eq!(ids, ["p/1", "p/2"]);
    /// ```
    pub fn ids(&self, document: &str) -> Vec<String> {
        let mut ids = Vec::new();
        self.walk(document, &self.steps, &mut ids);
        ids
    }

    fn walk(&self, value: &str, steps: &[Step], ids: &mut Vec<String>) {
        // Arrays are entered wherever they stand, so that `Parents` and `Lines,Product` work.
        if value.starts_with('[') {
            let rest = match steps {
                [Step::Each, rest @ ..] => rest,
                rest => rest,
            };
            for item in items(value) {
                self.walk(item.get(), rest, ids);
            }
            return;
        }
        match steps {
            [] => self.push_id(value, ids),
            [Step::Property(name), rest @ ..] => {
                if let Some(inner) = find_property(value, name) {
                    self.walk(inner, rest, ids);
                }
            }
            [Step::Each, ..] => {}
            [Step::Keys, ..] => {
                ids.extend(
                    properties(value)
                        .into_iter()
                        .map(|(key, _)| self.complete(&key)),
                );
            }
            [Step::Values, rest @ ..] => {
                for (_, inner) in properties(value) {
                    self.walk(inner.get(), rest, ids);
                }
            }
        }
    }

    fn push_id(&self, value: &str, ids: &mut Vec<String>) {
        let is_number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if is_number {
            ids.push(self.complete(value));
        } else if let Ok(Some(text)) = serde_json::from_str::<Option<String>>(value)
            && !text.is_empty()
        {
            ids.push(self.complete(&text));
        }
    }

    fn complete(&self, part: &str) -> String {
        format!("{}{part}{}", self.before, self.after)
    }
}

fn split_template(text: &str) -> Result<(&str, &str, &str), &'static str> {
    if let Some(inner) = text.strip_suffix(')') {
        let (path, prefix) = inner
            .split_once('(')
            .ok_or("closes a parenthesis it never opened")?;
        return Ok((path, prefix, ""));
    }
    if let Some(inner) = text.strip_suffix(']').filter(|inner| !inner.ends_with('[')) {
        let (path, template) = inner
            .rsplit_once('[')
            .ok_or("closes a bracket it never opened")?;
        let (before, after) = template
            .split_once("{0}")
            .ok_or("has a template without {0}")?;
        return Ok((path, before, after));
    }
    Ok((text, "", ""))
}

fn items(array: &str) -> Vec<&RawValue> {
    serde_json::from_str(array).unwrap_or_default()
}

fn properties(object: &str) -> Vec<(String, Box<RawValue>)> {
    // preserve_order keeps the order of the text.
    let map: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(object).unwrap_or_default();
    map.into_iter()
        .filter_map(|(key, value)| Some((key, serde_json::value::to_raw_value(&value).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(path: &str, document: &str) -> Vec<String> {
        IncludePath::parse(path).unwrap().ids(document)
    }

    #[test]
    fn every_form_finds_its_ids() {
        let document = r#"{"Company":"c/1","A":{"B":"b/1"},"Parents":["p/1","p/2"],"No":7,
            "Lines":[{"Product":"p/3","Tags":["t/1"]},{"X":1},{"Product":null}],
            "Map":{"k/1":"v/1","k/2":"v/2"},"Empty":""}"#;
        for (path, expected) in [
            ("Company", vec!["c/1"]),
            ("A.B", vec!["b/1"]),
            ("Parents", vec!["p/1", "p/2"]),
            ("Parents[]", vec!["p/1", "p/2"]),
            ("Lines[].Product", vec!["p/3"]),
            ("Lines,Product", vec!["p/3"]),
            ("Lines[].Tags[]", vec!["t/1"]),
            ("Map.$Keys", vec!["k/1", "k/2"]),
            ("Map.$Values", vec!["v/1", "v/2"]),
            ("No(items/)", vec!["items/7"]),
            ("No[items/{0}-A]", vec!["items/7-A"]),
            ("Empty", vec![]),
            ("Missing.Deep", vec![]),
            ("Company.Deep", vec![]),
        ] {
            assert_eq!(ids(path, document), expected, "{path}");
        }
    }

    #[test]
    fn malformed_paths_are_refused() {
        for path in ["", "a..b", ".a", "a)", "a]", "a[b]"] {
            assert!(IncludePath::parse(path).is_err(), "{path}");
        }
    }
}
