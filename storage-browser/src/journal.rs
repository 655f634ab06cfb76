//! The journal: the commits of all stores, one after the other, in two files that take turns.
//!
//! A file takes a commit in microseconds, where a transaction of IndexedDB takes half a
//! millisecond; but only a worker may open one. A commit is a frame: the log record of one store.
//!
//! Invariants:
//! - frames are numbered without gaps over all stores, so what a power cut leaves is a state that
//!   all of them had together;
//! - before a file begins to be written, the other is on the disk whole;
//! - a frame says below which number all frames were on the disk when it was written: one that is
//!   missing there is damage, one above is what a power cut took from relaxed commits;
//! - the files of a young journal may go with a power cut, name and all: a browser does not say when
//!   it has written that down. What must be durable then stands in the tables too.
//! - a file is emptied when roots that are on the disk have cut off all of its records, or those
//!   left are on the disk in the other one.

use std::collections::BTreeMap;

use bytes::Bytes;
use pinyon_core::storage::Durability;
use pinyon_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What the file of a journal can do. Each call has happened when it returns; what was flushed
/// survives a power cut.
pub(crate) trait JournalFile: Send + 'static {
    fn read(&self) -> Result<Vec<u8>>;

    /// # Errors
    /// `StorageFull` when there is no room. A part may have been written.
    fn write(&self, at: u64, bytes: &[u8]) -> Result<()>;

    fn flush(&self) -> Result<()>;

    fn truncate(&self, length: u64) -> Result<()>;
}

/// The number of a log record in its store, and the record.
pub(crate) type LogRecord = (u64, Bytes);

/// After this the files of a journal, once made, are on the disk: operating systems write within half
/// of it.
pub(crate) const PROVEN_MS: u64 = 60_000;

const FILE_MAGIC: &[u8; 8] = b"pinyonJ2";
const FRAME_MAGIC: &[u8; 4] = b"pjF1";
/// Magic, generation, number of the first frame, below which number all frames were on the disk when
/// the journal was last closed, checksum.
pub(crate) const FILE_HEADER: usize = 40;
/// Magic, length of the record, number of the frame, what was on the disk, store, number of the
/// record.
const FRAME_HEADER: usize = 40;
const CHECKSUM: usize = 8;

/// One frame, as it was read.
struct Frame {
    number: u64,
    synced: u64,
    store: u64,
    record: LogRecord,
    end: usize,
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let number = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

impl Frame {
    fn encode(
        generation: u64,
        number: u64,
        synced: u64,
        store: u64,
        record: (u64, &[u8]),
    ) -> Vec<u8> {
        let (record_number, content) = record;
        let length = u32::try_from(content.len()).expect("a batch is limited to far less");
        let mut frame = Vec::with_capacity(FRAME_HEADER + content.len() + CHECKSUM);
        frame.extend_from_slice(FRAME_MAGIC);
        frame.extend_from_slice(&length.to_le_bytes());
        for field in [number, synced, store, record_number] {
            frame.extend_from_slice(&field.to_le_bytes());
        }
        frame.extend_from_slice(content);
        let sum = xxh3_64_with_seed(&frame, generation);
        frame.extend_from_slice(&sum.to_le_bytes());
        frame
    }

