//! Dates and lengths of time, which documents hold as texts, as C# computes with them.

use time::OffsetDateTime;

use super::value::{Number, Value};
use crate::host::{TimeSpan, Timestamp};

/// Ticks between the years 1 and 1970.
const TICKS_TO_1970: i64 = 621_355_968_000_000_000;
const TICKS_PER_SECOND: i64 = 10_000_000;

/// The 100 ns ticks since 1970 of a date's text, `2026-11-22` or with a time.
fn ticks_of_date(text: &str) -> Option<i64> {
    let is_date = text.len() >= 10 && text.as_bytes()[4] == b'-';
    let parsed = match text.len() {
        _ if !is_date => return None,
        10 => Timestamp::parse(&format!("{text}T00:00:00Z")),
        _ => Timestamp::parse(text),
    };
    parsed.ok().map(Timestamp::ticks)
}

/// The ticks of a length of time's text, `[-][d.]hh:mm:ss[.fffffff]`.
fn ticks_of_span(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => rest.parse::<TimeSpan>().ok().map(|span| -span.ticks()),
        None => text.parse::<TimeSpan>().ok().map(TimeSpan::ticks),
    }
}

fn span_text<'a>(ticks: i64) -> Value<'a> {
    let sign = if ticks < 0 { "-" } else { "" };
    let span = TimeSpan::from_ticks(ticks.saturating_abs());
    Value::text(format!("{sign}{span}"))
}

fn date_text<'a>(ticks: i64) -> Value<'a> {
    let text = Timestamp::from_ticks(ticks).to_text();
    Value::text(text.trim_end_matches('Z').to_owned())
}

/// What is between two dates or lengths of time, or a date that is so much earlier; `None` for
/// other texts.
pub(super) fn difference<'a>(left: &str, right: &str) -> Option<Value<'a>> {
    match (ticks_of_date(left), ticks_of_date(right)) {
        (Some(left), Some(right)) => Some(span_text(left.checked_sub(right)?)),
        (Some(left), None) => Some(date_text(left.checked_sub(ticks_of_span(right)?)?)),
        (None, None) => Some(span_text(
            ticks_of_span(left)?.checked_sub(ticks_of_span(right)?)?,
        )),
        (None, Some(_)) => None,
    }
}

/// A member that dates or lengths of time have, and no text.
pub(super) fn member<'a>(text: &str, name: &str) -> Option<Value<'a>> {
    let per_unit = match name {
        "TotalDays" => 86_400 * TICKS_PER_SECOND,
        "TotalHours" => 3_600 * TICKS_PER_SECOND,
        "TotalMinutes" => 60 * TICKS_PER_SECOND,
        "TotalSeconds" => TICKS_PER_SECOND,
        "TotalMilliseconds" => TICKS_PER_SECOND / 1_000,
        "Days" | "Hours" | "Minutes" | "Seconds" | "Milliseconds" => {
            return ticks_of_span(text).map(|ticks| Value::long(part_of_span(ticks, name)));
        }
        "Ticks" | "DayOfWeek" | "DayOfYear" | "TimeOfDay" | "Millisecond" => {
            if let Some(ticks) = ticks_of_date(text) {
                return part_of_date(ticks, name);
            }
            return ticks_of_span(text)
                .filter(|_| name == "Ticks")
                .map(Value::long);
        }
        _ => return None,
    };
    let ticks = ticks_of_span(text)?;
    Some(Value::Number(Number::Double(
        ticks as f64 / per_unit as f64,
    )))
}

fn part_of_span(ticks: i64, name: &str) -> i64 {
    let seconds = ticks / TICKS_PER_SECOND;
    match name {
        "Days" => seconds / 86_400,
        "Hours" => seconds / 3_600 % 24,
        "Minutes" => seconds / 60 % 60,
        "Seconds" => seconds % 60,
        _ => ticks / (TICKS_PER_SECOND / 1_000) % 1_000,
    }
}

