//! What the fuzzer calls: one function for each place where input of unknown shape comes in.
//!
//! A function panics when a promise is broken, and for no other reason. To add one: write it
//! here, add it to [`TARGETS`], to `../Cargo.toml` and `../fuzz_targets/`, and commit a few small
//! inputs of every shape to `../corpus/NAME/`. `cargo xtask fuzz NAME` runs it; the test below
//! replays what is committed, so every input that once broke something stays fixed.

mod ids;
mod imports;
mod json;
mod languages;
mod records;
mod requests;
mod sync;
mod versions;

use pinyon_core::host::Timestamp;

/// A function that the fuzzer calls with its input.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpus folders.
pub const TARGETS: &[(&str, Target)] = &[
    ("bulk_docs", requests::bulk_docs),
    ("change_vector", versions::change_vector),
    ("definition", languages::definition),
    ("document_id", ids::document_id),
    ("id_pattern", ids::id_pattern),
    ("import", imports::import),
    ("index_records", records::index_records),
    ("include_path", json::include_path),
    ("json", json::json),
    ("load_query", requests::load_query),
    ("records", records::records),
    ("rql", languages::rql),
    ("sync_frame", sync::sync_frame),
    ("timestamp", timestamp),
];

pub use ids::{document_id, id_pattern};
pub use imports::import;
pub use json::{include_path, json};
pub use languages::{definition, rql};
pub use records::{index_records, records};
pub use requests::{bulk_docs, load_query};
pub use sync::sync_frame;
pub use versions::change_vector;

/// The input as text in two parts, the first line and the rest.
fn two_texts(input: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(input).ok()?.split_once('\n')
}

/// Dates: what parses is written so that it parses to the same moment, and then to the same text.
pub fn timestamp(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(moment) = Timestamp::parse(text) {
        let written = moment.to_text();
        let read = Timestamp::parse(&written).expect("its own text is a date");
        assert_eq!(read, moment, "'{text}' became '{written}'");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    #[test]
    fn committed_inputs_break_nothing() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
        let mut folders: Vec<String> = fs::read_dir(&corpus)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort_unstable();
        let mut names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(
            folders, names,
            "each target has a corpus folder, and each folder a target"
        );
        for (name, target) in TARGETS {
            let inputs: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().collect();
            assert!(!inputs.is_empty(), "{name} has no committed input");
            for input in inputs {
                let path = input.unwrap().path();
                println!("{}", path.display());
                target(&fs::read(path).unwrap());
            }
        }
    }
}
