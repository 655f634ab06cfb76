//! Tables in memory that behave as IndexedDB does, for tests: transactions in order, each polled
//! more than once, and a quota.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pinyon_core::storage::Durability;
use pinyon_core::{Error, ErrorKind, Result};

use crate::engine::lock;
use crate::journal::JournalFile;
use crate::tables::{Change, Table, TableKey, Tables, Work};

/// A file on the simulated disk.
#[derive(Clone)]
pub(crate) struct SimulatedFile {
    content: Arc<Mutex<FileContent>>,
    writes_left: Arc<AtomicUsize>,
    failure: ErrorKind,
}

#[derive(Default)]
pub(crate) struct FileContent {
    pub(crate) bytes: Vec<u8>,
    /// What of it survives a power cut.
    pub(crate) flushed: Vec<u8>,
    /// How often it was flushed.
    pub(crate) flushes: usize,
    /// How many flushes fail from now on; those after them seem to succeed, as on real disks.
    pub(crate) failing_flushes: usize,
}

impl SimulatedFile {
    fn check(&self) -> Result<()> {
        take_one(&self.writes_left, self.failure)
    }
}

impl JournalFile for SimulatedFile {
    fn read(&self) -> Result<Vec<u8>> {
        Ok(lock(&self.content).bytes.clone())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let mut content = lock(&self.content);
        let at = usize::try_from(at).expect("files of tests are small");
        let checked = self.check();
        // What fails may have been done by half, but for what lies in one sector already.
        let is_one_sector = at + bytes.len() <= content.bytes.len().min(512);
        let done = match (&checked, is_one_sector) {
            (Ok(()), _) => bytes.len(),
            (Err(_), true) => 0,
            (Err(_), false) => bytes.len() / 2,
        };
        let length = content.bytes.len().max(at + done);
        content.bytes.resize(length, 0);
        content.bytes[at..at + done].copy_from_slice(&bytes[..done]);
        checked
    }

    fn flush(&self) -> Result<()> {
        let mut content = lock(&self.content);
        content.flushes += 1;
        if content.failing_flushes > 0 {
            content.failing_flushes -= 1;
            return Err(Error::new(ErrorKind::Closed, "the simulated disk failed"));
        }
        content.flushed = content.bytes.clone();
        Ok(())
    }

    fn truncate(&self, length: u64) -> Result<()> {
        if self.failure != ErrorKind::StorageFull {
            self.check()?;
        }
        lock(&self.content)
            .bytes
            .truncate(usize::try_from(length).expect("files of tests are small"));
        Ok(())
    }
}

fn take_one(writes_left: &AtomicUsize, failure: ErrorKind) -> Result<()> {
    let left = writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    });
    match left {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(failure, "the simulated disk refuses")),
    }
}

/// How a page comes to the files of the journal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileAccess {
    None,
    ReadOnly,
    Open,
}

#[derive(Clone)]
pub(crate) struct SimulatedTables {
    pub(crate) now_ms: Arc<AtomicU64>,
    pub(crate) files: [Arc<Mutex<FileContent>>; 2],
    access: FileAccess,
    disk: Arc<Mutex<BTreeMap<(Table, TableKey), Bytes>>>,
    /// How many more transactions may write; for deaths in the middle of a compaction.
    writes_left: Arc<AtomicUsize>,
    /// What the transactions after that fail with.
    failure: ErrorKind,
}

impl SimulatedTables {
    pub(crate) fn new() -> Self {
        Self {
            now_ms: Arc::default(),
            files: Default::default(),
            access: FileAccess::None,
            disk: Arc::default(),
            writes_left: Arc::new(AtomicUsize::new(usize::MAX)),
            failure: ErrorKind::StorageFull,
        }
    }

    /// The same disk, on which only `writes` more transactions succeed.
    pub(crate) fn failing_after(&self, writes: usize, failure: ErrorKind) -> Self {
        Self {
            now_ms: Arc::clone(&self.now_ms),
            files: self.files.clone(),
            access: self.access,
            disk: Arc::clone(&self.disk),
            writes_left: Arc::new(AtomicUsize::new(writes)),
            failure,
        }
    }

