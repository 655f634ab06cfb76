//! A journal: a preallocated file that makes a commit durable with one sync.
//!
//! ```text
//! header · header (copy) · record · record · … · zeros, or what an earlier generation left
//! ```
//! - Each record starts on a 4096-byte block, so that no write touches a block that holds an
//!   acknowledged record, and carries a checksum over all of itself, its place and the
//!   generation's random salt: what an earlier generation left behind never passes.
//! - When redb has made everything durable (a checkpoint) the journal begins a new generation at
//!   the start. The file is never shorter than preallocated, so its syncs write no metadata.
//! - A new file has a durable header before it takes a record, and a header is written over only
//!   by the next one, a sector each time. Each checkpoint notes in redb how far the journal had
//!   come ([`Note`]): one that is missing, shorter, without a header or older is damage.
//! - A record that fails its checksum ends the journal: it was torn by a crash before it was
//!   acknowledged. Unless a later record says that it had been synced: then acknowledged data is
//!   damaged, and that is an error. (Damage to what the very last sync covered cannot be told
//!   from a torn write; a checkpoint follows within [`crate::NativeOptions::checkpoint_idle_ms`]
//!   and ends that doubt.)

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use pinyon_core::host::Random;
use pinyon_core::storage::{KeySpace, Write, WriteBatch};
use pinyon_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::disk::{Directory, DiskFile};
use crate::error::io_error;

const BLOCK: usize = 4096;
const MAGIC: [u8; 8] = *b"pinyon\x00J";
/// Two copies of the header.
const HEADER_BYTES: usize = 2 * BLOCK;
const HEADER_FIELDS: usize = 32;
/// Behind those: the size and a checksum over all before. Older versions had zeros there.
const HEADER_SIZE: usize = HEADER_FIELDS;
const HEADER_END: usize = HEADER_SIZE + 16;
/// Checksum, sequence, synced, length, number of writes.
const RECORD_HEADER: usize = 40;
const DELETE: u8 = 0;
const PUT: u8 = 1;

/// One journal of a store.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: Arc<dyn Directory>,
    name: &'static str,
    /// Created by the first append.
    file: Option<Arc<dyn DiskFile>>,
    size: u64,
    generation: u64,
    salt: u64,
    /// Where the next record goes; `None` begins a new generation.
    position: Option<u64>,
    /// The last sequence number that a sync covers.
    synced: u64,
    /// How far it has come durably, as far as is known.
    durable: Note,
    buffer: Vec<u8>,
}

struct Header {
    generation: u64,
    salt: u64,
    /// The file's size; 0 in headers of older versions.
    size: u64,
}

/// How far a journal had come at a checkpoint: it may not be found behind that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Note {
    /// Its preallocated size; 0 if there was none.
    pub(crate) size: u64,
    /// Its generation; 0 in a file made before new ones began with a header.
    pub(crate) generation: u64,
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Writes zeros from `start` to `end`, and a header, durably.
fn fill(file: &dyn DiskFile, start: u64, end: u64, header: Option<&Header>) -> io::Result<()> {
    let zeros = vec![0; 1 << 16];
    let mut at = start;
    while at < end {
        let len = (end - at).min(zeros.len() as u64);
        file.write_at(at, &zeros[..len as usize])?;
        at += len;
    }
    if let Some(header) = header {
        let mut buffer = Vec::with_capacity(HEADER_BYTES);
        header.encode(&mut buffer);
        file.write_at(0, &buffer)?;
    }
    file.sync()
}