fn part_of_date<'a>(ticks: i64, name: &str) -> Option<Value<'a>> {
    let date = OffsetDateTime::from_unix_timestamp(ticks.div_euclid(TICKS_PER_SECOND)).ok()?;
    let in_second = ticks.rem_euclid(TICKS_PER_SECOND);
    Some(match name {
        "Ticks" => Value::long(ticks + TICKS_TO_1970),
        "DayOfWeek" => Value::text(date.weekday().to_string()),
        "DayOfYear" => Value::long(i64::from(date.ordinal())),
        "Millisecond" => Value::long(in_second / (TICKS_PER_SECOND / 1_000)),
        _ => {
            let (hours, minutes, seconds) = date.to_hms();
            let seconds = (i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds);
            span_text(seconds * TICKS_PER_SECOND + in_second)
        }
    })
}

/// A format of C#'s `ToString("…")`, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// So many digits before the point at least, and behind it.
    Number {
        /// At least so many before the point.
        whole: usize,
        /// Exactly so many behind it.
        fraction: usize,
    },
    /// Parts of a date and what stands between them.
    Date,
}

impl Format {
    /// Reads `0.00`, `F2`, `D5`, `yyyy-MM-dd HH:mm`; `None` for others.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_zeros = |text: &str| text.bytes().all(|byte| byte == b'0');
        if let Some(digits) = text.strip_prefix(['D', 'F', 'd', 'f'])
            && !digits.is_empty()
            && let Ok(count) = digits.parse::<usize>()
            && count <= 20
        {
            return Some(match text.as_bytes()[0] {
                b'D' | b'd' => Self::Number {
                    whole: count,
                    fraction: 0,
                },
                _ => Self::Number {
                    whole: 1,
                    fraction: count,
                },
            });
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if text.starts_with('0') && text.len() <= 20 && is_zeros(whole) && is_zeros(fraction) {
            return Some(Self::Number {
                whole: whole.len(),
                fraction: fraction.len(),
            });
        }
        let parts = parts_of(text);
        // One letter alone is a standard format.
        let is_date = text.len() > 1 && parts.iter().any(|part| is_part(part));
        let is_known = |part: &&str| {
            is_part(part)
                || part
                    .chars()
                    .all(|c| !c.is_alphanumeric() && c != '\'' && c != '"')
        };
        (is_date && parts.iter().all(is_known)).then_some(Self::Date)
    }

    /// `value` in the form that `text`, which was read as this, says; `None` if it has no such form.
    pub(super) fn write<'a>(&self, text: &str, value: &Value<'_>) -> Option<Value<'a>> {
        match (self, value) {
            (Self::Number { whole, fraction }, Value::Number(number)) => {
                let text = format!("{:.*}", *fraction, number.as_f64().abs());
                let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
                let sign = if number.as_f64() < 0.0 && !is_zero {
                    "-"
                } else {
                    ""
                };
                let width = whole + fraction + usize::from(*fraction > 0);
                Some(Value::text(format!("{sign}{text:0>width$}")))
            }
            (Self::Date, Value::Text(date)) => {
                let ticks = ticks_of_date(date.as_str())?;
                let full = Timestamp::from_ticks(ticks).to_text();
                let parts = parts_of(text);
                let written = parts.iter().map(|part| written_part(part, &full));
                Some(Value::text(written.collect::<String>()))
            }
            _ => None,
        }
    }
}

/// Cuts a format where another letter begins.
fn parts_of(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = rest.len() - rest.trim_start_matches(first).len();
        parts.push(&rest[..len]);
        rest = &rest[len..];
    }
    parts
}

fn is_part(part: &str) -> bool {
    matches!(
        part,
        "yyyy" | "yy" | "MM" | "M" | "dd" | "d" | "HH" | "H" | "mm" | "m" | "ss" | "s"
    ) || (part.starts_with('f') && part.len() <= 7 && part.bytes().all(|byte| byte == b'f'))
}

