//! Fields that maps create with options of their own.
//!
//! In a map's output such a field is an object whose only member is the mark. What it says goes
//! before what the definition says of the field.

use serde_json::{Value, json};

use super::map::Object;
use crate::{Error, Result};

/// What marks a created field: a list of its value, whether it is stored, and how it is indexed.
const MARK: &str = "@field";

/// A member of a map's output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// Its value.
    pub value: &'a Value,
    /// Whether it is stored, if the map says.
    pub is_stored: Option<bool>,
    /// How it is indexed, if the map says.
    pub indexing: Option<&'a str>,
}

impl<'a> Member<'a> {
    /// Reads a member.
    pub fn of(value: &'a Value) -> Self {
        let plain = Self {
            value,
            is_stored: None,
            indexing: None,
        };
        let marked = value.as_object().filter(|it| it.len() == 1);
        let marked = marked.and_then(|it| it.get(MARK)?.as_array());
        match marked.map(Vec::as_slice) {
            Some([value, stored, indexing]) => Self {
                value,
                is_stored: stored.as_bool(),
                indexing: indexing.as_str(),
            },
            _ => plain,
        }
    }

    fn has_options(&self) -> bool {
        self.is_stored.is_some() || self.indexing.is_some()
    }
}

/// Adds a created field to a map's output. Fields of one name are values of one field.
pub fn add_created(
    object: &mut Object,
    name: &str,
    value: Value,
    is_stored: Option<bool>,
    indexing: Option<&str>,
) {
    let before = object.get(name).map(Member::of);
    let is_stored = is_stored.or(before.and_then(|it| it.is_stored));
    let indexing = indexing.or(before.and_then(|it| it.indexing));
    let value = match before.map(|it| it.value.clone()) {
        None => value,
        Some(Value::Array(mut values)) => {
            values.push(value);
            Value::Array(values)
        }
        Some(before) => Value::Array(vec![before, value]),
    };
    let made = if is_stored.is_some() || indexing.is_some() {
        json!({ MARK: [value, is_stored, indexing] })
    } else {
        value
    };
    object.insert(name.to_owned(), made);
}

/// The output without options, which concern no input of a reduce.
pub fn without_options(mut object: Object) -> Object {
    for value in object.values_mut() {
        let member = Member::of(value);
        if member.has_options() {
            *value = member.value.clone();
        }
    }
    object
}

/// Refuses options where they could not be kept.
///
/// # Errors
/// `InvalidRequest` that names the field.
pub fn refuse_options(object: &Object) -> Result<()> {
    match object.iter().find(|(_, it)| Member::of(it).has_options()) {
        None => Ok(()),
        Some((name, _)) => Err(Error::invalid(format!(
            "the field '{name}' is created with options, which only a map can do; say them in the \
             definition's Fields"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_one_name_become_one() {
        let mut object = Object::new();
        add_created(&mut object, "a", json!(1), None, None);
        add_created(&mut object, "b", json!({ MARK: 1 }), None, None);
        add_created(&mut object, "a", json!("x"), None, Some("Search"));
        add_created(&mut object, "a", json!(2), Some(true), None);
        let a = Member::of(&object["a"]);
        assert_eq!((a.is_stored, a.indexing), (Some(true), Some("Search")));
        assert_eq!(*a.value, json!([1, "x", 2]));
        // What only looks like a mark is a value.
        assert_eq!(*Member::of(&object["b"]).value, json!({ MARK: 1 }));
        assert!(refuse_options(&object).is_err());
        let plain = without_options(object);
        assert_eq!(plain["a"], json!([1, "x", 2]));
        assert!(refuse_options(&plain).is_ok());
    }
}