    /// The same disk, to which a page comes otherwise.
    pub(crate) fn with_files(&self, access: FileAccess) -> Self {
        let healthy = self.failing_after(usize::MAX, self.failure);
        Self { access, ..healthy }
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// The power went: `left` says what is left of each file.
    pub(crate) fn cut_power(&self, left: impl Fn(&FileContent) -> Vec<u8>) {
        for file in &self.files {
            let mut content = lock(file);
            content.bytes = left(&content);
            content.flushed = content.bytes.clone();
        }
    }

    /// The browser's user clears what pages see of the storage.
    pub(crate) fn clear_tables(&self) {
        lock(&self.disk).clear();
    }

    pub(crate) fn heal(&self) {
        self.writes_left.store(usize::MAX, Ordering::SeqCst);
    }

    pub(crate) fn keys(&self, table: Table) -> Vec<TableKey> {
        let disk = lock(&self.disk);
        let of_table = disk.keys().filter(|(of, _)| *of == table);
        of_table.map(|(_, key)| *key).collect()
    }

    pub(crate) fn damage(&self, table: Table, key: TableKey) {
        let mut disk = lock(&self.disk);
        let record = disk.get_mut(&(table, key)).expect("the record exists");
        let mut bytes = record.to_vec();
        bytes[0] ^= 1;
        *record = bytes.into();
    }

    pub(crate) fn remove(&self, table: Table, key: TableKey) {
        lock(&self.disk).remove(&(table, key));
    }
}

/// Lets others run once.
async fn turn() {
    let mut is_first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
}

impl Tables for SimulatedTables {
    type File = SimulatedFile;

    async fn open_files(&self) -> Result<Option<[SimulatedFile; 2]>> {
        turn().await;
        let files = self.files.clone().map(|content| SimulatedFile {
            content,
            writes_left: Arc::clone(&self.writes_left),
            failure: self.failure,
        });
        Ok((self.access == FileAccess::Open).then_some(files))
    }

    async fn read_files(&self) -> Result<[Vec<u8>; 2]> {
        turn().await;
        match self.access {
            FileAccess::None => Err(Error::new(ErrorKind::Unavailable, "there are no files")),
            _ => Ok(self.files.clone().map(|file| lock(&file).bytes.clone())),
        }
    }

    async fn get_many(&self, table: Table, keys: &[TableKey]) -> Result<Vec<Option<Bytes>>> {
        turn().await;
        let disk = lock(&self.disk);
        Ok(keys
            .iter()
            .map(|key| disk.get(&(table, *key)).cloned())
            .collect())
    }

    async fn get_range(
        &self,
        table: Table,
        range: RangeInclusive<TableKey>,
        limit: u32,
    ) -> Result<Vec<Bytes>> {
        turn().await;
        let disk = lock(&self.disk);
        let range = (table, *range.start())..=(table, *range.end());
        Ok(disk
            .range(range)
            .take(limit as usize)
            .map(|(_, record)| record.clone())
            .collect())
    }

    async fn apply(&self, changes: Vec<Change>, _: Durability) -> Result<()> {
        assert!(
            !changes.is_empty(),
            "IndexedDB refuses a transaction on no table"
        );
        if let Err(refused) = take_one(&self.writes_left, self.failure) {
            turn().await;
            return Err(refused);
        }
        {
            let mut disk = lock(&self.disk);
            for change in changes {
                match change {
                    Change::Put(table, key, value) => {
                        disk.insert((table, key), value.into());
                    }
                    Change::Delete(table, range) => {
                        disk.retain(|(of, key), _| *of != table || !range.contains(key));
                    }
                }
            }
        }
        turn().await;
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn drive(&self, _: Work) {
        // Goes on when somebody needs it, which shows more orders of events than a real task.
    }

    fn sleep(&self, _: u32) -> impl Future<Output = ()> + Send + use<> {
        turn()
    }
}
