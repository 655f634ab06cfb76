//! When something is due next.

use crate::Result;
use crate::host::Timestamp;
use crate::reader::{Pages, ReadTransaction};
use crate::schema::{EXPIRATIONS, LOOSE_CONTENTS, REFRESHES, schedules};
use crate::storage::{Direction, KeyRange, KeySpace, Snapshot};

impl<S: Snapshot> ReadTransaction<S> {
    /// When the next document expires, for hosts that sleep until then.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn next_expiration(&self) -> Result<Option<Timestamp>> {
        self.first_of(EXPIRATIONS).await
    }

    /// When the next document is to be refreshed.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn next_refresh(&self) -> Result<Option<Timestamp>> {
        self.first_of(REFRESHES).await
    }

    /// Whether there are contents that nothing refers to, which a sweep gives back some time.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn has_loose_contents(&self) -> Result<bool> {
        let mut pages = Pages::new(LOOSE_CONTENTS, KeyRange::all(), Direction::Forward, 1);
        Ok(pages.next(&self.snapshot).await?.is_some())
    }

    async fn first_of(&self, space: KeySpace) -> Result<Option<Timestamp>> {
        let mut pages = Pages::new(space, KeyRange::all(), Direction::Forward, 1);
        let first = pages.next(&self.snapshot).await?.unwrap_or_default();
        let times = first.iter().map(|(key, _)| schedules::decode_key(key));
        times.map(|it| it.map(|(at, _)| at)).next().transpose()
    }
}
