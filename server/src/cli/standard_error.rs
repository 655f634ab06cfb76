//! What a command tells on standard error, whose reader may have gone (`pinyon import f 2>&1 | head`).

use std::io::{self, Write as _};

/// Writes a line. There is nobody to be told when that fails; the exit code says the rest.
pub fn print(line: &str) {
    let mut output = io::stderr().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
