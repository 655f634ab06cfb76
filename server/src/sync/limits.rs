//! How many connections there are, in all and of one user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pinyon_core::{Error, ErrorKind, Result};

/// Counts connections by user.
#[derive(Debug, Default)]
pub struct ConnectionLimits {
    counts: Mutex<HashMap<String, usize>>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    limits: Arc<ConnectionLimits>,
    user: String,
}

impl ConnectionLimits {
    /// Takes a place for a connection of `user`.
    ///
    /// # Errors
    /// `LimitExceeded` that says which limit.
    pub fn enter(
        self: &Arc<Self>,
        user: &str,
        max_all: usize,
        max_of_user: usize,
    ) -> Result<ConnectionPermit> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |what: String| Err(Error::new(ErrorKind::LimitExceeded, what));
        if counts.values().sum::<usize>() >= max_all {
            return full(format!("the server has {max_all} sync connections already"));
        }
        let count = counts.entry(user.to_owned()).or_default();
        if *count >= max_of_user {
            return full(format!("you have {max_of_user} sync connections already"));
        }
        *count += 1;
        Ok(ConnectionPermit {
            limits: Arc::clone(self),
            user: user.to_owned(),
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values().sum()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let counts = self.limits.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let limits = Arc::new(ConnectionLimits::default());
        let first = limits.enter("eva", 3, 2).unwrap();
        let _second = limits.enter("eva", 3, 2).unwrap();
        assert!(limits.enter("eva", 3, 2).is_err());
        let _third = limits.enter("adam", 3, 2).unwrap();
        assert!(limits.enter("noah", 3, 2).is_err());
        drop(first);
        assert_eq!(limits.count(), 2);
        assert!(limits.enter("noah", 3, 2).is_ok());
    }
}
