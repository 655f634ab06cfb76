//! Lock files of npm are whole.
//!
//! npm leaves an optional package out, silently, if the registry lacks it while npm writes the
//! file, as happens with the packages of other platforms. `npm ci` then refuses the file.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;

/// Whether the path is that of such a file.
pub fn is_lock(path: &str) -> bool {
    path.rsplit('/').next() == Some("package-lock.json")
}

/// Finds optional packages that the file names and does not describe.
pub fn check(path: &str, text: &str) -> Result<Vec<Finding>> {
    let lock: Value = serde_json::from_str(text).with_context(|| path.to_owned())?;
    let packages = lock["packages"]
        .as_object()
        .with_context(|| format!("{path}: no packages"))?;
    let described: BTreeSet<&str> = packages
        .keys()
        .filter_map(|place| place.rsplit("node_modules/").next())
        .collect();
    Ok(packages
        .iter()
        .filter_map(|(place, package)| Some((place, package["optionalDependencies"].as_object()?)))
        .flat_map(|(place, optional)| optional.keys().map(move |name| (place, name)))
        .filter(|(_, name)| !described.contains(name.as_str()))
        .map(|(place, name)| {
            Finding::new(
                path,
                format!("{place} may use {name}, which is not described: npm ci refuses that; take a version that the registry has whole"),
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_described() {
        let lock = |described: &str| {
            format!(
                r#"{{"packages": {{
                    "": {{"devDependencies": {{"rollup": "4"}}}},
                    "node_modules/rollup": {{"optionalDependencies": {{"@rollup/a": "4"}}}},
                    "node_modules/rollup/node_modules/{described}": {{}}
                }}}}"#
            )
        };
        let path = "www/package-lock.json";
        assert!(is_lock(path));
        assert!(!is_lock("www/package.json"));
        assert_eq!(check(path, &lock("@rollup/a")).unwrap(), []);
        let [finding] = &check(path, &lock("@rollup/b")).unwrap()[..] else {
            panic!("one finding");
        };
        assert!(finding.message.contains("@rollup/a"));
        assert!(check(path, "{}").is_err());
    }
}