    /// The frame at `at`, if a whole one of this generation is there.
    fn decode(bytes: &Bytes, at: usize, generation: u64) -> Option<Self> {
        let rest = bytes.get(at..)?;
        if !rest.starts_with(FRAME_MAGIC) {
            return None;
        }
        let length = rest.get(4..8)?.try_into().ok().map(u32::from_le_bytes)?;
        let content_end = FRAME_HEADER.checked_add(length as usize)?;
        let content = rest.get(..content_end)?;
        if number_at(rest, content_end)? != xxh3_64_with_seed(content, generation) {
            return None;
        }
        Some(Self {
            number: number_at(rest, 8)?,
            synced: number_at(rest, 16)?,
            store: number_at(rest, 24)?,
            record: (
                number_at(rest, 32)?,
                bytes.slice(at + FRAME_HEADER..at + content_end),
            ),
            end: at + content_end + CHECKSUM,
        })
    }
}

fn file_header(generation: u64, first: u64, clean: u64) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..8].copy_from_slice(FILE_MAGIC);
    header[8..16].copy_from_slice(&generation.to_le_bytes());
    header[16..24].copy_from_slice(&first.to_le_bytes());
    header[24..32].copy_from_slice(&clean.to_le_bytes());
    let sum = xxh3_64_with_seed(&header[..32], generation);
    header[32..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// The generation of a file, the number of its first frame, and below which all were on the disk;
/// `None` if it has no header.
fn parse_header(bytes: &[u8]) -> Option<(u64, u64, u64)> {
    let [generation, first, clean] = [8, 16, 24].map(|at| number_at(bytes, at));
    let fields = (generation?, first?, clean?);
    let header = file_header(fields.0, fields.1, fields.2);
    (bytes.get(..FILE_HEADER)? == header).then_some(fields)
}

/// Whether a file never had the header that each has from the beginning.
pub(crate) fn is_missing(content: &[u8]) -> bool {
    content.len() < FILE_HEADER
}

/// What one file holds.
#[derive(Default)]
struct FileContent {
    has_header: bool,
    /// The number of the first frame.
    first: u64,
    clean: u64,
    frames: Vec<Frame>,
    /// Where the last whole frame ends.
    end: usize,
    length: usize,
}

impl FileContent {
    fn parse(bytes: &Bytes, generation: u64) -> Result<Self> {
        let (first, clean) = match parse_header(bytes) {
            Some((of, first, clean)) if of == generation => (first, clean),
            // Torn while it was about to begin: then the other one says so.
            _ if bytes.len() == FILE_HEADER => return Ok(Self::default()),
            // Torn while the journal was closed: what it said stands in the frames as well.
            _ => match Frame::decode(bytes, FILE_HEADER, generation) {
                Some(frame) => (frame.number, frame.number),
                None => return Err(foreign()),
            },
        };
        let (mut frames, mut end) = (Vec::new(), FILE_HEADER);
        while let Some(frame) = Frame::decode(bytes, end, generation) {
            if frame.number != first + frames.len() as u64 {
                break;
            }
            end = frame.end;
            frames.push(frame);
        }
        let content = Self {
            has_header: true,
            first,
            clean,
            frames,
            end,
            length: bytes.len(),
        };
        if content.next() < clean {
            return Err(damaged(content.next()));
        }
        content.check_end(bytes, generation)?;
        Ok(content)
    }

    fn next(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    fn is_empty(&self) -> bool {
        self.length <= FILE_HEADER
    }

    /// Whether what comes behind the last frame may have been lost.
    fn check_end(&self, bytes: &Bytes, generation: u64) -> Result<()> {
        let missing = self.next();
        let mut at = self.end;
        while let Some(found) = find(&bytes[at..], FRAME_MAGIC) {
            at += found;
            match Frame::decode(bytes, at, generation) {
                Some(later) if later.number > missing && later.synced > missing => {
                    return Err(damaged(missing));
                }
                Some(later) => at = later.end,
                None => at += 1,
            }
        }
        Ok(())
    }
}

fn foreign() -> Error {
    Error::corrupted("a file of the journal is damaged, missing, or not that of this database")
}

fn damaged(number: u64) -> Error {
    Error::corrupted(format!("frame {number} of the journal is damaged"))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

/// What both files hold.
struct Contents {
    files: [FileContent; 2],
    /// The file written last.
    current: usize,
}

impl Contents {
    fn parse(contents: [Vec<u8>; 2], generation: u64) -> Result<Self> {
        let [one, other] = contents.map(|bytes| FileContent::parse(&bytes.into(), generation));
        let files = [one?, other?];
        let is_begun = |at: usize| files[at].has_header || !files[1 - at].is_empty();
        if !is_begun(0) || !is_begun(1) {
            return Err(foreign());
        }
        let current = match (files[0].is_empty(), files[1].is_empty()) {
            (false, true) => 0,
            (true, false) => 1,
            _ => {
                let [one, other] = [0, 1].map(|at| (files[at].has_header, files[at].first));
                usize::from(other > one)
            }
        };
        let earlier = &files[1 - current];
        if !earlier.is_empty() && earlier.next() != files[current].first {
            return Err(damaged(earlier.next()));
        }
        Ok(Self { files, current })
    }

    /// The records of each store, in their order.
    fn into_records(self) -> BTreeMap<u64, Vec<LogRecord>> {
        let mut records: BTreeMap<u64, Vec<LogRecord>> = BTreeMap::new();
        for frame in self.files.into_iter().flat_map(|it| it.frames) {
            let of_store = records.entry(frame.store).or_default();
            // At the end, but for those that were copied from one file to the other.
            let number = frame.record.0;
            let at = of_store.partition_point(|(before, _)| *before < number);
            if of_store.get(at).is_none_or(|(there, _)| *there != number) {
                of_store.insert(at, frame.record);
            }
        }
        records
    }
}

/// The records of each store in files that cannot be opened, only read.
///
/// # Errors
/// `Corrupted` when something is missing that was on the disk.
pub(crate) fn records_in(
    contents: [Vec<u8>; 2],
    generation: u64,
) -> Result<BTreeMap<u64, Vec<LogRecord>>> {
    Ok(Contents::parse(contents, generation)?.into_records())
}

/// A file, and what is known about it.
struct Side<F> {
    file: F,
    /// The number of its first frame.
    first: u64,
    /// Frames below this number must be found in it.
    clean: u64,
    length: u64,
    /// Whether something of it may not be on the disk.
    is_dirty: bool,
    /// For each store with records in it that are not cut off, the last of them.
    live: BTreeMap<u64, u64>,
}

impl<F> Side<F> {
    fn is_empty(&self) -> bool {
        self.length <= FILE_HEADER as u64
    }
}

/// The open journal of an environment.
pub(crate) struct Journal<F> {
    generation: u64,
    sides: [Side<F>; 2],
    current: usize,
    /// The number of the next frame.
    next: u64,
    /// All frames below are on the disk.
    synced: u64,
    /// What was found and nobody took yet.
    found: BTreeMap<u64, Vec<LogRecord>>,
    /// For each store, where its log begins.
    cuts: BTreeMap<u64, u64>,
    /// Whether its files are there to stay.
    is_proven: bool,
    /// As long as they are not: what is in them only, with its stores.
    backlog: Vec<(u64, LogRecord)>,
    /// Why nothing can be written any more.
    failed: Option<Error>,
}

impl<F: JournalFile> Journal<F> {
    /// Begins a journal in files that belong to nobody, whatever they hold; its generation is one
    /// that they never had.
    pub(crate) fn found(files: [F; 2]) -> Result<Self> {
        let mut last = 0;
        for file in &files {
            let former = parse_header(&file.read()?).map_or(0, |(generation, ..)| generation);
            last = former.max(last);
        }
        let sides = files.map(|file| Side {
            file,
            first: 0,
            clean: 0,
            length: FILE_HEADER as u64,
            is_dirty: true,
            live: BTreeMap::new(),
        });
        let mut journal = Self {
            generation: last + 1,
            sides,
            current: 0,
            next: 0,
            synced: 0,
            found: BTreeMap::new(),
            cuts: BTreeMap::new(),
            is_proven: false,
            backlog: Vec::new(),
            failed: None,
        };
        for side in &journal.sides {
            side.file.truncate(0)?;
            side.file.write(0, &file_header(journal.generation, 0, 0))?;
        }
        journal.flush()?;
        Ok(journal)
    }

    /// Opens the journal of this generation. Of one that is not proven, everything must be in the
    /// tables before something is appended.
    ///
    /// # Errors
    /// `Corrupted` when something is missing that was on the disk.
    pub(crate) fn open(files: [F; 2], generation: u64, is_proven: bool) -> Result<Self> {
        let [one, other] = &files;
        let contents = Contents::parse([one.read()?, other.read()?], generation)?;
        for (file, content) in files.iter().zip(&contents.files) {
            if content.end < content.length {
                // Nobody was told of it, or a power cut took what came before it. It must not stand
                // behind what comes now.
                file.truncate(content.end as u64)?;
                file.flush()?;
            }
        }
        let mut known = contents.files.iter().map(|content| {
            let mut live: BTreeMap<u64, u64> = BTreeMap::new();
            for Frame { store, record, .. } in &content.frames {
                let last = live.entry(*store).or_default();
                *last = record.0.max(*last);
            }
            let end = content.end.max(FILE_HEADER) as u64;
            (content.first, content.clean, end, live)
        });
        let sides = files.map(|file| {
            let (first, clean, length, live) = known.next().expect("one for each file");
            Side {
                file,
                first,
                clean,
                length,
                // What was read may be in the memory of the operating system only.
                is_dirty: true,
                live,
            }
        });
        let current = contents.current;
        let mut journal = Self {
            generation,
            sides,
            current,
            next: contents.files[current].next(),
            synced: contents.files[current].first,
            found: contents.into_records(),
            cuts: BTreeMap::new(),
            is_proven,
            backlog: Vec::new(),
            failed: None,
        };
        // From now on the next frame can say so.
        journal.flush()?;
        Ok(journal)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What was found, and nobody took yet.
    pub(crate) fn found_records(&self) -> &BTreeMap<u64, Vec<LogRecord>> {
        &self.found
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// What is not in the tables and must be before anything is durable.
    pub(crate) fn take_backlog(&mut self) -> Vec<(u64, LogRecord)> {
        std::mem::take(&mut self.backlog)
    }

    /// Takes back what did not get into the tables.
    pub(crate) fn return_backlog(&mut self, mut backlog: Vec<(u64, LogRecord)>) {
        backlog.append(&mut self.backlog);
        self.backlog = backlog;
        self.drop_cut_backlog();
    }

    fn drop_cut_backlog(&mut self) {
        let cuts = &self.cuts;
        self.backlog
            .retain(|(store, (number, _))| cuts.get(store).is_none_or(|cut| number >= cut));
    }

    /// The records of a store, in order. Those that a root cut off may be among them.
    pub(crate) fn take_records(&mut self, store: u64) -> Result<Vec<LogRecord>> {
        if let Some(found) = self.found.remove(&store) {
            return Ok(found);
        }
        if !self.sides.iter().any(|it| it.live.contains_key(&store)) {
            return Ok(Vec::new());
        }
        let [one, other] = &self.sides;
        let contents = Contents::parse([one.file.read()?, other.file.read()?], self.generation)?;
        Ok(contents.into_records().remove(&store).unwrap_or_default())
    }

    /// Appends a commit; a durable one only to a proven journal.
    ///
    /// # Errors
    /// `StorageFull` when nothing was appended; otherwise nothing is known about it, and nothing
    /// can be appended any more.
    pub(crate) fn append(
        &mut self,
        store: u64,
        record: (u64, &[u8]),
        durability: Durability,
    ) -> Result<()> {
        self.append_frame(store, record)?;
        if !self.is_proven {
            let copy = (record.0, Bytes::copy_from_slice(record.1));
            self.backlog.push((store, copy));
        }
        match durability {
            Durability::Durable => self.flush(),
            Durability::Relaxed => Ok(()),
        }
    }

    fn append_frame(&mut self, store: u64, record: (u64, &[u8])) -> Result<()> {
        if let Some(reason) = &self.failed {
            return Err(reason.clone());
        }
        let frame = Frame::encode(self.generation, self.next, self.synced, store, record);
        let side = &mut self.sides[self.current];
        if let Err(reason) = side.file.write(side.length, &frame) {
            // A part of it must not stay: what comes next is shorter, perhaps.
            let is_undone = side.file.truncate(side.length).is_ok();
            if !is_undone || reason.kind() != ErrorKind::StorageFull {
                self.failed = Some(to_closed(&reason));
            }
            return Err(reason);
        }
        side.length += frame.len() as u64;
        side.is_dirty = true;
        side.live.insert(store, record.0);
        self.next += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        // A flush that failed once may seem to succeed the next time.
        if let Some(reason) = &self.failed {
            return Err(reason.clone());
        }
        for side in &mut self.sides {
            if side.is_dirty {
                side.file.flush().map_err(|reason| {
                    let closed = to_closed(&reason);
                    self.failed = Some(closed.clone());
                    closed
                })?;
                side.is_dirty = false;
            }
        }
        self.synced = self.next;
        Ok(())
    }

    /// Sees to it that everything is on the disk, and that this is known the next time.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.flush()?;
        let side = &mut self.sides[self.current];
        if side.clean == self.next {
            // Each store of the environment closes; mostly the one before said it.
            return Ok(());
        }
        let header = file_header(self.generation, side.first, self.next);
        match side.file.write(0, &header) {
            Ok(()) => (side.clean, side.is_dirty) = (self.next, true),
            // Nothing is lost but a way to find damage.
            Err(reason) if reason.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(reason) => {
                let closed = to_closed(&reason);
                self.failed = Some(closed.clone());
                return Err(closed);
            }
        }
        self.flush()
    }

    /// Sees to it that what was appended so far is on the disk, and can be cut off by itself: what
    /// comes from now on goes into the other file.
    pub(crate) fn turn(&mut self) {
        if self.failed.is_some() {
            return;
        }
        match self.try_turn() {
            // It stays as it is, until there is room.
            Err(reason) if reason.kind() == ErrorKind::StorageFull => {}
            Err(reason) => self.failed = Some(to_closed(&reason)),
            Ok(()) => {}
        }
    }

    fn try_turn(&mut self) -> Result<()> {
        // The root that is about to come must not outlive what other stores had before it.
        self.flush()?;
        if self.sides[self.current].is_empty() {
            return Ok(());
        }
        let [one, other] = [self.current, 1 - self.current].map(|at| self.sides[at].length);
        if !self.sides[1 - self.current].is_empty() {
            if one < other {
                // Copying is to cost no more than what was written since the last time.
                return Ok(());
            }
            self.copy_live()?;
            self.empty(1 - self.current)?;
        }
        self.flush()?;
        self.begin(1 - self.current)?;
        self.current = 1 - self.current;
        Ok(())
    }

    /// Copies what stores that write little still have in the earlier file.
    fn copy_live(&mut self) -> Result<()> {
        let earlier = &self.sides[1 - self.current];
        let content = FileContent::parse(&earlier.file.read()?.into(), self.generation)?;
        for Frame { store, record, .. } in content.frames {
            let is_live = self.sides[1 - self.current].live.contains_key(&store);
            let cut = self.cuts.get(&store).copied().unwrap_or_default();
            if !is_live || record.0 < cut {
                continue;
            }
            let last = self.sides[self.current].live.get(&store).copied();
            self.append_frame(store, (record.0, &record.1))?;
            let last = last.unwrap_or_default().max(record.0);
            self.sides[self.current].live.insert(store, last);
        }
        self.flush()
    }

    /// The records of `store` below `until` are in pages, and those on the disk.
    pub(crate) fn cut(&mut self, store: u64, until: u64) {
        self.cuts.insert(store, until);
        for side in &mut self.sides {
            if side.live.get(&store).is_some_and(|last| *last < until) {
                side.live.remove(&store);
            }
        }
        self.drop_cut_backlog();
        self.empty_dead();
    }

    /// The store was deleted.
    pub(crate) fn forget(&mut self, store: u64) {
        self.found.remove(&store);
        self.cut(store, u64::MAX);
        self.cuts.remove(&store);
    }

    fn empty_dead(&mut self) {
        if self.failed.is_some() {
            return;
        }
        for at in [1 - self.current, self.current] {
            let side = &self.sides[at];
            if !side.live.is_empty() || side.is_empty() {
                continue;
            }
            let emptied = self.empty(at).and_then(|()| {
                if at == self.current {
                    // Its numbers begin again, or they would not follow those of the other file.
                    self.next = self.sides[at].first;
                }
                self.flush()
            });
            match emptied {
                Err(reason) if reason.kind() != ErrorKind::StorageFull => {
                    self.failed = Some(to_closed(&reason));
                    return;
                }
                // The next cut tries again.
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn empty(&mut self, at: usize) -> Result<()> {
        let side = &mut self.sides[at];
        if side.clean > side.first {
            // Before they go, nothing says any more that they must be there.
            let header = file_header(self.generation, side.first, side.first);
            side.file.write(0, &header)?;
            side.file.flush()?;
            side.clean = side.first;
        }
        side.file.truncate(FILE_HEADER as u64)?;
        side.length = FILE_HEADER as u64;
        side.live.clear();
        side.is_dirty = true;
        Ok(())
    }

    /// Makes an empty file the one that goes on.
    fn begin(&mut self, at: usize) -> Result<()> {
        let header = file_header(self.generation, self.next, self.next);
        let side = &mut self.sides[at];
        side.file.write(0, &header)?;
        (side.first, side.clean, side.is_dirty) = (self.next, self.next, true);
        self.flush()
    }
}

fn to_closed(reason: &Error) -> Error {
    Error::new(
        ErrorKind::Closed,
        format!("the journal failed: {}", reason.message()),
    )
}
