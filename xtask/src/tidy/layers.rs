//! Dependencies between our own crates point one way.

use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;

/// What each crate of the product may depend on, from architecture.md. Crates that only test or
/// build (under `tests/` and `xtask/`) may depend on all of these; none of these may depend on
/// them, but for tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("pinyon-core", &[]),
    ("pinyon-storage-native", &["pinyon-core"]),
    ("pinyon-storage-browser", &["pinyon-core"]),
    ("pinyon-server", &["pinyon-core", "pinyon-storage-native"]),
    (
        "pinyon-bindings-js",
        &["pinyon-core", "pinyon-storage-browser"],
    ),
];

/// One crate of the workspace and those of its dependencies that are workspace crates too.
struct Crate<'a> {
    name: &'a str,
    manifest: &'a str,
    /// Whether it is part of what users run.
    is_product: bool,
    internal: Vec<(&'a str, DependencyKind)>,
}

/// Compares the workspace with the allowed directions.
pub fn check(metadata: &Metadata) -> Vec<Finding> {
    let names: Vec<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    metadata
        .packages
        .iter()
        .flat_map(|package| {
            let manifest = package
                .manifest_path
                .strip_prefix(&metadata.workspace_root)
                .unwrap_or(&package.manifest_path)
                .as_str();
            check_crate(&Crate {
                name: package.name.as_str(),
                manifest,
                is_product: !manifest.starts_with("tests/") && !manifest.starts_with("xtask/"),
                internal: package
                    .dependencies
                    .iter()
                    .filter(|dependency| names.contains(&dependency.name.as_str()))
                    .map(|dependency| (dependency.name.as_str(), dependency.kind))
                    .collect(),
            })
        })
        .collect()
}

fn check_crate(package: &Crate) -> Vec<Finding> {
    if !package.is_product {
        return Vec::new();
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
        let message = format!(
            "crate {} has no place in the layers: decide what it may depend on and add it to xtask/src/tidy/layers.rs",
            package.name
        );
        return vec![Finding::new(package.manifest, message)];
    };
    package
        .internal
        .iter()
        .filter(|(name, kind)| *kind != DependencyKind::Development && !allowed.contains(name))
        .map(|(name, _)| {
            let message = format!(
                "{} must not depend on {name}; it may depend on {allowed:?}",
                package.name
            );
            Finding::new(package.manifest, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, is_product: bool, internal: &[(&str, DependencyKind)]) -> usize {
        check_crate(&Crate {
            name,
            manifest: "x/Cargo.toml",
            is_product,
            internal: internal.to_vec(),
        })
        .len()
    }

    #[test]
    fn dependencies_point_one_way() {
        use DependencyKind::{Development, Normal};
        assert_eq!(
            findings("pinyon-server", true, &[("pinyon-core", Normal)]),
            0
        );
        assert_eq!(
            findings("pinyon-core", true, &[("pinyon-storage-native", Normal)]),
            1
        );
        assert_eq!(
            findings("pinyon-storage-native", true, &[("pinyon-server", Normal)]),
            1
        );
        assert_eq!(
            findings(
                "pinyon-storage-native",
                true,
                &[("pinyon-conformance", Development)]
            ),
            0
        );
        assert_eq!(
            findings(
                "pinyon-storage-native",
                true,
                &[("pinyon-conformance", Normal)]
            ),
            1
        );
    }

    #[test]
    fn tests_may_use_anything_and_new_crates_need_a_place() {
        assert_eq!(
            findings(
                "pinyon-benches",
                false,
                &[("pinyon-server", DependencyKind::Normal)]
            ),
            0
        );
        assert_eq!(findings("pinyon-utilities", true, &[]), 1);
    }
}
