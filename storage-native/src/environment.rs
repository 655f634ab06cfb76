//! An environment is a directory: a lock file, a format file and one numbered directory per store.
//!
//! ```text
//! lock                 held exclusively while the environment is open
//! format               "pinyon storage 2"
//! stores/000001/name   the store's name, after its checksum
//! stores/000001/name-2 the same, for when a disk damages one
//! stores/000001/data   its B-tree file
//! stores/000001/journal
//! stores/000001/journal-2
//! ```
//! Format 1 knew no second journal and is taken over by the first open.
//!
//! A store comes and goes by one rename, so that a crash leaves it whole or not there.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pinyon_core::host::{OsRandom, Random};
use pinyon_core::storage::{Environment, StoreName};
use pinyon_core::{Error, ErrorKind, Result};

use crate::compact::{self, CompactReport};
use crate::disk::{CopyOnWrite, Directory, FileSystem, sync_directory};
use crate::engine::{self, Engine};
use crate::error::io_error;
use crate::options::NativeOptions;
use crate::store::NativeStore;
use crate::store_name;
use crate::value_cache::ValueCache;
use crate::verify::{self, Progress, VerifyReport};

const FORMAT: &str = "pinyon storage 2\n";
const FORMER_FORMAT: &str = "pinyon storage 1\n";
/// Directories that are not (or no longer) stores; swept when the environment is opened.
const UNFINISHED: &str = "unfinished-";

/// Named stores in a directory. Clones share it; the directory's lock is released when the last
/// clone and the last store are gone.
#[derive(Clone)]
pub struct NativeEnvironment {
    inner: Arc<Inner>,
}

struct Inner {
    directory: PathBuf,
    options: NativeOptions,
    /// What was read lately, of all stores.
    values: Arc<ValueCache>,
    stores: Mutex<Stores>,
    /// What was found wrong with names when it was opened.
    problems: Vec<String>,
    /// Whether the files stay as they are, whatever is written.
    is_read_only: bool,
    /// The lock lasts as long as the file is open; a copy that is only read may have none.
    _lock: Option<File>,
}

#[derive(Default)]
struct Stores {
    entries: BTreeMap<StoreName, Entry>,
    last_number: u64,
    /// Directories of stores of which nobody knows the names.
    nameless: Vec<u64>,
}

struct Entry {
    number: u64,
    open: bool,
}

/// What becomes of the request for a store that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Refused,
    CreatedIfNamesAreKnown,
    Created,
}

/// Marks a store as open until it is dropped.
pub(crate) struct OpenMark {
    environment: Arc<Inner>,
    name: StoreName,
}

impl Drop for OpenMark {
    fn drop(&mut self) {
        if let Some(entry) = self.environment.stores().entries.get_mut(&self.name) {
            entry.open = false;
        }
    }
}

impl Inner {
    fn stores(&self) -> MutexGuard<'_, Stores> {
        // The map is changed only after the files were, in one step.
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_directory(&self, number: u64) -> PathBuf {
        stores_directory(&self.directory).join(format!("{number:06}"))
    }
}

fn stores_directory(directory: &Path) -> PathBuf {
    directory.join("stores")
}

impl NativeEnvironment {
    /// Opens the environment in `directory`, creating both if they do not exist.
    ///
    /// # Errors
    /// `Unavailable` if another process (or another environment in this one) has it open,
    /// `Unsupported` if a newer version wrote it, `Corrupted` if its format file is something
    /// else or gone, `InvalidRequest` if it holds something else than an environment.
    pub fn open(directory: impl Into<PathBuf>, options: NativeOptions) -> Result<Self> {
        let directory = directory.into();
        let doing = format!("open the data directory '{}'", directory.display());
        let failed = |reason| io_error(&doing, reason);
        refuse_foreign(&directory).map_err(failed)??;
        fs::create_dir_all(stores_directory(&directory)).map_err(failed)?;
        let mut created = File::options();
        created.create(true).truncate(false).write(true);
        let lock = lock_directory(&directory, &created)?;
        check_format(&directory, true)?;
        let found = list_stores(&directory, true)?;
        sync_directory(&directory).map_err(failed)?;
        Ok(Self::new(directory, options, found, Some(lock), false))
    }