fn seed(salt: u64, offset: u64) -> u64 {
    salt ^ offset.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The bytes that a record of `batch` takes in the journal.
fn record_len(batch: &WriteBatch) -> u64 {
    let payload = batch.byte_count() + batch.len() * 10 + RECORD_HEADER;
    payload.next_multiple_of(BLOCK) as u64
}

/// The file size that a journal needs to hold one record of `batch`.
pub(crate) fn size_for(batch: &WriteBatch) -> u64 {
    HEADER_BYTES as u64 + record_len(batch)
}

impl Journal {
    /// Opens the journal called `name` in `directory`, if there is one.
    pub(crate) fn open(directory: Arc<dyn Directory>, name: &'static str) -> io::Result<Self> {
        let file = match directory.exists(name)? {
            true => Some(directory.open(name)?),
            false => None,
        };
        let size = match &file {
            Some(file) => file.len()?,
            None => 0,
        };
        Ok(Self {
            directory,
            name,
            file,
            size,
            generation: 0,
            salt: 0,
            position: None,
            synced: 0,
            durable: Note::default(),
            buffer: Vec::new(),
        })
    }

    /// The preallocated size.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How far it has come at least, whatever happens.
    pub(crate) fn note(&self) -> Note {
        self.durable
    }

    /// Whether a record of `batch` fits behind the others.
    pub(crate) fn fits(&self, batch: &WriteBatch) -> bool {
        let start = self.position.unwrap_or(HEADER_BYTES as u64);
        start + record_len(batch) <= self.size
    }

    /// The last commit that was durable when it was last asked for.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// Forgets all records; redb has made them durable.
    pub(crate) fn rewind(&mut self) {
        self.position = None;
    }

    /// Preallocates up to `size` bytes by writing zeros, durably; a new file gets its first
    /// header. The journal must be rewound.
    pub(crate) fn grow(&mut self, size: u64, random: &dyn Random) -> Result<()> {
        let failed = |reason| io_error("grow the journal", reason);
        let (file, first) = match &self.file {
            Some(file) => (Arc::clone(file), None),
            None => {
                let file = self.directory.open(self.name).map_err(failed)?;
                (file, Some(Header::next(self.generation, size, random)?))
            }
        };
        let size = size.max(self.size);
        fill(&*file, self.size, size, first.as_ref()).map_err(failed)?;
        if let Some(header) = first {
            self.directory.sync().map_err(failed)?;
            (self.generation, self.salt) = (header.generation, header.salt);
        }
        (self.size, self.file) = (size, Some(file));
        self.note_durable();
        Ok(())
    }

    fn note_durable(&mut self) {
        self.durable = Note {
            size: self.size,
            generation: self.generation,
        };
    }

    /// Appends a record, not yet synced. The caller made sure that it fits. After a
    /// failure of the write the record is not there and another may be appended in its place.
    pub(crate) fn append(
        &mut self,
        sequence: u64,
        batch: &WriteBatch,
        random: &dyn Random,
    ) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let (start, generation, salt) = match self.position {
            Some(position) => (position, self.generation, self.salt),
            None => {
                let header = Header::next(self.generation, self.size, random)?;
                header.encode(&mut buffer);
                (0, header.generation, header.salt)
            }
        };
        let record = start + buffer.len() as u64;
        encode_record(&mut buffer, record, salt, sequence, self.synced, batch);
        let file = self.file.as_ref().expect("a record fits only in a file");
        let written = file.write_at(start, &buffer);
        let end = start + buffer.len() as u64;
        // One huge batch must not keep its memory.
        buffer.shrink_to(1 << 20);
        self.buffer = buffer;
        written.map_err(|reason| io_error("write the journal", reason))?;
        (self.position, self.generation, self.salt) = (Some(end), generation, salt);
        Ok(())
    }

    /// Makes all records up to `sequence`, the last appended, durable.
    pub(crate) fn sync(&mut self, sequence: u64) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync()?;
            self.note_durable();
        }
        self.synced = sequence;
        Ok(())
    }

    /// Notes that everything up to `sequence` is durable elsewhere.
    pub(crate) fn set_synced(&mut self, sequence: u64) {
        self.synced = self.synced.max(sequence);
    }

    /// What it holds after commit `applied`. What is appended next begins a generation.
    ///
    /// # Errors
    /// `Corrupted` if records that had been synced are damaged, or if it is behind `noted`.
    pub(crate) fn read(&mut self, applied: u64, noted: Note) -> Result<Records> {
        self.synced = applied;
        // What is read may still be on its way to the disk.
        self.durable = noted;
        self.check_size(noted.size)?;
        let Some(file) = &self.file else {
            return Ok(Records::default());
        };
        let len = usize::try_from(self.size)
            .map_err(|_| Error::corrupted("the journal is longer than memory".to_string()))?;
        let mut content = vec![0; len];
        file.read_at(0, &mut content)
            .map_err(|reason| io_error("read the journal", reason))?;
        let content = Bytes::from(content);
        let header = Header::decode(&content);
        let found = header.as_ref().map_or(0, |it| it.generation);
        if found < noted.generation {
            return Err(Error::corrupted(match header {
                Some(_) => format!(
                    "'{}' is older than the data: its header says generation {found}, and was {}",
                    self.name, noted.generation
                ),
                None => format!("'{}' has lost its header", self.name),
            }));
        }
        let Some(header) = header else {
            // It was being made when that broke off, or is empty since an older version made it:
            // it is made anew.
            (self.file, self.size) = (None, 0);
            return Ok(Records::default());
        };
        self.check_size(header.size)?;
        // A file may be longer since growing it broke off, and that end not durable.
        match noted.size.max(header.size) {
            0 => self.sync_file()?,
            known => self.size = known,
        }
        if noted.generation == 0 {
            // Its name may not be durable.
            let synced = self.directory.sync();
            synced.map_err(|reason| io_error("sync the directory", reason))?;
        }
        self.generation = header.generation;
        self.salt = header.salt;
        read_records(&content, &header, applied)
    }

    /// Makes what the operating system has of it durable.
    fn sync_file(&self) -> Result<()> {
        let synced = self.file.as_ref().map_or(Ok(()), |file| file.sync());
        synced.map_err(|reason| io_error("sync the journal", reason))
    }

    fn check_size(&self, noted: u64) -> Result<()> {
        if self.size >= noted {
            return Ok(());
        }
        Err(Error::corrupted(match &self.file {
            Some(_) => format!("'{}' has {} bytes and had {noted}", self.name, self.size),
            None => format!("'{}' is missing", self.name),
        }))
    }
}

