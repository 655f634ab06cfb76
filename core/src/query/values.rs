//! Literals and parameters of a query as values.

use serde_json::{Map, Value};

use super::rql::{Expression, ExpressionKind, Literal};
use crate::indexes::{FieldValue, Number};
use crate::{Error, Result};

/// The parameters that came with a query.
pub type Parameters = Map<String, Value>;

/// The value of a literal or a parameter; a list stays a list.
///
/// # Errors
/// `InvalidRequest` for a parameter that was not given, or what is no value.
pub fn json_value(expression: &Expression, parameters: &Parameters) -> Result<Value> {
    Ok(match &expression.kind {
        ExpressionKind::Literal(literal) => match literal {
            Literal::Null => Value::Null,
            Literal::Bool(value) => (*value).into(),
            Literal::Long(value) => (*value).into(),
            Literal::Double(value) => (*value).into(),
            Literal::Text(text) => text.clone().into(),
        },
        ExpressionKind::Parameter(name) => parameters
            .get(name)
            .cloned()
            .ok_or_else(|| Error::invalid(format!("the parameter '${name}' has no value")))?,
        _ => return Err(Error::invalid("a value or a parameter must stand here")),
    })
}

/// The single value of a literal or a parameter.
///
/// # Errors
/// As [`json_value`]; `InvalidRequest` for a list.
pub fn field_value(expression: &Expression, parameters: &Parameters) -> Result<FieldValue> {
    single(&json_value(expression, parameters)?)
}

/// The values of a list of literals and parameters; parameters may be lists themselves.
///
/// # Errors
/// As [`json_value`].
pub fn field_values(list: &[Expression], parameters: &Parameters) -> Result<Vec<FieldValue>> {
    let mut values = Vec::new();
    for expression in list {
        match json_value(expression, parameters)? {
            Value::Array(items) => {
                for item in &items {
                    values.push(single(item)?);
                }
            }
            value => values.push(single(&value)?),
        }
    }
    Ok(values)
}

fn single(value: &Value) -> Result<FieldValue> {
    Ok(match value {
        Value::Null => FieldValue::Null,
        Value::Bool(value) => FieldValue::Bool(*value),
        Value::Number(number) => FieldValue::Number(Number::from_json(number)),
        Value::String(text) => FieldValue::Text(text.clone()),
        Value::Array(items) if items.is_empty() => FieldValue::EmptyList,
        Value::Array(_) => {
            return Err(Error::invalid("a list cannot be compared with; use 'in'"));
        }
        Value::Object(_) => FieldValue::Text(value.to_string()),
    })
}

/// The text of a value.
///
/// # Errors
/// As [`field_value`].
pub fn text(expression: &Expression, parameters: &Parameters) -> Result<String> {
    Ok(match field_value(expression, parameters)? {
        FieldValue::Null => String::new(),
        value => value.to_text().into_owned(),
    })
}

/// The number of a value.
///
/// # Errors
/// `InvalidRequest` when it is none.
pub fn number(expression: &Expression, parameters: &Parameters) -> Result<f64> {
    match field_value(expression, parameters)? {
        FieldValue::Number(number) => Ok(number.to_f64()),
        other => Err(Error::invalid(format!(
            "'{}' is no number",
            other.to_text()
        ))),
    }
}

/// The whole number of a value, not negative.
///
/// # Errors
/// `InvalidRequest` when it is none.
pub fn count(expression: &Expression, parameters: &Parameters) -> Result<usize> {
    let value = field_value(expression, parameters)?;
    let whole = match &value {
        FieldValue::Number(number) => number.to_integer(),
        _ => None,
    };
    // More than fits is as good as all.
    whole
        .filter(|it| *it >= 0)
        .map(|it| usize::try_from(it).unwrap_or(usize::MAX))
        .ok_or_else(|| Error::invalid(format!("'{}' is no count", value.to_text())))
}
