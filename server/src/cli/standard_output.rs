//! What a command tells on standard output, whose reader may have seen enough (`pinyon info | head`).

use std::io::{self, ErrorKind as IoErrorKind, Write as _};

use pinyon_core::{Error, ErrorKind, Result};

/// Writes `text`. A reader that has gone is no failure.
///
/// # Errors
/// `StorageFull` when it goes to a file that has no room, `Internal` for other failures.
pub fn print(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(()),
        Err(reason) if reason.kind() == IoErrorKind::BrokenPipe => Ok(()),
        Err(reason) => {
            let kind = match reason.kind() {
                IoErrorKind::StorageFull => ErrorKind::StorageFull,
                _ => ErrorKind::Internal,
            };
            Err(Error::new(kind, format!("standard output: {reason}")))
        }
    }
}
