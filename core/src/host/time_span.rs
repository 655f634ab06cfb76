//! Lengths of time in the protocol's text form: `[d.]hh:mm:ss[.fffffff]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// A length of time, in 100 ns ticks, never negative.
///
/// ```
/// use pinyon_core::host::TimeSpan;
/// let span: TimeSpan = "1.02:03:04".parse().unwrap();
/// assert_eq!(span.to_string(), "1.02:03:04");
/// assert_eq!(span.ms(), ((26 * 60 + 3) * 60 + 4) * 1000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TimeSpan(i64);

const TICKS_PER_SECOND: i64 = 10_000_000;

impl TimeSpan {
    /// From seconds.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds as i64 * TICKS_PER_SECOND)
    }

    /// From 100 ns ticks; nothing if there are fewer than none.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(if ticks < 0 { 0 } else { ticks })
    }

    /// 100 ns ticks.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Milliseconds, rounded down.
    pub const fn ms(self) -> i64 {
        self.0 / 10_000
    }
}

impl FromStr for TimeSpan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            Error::invalid(format!(
                "'{text}' is not a time span; write it like 1.23:59:59.9999999"
            ))
        };
        let number = |digits: &str| -> Result<i64> {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number
                .then(|| digits.parse().ok())
                .flatten()
                .ok_or_else(invalid)
        };
        let parts: Vec<&str> = text.split(':').collect();
        let [first, minutes, seconds] = parts[..] else {
            return Err(invalid());
        };
        let (days, hours) = first.split_once('.').unwrap_or(("0", first));
        let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        if fraction.len() > 7 {
            return Err(invalid());
        }
        let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
        if hours > 23 || minutes > 59 || seconds > 59 {
            return Err(invalid());
        }
        let in_day = (hours * 60 + minutes) * 60 + seconds;
        let ticks = number(&format!("{fraction:0<7}"))?;
        number(days)?
            .checked_mul(86_400)
            .and_then(|days| days.checked_add(in_day))
            .and_then(|seconds| seconds.checked_mul(TICKS_PER_SECOND))
            .and_then(|whole| whole.checked_add(ticks))
            .map(Self)
            .ok_or_else(invalid)
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ticks) = (self.0 / TICKS_PER_SECOND, self.0 % TICKS_PER_SECOND);
        let (days, in_day) = (seconds / 86_400, seconds % 86_400);
        if days > 0 {
            write!(f, "{days}.")?;
        }
        write!(
            f,
            "{:02}:{:02}:{:02}",
            in_day / 3_600,
            in_day / 60 % 60,
            in_day % 60
        )?;
        if ticks > 0 {
            write!(f, ".{ticks:07}")
        } else {
            Ok(())
        }
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip_and_bad_ones_are_refused() {
        for text in [
            "00:00:00",
            "14.00:00:00",
            "23:59:59.9999999",
            "00:00:01.5000000",
        ] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "1",
            "24:00:00",
            "00:60:00",
            "-00:00:01",
            "x:00:00",
            "99999999999.00:00:00",
        ] {
            assert!(bad.parse::<TimeSpan>().is_err(), "{bad}");
        }
    }
}
