//! The clock port and the one form of time that is stored.
//!
//! Clocks order nothing in Pinyon (architecture decision 3); times are shown, and compared only
//! by policies that say so.

use std::sync::atomic::{AtomicI64, Ordering};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::storage::{MaybeSend, MaybeSync};
use crate::{Error, Result};

/// A moment: 100 ns ticks since 1970-01-01T00:00:00Z, the resolution of RavenDB's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Ticks of [`Timestamp`] in a millisecond.
const TICKS_PER_MILLISECOND: i64 = 10_000;
const TICKS_PER_SECOND: i64 = 10_000_000;
/// 0001-01-01T00:00:00Z and the last tick of 9999: the years that a date's text can name.
const WRITABLE_TICKS: (i64, i64) = (-621_355_968_000_000_000, 2_534_023_007_999_999_999);

impl Timestamp {
    /// From 100 ns ticks since 1970.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// 100 ns ticks since 1970.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// From milliseconds since 1970, what browsers' clocks give.
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self(unix_ms.saturating_mul(TICKS_PER_MILLISECOND))
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn unix_ms(self) -> i64 {
        self.0.div_euclid(TICKS_PER_MILLISECOND)
    }

    /// This moment plus (or minus) some milliseconds, clamped to the representable range.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(
            self.0
                .saturating_add(ms.saturating_mul(TICKS_PER_MILLISECOND)),
        )
    }

    /// The text of http-api.md §0: `2026-11-21T19:14:12.7452462Z`, always seven digits. Moments
    /// outside the years 1 to 9999 are shown as the nearest one within.
    ///
    /// ```
    /// use pinyon_core::host::Timestamp;
    /// assert_eq!(Timestamp::from_ticks(7).to_text(), "1970-01-01T00:00:00.0000007Z");
    /// ```
    pub fn to_text(self) -> String {
        let text = self.to_ascii();
        std::str::from_utf8(&text)
            .expect("digits and signs")
            .to_owned()
    }

    /// As [`Self::to_text`], without taking memory: every document read shows its time.
    pub fn to_ascii(self) -> [u8; 28] {
        let ticks = self.0.clamp(WRITABLE_TICKS.0, WRITABLE_TICKS.1);
        let date = OffsetDateTime::from_unix_timestamp(ticks.div_euclid(TICKS_PER_SECOND))
            .expect("the years 1 to 9999 are within time's range");
        let mut text = *b"0000-00-00T00:00:00.0000000Z";
        let parts: [(std::ops::Range<usize>, u64); 7] = [
            (0..4, u64::from(date.year().unsigned_abs())),
            (5..7, u64::from(u8::from(date.month()))),
            (8..10, u64::from(date.day())),
            (11..13, u64::from(date.hour())),
            (14..16, u64::from(date.minute())),
            (17..19, u64::from(date.second())),
            (20..27, ticks.rem_euclid(TICKS_PER_SECOND).unsigned_abs()),
        ];
        for (place, mut number) in parts {
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + u8::try_from(number % 10).expect("one digit");
                number /= 10;
            }
        }
        text
    }

    /// Reads an RFC 3339 text, or RavenDB's form of it without an offset (which means UTC).
    ///
    /// # Errors
    /// `InvalidRequest` when it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
            .map_err(|reason| {
                Error::invalid(format!(
                    "'{text}' is not a date; write it like 2026-11-21T19:14:16.9782176Z"
                ))
                .with_source(reason)
            })?;
        let ticks = parsed.unix_timestamp_nanos() / 100;
        match i64::try_from(ticks) {
            Ok(ticks) if (WRITABLE_TICKS.0..=WRITABLE_TICKS.1).contains(&ticks) => Ok(Self(ticks)),
            // An offset can move a date of the year 9999 into a year that has no text.
            _ => Err(Error::invalid(format!(
                "the date '{text}' is not within the years 1 to 9999 in UTC"
            ))),
        }
    }
}

/// The host's wall clock.
pub trait Clock: MaybeSend + MaybeSync {
    /// The present moment; it may jump in either direction.
    fn now(&self) -> Timestamp;
}

/// A clock that moves only when told, for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.ticks()))
    }

    /// Moves the clock to `now`, in either direction.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.ticks(), Ordering::SeqCst);
    }

    /// Moves the clock by `ms` milliseconds.
    pub fn advance_ms(&self, ms: i64) {
        self.set(self.now().plus_ms(ms));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The operating system's clock.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock port")]
    fn now(&self) -> Timestamp {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_nanos() / 100).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "2026-11-21T19:14:12.7452462Z",
            "1969-12-31T23:59:59.9999999Z",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_text(), text);
        }
        let without_offset = Timestamp::parse("2025-04-22T08:00:00.0000000").unwrap();
        assert_eq!(without_offset.to_text(), "2025-04-22T08:00:00.0000000Z");
        assert!(Timestamp::parse("nonsense").is_err());
    }

    #[test]
    fn extremes_do_not_panic() {
        for ticks in [i64::MIN, i64::MAX] {
            let text = Timestamp::from_ticks(ticks).to_text();
            assert_eq!(Timestamp::parse(&text).unwrap().to_text(), text);
        }
    }

    #[test]
    fn dates_without_a_text_are_refused() {
        for text in ["9999-12-31T23:59:30-23:59", "0001-01-01T00:00:00+00:01"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }
}
