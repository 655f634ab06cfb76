//! A disk in memory that loses what was not synced, sector by sector, and fails when told.
//!
//! Reads see every write at once, as through the page cache. A crash keeps, for each write since
//! the last sync of its file, an arbitrary subset of its 512-byte sectors; lengths and directory
//! entries that were not synced may or may not survive.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Directory, DiskFile};

const SECTOR: usize = 512;

/// What goes wrong at a counted operation (a write, a sync or a change of length).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This operation and everything after it fails with `EIO`.
    Dead,
    /// The next sync at or after this operation fails once; later ones would succeed, falsely.
    SyncFails,
    /// Writes that take new space, reservations and growth fail from here on.
    Full,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    durable_files: BTreeMap<String, Arc<Mutex<Content>>>,
    operations: u64,
    fault: Option<(u64, Fault)>,
}

#[derive(Debug, Default, Clone)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Bytes that have blocks of their own; writes below never find the disk full.
    reserved: u64,
    /// Writes since the last sync, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
    /// The shortest the file was since the last sync.
    shortest: usize,
}

/// Clones share the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimulatedDisk {
    /// The writes, syncs and changes of length so far.
    pub(crate) fn operations(&self) -> u64 {
        lock(&self.state).operations
    }

    /// Lets the `nth` operation from now on fail.
    pub(crate) fn fail_at(&self, nth: u64, fault: Fault) {
        let mut state = lock(&self.state);
        state.fault = Some((state.operations + nth, fault));
    }

    /// Takes the fault back, as when space is freed.
    pub(crate) fn heal(&self) {
        lock(&self.state).fault = None;
    }

    /// The disk as it is found after a power cut; this one is left as it was.
    pub(crate) fn after_power_cut(&self, random: &mut impl FnMut(u64) -> u64) -> Self {
        let state = lock(&self.state);
        // Directory entries change atomically, all of them since the last sync or none.
        let entries = match random(2) {
            0 => &state.files,
            _ => &state.durable_files,
        };
        let files: BTreeMap<String, Arc<Mutex<Content>>> = entries
            .iter()
            .map(|(name, content)| {
                let kept = lock(content).after_power_cut(random);
                (name.clone(), Arc::new(Mutex::new(kept)))
            })
            .collect();
        let state = State {
            durable_files: files.clone(),
            files,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The bytes of a file, to be changed by a test.
    pub(crate) fn with_bytes<T>(&self, name: &str, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let content = Arc::clone(&lock(&self.state).files[name]);
        let mut content = lock(&content);
        let result = change(&mut content.live);
        content.durable = content.live.clone();
        content.unsynced.clear();
        content.shortest = content.live.len();
        result
    }

    /// An independent disk with the same content.
    pub(crate) fn copy(&self) -> Self {
        let state = lock(&self.state);
        let files: BTreeMap<String, Arc<Mutex<Content>>> = state
            .files
            .iter()
            .map(|(name, content)| (name.clone(), Arc::new(Mutex::new(lock(content).clone()))))
            .collect();
        let state = State {
            durable_files: files.clone(),
            files,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl State {
    /// Counts an operation and says whether it may go on.
    fn count(&mut self, grows: bool, syncs: bool) -> io::Result<()> {
        self.operations += 1;
        match self.fault {
            Some((at, Fault::Dead)) if self.operations >= at => {
                Err(io::Error::other("simulated I/O error"))
            }
            Some((at, Fault::Full)) if self.operations >= at && grows => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Some((at, Fault::SyncFails)) if self.operations >= at && syncs => {
                self.fault = None;
                Err(io::Error::other("simulated failure of a sync"))
            }
            _ => Ok(()),
        }
    }
}

impl Content {
    fn make_durable(&mut self) {
        self.durable.truncate(self.shortest);
        self.durable.resize(self.live.len(), 0);
        for (offset, bytes) in std::mem::take(&mut self.unsynced) {
            self.durable[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
        self.shortest = self.live.len();
    }

    fn after_power_cut(&self, random: &mut impl FnMut(u64) -> u64) -> Content {
        let mut kept = self.durable.clone();
        // How likely a sector is to have reached the disk differs from crash to crash.
        let odds = random(5);
        for (offset, bytes) in &self.unsynced {
            let mut position = 0;
            while position < bytes.len() {
                let start = offset + position;
                let len = (SECTOR - start % SECTOR).min(bytes.len() - position);
                if random(4) < odds {
                    if kept.len() < start + len {
                        kept.resize(start + len, 0);
                    }
                    kept[start..start + len].copy_from_slice(&bytes[position..position + len]);
                }
                position += len;
            }
        }
        match random(3) {
            0 => kept.resize(self.durable.len(), 0),
            1 => kept.resize(self.live.len(), 0),
            _ => {}
        }
        Content {
            durable: kept.clone(),
            reserved: kept.len() as u64,
            shortest: kept.len(),
            live: kept,
            unsynced: Vec::new(),
        }
    }
}

impl Directory for SimulatedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.state);
        let content = state.files.entry(name.to_string()).or_default();
        Ok(Arc::new(SimulatedFile {
            content: Arc::clone(content),
            disk: self.clone(),
        }))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(lock(&self.state).files.contains_key(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.state).files.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.count(false, false)?;
        match state.files.remove(name) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.count(false, false)?;
        let content = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_string(), content);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.count(false, true)?;
        state.durable_files = state.files.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedFile {
    content: Arc<Mutex<Content>>,
    disk: SimulatedDisk,
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.content).live.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = lock(&self.content);
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let source = content.live.get(start..start + out.len());
        out.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = lock(&self.content);
        let grows = offset + bytes.len() as u64 > content.reserved;
        lock(&self.disk.state).count(grows, false)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start + bytes.len();
        if content.live.len() < end {
            content.live.resize(end, 0);
        }
        content.live[start..end].copy_from_slice(bytes);
        content.reserved = content.reserved.max(end as u64);
        content.unsynced.push((start, bytes.to_vec()));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = lock(&self.content);
        // Extending makes a hole, which takes no space.
        lock(&self.disk.state).count(false, false)?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        if len < content.live.len() {
            content.reserved = content.reserved.min(len as u64);
        }
        content.live.resize(len, 0);
        content.shortest = content.shortest.min(content.live.len());
        // A cut also cuts what a crash may bring back: file systems do not write beyond the end.
        let end = content.live.len();
        content.unsynced.retain_mut(|(offset, bytes)| {
            bytes.truncate(end.saturating_sub(*offset));
            !bytes.is_empty()
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut content = lock(&self.content);
        let counted = lock(&self.disk.state).count(false, true);
        if let Err(reason) = counted {
            // As Linux does: the pages count as written although they were not, so that another
            // sync would succeed and say nothing of the loss.
            content.unsynced.clear();
            return Err(reason);
        }
        content.make_durable();
        Ok(())
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut content = lock(&self.content);
        lock(&self.disk.state).count(true, false)?;
        if offset <= content.reserved {
            content.reserved = content.reserved.max(offset + len);
        }
        Ok(())
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(lock(&self.content).reserved)
    }
}
