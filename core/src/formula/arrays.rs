//! Methods of arrays, and the functions over several values, of C# and partly of both languages.
//!
//! In C#, each of them makes nothing of nothing: a missing array is an empty one. An object is
//! there the array of its members.

use std::cmp::Ordering;
use std::sync::Arc;

use super::builtin::Builtin;
use super::evaluate::{Evaluation, Failure};
use super::made::Made;
use super::operators::{
    arithmetic, compare_numbers, compare_texts, is_equal, is_truthy, to_number, to_text,
};
use super::texts::clamped;
use super::tree::Dialect;
use super::tree::{Binary, Lambda};
use super::value::{Number, Text, Value};

type Evaluated<'a> = Result<Value<'a>, Failure>;

/// Calls a method; the array is the first of `values`.
pub(super) fn call<'a>(
    run: &mut Evaluation<'a, '_>,
    method: Builtin,
    values: Vec<Value<'a>>,
    lambda: Option<&Lambda>,
) -> Evaluated<'a> {
    let target = values.first().cloned().unwrap_or(Value::Undefined);
    match method {
        Builtin::Smallest => return Ok(extreme(&values, Ordering::Less)),
        Builtin::Largest => return Ok(extreme(&values, Ordering::Greater)),
        Builtin::Power => {
            let numbers = (
                to_number(&target),
                to_number(values.get(1).unwrap_or(&Value::Undefined)),
            );
            return Ok(Value::Number(arithmetic(
                Binary::Power,
                numbers.0,
                numbers.1,
            )));
        }
        Builtin::JoinWith => return Ok(join_with(&values)),
        _ => {}
    }
    if target.is_nothing() {
        return Ok(of_nothing(method));
    }
    let items = match target {
        Value::Array(items) => items,
        Value::Object(members) if run.dialect == Dialect::CSharp && is_of_pairs(method) => {
            pairs(run, &members)?
        }
        _ => {
            return Err(Failure::new(format!(
                "{method:?} is for arrays, and this is none"
            )));
        }
    };
    match method {
        Builtin::Map
        | Builtin::FlatMap
        | Builtin::Filter
        | Builtin::Find
        | Builtin::Some
        | Builtin::Every
        | Builtin::Count => each(run, method, &items, lambda),
        Builtin::Sum | Builtin::Average | Builtin::MinOf | Builtin::MaxOf => {
            aggregate(run, method, &items, lambda)
        }
        Builtin::OrderBy | Builtin::OrderByDescending => order_by(run, method, &items, lambda),
        Builtin::First | Builtin::Last => pick(run, method, &items, lambda),
        _ => plain(method, &items, values.get(1..).unwrap_or_default()),
    }
}

/// Whether C# has the method for objects, which are dictionaries of `Key` and `Value` there.
fn is_of_pairs(method: Builtin) -> bool {
    matches!(
        method,
        Builtin::Map
            | Builtin::FlatMap
            | Builtin::Filter
            | Builtin::Some
            | Builtin::Every
            | Builtin::First
            | Builtin::Last
            | Builtin::Count
            | Builtin::Sum
            | Builtin::MinOf
            | Builtin::MaxOf
            | Builtin::Average
            | Builtin::OrderBy
            | Builtin::OrderByDescending
            | Builtin::Take
            | Builtin::Skip
            | Builtin::Reverse
            | Builtin::Concat
    )
}

fn pairs<'a>(
    run: &mut Evaluation<'a, '_>,
    members: &[(Text<'a>, Value<'a>)],
) -> Result<Arc<Made<Value<'a>>>, Failure> {
    let mut items = Vec::with_capacity(members.len());
    for (name, value) in members {
        run.step()?;
        items.push(Value::object(vec![
            (Text::Borrowed("Key"), Value::Text(name.clone())),
            (Text::Borrowed("Value"), value.clone()),
        ]));
    }
    Ok(Arc::new(items.into()))
}

fn of_nothing<'a>(method: Builtin) -> Value<'a> {
    match method {
        Builtin::Some | Builtin::Includes | Builtin::StartsWith | Builtin::EndsWith => {
            Value::Bool(false)
        }
        Builtin::Every => Value::Bool(true),
        Builtin::Count | Builtin::Sum => Value::long(0),
        Builtin::IndexOf => Value::long(-1),
        Builtin::Map
        | Builtin::FlatMap
        | Builtin::Filter
        | Builtin::Distinct
        | Builtin::OrderBy
        | Builtin::OrderByDescending
        | Builtin::Take
        | Builtin::Skip => Value::array(vec![]),
        _ => Value::Null,
    }
}

