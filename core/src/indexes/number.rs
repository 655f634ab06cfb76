//! Numbers as they are compared: exactly, whatever their literal form.

use std::cmp::Ordering;

use crate::document::nearest_double;

/// A JSON number: the nearest double, and how far an integer lies from it.
///
/// Every `i64` and `u64` is told from its neighbours; fractions are doubles, as in any JSON reader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    nearest: f64,
    rest: i16,
}

impl Number {
    /// The bytes of [`Self::to_key`].
    pub const KEY_BYTES: usize = 10;

    /// A double. What is no number counts as zero; JSON has none such.
    pub fn from_f64(number: f64) -> Self {
        let is_finite = number.is_finite() && number != 0.0;
        Self {
            nearest: if is_finite { number } else { 0.0 },
            rest: 0,
        }
    }

    /// An integer of 64 bits, signed or not.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    pub fn from_integer(number: i128) -> Self {
        let nearest = number as f64;
        // At most half a unit in the last place of a double near 2^64: 1024.
        let rest = number - nearest as i128;
        Self {
            nearest,
            rest: rest.clamp(i128::from(i16::MIN), i128::from(i16::MAX)) as i16,
        }
    }

    /// The number that a JSON literal stands for.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(integer) = text.parse::<i64>() {
            return Some(Self::from_integer(integer.into()));
        }
        if let Ok(integer) = text.parse::<u64>() {
            return Some(Self::from_integer(integer.into()));
        }
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let number = nearest_double(text).filter(|it| is_number && it.is_finite());
        number.map(Self::from_f64)
    }

    /// From a parsed value.
    pub fn from_json(number: &serde_json::Number) -> Self {
        if let Some(integer) = number.as_i64() {
            return Self::from_integer(integer.into());
        }
        match number.as_u64() {
            Some(integer) => Self::from_integer(integer.into()),
            None => Self::from_f64(number.as_f64().unwrap_or(0.0)),
        }
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        self.nearest
    }

    /// The integer, if it is one of 64 bits.
    #[allow(clippy::cast_possible_truncation)]
    pub fn to_integer(self) -> Option<i128> {
        let is_whole = self.nearest.fract() == 0.0 && self.nearest.abs() < 2e19;
        is_whole.then(|| self.nearest as i128 + i128::from(self.rest))
    }

    /// Bytes whose order is the numbers' order.
    pub fn to_key(self) -> [u8; Self::KEY_BYTES] {
        let bits = self.nearest.to_bits();
        let ordered = if bits >> 63 == 1 {
            !bits
        } else {
            bits | 1 << 63
        };
        let mut key = [0; Self::KEY_BYTES];
        key[..8].copy_from_slice(&ordered.to_be_bytes());
        let rest = self.rest.cast_unsigned() ^ 0x8000;
        key[8..].copy_from_slice(&rest.to_be_bytes());
        key
    }

    /// Reads [`Self::to_key`] back.
    pub fn from_key(key: [u8; Self::KEY_BYTES]) -> Self {
        let mut ordered = [0; 8];
        ordered.copy_from_slice(&key[..8]);
        let ordered = u64::from_be_bytes(ordered);
        let bits = if ordered >> 63 == 1 {
            ordered & !(1 << 63)
        } else {
            !ordered
        };
        let rest = u16::from_be_bytes([key[8], key[9]]) ^ 0x8000;
        Self {
            nearest: f64::from_bits(bits),
            rest: rest.cast_signed(),
        }
    }

    /// The number as JSON text: integers without a fraction.
    pub fn to_text(self) -> String {
        match self.to_integer() {
            Some(integer) => integer.to_string(),
            None => {
                let number = serde_json::Number::from_f64(self.nearest);
                number.map_or_else(String::new, |it| it.to_string())
            }
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.to_key().cmp(&other.to_key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_of_the_same_number_are_equal() {
        let number = |text| Number::parse(text).unwrap();
        assert_eq!(number("12"), number("12.0"));
        assert_eq!(number("-0.0"), number("0"));
        assert_eq!(number("1e3"), number("1000"));
        assert!(number("12.5") > number("12"));
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert!(number("18446744073709551615") > number("18446744073709551614"));
        assert_eq!(number("9007199254740993").to_text(), "9007199254740993");
        assert_eq!(number("4.50").to_text(), "4.5");
        assert!(Number::parse("x").is_none() && Number::parse("inf").is_none());
        let read = |text| Number::from_json(&serde_json::from_str(text).unwrap());
        for text in [
            "0.30000000000000004",
            "1.1000000000000001",
            "7.7777777777777777e54",
        ] {
            assert_eq!(read(text), number(text), "{text}");
        }
        assert!(Number::parse("").is_none() && Number::parse("+1").is_some_and(|_| true));
    }

    proptest! {
        #[test]
        fn keys_order_integers_exactly(a: i64, b: i64, c: u64) {
            let (x, y) = (Number::from_integer(a.into()), Number::from_integer(b.into()));
            prop_assert_eq!(x.to_key().cmp(&y.to_key()), a.cmp(&b));
            let z = Number::from_integer(c.into());
            prop_assert_eq!(z.to_integer(), Some(i128::from(c)));
            prop_assert_eq!(Number::from_key(z.to_key()), z);
        }

        #[test]
        fn keys_order_doubles(a in -1e300f64..1e300, b in -1e300f64..1e300) {
            let (x, y) = (Number::from_f64(a), Number::from_f64(b));
            prop_assert_eq!(x.to_key().cmp(&y.to_key()), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(Number::from_key(x.to_key()), x);
        }
    }
}
