//! Values as JSON text.

use super::value::{Number, Special, Value};

impl Value<'_> {
    /// Appends the value as JSON. Members that are `Undefined` are left out, numbers that JSON
    /// has no form for are null, as `JSON.stringify` does it.
    pub fn write_json(&self, json: &mut String) {
        match self {
            Self::Undefined | Self::Null => json.push_str("null"),
            Self::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => push_number(*number, json),
            Self::Text(text) => push_text(text.as_str(), json),
            Self::Raw(text) => json.push_str(text),
            Self::Array(items) => {
                json.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        json.push(',');
                    }
                    item.write_json(json);
                }
                json.push(']');
            }
            Self::Object(members) => {
                json.push('{');
                let mut is_first = true;
                for (name, value) in members.iter() {
                    if matches!(value, Self::Undefined) {
                        continue;
                    }
                    if !std::mem::take(&mut is_first) {
                        json.push(',');
                    }
                    push_text(name.as_str(), json);
                    json.push(':');
                    value.write_json(json);
                }
                json.push('}');
            }
            Self::Special(special) => write_special(special, json),
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }
}

fn write_special(special: &Special<'_>, json: &mut String) {
    match special {
        Special::Field(field) => field.value.write_json(json),
        Special::Boosted { value, .. } | Special::Wkt(value) => value.write_json(json),
        Special::Point {
            latitude,
            longitude,
        } => {
            json.push_str("{\"latitude\":");
            latitude.write_json(json);
            json.push_str(",\"longitude\":");
            longitude.write_json(json);
            json.push('}');
        }
    }
}

fn push_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::to_string(text).expect("any text can be a JSON string"));
}

fn push_number(number: Number, json: &mut String) {
    match number {
        Number::Double(double) if !double.is_finite() => json.push_str("null"),
        number => json.push_str(&number_text(number)),
    }
}

/// A number as JavaScript shows it.
pub(super) fn number_text(number: Number) -> String {
    match number {
        Number::Long(whole) => whole.to_string(),
        Number::Double(double) => ryu_js::Buffer::new().format(double).to_owned(),
    }
}