pub(super) fn each<'a>(
    run: &mut Evaluation<'a, '_>,
    method: Builtin,
    items: &[Value<'a>],
    lambda: Option<&Lambda>,
) -> Evaluated<'a> {
    let Some(lambda) = lambda else {
        return Ok(match method {
            Builtin::Some => Value::Bool(!items.is_empty()),
            Builtin::Count => Value::long(i64::try_from(items.len()).unwrap_or(i64::MAX)),
            _ => return Err(Failure::new(format!("{method:?} takes a function"))),
        });
    };
    let mut made = Vec::new();
    let mut count = 0;
    for (place, item) in items.iter().enumerate() {
        run.step()?;
        let place = Value::long(i64::try_from(place).unwrap_or(i64::MAX));
        let result = run.apply(lambda, &[item.clone(), place])?;
        match method {
            Builtin::Map => made.push(result),
            Builtin::FlatMap => match result.clone().items() {
                Some(inner) => made.extend(inner.iter().cloned()),
                // C# makes nothing of nothing.
                None if result.is_nothing() && run.dialect == Dialect::CSharp => {}
                None => made.push(result),
            },
            _ if !is_truthy(&result) => {
                if method == Builtin::Every {
                    return Ok(Value::Bool(false));
                }
            }
            Builtin::Filter => made.push(item.clone()),
            Builtin::Find => return Ok(item.clone()),
            Builtin::Some => return Ok(Value::Bool(true)),
            _ => count += 1,
        }
    }
    Ok(match method {
        Builtin::Find => Value::Undefined,
        Builtin::Some => Value::Bool(false),
        Builtin::Every => Value::Bool(true),
        Builtin::Count => Value::long(count),
        _ => Value::array(made),
    })
}

pub(super) fn reduce<'a>(
    run: &mut Evaluation<'a, '_>,
    items: &[Value<'a>],
    lambda: Option<&Lambda>,
    start: Option<Value<'a>>,
) -> Evaluated<'a> {
    let Some(lambda) = lambda else {
        return Err(Failure::new("reduce takes a function"));
    };
    let mut all = items.iter().enumerate();
    let mut result = match start {
        Some(start) => start,
        None => match all.next() {
            Some((_, first)) => first.clone(),
            None => {
                return Err(Failure::new(
                    "reduce of an empty array without a first value",
                ));
            }
        },
    };
    for (place, item) in all {
        run.step()?;
        let place = Value::long(i64::try_from(place).unwrap_or(i64::MAX));
        result = run.apply(lambda, &[result, item.clone(), place])?;
    }
    Ok(result)
}

fn aggregate<'a>(
    run: &mut Evaluation<'a, '_>,
    method: Builtin,
    items: &[Value<'a>],
    lambda: Option<&Lambda>,
) -> Evaluated<'a> {
    let mut counted = Vec::with_capacity(items.len());
    for item in items {
        run.step()?;
        let value = match lambda {
            Some(lambda) => run.apply(lambda, std::slice::from_ref(item))?,
            None => item.clone(),
        };
        if !value.is_nothing() {
            counted.push(value);
        }
    }
    if matches!(method, Builtin::MinOf | Builtin::MaxOf) {
        let wanted = if method == Builtin::MinOf {
            Ordering::Less
        } else {
            Ordering::Greater
        };
        let best = counted.into_iter().reduce(|best, it| {
            if compare(&it, &best) == Some(wanted) {
                it
            } else {
                best
            }
        });
        return Ok(best.unwrap_or(Value::Null));
    }
    let sum = counted.iter().fold(Number::Long(0), |sum, it| {
        arithmetic(Binary::Add, sum, to_number(it))
    });
    if method == Builtin::Sum {
        return Ok(Value::Number(sum));
    }
    if counted.is_empty() {
        return Ok(Value::Null);
    }
    let count = Number::Long(i64::try_from(counted.len()).unwrap_or(i64::MAX));
    Ok(Value::Number(arithmetic(Binary::Divide, sum, count)))
}