impl Header {
    /// That of the generation after number `generation`.
    fn next(generation: u64, size: u64, random: &dyn Random) -> Result<Self> {
        let mut salt = [0; 8];
        random.fill(&mut salt)?;
        Ok(Self {
            generation: generation + 1,
            salt: u64::from_le_bytes(salt),
            size,
        })
    }

    fn encode(&self, buffer: &mut Vec<u8>) {
        let mut fields = Vec::with_capacity(HEADER_END);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&self.generation.to_le_bytes());
        fields.extend_from_slice(&self.salt.to_le_bytes());
        fields.extend_from_slice(&xxh3_64(&fields).to_le_bytes());
        fields.extend_from_slice(&self.size.to_le_bytes());
        fields.extend_from_slice(&xxh3_64(&fields).to_le_bytes());
        for copy in 1..=HEADER_BYTES / BLOCK {
            buffer.extend_from_slice(&fields);
            buffer.resize(copy * BLOCK, 0);
        }
    }

    /// The newest intact copy.
    fn decode(content: &[u8]) -> Option<Self> {
        let copies = content.chunks_exact(BLOCK).take(HEADER_BYTES / BLOCK);
        let intact = copies.filter_map(|copy| {
            let fields = &copy[..HEADER_FIELDS - 8];
            if copy[..8] != MAGIC || word(copy, HEADER_FIELDS - 8)? != xxh3_64(fields) {
                return None;
            }
            let has_size = word(copy, HEADER_END - 8)? == xxh3_64(&copy[..HEADER_END - 8]);
            Some(Self {
                generation: word(copy, 8)?,
                salt: word(copy, 16)?,
                size: if has_size {
                    word(copy, HEADER_SIZE)?
                } else {
                    0
                },
            })
        });
        intact.max_by_key(|header| header.generation)
    }
}

fn encode_record(
    buffer: &mut Vec<u8>,
    offset: u64,
    salt: u64,
    sequence: u64,
    synced: u64,
    batch: &WriteBatch,
) {
    let start = buffer.len();
    buffer.resize(start + RECORD_HEADER, 0);
    for write in batch.writes() {
        let (kind, space, key, value) = match write {
            Write::Put { space, key, value } => (PUT, space, key, &value[..]),
            Write::Delete { space, key } => (DELETE, space, key, &[][..]),
        };
        buffer.extend_from_slice(&[kind, space.number()]);
        buffer.extend_from_slice(&(key.len() as u32).to_le_bytes());
        buffer.extend_from_slice(&(value.len() as u32).to_le_bytes());
        buffer.extend_from_slice(key);
        buffer.extend_from_slice(value);
    }
    let len = (buffer.len() - start) as u64;
    let header = &mut buffer[start..start + RECORD_HEADER];
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..24].copy_from_slice(&synced.to_le_bytes());
    header[24..32].copy_from_slice(&len.to_le_bytes());
    header[32..40].copy_from_slice(&(batch.len() as u64).to_le_bytes());
    let checksum = xxh3_64_with_seed(&buffer[start + 8..], seed(salt, offset));
    buffer[start..start + 8].copy_from_slice(&checksum.to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(BLOCK), 0);
}

