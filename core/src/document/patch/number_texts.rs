//! Keeps the texts of numbers that a script did not change.
//!
//! JavaScript reads `1.50` and writes `1.5`, and knows no integers beyond 2^53. Where a number of
//! the new text is, to JavaScript, the number that stood in the same place before, its old text
//! comes back.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::document::json::top_properties;
use crate::document::nearest_double;

/// `new` with the texts of numbers from `old` where they are the same to JavaScript. Both are
/// valid JSON; `new` has no white space between tokens.
pub(crate) fn keep_number_texts(old: &str, new: &str) -> String {
    let mut kept = String::with_capacity(new.len());
    write_kept(old.trim_ascii(), new, &mut kept);
    kept
}

fn write_kept(old: &str, new: &str, out: &mut String) {
    if old == new {
        out.push_str(new);
        return;
    }
    match (old.as_bytes().first(), new.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => write_object(old, new, out),
        (Some(b'['), Some(b'[')) => write_array(old, new, out),
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) if is_same_number(old, new) => {
            out.push_str(old);
        }
        _ => out.push_str(new),
    }
}

fn is_same_number(old: &str, new: &str) -> bool {
    matches!((nearest_double(old), nearest_double(new)), (Some(a), Some(b)) if a == b)
}

fn write_object(old: &str, new: &str, out: &mut String) {
    let (Ok(old), Ok(new_members)) = (top_properties(old), top_properties(new)) else {
        out.push_str(new);
        return;
    };
    out.push('{');
    for (place, (name, value)) in new_members.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(name).expect("any text can be a JSON string"));
        out.push(':');
        // Members mostly stay in their order.
        let same_place = old.get(place).filter(|(it, _)| it == name);
        let found = same_place.or_else(|| old.iter().find(|(it, _)| it == name));
        match found {
            Some((_, before)) => write_kept(before, value, out),
            None => out.push_str(value),
        }
    }
    out.push('}');
}

fn write_array(old: &str, new: &str, out: &mut String) {
    let items = |text| serde_json::from_str::<Vec<&RawValue>>(text);
    let (Ok(old), Ok(new_items)) = (items(old), items(new)) else {
        out.push_str(new);
        return;
    };
    // What was pushed or removed at one place leaves both ends as they were.
    let from_end = old.len().abs_diff(new_items.len());
    let grew = new_items.len() >= old.len();
    out.push('[');
    for (place, item) in new_items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let shifted = if grew {
            place.checked_sub(from_end)
        } else {
            Some(place + from_end)
        };
        let candidates = [Some(place), shifted];
        let mut kept = Cow::Borrowed(item.get());
        for before in candidates
            .into_iter()
            .flatten()
            .filter_map(|it| old.get(it))
        {
            let mut text = String::new();
            write_kept(before.get(), item.get(), &mut text);
            if text != item.get() {
                kept = Cow::Owned(text);
                break;
            }
        }
        out.push_str(&kept);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_numbers_keep_their_texts() {
        let old = r#"{"a":1.50,"b":12345678901234567890123,"c":[1.0,{"d":2e2}],"e":"1.0"}"#;
        let new = r#"{"b":1.2345678901234568e+22,"a":1.5,"c":[1,{"d":200},3],"e":1,"f":1.5}"#;
        assert_eq!(
            keep_number_texts(old, new),
            r#"{"b":12345678901234567890123,"a":1.50,"c":[1.0,{"d":2e2},3],"e":1,"f":1.5}"#
        );
        assert_eq!(keep_number_texts("[1.0,2.0,3.0]", "[2,3]"), "[2.0,3.0]");
        assert_eq!(keep_number_texts("[2.0,3.0]", "[1,2,3]"), "[1,2.0,3.0]");
        assert_eq!(
            keep_number_texts("{\"a\":9007199254740993}", "{\"a\":9007199254740992}"),
            "{\"a\":9007199254740993}"
        );
        assert_eq!(keep_number_texts("{\"a\":1.0}", "{\"a\":2}"), "{\"a\":2}");
    }
}