    fn new(
        directory: PathBuf,
        options: NativeOptions,
        (stores, problems): (Stores, Vec<String>),
        lock: Option<File>,
        is_read_only: bool,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                directory,
                values: ValueCache::new(options.value_cache_bytes),
                options,
                stores: Mutex::new(stores),
                problems,
                is_read_only,
                _lock: lock,
            }),
        }
    }

    /// Opens the environment in `directory` to look at it: no file changes, also where opening a
    /// store replays a journal, and what is written is gone with the store. Works on read-only
    /// and on full disks.
    ///
    /// # Errors
    /// As [`NativeEnvironment::open`]; `NotFound` if there is none.
    pub fn open_read_only(directory: impl Into<PathBuf>, options: NativeOptions) -> Result<Self> {
        let directory = directory.into();
        if !stores_directory(&directory).is_dir() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("'{}' is no data directory", directory.display()),
            ));
        }
        let lock = match directory.join("lock").exists() {
            true => Some(lock_directory(&directory, File::options().read(true))?),
            false => None,
        };
        check_format(&directory, false)?;
        let found = list_stores(&directory, false)?;
        Ok(Self::new(directory, options, found, lock, true))
    }

    /// What is wrong with the names of stores, a line each; nothing is, normally.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.inner.problems
    }

    /// Writes names anew where one of the two copies is damaged or missing.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn repair_names(&self) -> Result<()> {
        for (name, entry) in &self.inner.stores().entries {
            store_name::repair(&self.inner.store_directory(entry.number), name)?;
        }
        Ok(())
    }

    /// The bytes that the files of the store called `name` take; 0 when there is none.
    ///
    /// # Errors
    /// `Internal` when the directory cannot be read.
    pub fn byte_count(&self, name: &StoreName) -> Result<u64> {
        let number = self.inner.stores().entries.get(name).map(|it| it.number);
        let Some(number) = number else { return Ok(0) };
        let path = self.inner.store_directory(number);
        let failed = |reason| io_error(format!("measure '{}'", path.display()), reason);
        let mut byte_count = 0;
        for item in fs::read_dir(&path).map_err(failed)? {
            byte_count += item.and_then(|it| it.metadata()).map_err(failed)?.len();
        }
        Ok(byte_count)
    }

    fn open_now(&self, name: &StoreName, missing: Missing) -> Result<NativeStore> {
        let (mark, number) = self.mark_open(name, missing)?;
        let directory = self.directory_of(number);
        let engine = self.open_engine(name, Arc::clone(&directory))?;
        NativeStore::start(name.clone(), engine, directory, mark, &self.inner.options)
    }

    fn directory_of(&self, number: u64) -> Arc<dyn Directory> {
        let path = self.inner.store_directory(number);
        match self.inner.is_read_only {
            true => Arc::new(CopyOnWrite::new(path)),
            false => Arc::new(FileSystem::new(path)),
        }
    }

    fn open_engine(&self, name: &StoreName, directory: Arc<dyn Directory>) -> Result<Engine> {
        let options = self.inner.options.clone();
        let values = &self.inner.values;
        Engine::open(name.clone(), directory, options, Arc::new(OsRandom), values)
    }

    /// Reads everything in a store that is not open, compares all checksums, and reports what is
    /// wrong. Blocks until it is done; `progress` is called now and then.
    ///
    /// # Errors
    /// `NotFound` if there is no such store, `Unavailable` if it is open. Damage is no error but
    /// what the report tells.
    pub fn verify(
        &self,
        name: &StoreName,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<VerifyReport> {
        let (_mark, number) = self.mark_open(name, Missing::Refused)?;
        let mut engine = match self.open_engine(name, self.directory_of(number)) {
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                return Ok(VerifyReport::unreadable(&error));
            }
            engine => engine?,
        };
        let report = verify::verify(&mut engine, progress)?;
        // A store that was found damaged may not close in peace; the report says why.
        match engine.close() {
            Err(error) if report.problem_count == 0 => Err(error),
            _ => Ok(report),
        }
    }

    /// Copies a store that is not open into a new file without the free space in between, then
    /// swaps the two. Blocks until it is done; needs room for the copy.
    ///
    /// # Errors
    /// `NotFound` if there is no such store, `Unavailable` if it is open, `StorageFull` or
    /// `Corrupted` with the store left as it was.
    pub fn compact(
        &self,
        name: &StoreName,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<CompactReport> {
        let (_mark, number) = self.mark_open(name, Missing::Refused)?;
        let random: Arc<dyn Random> = Arc::new(OsRandom);
        let directory = self.directory_of(number);
        compact::compact(name, &directory, &self.inner.options, &random, progress)
    }

    /// Marks the store as open; if there is none, `missing` says what becomes of that.
    fn mark_open(&self, name: &StoreName, missing: Missing) -> Result<(OpenMark, u64)> {
        let mut stores = self.inner.stores();
        if !stores.entries.contains_key(name) {
            if missing == Missing::Refused {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("there is no store '{}'", name.as_str()),
                ));
            }
            if self.inner.is_read_only {
                return Err(Error::corrupted(format!(
                    "store '{}' is missing from the data directory '{}'",
                    name.as_str(),
                    self.inner.directory.display()
                )));
            }
            // It may be one of those.
            if missing == Missing::CreatedIfNamesAreKnown
                && let Some(nameless) = stores.nameless.first()
            {
                return Err(Error::corrupted(format!(
                    "store '{}' is not there, and the name of the store in 'stores/{nameless:06}' \
                     is not readable; restore that one",
                    name.as_str()
                )));
            }
            let number = stores.last_number + 1;
            let path = self.inner.store_directory(number);
            create_store(&path, name, &self.inner.options)?;
            stores.last_number = number;
            let entry = Entry {
                number,
                open: false,
            };
            stores.entries.insert(name.clone(), entry);
        }
        let entry = stores
            .entries
            .get_mut(name)
            .expect("the store was there or was created just above");
        if std::mem::replace(&mut entry.open, true) {
            return Err(unavailable(format!(
                "store '{}' is open already",
                name.as_str()
            )));
        }
        let mark = OpenMark {
            environment: Arc::clone(&self.inner),
            name: name.clone(),
        };
        Ok((mark, entry.number))
    }

    fn delete_now(&self, name: &StoreName) -> Result<()> {
        let mut stores = self.inner.stores();
        let Some(entry) = stores.entries.get(name) else {
            return Ok(());
        };
        if self.inner.is_read_only {
            return Ok(());
        }
        if entry.open {
            return Err(unavailable(format!(
                "store '{}' is open and cannot be deleted",
                name.as_str()
            )));
        }
        let failed = |reason| io_error(format!("delete the store '{}'", name.as_str()), reason);
        let path = self.inner.store_directory(entry.number);
        let doomed = unfinished(&path);
        fs::rename(&path, &doomed).map_err(failed)?;
        stores.entries.remove(name);
        sync_parent(&path).map_err(failed)?;
        fs::remove_dir_all(&doomed).map_err(failed)
    }
}