/// An intact record: what its header says, and its writes.
struct Intact {
    sequence: u64,
    synced: u64,
    count: u64,
    payload: Bytes,
    /// Bytes it takes, with padding.
    len: usize,
}

fn intact_record(content: &Bytes, at: usize, salt: u64) -> Option<Intact> {
    let len = usize::try_from(word(content, at + 24)?).ok()?;
    let end = at.checked_add(len)?;
    if len < RECORD_HEADER || end > content.len() {
        return None;
    }
    if word(content, at)? != xxh3_64_with_seed(&content[at + 8..end], seed(salt, at as u64)) {
        return None;
    }
    Some(Intact {
        sequence: word(content, at + 8)?,
        synced: word(content, at + 16)?,
        count: word(content, at + 32)?,
        payload: content.slice(at + RECORD_HEADER..end),
        len: len.next_multiple_of(BLOCK),
    })
}

/// What a journal holds after the last commit that redb has.
#[derive(Default)]
pub(crate) struct Records {
    /// The number of the first of them.
    pub(crate) first: Option<u64>,
    /// One after the other.
    pub(crate) batches: Vec<WriteBatch>,
    /// The record behind their end that says most of what had been synced.
    pub(crate) claim: Option<Claim>,
}

/// A record that cannot be replayed and says what must have been there.
pub(crate) struct Claim {
    pub(crate) sequence: u64,
    /// Commits up to this one had been synced when it was written.
    pub(crate) synced: u64,
}

fn read_records(content: &Bytes, header: &Header, applied: u64) -> Result<Records> {
    let mut records = Records::default();
    let mut next = None;
    let mut at = HEADER_BYTES;
    while let Some(record) = intact_record(content, at, header.salt) {
        at += record.len;
        if record.sequence <= applied {
            continue;
        }
        // Commits too large for a journal take numbers too, but those are applied.
        let expected = next.unwrap_or(record.sequence);
        if record.sequence != expected {
            return Err(damaged(expected, record.sequence));
        }
        let batch = decode_batch(&record).ok_or_else(|| damaged(expected, expected))?;
        records.first = records.first.or(Some(expected));
        records.batches.push(batch);
        next = Some(expected + 1);
    }
    for at in (at..content.len()).step_by(BLOCK) {
        if let Some(record) = intact_record(content, at, header.salt)
            && records
                .claim
                .as_ref()
                .is_none_or(|claim| claim.synced < record.synced)
        {
            records.claim = Some(Claim {
                sequence: record.sequence,
                synced: record.synced,
            });
        }
    }
    Ok(records)
}

/// The error that acknowledged commits are not readable.
pub(crate) fn damaged(missing: u64, found: u64) -> Error {
    Error::new(
        ErrorKind::Corrupted,
        format!(
            "the journal is damaged: commit {missing} was acknowledged and is not readable, \
             commit {found} is"
        ),
    )
}

fn decode_batch(record: &Intact) -> Option<WriteBatch> {
    let mut batch = WriteBatch::default();
    let mut rest = record.payload.clone();
    for _ in 0..record.count {
        if rest.len() < 10 {
            return None;
        }
        let fields = rest.split_to(10);
        let (kind, space) = (fields[0], fields[1]);
        if space >= KeySpace::COUNT {
            return None;
        }
        let lens: [u8; 8] = fields[2..].try_into().ok()?;
        let [a, b, c, d, e, f, g, h] = lens;
        let key_len = u32::from_le_bytes([a, b, c, d]) as usize;
        let value_len = u32::from_le_bytes([e, f, g, h]) as usize;
        if rest.len() < key_len.checked_add(value_len)? {
            return None;
        }
        let key = rest.split_to(key_len);
        let value = rest.split_to(value_len);
        match kind {
            PUT => batch.put(KeySpace::new(space), key, value),
            DELETE => batch.delete(KeySpace::new(space), key),
            _ => return None,
        }
    }
    rest.is_empty().then_some(batch)
}

#[cfg(test)]
mod tests;
