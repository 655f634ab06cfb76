//! Files stay small enough to read, and the repository small enough to clone.

use super::Finding;

/// The most lines that a source file has.
const MAX_LINES: usize = 800;
/// The largest file that git tracks.
const MAX_BYTES: u64 = 1024 * 1024;
/// Files written by programs and read by them; add one with its reason.
const MAY_BE_LARGE: &[&str] = &[];
/// What people read and write line by line.
const SOURCE_ENDINGS: &[&str] = &[
    ".rs", ".ts", ".js", ".mjs", ".svelte", ".py", ".css", ".html",
];

/// Counts lines of sources.
pub fn check_lines(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let is_source = SOURCE_ENDINGS.iter().any(|ending| path.ends_with(ending));
    (is_source && lines > MAX_LINES).then(|| {
        Finding::new(
            path,
            format!("{lines} lines; split it, {MAX_LINES} is the most"),
        )
    })
}

/// Finds large files.
pub fn check_bytes(path: &str, bytes: u64) -> Option<Finding> {
    (bytes > MAX_BYTES && !MAY_BE_LARGE.contains(&path)).then(|| {
        Finding::new(
            path,
            format!("{bytes} bytes; tracked files have at most {MAX_BYTES}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_inclusive() {
        assert_eq!(check_lines("a.rs", &"x\n".repeat(MAX_LINES)), None);
        assert!(check_lines("a.rs", &"x\n".repeat(MAX_LINES + 1)).is_some());
        assert_eq!(check_bytes("a.bin", MAX_BYTES), None);
        assert!(check_bytes("a.bin", MAX_BYTES + 1).is_some());
    }

    #[test]
    fn only_sources_are_counted_in_lines() {
        assert_eq!(check_lines("Cargo.lock", &"x\n".repeat(5000)), None);
    }
}
