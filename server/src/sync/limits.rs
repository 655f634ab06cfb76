//! How many connections there are, in all and of one user, and how fast a user writes.
//!
//! Where nobody asks for tokens all are one user; then each connection has a rate of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinyon_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

/// What a user may write at once after a pause: as much as in a second.
#[derive(Debug)]
struct Bucket {
    /// Below zero when more was written than was due.
    writes: f64,
    filled_at: Instant,
}

impl Bucket {
    fn full(now: Instant, rate: u32) -> Self {
        Self {
            writes: f64::from(rate),
            filled_at: now,
        }
    }

    /// Takes room for `count` writes; answers how long to wait before they are made.
    fn take(&mut self, now: Instant, count: usize, rate: u32) -> Duration {
        let rate = f64::from(rate);
        let elapsed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.writes = (self.writes + elapsed * rate).min(rate);
        self.writes -= count as f64;
        Duration::from_secs_f64((-self.writes / rate).max(0.0))
    }

    /// Gives back room for writes that were not made.
    fn give_back(&mut self, count: usize, rate: u32) {
        self.writes = (self.writes + count as f64).min(f64::from(rate));
    }

    /// Whether somebody who comes anew would find the same.
    fn is_full(&self, now: Instant, rate: u32) -> bool {
        let elapsed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.writes + elapsed * f64::from(rate) >= f64::from(rate)
    }
}

#[derive(Debug)]
struct User {
    connections: usize,
    bucket: Arc<Mutex<Bucket>>,
}

/// Counts connections by user.
#[derive(Debug, Default)]
pub struct ConnectionLimits {
    users: Mutex<HashMap<String, User>>,
}

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub struct SyncLimits {
    /// Connections of all.
    pub max_connections: usize,
    /// Connections of one user.
    pub max_connections_of_user: usize,
    /// Documents that one user writes in a second.
    pub max_writes_per_s: u32,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    all: Arc<ConnectionLimits>,
    user: String,
    limits: SyncLimits,
    bucket: Arc<Mutex<Bucket>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnectionLimits {
    /// Takes a place for a connection of `user`; the empty name is everybody's.
    ///
    /// # Errors
    /// `LimitExceeded` that says which limit.
    pub fn enter(self: &Arc<Self>, user: &str, limits: SyncLimits) -> Result<ConnectionPermit> {
        let (now, rate) = (Instant::now(), limits.max_writes_per_s);
        let mut users = lock(&self.users);
        let full = |what: String| Err(Error::new(ErrorKind::LimitExceeded, what));
        // Who left in debt finds it again.
        users.retain(|_, it| it.connections > 0 || !lock(&it.bucket).is_full(now, rate));
        let (max_all, max_own) = (limits.max_connections, limits.max_connections_of_user);
        if users.values().map(|it| it.connections).sum::<usize>() >= max_all {
            return full(format!("the server has {max_all} sync connections already"));
        }
        let new_bucket = || Arc::new(Mutex::new(Bucket::full(now, rate)));
        let own = users.entry(user.to_owned()).or_insert_with(|| User {
            connections: 0,
            bucket: new_bucket(),
        });
        if own.connections >= max_own {
            return full(format!("you have {max_own} sync connections already"));
        }
        own.connections += 1;
        let bucket = match user {
            "" => new_bucket(),
            _ => Arc::clone(&own.bucket),
        };
        Ok(ConnectionPermit {
            all: Arc::clone(self),
            user: user.to_owned(),
            limits,
            bucket,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let users = lock(&self.users);
        users.values().map(|it| it.connections).sum()
    }
}

impl ConnectionPermit {
    /// Takes room for `count` writes of the user; answers how long to wait before they are made.
    pub fn take_writes(&self, count: usize) -> Duration {
        let rate = self.limits.max_writes_per_s;
        lock(&self.bucket).take(Instant::now(), count, rate)
    }

    /// Gives back room for `count` writes that are not made.
    pub fn give_back_writes(&self, count: usize) {
        lock(&self.bucket).give_back(count, self.limits.max_writes_per_s);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some(user) = lock(&self.all.users).get_mut(&self.user) {
            user.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SyncLimits = SyncLimits {
        max_connections: 3,
        max_connections_of_user: 2,
        max_writes_per_s: 100,
    };

    #[test]
    fn places_are_counted_and_given_back() {
        let limits = Arc::new(ConnectionLimits::default());
        let first = limits.enter("eva", LIMITS).unwrap();
        let _second = limits.enter("eva", LIMITS).unwrap();
        assert!(limits.enter("eva", LIMITS).is_err());
        let _third = limits.enter("adam", LIMITS).unwrap();
        assert!(limits.enter("noah", LIMITS).is_err());
        drop(first);
        assert_eq!(limits.count(), 2);
        assert!(limits.enter("noah", LIMITS).is_ok());
    }

    #[test]
    fn a_bucket_lets_through_what_is_due() {
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let mut bucket = Bucket::full(begun, 100);
        assert_eq!(bucket.take(begun, 100, 100), Duration::ZERO);
        assert_eq!(bucket.take(begun, 50, 100), Duration::from_millis(500));
        assert!(!bucket.is_full(after(500), 100));
        assert_eq!(bucket.take(after(1000), 50, 100), Duration::ZERO);
        // A long pause saves up a second and no more.
        assert!(bucket.is_full(after(60_000), 100));
        assert_eq!(bucket.take(after(60_000), 200, 100), Duration::from_secs(1));
        bucket.give_back(200, 100);
        assert_eq!(bucket.take(after(60_000), 100, 100), Duration::ZERO);
    }

    #[test]
    fn all_connections_of_a_user_share_a_rate_and_leaving_does_not_restore_it() {
        let limits = Arc::new(ConnectionLimits::default());
        let first = limits.enter("eva", LIMITS).unwrap();
        let second = limits.enter("eva", LIMITS).unwrap();
        let adam = limits.enter("adam", LIMITS).unwrap();
        assert_eq!(first.take_writes(100), Duration::ZERO);
        assert!(second.take_writes(1000) > Duration::from_secs(5));
        assert_eq!(adam.take_writes(100), Duration::ZERO);
        drop((first, second));
        let again = limits.enter("eva", LIMITS).unwrap();
        assert!(again.take_writes(1) > Duration::from_secs(5));
        drop((adam, again));
        // Everybody's connections have each their own.
        let (one, other) = (limits.enter("", LIMITS), limits.enter("", LIMITS));
        assert!(one.unwrap().take_writes(1000) > Duration::ZERO);
        assert_eq!(other.unwrap().take_writes(100), Duration::ZERO);
    }
}
