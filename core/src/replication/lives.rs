//! The lives of servers, as one of them tells its edges: which go on, and how much of each it has.

use std::sync::Arc;

use crate::version::{Entry, Etag, IncarnationId, Incarnations};

/// One life of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Which.
    pub id: IncarnationId,
    /// The server that tells of it has all that it wrote up to here.
    pub seen: Etag,
    /// Whether anything comes of it still.
    pub course: Course,
}

/// Where a life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes on.
    Current,
    /// Nothing comes of it any more.
    Over,
    /// Nor does any server have anything of it: it came and went between two restores of one backup.
    Forgotten,
}

impl Course {
    /// Whether nothing comes of it any more.
    pub fn is_over(self) -> bool {
        self != Self::Current
    }
}

/// What a server knows of lives of servers, its own among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lives(Arc<[Life]>);

impl From<Vec<Life>> for Lives {
    fn from(lives: Vec<Life>) -> Self {
        Self(lives.into())
    }
}

impl Lives {
    /// All of them.
    pub fn list(&self) -> &[Life] {
        &self.0
    }

    fn find(&self, id: &IncarnationId) -> Option<&Life> {
        self.0.iter().find(|it| it.id == *id)
    }

    /// Those that the server has followed to their ends at least once: of others it does not know
    /// what they deleted. And those of which nobody will ever know.
    pub(super) fn followed(&self) -> Self {
        let is_followed = |it: &&Life| it.seen > Etag::ZERO || it.course == Course::Forgotten;
        let followed = self.0.iter().filter(is_followed);
        Self(followed.copied().collect())
    }

    /// Whether `id` goes on. What nobody tells of does not.
    pub(super) fn goes_on(&self, id: &IncarnationId) -> bool {
        self.find(id).is_some_and(|it| !it.course.is_over())
    }

    /// Whether `entry` is of a life that is over, beyond what the server has of it.
    pub(super) fn has_lost(&self, entry: Entry, names: &Incarnations) -> bool {
        self.is_beyond(entry, names, true)
    }

    /// Whether `entry` is of a life that goes on, beyond what the server has of it.
    pub(super) fn is_to_come(&self, entry: Entry, names: &Incarnations) -> bool {
        self.is_beyond(entry, names, false)
    }

    fn is_beyond(&self, entry: Entry, names: &Incarnations, is_over: bool) -> bool {
        let life = names.row(entry.incarnation).ok();
        let life = life.and_then(|row| self.find(&row.id));
        life.is_some_and(|it| it.course.is_over() == is_over && entry.etag > it.seen)
    }
}
