//! Files and folders are called after the thing they define.

use super::Finding;

/// Words that say nothing about what a file holds.
const EMPTY_WORDS: &[&str] = &[
    "abstract",
    "base",
    "common",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "util",
    "utils",
    "utility",
    "utilities",
];

/// Finds empty words in the parts of a path.
pub fn check(path: &str) -> Vec<Finding> {
    path.split(['/', '.', '_', '-'])
        .filter(|word| EMPTY_WORDS.contains(&word.to_lowercase().as_str()))
        .map(|word| {
            Finding::new(
                path,
                format!("'{word}' names nothing; call the file after what it defines"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_words_are_found_in_files_and_folders() {
        assert_eq!(check("core/src/utils.rs").len(), 1);
        assert_eq!(check("core/src/common/key_helper.rs").len(), 2);
        assert_eq!(check("server/src/Index-Manager.ts").len(), 1);
    }

    #[test]
    fn whole_words_only() {
        assert_eq!(check("server/src/database.rs"), []);
        assert_eq!(check("core/src/managed_index.rs"), []);
    }
}