impl Environment for NativeEnvironment {
    type Store = NativeStore;

    async fn open(&self, name: &StoreName) -> Result<NativeStore> {
        self.open_now(name, Missing::CreatedIfNamesAreKnown)
    }

    async fn create(&self, name: &StoreName) -> Result<NativeStore> {
        self.open_now(name, Missing::Created)
    }

    async fn list(&self) -> Result<Vec<StoreName>> {
        Ok(self.inner.stores().entries.keys().cloned().collect())
    }

    async fn delete(&self, name: &StoreName) -> Result<()> {
        self.delete_now(name)
    }
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

fn lock_directory(directory: &Path, options: &fs::OpenOptions) -> Result<File> {
    let path = directory.join("lock");
    let failed = |reason| io_error(format!("lock '{}'", path.display()), reason);
    let lock = options.open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(unavailable(format!(
            "the data directory '{}' is in use by another process",
            directory.display()
        ))),
        Err(TryLockError::Error(reason)) => Err(failed(reason)),
    }
}

/// Refuses a directory of somebody's files: it has something in it, and nothing of ours.
fn refuse_foreign(directory: &Path) -> io::Result<Result<()>> {
    let items = match fs::read_dir(directory) {
        Ok(items) => items,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(Ok(())),
        Err(reason) => return Err(reason),
    };
    let mut foreign = None;
    for item in items {
        let name = item?.file_name();
        match name.to_string_lossy().as_ref() {
            "stores" | "format" | "lock" => return Ok(Ok(())),
            // What file systems and their users put into empty directories.
            "lost+found" => {}
            hidden if hidden.starts_with('.') => {}
            other => foreign = Some(other.to_owned()),
        }
    }
    Ok(match foreign {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!(
            "'{}' is no data directory and not empty: there is '{name}' in it; name an empty or \
             a new directory",
            directory.display()
        ))),
    })
}

