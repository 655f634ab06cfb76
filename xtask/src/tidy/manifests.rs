//! Every dependency on other people's code says why it is there, and every crate keeps our lints.

use anyhow::{Context, Result};
use toml_edit::{Document, Item, Key, Table};

use super::Finding;

const DEPENDENCY_TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks one `Cargo.toml`.
pub fn check(path: &str, text: &str) -> Result<Vec<Finding>> {
    let manifest: Document<&str> = Document::parse(text).with_context(|| path.to_owned())?;
    let root = manifest.as_table();
    let mut findings = Vec::new();
    if let Some(workspace) = root.get("workspace").and_then(Item::as_table) {
        findings.extend(unexplained_in(path, text, workspace));
    }
    findings.extend(unexplained_in(path, text, root));
    if let Some(targets) = root.get("target").and_then(Item::as_table) {
        for target in targets.iter().filter_map(|(_, item)| item.as_table()) {
            findings.extend(unexplained_in(path, text, target));
        }
    }
    if root.contains_key("package") && !keeps_lints(root) {
        findings.push(Finding::new(
            path,
            "add [lints] workspace = true, or lints of its own with the reason",
        ));
    }
    Ok(findings)
}

/// The dependencies without a reason in the dependency tables of `parent`.
fn unexplained_in(path: &str, text: &str, parent: &Table) -> Vec<Finding> {
    DEPENDENCY_TABLES
        .iter()
        .filter_map(|name| parent.get(name)?.as_table())
        .flat_map(|table| table.iter().map(move |(name, item)| (table, name, item)))
        .filter(|(table, name, item)| {
            let key = table.key(name).expect("iter() gave the name");
            !is_ours_or_explained_elsewhere(item) && !has_comment(text, key)
        })
        .map(|(_, name, _)| {
            Finding::new(
                path,
                format!("dependency '{name}' needs a comment that says what it is for"),
            )
        })
        .collect()
}

fn is_ours_or_explained_elsewhere(item: &Item) -> bool {
    let has = |name: &str| {
        item.as_table_like()
            .is_some_and(|table| table.contains_key(name))
    };
    has("workspace") || has("path")
}

/// Whether a comment stands above the line of `key` (or above the lines right before it that
/// begin with the same word: `serde` and `serde_json` share one).
fn has_comment(text: &str, key: &Key) -> bool {
    let start = key.span().map_or(0, |span| span.start);
    let name = key.get();
    let family = name.split(['-', '_']).next().unwrap_or(name);
    for line in text[..start].lines().rev() {
        if line.starts_with('#') {
            return true;
        }
        if !line.starts_with(family) {
            return false;
        }
    }
    false
}

fn keeps_lints(root: &Table) -> bool {
    root.get("lints")
        .and_then(Item::as_table)
        .is_some_and(|lints| !lints.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        check("Cargo.toml", text)
            .unwrap()
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn each_dependency_needs_a_reason() {
        let text = "[workspace.dependencies]\nours = { path = \"core\" }\n# Reads JSON.\nserde = \"1\"\n\
            serde_json = \"1\"\ntime = \"0.3\"\n[dependencies]\nserde.workspace = true\nrand = \"1\"\n";
        let found = messages(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("'time'") && found[1].contains("'rand'"),
            "{found:?}"
        );
    }

    #[test]
    fn target_tables_count_too() {
        let text = "[target.'cfg(unix)'.dependencies]\nnix = \"1\"\n";
        assert_eq!(messages(text).len(), 1);
    }

    #[test]
    fn a_package_keeps_the_lints() {
        assert_eq!(messages("[package]\nname = \"x\"\n").len(), 1);
        assert!(messages("[package]\nname = \"x\"\n[lints]\nworkspace = true\n").is_empty());
    }
}