/// Values of one kind in their order, nothing before all others; equal ones keep their order.
fn order_by<'a>(
    run: &mut Evaluation<'a, '_>,
    method: Builtin,
    items: &[Value<'a>],
    lambda: Option<&Lambda>,
) -> Evaluated<'a> {
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        run.step()?;
        let key = match lambda {
            Some(lambda) => run.apply(lambda, std::slice::from_ref(item))?.opened(),
            None => item.clone(),
        };
        keyed.push((key, item.clone()));
    }
    keyed.sort_by(|(a, _), (b, _)| {
        let order = total_order(a, b);
        if method == Builtin::OrderBy {
            order
        } else {
            order.reverse()
        }
    });
    let ordered = keyed.into_iter().map(|(_, item)| item).collect();
    Ok(Value::array(ordered))
}

/// An order of all values, as sorting needs it.
fn total_order(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    let rank = |it: &Value<'_>| match it {
        Value::Undefined | Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::Text(_) => 3,
        _ => 4,
    };
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_f64().total_cmp(&b.as_f64()),
        (Value::Text(a), Value::Text(b)) => compare_texts(a.as_str(), b.as_str()),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn pick<'a>(
    run: &mut Evaluation<'a, '_>,
    method: Builtin,
    items: &[Value<'a>],
    lambda: Option<&Lambda>,
) -> Evaluated<'a> {
    let mut found = Value::Null;
    for item in items {
        run.step()?;
        let fits = match lambda {
            Some(lambda) => is_truthy(&run.apply(lambda, std::slice::from_ref(item))?),
            None => true,
        };
        if fits {
            found = item.clone();
            if method == Builtin::First {
                break;
            }
        }
    }
    Ok(found)
}

fn plain<'a>(method: Builtin, items: &[Value<'a>], arguments: &[Value<'a>]) -> Evaluated<'a> {
    let first = arguments.first().cloned().unwrap_or(Value::Undefined);
    Ok(match method {
        Builtin::Includes => Value::Bool(items.iter().any(|it| is_equal(it, &first))),
        Builtin::IndexOf => match items.iter().position(|it| is_equal(it, &first)) {
            Some(place) => Value::long(i64::try_from(place).unwrap_or(i64::MAX)),
            None => Value::long(-1),
        },
        Builtin::Take | Builtin::Skip => {
            let count = clamped(to_number(&first).as_f64());
            let (before, after) = items.split_at(count.min(items.len()));
            let kept = if method == Builtin::Take {
                before
            } else {
                after
            };
            Value::array(kept.to_vec())
        }
        Builtin::Concat => {
            let mut all = items.to_vec();
            for more in arguments {
                match more.clone().opened() {
                    Value::Array(items) => all.extend(items.iter().cloned()),
                    other => all.push(other),
                }
            }
            Value::array(all)
        }
        Builtin::Reverse => Value::array(items.iter().rev().cloned().collect()),
        Builtin::Distinct => {
            let mut distinct: Vec<Value<'a>> = Vec::new();
            for item in items {
                if !distinct.contains(item) {
                    distinct.push(item.clone());
                }
            }
            Value::array(distinct)
        }
        _ => {
            return Err(Failure::new(format!(
                "an array has no such method: {method:?}"
            )));
        }
    })
}

fn joined(items: &[Value<'_>], separator: &str) -> String {
    let texts: Vec<String> = items
        .iter()
        .map(|it| to_text(it, true).as_str().to_owned())
        .collect();
    texts.join(separator)
}

/// C#'s `string.Join(separator, items)`.
fn join_with<'a>(values: &[Value<'a>]) -> Value<'a> {
    let separator = to_text(values.first().unwrap_or(&Value::Null), true);
    let rest = values.get(1..).unwrap_or_default();
    let text = match rest {
        [single] => match single.clone().items() {
            Some(items) => joined(&items, separator.as_str()),
            None => joined(rest, separator.as_str()),
        },
        _ => joined(rest, separator.as_str()),
    };
    Value::text(text)
}

fn extreme<'a>(values: &[Value<'a>], wanted: Ordering) -> Value<'a> {
    let mut best: Option<Number> = None;
    for value in values {
        let number = to_number(value);
        if number.as_f64().is_nan() {
            return Value::Number(number);
        }
        if best.is_none_or(|best| compare_numbers(number, best) == Some(wanted)) {
            best = Some(number);
        }
    }
    let empty = if wanted == Ordering::Less {
        f64::INFINITY
    } else {
        f64::NEG_INFINITY
    };
    Value::Number(best.unwrap_or(Number::Double(empty)))
}

fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(compare_texts(a.as_str(), b.as_str())),
        _ => compare_numbers(to_number(left), to_number(right)),
    }
}
