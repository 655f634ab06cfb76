//! The disk under one store: a flat directory of files, real or simulated.
//!
//! Everything a store writes goes through these two traits, so that the power-cut simulation sees
//! every byte and every sync that the real file system would.

mod copy_on_write;
mod file_system;
#[cfg(test)]
mod simulated;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub(crate) use copy_on_write::CopyOnWrite;
pub(crate) use file_system::{FileSystem, sync_directory};
#[cfg(test)]
pub(crate) use simulated::{Fault, SimulatedDisk};

/// A file that is read and written by position.
pub(crate) trait DiskFile: Debug + Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Fills `out`; `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes`, extending the file if needed.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;

    /// Takes disk blocks for a range without changing content or length, so that later writes
    /// there do not find the disk full. Where the system cannot, it succeeds without effect.
    fn reserve(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Bytes of disk it takes.
    fn allocated(&self) -> io::Result<u64>;
}

/// The directory of one store.
pub(crate) trait Directory: Debug + Send + Sync {
    /// Opens a file, creating it if it does not exist.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Whether the file exists.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, replacing another atomically.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes creations, removals and renames durable.
    fn sync(&self) -> io::Result<()>;
}

/// Whether an I/O failure means that the disk or quota is full.
pub(crate) fn is_full(reason: &io::Error) -> bool {
    matches!(
        reason.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
