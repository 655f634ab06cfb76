//! Values as JSON text.

use super::value::{Number, Special, Value};

impl Value<'_> {
    /// Appends the value as JSON. What is missing is null, also as a member, and so are numbers
    /// that JSON has no form for.
    pub fn write_json(&self, json: &mut String) {
        self.write(json, false);
    }

    fn write(&self, json: &mut String, is_typed: bool) {
        match self {
            Self::Undefined | Self::Null => json.push_str("null"),
            Self::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => push_number(*number, json, is_typed),
            Self::Text(text) => push_text(text.as_str(), json),
            Self::Raw(text) => json.push_str(text),
            Self::Array(items) => {
                json.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        json.push(',');
                    }
                    item.write(json, is_typed);
                }
                json.push(']');
            }
            Self::Object(members) => {
                json.push('{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        json.push(',');
                    }
                    push_text(name.as_str(), json);
                    json.push(':');
                    value.write(json, is_typed);
                }
                json.push('}');
            }
            Self::Special(special) => write_special(special, json, is_typed),
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    /// As [`Self::to_json`], but a whole number that is no integer keeps a point, `15.0`: where
    /// integers divide to integers it must stay what it is.
    pub fn to_typed_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json, true);
        json
    }
}

fn write_special(special: &Special<'_>, json: &mut String, is_typed: bool) {
    match special {
        Special::Field(field) => field.value.write(json, is_typed),
        Special::Boosted { value, .. } | Special::Wkt(value) => value.write(json, is_typed),
        Special::Point {
            latitude,
            longitude,
        } => {
            json.push_str("{\"latitude\":");
            latitude.write(json, is_typed);
            json.push_str(",\"longitude\":");
            longitude.write(json, is_typed);
            json.push('}');
        }
    }
}

fn push_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::to_string(text).expect("any text can be a JSON string"));
}

fn push_number(number: Number, json: &mut String, is_typed: bool) {
    match number {
        Number::Double(double) if !double.is_finite() => json.push_str("null"),
        Number::Double(double) if is_typed && double.fract() == 0.0 && double.abs() < 1e21 => {
            json.push_str(&number_text(number));
            json.push_str(".0");
        }
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
