//! Changes of single fields, which need no script.

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::{Error, Result};

/// Changes of fields, one after the other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FieldPatch(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Step {
    path: Vec<Segment>,
    #[serde(flatten)]
    change: Change,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Segment {
    Item(usize),
    Property(String),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
enum Change {
    /// The new value.
    Set(Value),
    /// What is added to a number; a missing one counts as zero.
    Increment(Number),
    /// What is put behind the items of an array; a missing one counts as empty.
    Push(Vec<Value>),
    /// Takes the property or item out; `true`.
    Remove(bool),
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Item(index) => write!(f, "[{index}]"),
            Self::Property(name) => write!(f, ".{name}"),
        }
    }
}

impl FieldPatch {
    /// Reads an array of changes: `[{"Path":["stats","count"],"Increment":1}]`.
    ///
    /// # Errors
    /// `InvalidRequest` when it is none, or a change is of nothing.
    pub fn parse(steps: &str) -> Result<Self> {
        let patch: Self = serde_json::from_str(steps).map_err(|reason| {
            Error::invalid(format!("the changes of fields are not valid: {reason}"))
        })?;
        match patch.0.iter().any(|it| it.path.is_empty()) {
            true => Err(Error::invalid("a change of a field needs the field's path")),
            false => Ok(patch),
        }
    }

    pub(super) fn apply(&self, document: &mut Value) -> Result<()> {
        self.0.iter().try_for_each(|step| step.apply(document))
    }
}

impl Step {
    fn failed(&self, why: &str) -> Error {
        let path: String = self.path.iter().map(Segment::to_string).collect();
        Error::invalid(format!("'{}' {why}", path.trim_start_matches('.')))
    }

    fn apply(&self, document: &mut Value) -> Result<()> {
        let Some((last, parents)) = self.path.split_last() else {
            return Err(self.failed("is no field"));
        };
        let mut parent = document;
        for segment in parents {
            let found = match (segment, parent) {
                (Segment::Property(name), Value::Object(members)) => members.get_mut(name),
                (Segment::Item(index), Value::Array(items)) => items.get_mut(*index),
                _ => None,
            };
            parent = found.ok_or_else(|| self.failed(&format!("is not there: no '{segment}'")))?;
        }
        match (last, parent) {
            (Segment::Property(name), Value::Object(members)) => self.change_member(members, name),
            (Segment::Item(index), Value::Array(items)) => self.change_item(items, *index),
            _ => Err(self.failed("is not in an object or array")),
        }
    }

    fn change_member(&self, members: &mut Map<String, Value>, name: &str) -> Result<()> {
        if let Change::Remove(_) = &self.change {
            // The others keep their order.
            members.shift_remove(name);
            return Ok(());
        }
        let value = self.changed(members.get(name))?;
        members.insert(name.to_owned(), value);
        Ok(())
    }

    fn change_item(&self, items: &mut Vec<Value>, index: usize) -> Result<()> {
        if index >= items.len() {
            return Err(self.failed("is behind the end of the array"));
        }
        if let Change::Remove(_) = &self.change {
            items.remove(index);
            return Ok(());
        }
        items[index] = self.changed(items.get(index))?;
        Ok(())
    }

    /// What the change makes of a value.
    fn changed(&self, value: Option<&Value>) -> Result<Value> {
        match (&self.change, value) {
            (Change::Set(value), _) => Ok(value.clone()),
            (Change::Increment(delta), None | Some(Value::Null)) => Ok(delta.clone().into()),
            (Change::Increment(delta), Some(Value::Number(number))) => self.sum(number, delta),
            (Change::Increment(_), Some(_)) => Err(self.failed("is no number")),
            (Change::Push(more), None | Some(Value::Null)) => Ok(more.clone().into()),
            (Change::Push(more), Some(Value::Array(items))) => {
                Ok([items.as_slice(), more.as_slice()].concat().into())
            }
            (Change::Push(_), Some(_)) => Err(self.failed("is no array")),
            (Change::Remove(_), _) => Err(self.failed("cannot be removed")),
        }
    }

    fn sum(&self, number: &Number, delta: &Number) -> Result<Value> {
        let whole = number.as_i64().zip(delta.as_i64());
        if let Some(sum) = whole.and_then(|(number, delta)| number.checked_add(delta)) {
            return Ok(sum.into());
        }
        let sum = number.as_f64().zip(delta.as_f64()).map(|(a, b)| a + b);
        let sum = sum.and_then(Number::from_f64);
        sum.map(Value::from)
            .ok_or_else(|| self.failed("grows beyond all numbers"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(mut document: Value, steps: Value) -> Result<Value> {
        FieldPatch::parse(&steps.to_string())?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn fields_are_set_counted_gathered_and_removed() {
        let document = json!({ "n": 1, "tags": ["a"], "lines": [{ "q": 2.5 }], "old": true });
        let steps = json!([
            { "Path": ["n"], "Increment": 2 },
            { "Path": ["new"], "Increment": 7 },
            { "Path": ["tags"], "Push": ["b", "c"] },
            { "Path": ["fresh"], "Push": [1] },
            { "Path": ["lines", 0, "q"], "Increment": 1 },
            { "Path": ["lines", 0, "name"], "Set": { "x": null } },
            { "Path": ["tags", 0], "Remove": true },
            { "Path": ["old"], "Remove": true },
        ]);
        let wanted = json!({
            "n": 3, "tags": ["b", "c"], "lines": [{ "q": 3.5, "name": { "x": null } }],
            "new": 7, "fresh": [1],
        });
        assert_eq!(patched(document, steps).unwrap(), wanted);
    }

    #[test]
    fn a_large_number_is_counted_on_as_a_fraction() {
        let steps = json!([{ "Path": ["n"], "Increment": 1 }]);
        let sum = patched(json!({ "n": i64::MAX }), steps).unwrap();
        assert_eq!(sum["n"].as_f64(), Some(9_223_372_036_854_775_808.0));
    }

    #[test]
    fn what_does_not_fit_names_the_field() {
        for (steps, message) in [
            (
                json!([{ "Path": ["a", "b"], "Set": 1 }]),
                "'a.b' is not there: no '.a'",
            ),
            (
                json!([{ "Path": ["text"], "Increment": 1 }]),
                "'text' is no number",
            ),
            (
                json!([{ "Path": ["text"], "Push": [1] }]),
                "'text' is no array",
            ),
            (
                json!([{ "Path": ["list", 3], "Set": 1 }]),
                "'list[3]' is behind the end",
            ),
            (json!([{ "Path": [], "Set": 1 }]), "needs the field's path"),
            (json!([{ "Path": ["a"], "Double": 1 }]), "are not valid"),
        ] {
            let document = json!({ "text": "x", "list": [] });
            let error = patched(document, steps).unwrap_err();
            assert!(error.message().contains(message), "{error}");
        }
    }
}
