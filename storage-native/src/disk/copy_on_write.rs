//! A directory of the operating system that is only read: what is written stays in memory, so that
//! a store can be opened, which may replay journals, and everything on the disk stays as it is.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file_system::SystemFile;
use super::{Directory, DiskFile};

const BLOCK: usize = 4096;

/// The files of a directory as they are, and what was changed since. Changes go with it.
#[derive(Debug)]
pub(crate) struct CopyOnWrite {
    path: PathBuf,
    /// The files that were opened; `None` for those that were removed.
    files: Mutex<BTreeMap<String, Option<Arc<Changed>>>>,
}

// What is behind the locks is changed in steps that cannot panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CopyOnWrite {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            files: Mutex::default(),
        }
    }

    fn file(&self, name: &str) -> io::Result<Arc<Changed>> {
        if let Some(Some(file)) = lock(&self.files).get(name) {
            return Ok(Arc::clone(file));
        }
        let base = match lock(&self.files).contains_key(name) {
            true => None,
            false => match File::open(self.path.join(name)) {
                Ok(file) => Some(SystemFile(file)),
                Err(reason) if reason.kind() == io::ErrorKind::NotFound => None,
                Err(reason) => return Err(reason),
            },
        };
        let len = base.as_ref().map_or(Ok(0), DiskFile::len)?;
        let file = Arc::new(Changed {
            base,
            state: Mutex::new(State {
                len,
                base_len: len,
                blocks: HashMap::new(),
            }),
        });
        lock(&self.files).insert(name.to_owned(), Some(Arc::clone(&file)));
        Ok(file)
    }
}

impl Directory for CopyOnWrite {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name)?)
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        match lock(&self.files).get(name) {
            Some(file) => Ok(file.is_some()),
            None => self.path.join(name).try_exists(),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = super::FileSystem::new(&self.path).list()?;
        let files = lock(&self.files);
        names.retain(|name| files.get(name).is_none_or(Option::is_some));
        names.extend(
            files
                .iter()
                .filter(|(_, file)| file.is_some())
                .map(|(name, _)| name.clone()),
        );
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.exists(name)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        lock(&self.files).insert(name.to_owned(), None);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.file(from)?;
        let mut files = lock(&self.files);
        files.insert(from.to_owned(), None);
        files.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Changed {
    /// `None` for a file that is new.
    base: Option<SystemFile>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    /// How much of the base still counts: what was cut off stays so.
    base_len: u64,
    /// Those that were written, by number.
    blocks: HashMap<u64, Box<[u8]>>,
}

impl Changed {
    /// Reads inside one block; behind the base's end there are zeros.
    fn read_base(&self, state: &State, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.fill(0);
        let there = state.base_len.saturating_sub(offset).min(out.len() as u64);
        match (&self.base, there) {
            (None, _) | (_, 0) => Ok(()),
            (Some(base), there) => base.read_at(offset, &mut out[..there as usize]),
        }
    }
}

/// Calls `each` with the blocks of a range: number, offset in the block, range in the bytes.
fn each_block(
    offset: u64,
    len: usize,
    mut each: impl FnMut(u64, usize, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = 0;
    while at < len {
        let position = offset + at as u64;
        let inside = (position % BLOCK as u64) as usize;
        let count = (BLOCK - inside).min(len - at);
        each(position / BLOCK as u64, inside, at..at + count)?;
        at += count;
    }
    Ok(())
}

impl DiskFile for Changed {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.state).len)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = lock(&self.state);
        if offset + out.len() as u64 > state.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Most files are not written at all.
        if state.blocks.is_empty() {
            return self.read_base(&state, offset, out);
        }
        each_block(offset, out.len(), |number, inside, range| {
            let position = offset + range.start as u64;
            let out = &mut out[range];
            match state.blocks.get(&number) {
                Some(block) => out.copy_from_slice(&block[inside..inside + out.len()]),
                None => self.read_base(&state, position, out)?,
            }
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        each_block(offset, bytes.len(), |number, inside, range| {
            if !state.blocks.contains_key(&number) {
                let mut block = vec![0; BLOCK].into_boxed_slice();
                self.read_base(&state, number * BLOCK as u64, &mut block)?;
                state.blocks.insert(number, block);
            }
            let block = state
                .blocks
                .get_mut(&number)
                .expect("it was put there above");
            block[inside..inside + range.len()].copy_from_slice(&bytes[range]);
            Ok(())
        })?;
        state.len = state.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.len = len;
        state.base_len = state.base_len.min(len);
        state
            .blocks
            .retain(|number, _| number * (BLOCK as u64) < len);
        let inside = (len % BLOCK as u64) as usize;
        if let Some(block) = state.blocks.get_mut(&(len / BLOCK as u64)) {
            block[inside..].fill(0);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn allocated(&self) -> io::Result<u64> {
        self.base.as_ref().map_or(Ok(0), DiskFile::allocated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random reads and writes give what a file in memory gives, and the disk stays as it was.
    #[test]
    fn it_reads_what_was_written_and_leaves_the_disk_alone() {
        let directory = tempfile::tempdir().unwrap();
        let original: Vec<u8> = (0..20_000_u32).map(|it| (it % 251) as u8).collect();
        std::fs::write(directory.path().join("a"), &original).unwrap();
        let disk = CopyOnWrite::new(directory.path());
        let file = disk.open("a").unwrap();
        let mut model = original.clone();
        let mut seed = 7_u64;
        let mut below = |bound: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % bound
        };
        for round in 0..2_000 {
            let at = below(model.len() + 100);
            let len = below(9_000);
            match below(10) {
                0 => {
                    file.set_len(at as u64).unwrap();
                    model.resize(at, 0);
                }
                1..4 => {
                    let bytes = vec![round as u8; len];
                    file.write_at(at as u64, &bytes).unwrap();
                    model.resize(model.len().max(at + len), 0);
                    model[at..at + len].copy_from_slice(&bytes);
                }
                _ => {
                    let mut out = vec![1; len];
                    let read = file.read_at(at as u64, &mut out);
                    match model.get(at..at + len) {
                        Some(expected) => assert_eq!(out, expected),
                        None => assert!(read.is_err()),
                    }
                }
            }
            assert_eq!(file.len().unwrap(), model.len() as u64);
        }
        disk.rename("a", "b").unwrap();
        disk.open("c").unwrap().write_at(0, b"new").unwrap();
        assert_eq!(disk.list().unwrap(), ["b", "c"]);
        assert!(!disk.exists("a").unwrap());
        disk.remove("b").unwrap();
        assert!(disk.remove("b").is_err());
        assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), original);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
