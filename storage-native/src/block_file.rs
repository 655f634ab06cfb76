//! The file under redb: 4096-byte blocks, each with a checksum that reads verify.
//!
//! redb keeps checksums of its pages but compares them only when it repairs. A flipped bit in a
//! branch page would send a lookup the wrong way and answer "no such key", so every block that
//! comes from the disk is verified here, before redb sees it.
//!
//! ```text
//! header copy A · header copy B · (512 checksums · 512 blocks) · (512 checksums · 512 blocks) …
//! ```
//! Why this survives power cuts: redb never overwrites a page that a durable state uses, and it
//! syncs all pages before the header that refers to them; so whatever a durable header reaches
//! has both its block and its checksum on disk, while blocks torn by the cut are unreachable. The
//! header itself is rewritten in place by redb, therefore it has two copies, and between two
//! syncs only the copy that is not the durable one is written.
//!
//! A full disk must not reach redb, which would refuse every call until it is reopened. Space is
//! reserved ahead ([`BlockFile::reserve`]); a write that finds the disk full all the same is kept
//! in memory until it fits, and the writer takes no further batch meanwhile.

mod header;
mod layout;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use redb::StorageBackend;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::disk::{DiskFile, is_full};

use header::{Header, MOST_CONTENT};
use layout::{
    BLOCK, BLOCK_BYTES, GROUP, HEADERS, checksum_block, group_of, logical_len, physical_block,
    physical_len, runs,
};

/// Groups whose checksums stay in memory (4 KiB each, for 2 MiB of blocks).
const CACHED_GROUPS: usize = 512;
const MIB: u64 = 1 << 20;

/// A file of checked blocks.
#[derive(Debug)]
pub(crate) struct BlockFile {
    file: Arc<dyn DiskFile>,
    file_id: u64,
    state: Mutex<State>,
    /// The first block that failed its checksum, for the error that callers see.
    damage: OnceLock<String>,
    /// After a failure that leaves it open what the disk holds, nothing more may reach it.
    refuses_writes: AtomicBool,
}

#[derive(Debug)]
struct State {
    header: Header,
    groups: HashMap<u64, Checksums>,
    /// Physical blocks that found the disk full.
    waiting: HashMap<u64, Box<[u8]>>,
    /// The end of the space reserved so far; reserved again after every open.
    reserved: u64,
    /// Bytes that may come, most of which redb holds in memory.
    promised: u64,
    /// Where the file ended when nothing was promised.
    settled: u64,
}

