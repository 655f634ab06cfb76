//! The name of a store in its directory: two small files, so that one damaged sector loses no name.
//!
//! Both hold the name behind its checksum, since a name damaged on disk would be another valid one.

use std::fs;
use std::io;
use std::path::Path;

use pinyon_core::Result;
use pinyon_core::storage::StoreName;
use xxhash_rust::xxh3::xxh3_64;

use crate::environment::write_whole;
use crate::error::io_error;

/// The second came later: stores of older versions have only the first.
const FILES: [&str; 2] = ["name", "name-2"];

enum Copy {
    Whole(StoreName),
    Missing,
    Damaged,
}

fn content(name: &StoreName) -> String {
    let name = name.as_str();
    format!("{:016x} {name}", xxh3_64(name.as_bytes()))
}

fn parse(bytes: Vec<u8>) -> Option<StoreName> {
    let text = String::from_utf8(bytes).ok()?;
    let (_, name) = text.split_once(' ')?;
    let name = StoreName::new(name).ok()?;
    (content(&name) == text).then_some(name)
}

fn read_copy(path: &Path) -> Result<Copy> {
    match fs::read(path) {
        Ok(bytes) => Ok(parse(bytes).map_or(Copy::Damaged, Copy::Whole)),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(Copy::Missing),
        Err(reason) => Err(io_error(format!("read '{}'", path.display()), reason)),
    }
}

/// Writes both into the directory of a new store.
pub(crate) fn write(directory: &Path, name: &StoreName) -> io::Result<()> {
    for file in FILES {
        write_whole(&directory.join(file), content(name).as_bytes())?;
    }
    Ok(())
}

/// Reads the name of the store in `directory`, `None` if neither file has it, and adds what is
/// wrong to `problems`.
pub(crate) fn read(directory: &Path, problems: &mut Vec<String>) -> Result<Option<StoreName>> {
    let [first, second] = FILES.map(|file| read_copy(&directory.join(file)));
    let [first, second] = [first?, second?];
    let is_older = matches!((&first, &second), (Copy::Whole(_), Copy::Missing));
    let mut found = None;
    for (file, copy) in FILES.iter().zip([first, second]) {
        let path = directory.join(file);
        let what = match copy {
            Copy::Whole(name) => {
                found.get_or_insert(name);
                continue;
            }
            Copy::Missing if is_older => continue,
            Copy::Missing => "is missing",
            Copy::Damaged => "does not hold a store's name",
        };
        problems.push(format!("'{}' {what}", path.display()));
    }
    Ok(found)
}

/// Writes the files that do not hold `name`.
pub(crate) fn repair(directory: &Path, name: &StoreName) -> Result<()> {
    for file in FILES {
        let path = directory.join(file);
        if matches!(read_copy(&path)?, Copy::Whole(found) if found == *name) {
            continue;
        }
        write_whole(&path, content(name).as_bytes())
            .map_err(|reason| io_error(format!("write '{}'", path.display()), reason))?;
    }
    Ok(())
}