/// A part of a date whose text is `0000-00-00T00:00:00.0000000Z`.
fn written_part<'t>(part: &'t str, date: &'t str) -> &'t str {
    let (from, to) = match part {
        "yyyy" => (0, 4),
        "yy" => (2, 4),
        "MM" | "M" => (5, 7),
        "dd" | "d" => (8, 10),
        "HH" | "H" => (11, 13),
        "mm" | "m" => (14, 16),
        "ss" | "s" => (17, 19),
        _ if is_part(part) => (20, 20 + part.len()),
        _ => return part,
    };
    let digits = &date[from..to];
    match part.len() {
        1 if part != "f" => digits.strip_prefix('0').unwrap_or(digits),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Option<Value<'_>>) -> String {
        value.map_or("none".to_owned(), |it| it.to_json())
    }

    #[test]
    fn differences_and_members_are_those_of_csharp() {
        for (left, right, expected) in [
            (
                "2026-01-03T10:00:00",
                "2026-01-01T08:30:00.5000000Z",
                "\"2.01:29:59.5000000\"",
            ),
            ("2026-01-01", "2026-01-03", "\"-2.00:00:00\""),
            (
                "2026-01-03",
                "1.00:00:00",
                "\"2026-01-02T00:00:00.0000000\"",
            ),
            ("02:00:00", "03:30:00", "\"-01:30:00\""),
            ("02:00:00", "2026-01-03", "none"),
            ("a", "b", "none"),
        ] {
            assert_eq!(shown(difference(left, right)), expected, "{left} - {right}");
        }
        for (text, name, expected) in [
            ("2.12:00:00", "TotalDays", "2.5"),
            ("-2.12:00:00", "TotalHours", "-60"),
            ("2.12:30:01.5000000", "Hours", "12"),
            ("2.12:30:01.5000000", "Milliseconds", "500"),
            ("2026-11-22T10:00:00.0000000Z", "DayOfWeek", "\"Sunday\""),
            ("2026-02-01", "DayOfYear", "32"),
            (
                "2026-11-22T10:00:00.2500000",
                "TimeOfDay",
                "\"10:00:00.2500000\"",
            ),
            ("0001-01-01T00:00:00.0000000Z", "Ticks", "0"),
            ("01:00:00", "Ticks", "36000000000"),
            ("no date", "Ticks", "none"),
            ("2026-02-01", "TotalDays", "none"),
        ] {
            assert_eq!(shown(member(text, name)), expected, "{text}.{name}");
        }
    }

    #[test]
    fn formats_are_written_or_refused() {
        let write = |format: &str, value: Value<'_>| {
            let read = Format::parse(format).unwrap_or_else(|| panic!("{format}"));
            shown(read.write(format, &value))
        };
        let date = || Value::text("2026-01-02T03:04:05.0678000Z".to_owned());
        assert_eq!(write("yyyy-MM", date()), "\"2026-01\"");
        assert_eq!(
            write("d/M/yy H:mm:ss.fff", date()),
            "\"2/1/26 3:04:05.067\""
        );
        assert_eq!(write("yyyy-MM", Value::long(5)), "none");
        for (format, number, expected) in [
            ("0.00", 1.5, "\"1.50\""),
            ("F2", -1.005, "\"-1.00\""),
            ("000", 7.0, "\"007\""),
            ("D5", -42.0, "\"-00042\""),
            ("0.0", -0.01, "\"0.0\""),
        ] {
            let value = Value::Number(Number::Double(number));
            assert_eq!(write(format, value), expected, "{format}");
        }
        for format in [
            "",
            "X",
            "yyyy-'x'",
            "MMM",
            "tt",
            "C2",
            "#.##",
            "d",
            "F99",
            "0000000000000000000000",
        ] {
            assert_eq!(Format::parse(format), None, "{format}");
        }
    }
}