#[derive(Debug)]
struct Checksums {
    bytes: Box<[u8]>,
    dirty: bool,
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl BlockFile {
    /// Begins a new file; `file_id` is random, so that a block of another file never passes.
    pub(crate) fn create(file: Arc<dyn DiskFile>, file_id: u64) -> Self {
        let header = Header {
            sequence: 0,
            high_water: 0,
            content: Vec::new(),
            durable_copy: 1,
            dirty: false,
        };
        Self::new(file, file_id, header)
    }

    /// Opens a file that was created and synced.
    pub(crate) fn open(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let mut newest: Option<(u64, Header)> = None;
        for number in 0..HEADERS {
            let mut copy = vec![0; BLOCK];
            match file.read_at(number * BLOCK_BYTES, &mut copy) {
                Err(reason) if reason.kind() == io::ErrorKind::UnexpectedEof => continue,
                read => read?,
            }
            if let Some(found) = Header::decode(&copy, number)
                && newest
                    .as_ref()
                    .is_none_or(|(_, header)| header.sequence < found.1.sequence)
            {
                newest = Some(found);
            }
        }
        let (file_id, header) = newest
            .ok_or_else(|| invalid("no copy of the data file's header is intact".to_string()))?;
        Ok(Self::new(file, file_id, header))
    }

    fn new(file: Arc<dyn DiskFile>, file_id: u64, header: Header) -> Self {
        let state = State {
            reserved: header.high_water,
            promised: 0,
            settled: header.high_water,
            header,
            groups: HashMap::new(),
            waiting: HashMap::new(),
        };
        Self {
            file,
            file_id,
            state: Mutex::new(state),
            damage: OnceLock::new(),
            refuses_writes: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under this lock is a defect that redb's own lock poisoning reports as well.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checksum(&self, number: u64, block: &[u8]) -> [u8; 8] {
        let seed = self.file_id ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        xxh3_64_with_seed(block, seed).to_le_bytes()
    }

    /// What failed its checksum, if anything did since the file was opened.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// Fails every write, sync and change of length from now on; reads go on.
    pub(crate) fn refuse_writes(&self) {
        self.refuses_writes.store(true, Ordering::SeqCst);
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.refuses_writes.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the store failed or was dropped before")),
            false => Ok(()),
        }
    }

    /// Bytes of disk the file takes.
    pub(crate) fn allocated(&self) -> io::Result<u64> {
        self.file.allocated()
    }

    /// Makes sure that `bytes` more, beside all those promised since the last
    /// [`BlockFile::settle`], can be written without finding the disk full, and that nothing
    /// waits for space. `bytes` are promised until then only if `keep`.
    pub(crate) fn reserve(&self, bytes: u64, keep: bool) -> io::Result<()> {
        let mut state = self.state();
        state.write_waiting(&*self.file)?;
        let promised = state.promised + bytes;
        let wanted = state.settled + promised + promised / GROUP + BLOCK_BYTES;
        if keep {
            state.promised = promised;
        }
        if wanted <= state.reserved {
            return Ok(());
        }
        // Ahead by an eighth of the file, so that small stores stay small and large ones ask
        // rarely.
        let ahead = (wanted / 8).clamp(MIB / 2, 16 * MIB);
        let start = state.reserved;
        if self.file.reserve(start, wanted + ahead - start).is_ok() {
            state.reserved = wanted + ahead;
        } else {
            self.file.reserve(start, wanted - start)?;
            state.reserved = wanted;
        }
        Ok(())
    }

    /// Bytes promised and not yet settled.
    pub(crate) fn promised(&self) -> u64 {
        self.state().promised
    }

    /// `promised` bytes of what was promised are written now.
    pub(crate) fn settle(&self, promised: u64) {
        let mut state = self.state();
        state.promised = state.promised.saturating_sub(promised);
        state.settled = state.header.high_water;
    }

    /// Whether writes wait in memory for disk space.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    fn read_block_run(&self, number: u64, out: &mut [u8]) -> io::Result<()> {
        let first = physical_block(number);
        self.file.read_at(first * BLOCK_BYTES, out)?;
        let mut state = self.state();
        for (index, block) in out.chunks_exact_mut(BLOCK).enumerate() {
            if let Some(waiting) = state.waiting.get(&(first + index as u64)) {
                block.copy_from_slice(waiting);
            }
        }
        let (group, slot) = group_of(number);
        let checksums = state.checksums(&*self.file, group)?;
        for (index, block) in out.chunks_exact(BLOCK).enumerate() {
            let at = slot + index * 8;
            let number = number + index as u64;
            if checksums.bytes[at..at + 8] != self.checksum(number, block) {
                let message = format!(
                    "block {number} (at byte {} of the data file) fails its checksum",
                    (first + index as u64) * BLOCK_BYTES
                );
                return Err(invalid(self.damage.get_or_init(|| message).clone()));
            }
        }
        Ok(())
    }

    fn write_block_run(&self, number: u64, data: &[u8]) -> io::Result<()> {
        let first = physical_block(number);
        let mut state = self.state();
        state.write(&*self.file, first, data)?;
        let (group, slot) = group_of(number);
        let checksums = state.checksums(&*self.file, group)?;
        checksums.dirty = true;
        for (index, block) in data.chunks_exact(BLOCK).enumerate() {
            let at = slot + index * 8;
            let sum = self.checksum(number + index as u64, block);
            checksums.bytes[at..at + 8].copy_from_slice(&sum);
        }
        Ok(())
    }
}

impl State {
    fn checksums(&mut self, file: &dyn DiskFile, group: u64) -> io::Result<&mut Checksums> {
        if !self.groups.contains_key(&group) {
            if self.groups.len() >= CACHED_GROUPS {
                self.groups.retain(|_, checksums| checksums.dirty);
            }
            let mut bytes = vec![0; BLOCK].into_boxed_slice();
            let block = checksum_block(group);
            if let Some(waiting) = self.waiting.get(&block) {
                bytes.copy_from_slice(waiting);
            } else {
                match file.read_at(block * BLOCK_BYTES, &mut bytes) {
                    // A file that ends inside its first block of checksums has none yet.
                    Err(reason) if reason.kind() == io::ErrorKind::UnexpectedEof => {}
                    read => read?,
                }
            }
            let checksums = Checksums {
                bytes,
                dirty: false,
            };
            self.groups.insert(group, checksums);
        }
        Ok(self
            .groups
            .get_mut(&group)
            .expect("it was there or was inserted just above"))
    }

