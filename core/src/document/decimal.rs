//! Decimal literals as doubles.

/// The double nearest to a decimal literal: one of JSON, or with a plus or zeros before it, or with no
/// digits on one side of its point; infinite beyond the largest double. `None` for what is no such literal.
///
/// It is read as documents are, so that the two agree on the last bit; and a module for pages then has
/// no tables of the standard library for the same.
pub(crate) fn nearest_double(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(['e', 'E']).unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(end);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    if !has_digits || !are_digits(whole) || !are_digits(fraction) || !is_exponent(exponent) {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let literal = [sign, whole, ".", fraction, exponent].concat();
    // Its form is right: it can only be too large.
    let beyond_all = || f64::INFINITY.copysign(if sign.is_empty() { 1.0 } else { -1.0 });
    Some(serde_json::from_str(&literal).unwrap_or_else(|_| beyond_all()))
}

/// Whether `text` is none or an exponent.
fn is_exponent(text: &str) -> bool {
    let Some(power) = text.strip_prefix(['e', 'E']) else {
        return text.is_empty();
    };
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_may_lack_what_json_asks_for() {
        for text in [
            "5.", "-.5", "007.5", "1.e3", "0", "-0", "1E-7", "00", "1e308", "4.9e-324", "1e-400",
            "1e400", "-1e400", ".5", "+1.5",
        ] {
            let expected = text.parse::<f64>().unwrap();
            let found = nearest_double(text).unwrap();
            assert_eq!(found.to_bits(), expected.to_bits(), "{text}");
        }
        for text in [
            "", "-", ".", "-.", "1e", "1e5 ", "1 ", " 1", "1_0", "+-1", "1e5.5", "1.2.3", "e5",
            "inf", "-inf", "NaN", "0x10", "1ee5", "1e+", "--1", "1.5-",
        ] {
            assert_eq!(nearest_double(text), None, "{text}");
        }
    }

    proptest! {
        /// What a document has and what a query asks for come by two ways, and must meet.
        #[test]
        fn all_readers_find_the_same_double(
            bits: u64,
            digits in "[0-9]{1,30}",
            exponent in -320..320i32,
        ) {
            let of_double = serde_json::to_string(&f64::from_bits(bits)).unwrap();
            let literals = [
                of_double,
                format!("0.{digits}"),
                format!("1{digits}.5"),
                format!("1{digits}e{exponent}"),
            ];
            for literal in literals {
                let nearest = literal.parse::<f64>().ok();
                prop_assert_eq!(nearest_double(&literal), nearest, "{}", literal);
                let read = serde_json::from_str::<serde_json::Value>(&literal).ok();
                let finite = nearest.filter(|it| it.is_finite());
                prop_assert_eq!(read.and_then(|it| it.as_f64()), finite, "{}", literal);
            }
        }
    }
}