fn check_format(directory: &Path, may_write: bool) -> Result<()> {
    let path = directory.join("format");
    let failed = |reason| io_error(format!("read '{}'", path.display()), reason);
    let found = match fs::read(&path) {
        Ok(found) => found,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => {
            // Before there is a format there are no stores.
            let mut stores = fs::read_dir(stores_directory(directory)).map_err(failed)?;
            match stores.next() {
                None => FORMER_FORMAT.into(),
                Some(_) => {
                    return Err(Error::corrupted(format!(
                        "'{}' is missing from a data directory with stores",
                        path.display()
                    )));
                }
            }
        }
        Err(reason) => return Err(failed(reason)),
    };
    if found == FORMER_FORMAT.as_bytes() {
        if !may_write {
            return Ok(());
        }
        return write_whole(&path, FORMAT.as_bytes()).map_err(failed);
    }
    if found == FORMAT.as_bytes() {
        return Ok(());
    }
    let version = std::str::from_utf8(&found)
        .ok()
        .and_then(|text| text.strip_prefix("pinyon storage "))
        .and_then(|version| version.trim_end().parse::<u32>().ok());
    Err(match version {
        Some(version) if version > 2 => Error::new(
            ErrorKind::Unsupported,
            format!(
                "the data directory '{}' has format {version}; this version reads up to 2",
                directory.display()
            ),
        ),
        _ => Error::corrupted(format!(
            "'{}' is not the format file of a data directory",
            path.display()
        )),
    })
}

/// Reads the names of all stores, says what is wrong with them, and removes what a crash left half
/// created or half deleted, if it `may_write`.
fn list_stores(directory: &Path, may_write: bool) -> Result<(Stores, Vec<String>)> {
    let path = stores_directory(directory);
    let failed = |reason| io_error(format!("read the directory '{}'", path.display()), reason);
    let mut stores = Stores::default();
    let mut problems = Vec::new();
    for item in fs::read_dir(&path).map_err(failed)? {
        let item = item.map_err(failed)?;
        let file_name = item.file_name();
        let Some(file_name) = file_name.to_str() else {
            continue;
        };
        if file_name.starts_with(UNFINISHED) {
            if may_write {
                fs::remove_dir_all(item.path()).map_err(failed)?;
            }
            continue;
        }
        let Ok(number) = file_name.parse::<u64>() else {
            continue;
        };
        stores.last_number = stores.last_number.max(number);
        let Some(name) = store_name::read(&item.path(), &mut problems)? else {
            stores.nameless.push(number);
            continue;
        };
        let entry = Entry {
            number,
            open: false,
        };
        if stores.entries.insert(name.clone(), entry).is_some() {
            return Err(Error::corrupted(format!(
                "two directories in '{}' hold a store called '{}'",
                path.display(),
                name.as_str()
            )));
        }
    }
    Ok((stores, problems))
}

fn unfinished(store: &Path) -> PathBuf {
    let number = store.file_name().unwrap_or_default().to_string_lossy();
    store.with_file_name(format!("{UNFINISHED}{number}"))
}

fn create_store(path: &Path, name: &StoreName, options: &NativeOptions) -> Result<()> {
    let doing = format!("create the store '{}'", name.as_str());
    let failed = |reason| io_error(&doing, reason);
    let unfinished = unfinished(path);
    match fs::remove_dir_all(&unfinished) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(failed(reason)),
        _ => {}
    }
    fs::create_dir(&unfinished).map_err(failed)?;
    store_name::write(&unfinished, name).map_err(failed)?;
    let directory: Arc<dyn Directory> = Arc::new(FileSystem::new(&unfinished));
    engine::create(name, &directory, options, &OsRandom)?;
    fs::rename(&unfinished, path).map_err(failed)?;
    sync_parent(path).map_err(failed)
}

/// Writes a small file so that after a crash it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}