    /// Writes whole physical blocks, keeping them in memory if the disk is full.
    fn write(&mut self, file: &dyn DiskFile, first: u64, data: &[u8]) -> io::Result<()> {
        let end = (first + (data.len() / BLOCK) as u64) * BLOCK_BYTES;
        match file.write_at(first * BLOCK_BYTES, data) {
            Ok(()) => {
                self.header.high_water = self.header.high_water.max(end);
                if !self.waiting.is_empty() {
                    for index in 0..data.len() / BLOCK {
                        self.waiting.remove(&(first + index as u64));
                    }
                }
            }
            Err(reason) if is_full(&reason) => {
                for (index, block) in data.chunks_exact(BLOCK).enumerate() {
                    self.waiting.insert(first + index as u64, block.into());
                }
            }
            Err(reason) => return Err(reason),
        }
        Ok(())
    }

    fn write_waiting(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        let mut numbers: Vec<u64> = self.waiting.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            file.write_at(number * BLOCK_BYTES, &self.waiting[&number])?;
            self.waiting.remove(&number);
            let end = (number + 1) * BLOCK_BYTES;
            self.header.high_water = self.header.high_water.max(end);
        }
        Ok(())
    }

    fn write_checksums(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        let mut dirty: Vec<u64> = self.groups.keys().copied().collect();
        dirty.retain(|group| self.groups[group].dirty);
        dirty.sort_unstable();
        for group in dirty {
            let checksums = self.groups.get_mut(&group).expect("its key was listed");
            checksums.dirty = false;
            let bytes = checksums.bytes.clone();
            self.write(file, checksum_block(group), &bytes)?;
        }
        Ok(())
    }

    fn write_header(&mut self, file: &dyn DiskFile, file_id: u64) -> io::Result<()> {
        self.header.sequence += 1;
        self.header.dirty = true;
        let copy = 1 - self.header.durable_copy;
        self.write(file, copy, &self.header.encode(file_id))
    }
}

impl StorageBackend for BlockFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len().map(logical_len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset < BLOCK_BYTES && offset + out.len() as u64 <= BLOCK_BYTES {
            out.fill(0);
            let state = self.state();
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let content = state.header.content.get(start..).unwrap_or_default();
            let len = content.len().min(out.len());
            out[..len].copy_from_slice(&content[..len]);
            return Ok(());
        }
        let mut rest = out;
        for (number, len) in runs(offset, rest.len())? {
            let (run, behind) = rest.split_at_mut(len);
            self.read_block_run(number, run)?;
            rest = behind;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let physical = physical_len(len);
        let mut state = self.state();
        if physical < self.file.len()? {
            state.header.high_water = state.header.high_water.min(physical);
            state.reserved = state.reserved.min(physical);
            state.settled = state.settled.min(physical);
            state
                .waiting
                .retain(|block, _| (block + 1) * BLOCK_BYTES <= physical);
            let groups = (physical / BLOCK_BYTES)
                .saturating_sub(HEADERS)
                .div_ceil(GROUP + 1);
            state.groups.retain(|group, _| *group < groups);
        }
        self.file.set_len(physical)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.state();
        state.write_checksums(&*self.file)?;
        // A sync that cannot write everything must not succeed.
        state.write_waiting(&*self.file)?;
        let header_written = std::mem::take(&mut state.header.dirty);
        // Readers and the writer that takes space need not wait for the disk. redb, which alone
        // writes, waits itself.
        drop(state);
        self.file.sync()?;
        if header_written {
            let mut state = self.state();
            state.header.durable_copy = 1 - state.header.durable_copy;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        if offset == 0 && data.len() <= MOST_CONTENT {
            let mut state = self.state();
            state.header.content = data.to_vec();
            return state.write_header(&*self.file, self.file_id);
        }
        let mut rest = data;
        for (number, len) in runs(offset, data.len())? {
            let (run, behind) = rest.split_at(len);
            self.write_block_run(number, run)?;
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
